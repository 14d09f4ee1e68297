/* registration_listing.c - see registration_listing.h. The whole store is read, page by page, by
 * the worker that is asked. */
#include "registration_listing.h"

#include "binding_removal.h"
#include "common/clock.h"
#include "ipc/query_argument.h"
#include "ipc/slot.h"
#include "location.h"
#include "worker-sip/json.h"

#include <errno.h>
#include <stdlib.h>

/* Rows of the store that are read in one step. */
#define LIST_PAGE 256

/* One question at work. */
struct registration_list {
	struct sip *sip;
	struct str user, domain, source, agent; /* p == NULL: any */
	uint64_t limit, matched;
	bool counted;
	void (*line)(void *arg, struct str json);
	void *arg;
	struct str asked;    /* the address of record asked for */
	char after[AOR_MAX]; /* the last one listed */
	size_t after_length;
};

/* ---- which are meant ---- */

static bool registration_has(struct str text, struct str part)
{
	for (size_t i = 0; i + part.n <= text.n; i++)
		if (str_equal_nocase((struct str){text.p + i, part.n}, part))
			return true;
	return false;
}

/* An address of record is "sip:", user, "@" and domain. */
static bool registration_names(struct str aor, const struct registration_list *l)
{
	struct str rest = str_starts(aor, S("sip:")) ? str_from(aor, 4) : aor;
	size_t at = rest.n;

	while (at && rest.p[at - 1] != '@')
		at--;
	struct str user = {rest.p, at ? at - 1 : 0}, domain = str_from(rest, at);
	return (!l->user.p || str_equal(user, l->user) || str_equal(rest, l->user)) &&
	       (!l->domain.p || str_equal_nocase(domain, l->domain));
}

static bool registration_fits(
	const struct registration_list *l, struct str aor, const struct binding *b, struct str peer)
{
	struct endpoint endpoint = b->flow.peer;
	char text[ENDPOINT_TEXT_SIZE];
	struct str host = {text, endpoint_host_text(&endpoint, text)};

	return registration_names(aor, l) &&
	       (!l->source.p || str_equal(peer, l->source) || str_equal(host, l->source)) &&
	       (!l->agent.p || registration_has(b->user_agent, l->agent));
}

/* ---- the list ---- */

static void registration_write(
	struct writer *w, struct str aor, const struct binding *b, struct str peer)
{
	uint64_t now = clock_realtime_ms();

	write_literal(w, "{");
	write_json_field(w, "aor", aor);
	write_json_field(w, "contact", b->contact);
	write_json_field(w, "transport", str_of(transport_name(b->flow.transport)));
	write_json_field(w, "source", peer);
	write_literal(w, "\"q\":");
	write_number(w, b->q / 1000);
	write_literal(w, ".");
	write_number(w, b->q % 1000 / 100);
	write_literal(w, ",");
	write_json_number(w, "expires", b->expires_at > now ? (b->expires_at - now) / 1000 : 0);
	write_json_field(w, "user-agent", b->user_agent);
	write_json_end(w);
}

static void registration_visit(void *arg, struct str aor, const struct binding *b)
{
	struct registration_list *l = arg;
	char buffer[8192], text[ENDPOINT_TEXT_SIZE];
	struct writer w = WRITER(buffer);
	struct str peer = {text, endpoint_text(&b->flow.peer, text)};

	if (aor.n <= sizeof(l->after)) {
		memcpy(l->after, aor.p, aor.n);
		l->after_length = aor.n;
	}
	if (!registration_fits(l, aor, b, peer))
		return;
	l->matched++;
	if (l->counted || (l->limit && l->matched > l->limit))
		return;
	registration_write(&w, aor, b, peer);
	if (!w.full)
		l->line(l->arg, writer_text(&w));
}

static void registration_visit_asked(void *arg, const struct binding *b)
{
	struct registration_list *l = arg;

	registration_visit(arg, l->asked, b);
}

/* The address of record that an operator means, with or without its scheme. Its length; 0: a name
 * that is nobody's. */
static size_t registration_asked(struct str name, char buffer[AOR_MAX])
{
	char text[QUERY_ARGUMENT_MAX + 4];
	struct writer w = WRITER(text);
	struct uri_parts uri;

	if (!str_starts(name, S("sip:")) && !str_starts(name, S("sips:")))
		write_literal(&w, "sip:");
	write_str(&w, name);
	long n = w.full || uri_parse(writer_text(&w), &uri) ? -EINVAL : aor_of(&uri, buffer);
	return n > 0 ? (size_t)n : 0;
}

void registration_list(
	struct sip *sip, const char *arguments, void (*line)(void *arg, struct str json), void *arg)
{
	struct registration_list l = {.sip = sip,
		.user = query_argument(arguments, "user"),
		.domain = query_argument(arguments, "domain"),
		.source = query_argument(arguments, "source"),
		.agent = query_argument(arguments, "agent"),
		.limit = query_argument_number(arguments, "limit", QUERY_LISTED),
		.counted = query_argument(arguments, "count").p != NULL,
		.line = line,
		.arg = arg};
	struct str aor = query_argument(arguments, "aor");
	char buffer[AOR_MAX];
	int rows = 0;

	if (aor.p) {
		l.asked = (struct str){buffer, registration_asked(aor, buffer)};
		if (l.asked.n)
			location_lookup(sip->location, l.asked, registration_visit_asked, &l);
	} else {
		do
			rows = location_list(sip->location, (struct str){l.after, l.after_length},
				LIST_PAGE, registration_visit, &l);
		while (rows > 0);
	}
	json_number_line("matched", l.matched, line, arg);
}

/* ---- removal ---- */

static bool registration_goes(void *arg, const struct binding *b)
{
	const struct str *contact = arg;
	struct str plain = str_starts(b->contact, S("sip:")) ? str_from(b->contact, 4) : b->contact;

	return !contact->p || str_equal(b->contact, *contact) || str_equal(plain, *contact);
}

void registration_remove(
	struct sip *sip, const char *arguments, void (*line)(void *arg, struct str json), void *arg)
{
	struct str contact = query_argument(arguments, "contact");
	char buffer[AOR_MAX];
	struct str aor = {buffer, registration_asked(query_argument(arguments, "aor"), buffer)};
	unsigned removed = 0;

	if (aor.n && sip->slots.next[slot_of_aor(aor, &sip->keys.slot_key)] == sip->index) {
		int error = binding_remove(
			sip->location, aor, registration_goes, &contact, &removed);

		if (error) {
			line(arg, S("{\"error\":\"the store takes no change now\"}"));
			return;
		}
		counter_add(COUNTER_BINDINGS_REMOVED, removed);
	}
	json_number_line("removed", removed, line, arg);
}
