/* subscription_listing.c - see subscription_listing.h. Nothing here is on the way of a message: it
 * runs when an operator asks. */
#include "subscription_listing.h"

#include "ipc/query_argument.h"
#include "ipc/syntax.h"
#include "reg_watch.h"
#include "subscription.h"
#include "worker-sip/json.h"

/* Whether name, NAME@DOMAIN, is user, who may come without a domain. */
static bool subscription_user_is(struct str name, struct str user)
{
	size_t at = str_find(user, '@'), domain = str_find(name, '@');

	if (!name.n || !str_equal((struct str){name.p, domain}, (struct str){user.p, at}))
		return false;
	return at == user.n || str_equal_nocase(str_from(name, domain), str_from(user, at));
}

/* A subscription as it is listed: of the two sides that pass it on, or of the registrar's, which
 * has no other side. */
struct subscription_row {
	const struct sip *sip;
	const struct dialog *a, *b; /* b: NULL, where we are the notifier ourselves */
	struct str event, state, user, called;
	uint64_t began, expires_at;
};

static bool subscription_is_of_zone(const struct subscription_row *r, struct str zone)
{
	const struct settings *settings = r->sip->settings;

	return str_equal(settings_zone_name(settings, r->a->zone), zone) ||
	       (r->b && str_equal(settings_zone_name(settings, r->b->zone), zone));
}

static uint64_t subscription_age(const struct subscription_row *r)
{
	return (loop_now(r->sip->loop) - r->began) / 1000;
}

static bool subscription_fits(const struct subscription_row *r, const char *arguments)
{
	struct str user = query_argument(arguments, "user"),
		   zone = query_argument(arguments, "zone"),
		   event = query_argument(arguments, "event");

	return (!user.p || subscription_user_is(r->user, user) ||
		       subscription_user_is(r->called, user)) &&
	       (!zone.p || subscription_is_of_zone(r, zone)) &&
	       (!event.p || str_equal_nocase(value_without_params(r->event), event)) &&
	       subscription_age(r) >= query_argument_number(arguments, "older", 0);
}

static struct str subscription_state(const struct subscription *s)
{
	return s->leaving ? S("ending") : s->notified ? S("active") : S("new");
}

static void subscription_write_peer(struct writer *w, const char *name, const struct dialog *d)
{
	char text[ENDPOINT_TEXT_SIZE];

	write_json_field(
		w, name, d ? (struct str){text, endpoint_text(&d->flow.peer, text)} : STR_EMPTY);
}

static void subscription_write(struct writer *w, const struct subscription_row *r)
{
	const struct settings *settings = r->sip->settings;
	uint64_t now = loop_now(r->sip->loop);

	write_literal(w, "{");
	write_json_field(w, "call-id", r->a->call_id);
	write_json_field(w, "event", r->event);
	write_json_field(w, "state", r->state);
	write_json_number(w, "seconds", subscription_age(r));
	write_json_number(w, "expires", r->expires_at > now ? (r->expires_at - now) / 1000 : 0);
	write_json_field(w, "from", r->a->remote);
	write_json_field(w, "to", r->a->local);
	write_json_field(w, "user", r->user);
	subscription_write_peer(w, "subscriber", r->a);
	subscription_write_peer(w, "notifier", r->b);
	write_json_field(w, "zone", settings_zone_name(settings, r->a->zone));
	write_json_field(
		w, "notifier-zone", r->b ? settings_zone_name(settings, r->b->zone) : STR_EMPTY);
	write_json_number(w, "slot", r->a->slot);
	write_json_number(w, "worker", r->sip->index);
	write_json_end(w);
}

struct subscription_listing {
	struct sip *sip;
	const char *arguments;
	uint64_t limit, matched;
	bool counted;
	void (*line)(void *arg, struct str json);
	void *arg;
};

static void subscription_listing_add(
	struct subscription_listing *l, const struct subscription_row *r)
{
	char buffer[8192];
	struct writer w = WRITER(buffer);

	if (!subscription_fits(r, l->arguments))
		return;
	l->matched++;
	if (l->counted || (l->limit && l->matched > l->limit))
		return;
	subscription_write(&w, r);
	if (!w.full)
		l->line(l->arg, writer_text(&w));
}

static void subscription_listing_add_watch(void *arg, const struct reg_watch_row *watch)
{
	struct subscription_listing *l = arg;
	size_t colon = str_find(watch->aor, ':');

	subscription_listing_add(l, &(struct subscription_row){.sip = l->sip,
					    .a = watch->dialog,
					    .event = S("reg"),
					    .state = S("active"),
					    .called = str_from(watch->aor, colon + 1),
					    .began = watch->began,
					    .expires_at = watch->expires_at});
}

void subscription_list(
	struct sip *sip, const char *arguments, void (*line)(void *arg, struct str json), void *arg)
{
	struct subscription_listing l = {.sip = sip,
		.arguments = arguments,
		.limit = query_argument_number(arguments, "limit", QUERY_LISTED),
		.counted = query_argument(arguments, "count").p != NULL,
		.line = line,
		.arg = arg};

	for (const struct subscription *s = sip->subscription_list; s; s = s->next)
		subscription_listing_add(&l, &(struct subscription_row){.sip = sip,
						     .a = s->a,
						     .b = s->b,
						     .event = s->event,
						     .state = subscription_state(s),
						     .user = s->user,
						     .called = s->called,
						     .began = s->began,
						     .expires_at = s->expires_at});
	reg_watches_each(sip, subscription_listing_add_watch, &l);
	json_number_line("matched", l.matched, line, arg);
}
