/* subscription_listing.c - see subscription_listing.h. Nothing here is on the way of a message: it
 * runs when an operator asks. */
#include "subscription_listing.h"

#include "ipc/query_argument.h"
#include "ipc/syntax.h"
#include "subscription.h"
#include "worker-sip/json.h"

static struct str subscription_package(const struct subscription *s)
{
	return value_without_params(s->event);
}

/* Whether name, NAME@DOMAIN, is user, who may come without a domain. */
static bool subscription_user_is(struct str name, struct str user)
{
	size_t at = str_find(user, '@'), domain = str_find(name, '@');

	if (!name.n || !str_equal((struct str){name.p, domain}, (struct str){user.p, at}))
		return false;
	return at == user.n || str_equal_nocase(str_from(name, domain), str_from(user, at));
}

static bool subscription_is_of_zone(const struct subscription *s, struct str zone)
{
	const struct settings *settings = s->sip->settings;

	return str_equal(settings_zone_name(settings, s->a->zone), zone) ||
	       str_equal(settings_zone_name(settings, s->b->zone), zone);
}

static uint64_t subscription_age(const struct subscription *s)
{
	return (loop_now(s->sip->loop) - s->began) / 1000;
}

static bool subscription_fits(const struct subscription *s, const char *arguments)
{
	struct str user = query_argument(arguments, "user"),
		   zone = query_argument(arguments, "zone"),
		   event = query_argument(arguments, "event");

	return (!user.p || subscription_user_is(s->user, user) ||
		       subscription_user_is(s->called, user)) &&
	       (!zone.p || subscription_is_of_zone(s, zone)) &&
	       (!event.p || str_equal_nocase(subscription_package(s), event)) &&
	       subscription_age(s) >= query_argument_number(arguments, "older", 0);
}

static struct str subscription_state(const struct subscription *s)
{
	return s->leaving ? S("ending") : s->notified ? S("active") : S("new");
}

static void subscription_write_peer(struct writer *w, const char *name, const struct dialog *d)
{
	char text[ENDPOINT_TEXT_SIZE];

	write_json_field(w, name, (struct str){text, endpoint_text(&d->flow.peer, text)});
}

static void subscription_write(struct writer *w, const struct subscription *s)
{
	const struct settings *settings = s->sip->settings;
	uint64_t now = loop_now(s->sip->loop);

	write_literal(w, "{");
	write_json_field(w, "call-id", s->a->call_id);
	write_json_field(w, "event", s->event);
	write_json_field(w, "state", subscription_state(s));
	write_json_number(w, "seconds", subscription_age(s));
	write_json_number(w, "expires", s->expires_at > now ? (s->expires_at - now) / 1000 : 0);
	write_json_field(w, "from", s->a->remote);
	write_json_field(w, "to", s->a->local);
	write_json_field(w, "user", s->user);
	subscription_write_peer(w, "subscriber", s->a);
	subscription_write_peer(w, "notifier", s->b);
	write_json_field(w, "zone", settings_zone_name(settings, s->a->zone));
	write_json_field(w, "notifier-zone", settings_zone_name(settings, s->b->zone));
	write_json_number(w, "slot", s->a->slot);
	write_json_number(w, "worker", s->sip->index);
	write_json_end(w);
}

void subscription_list(
	struct sip *sip, const char *arguments, void (*line)(void *arg, struct str json), void *arg)
{
	uint64_t limit = query_argument_number(arguments, "limit", QUERY_LISTED), matched = 0;
	bool counted = query_argument(arguments, "count").p != NULL;

	for (const struct subscription *s = sip->subscription_list; s; s = s->next) {
		char buffer[8192];
		struct writer w = WRITER(buffer);

		if (!subscription_fits(s, arguments))
			continue;
		matched++;
		if (counted || (limit && matched > limit))
			continue;
		subscription_write(&w, s);
		if (!w.full)
			line(arg, writer_text(&w));
	}
	json_number_line("matched", matched, line, arg);
}
