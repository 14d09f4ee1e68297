/* listing.c - the rows that sipwardctl shows of this worker, as JSON lines in REPLY packets. */
#include "listing.h"

#include "common/clock.h"
#include "ipc/query_argument.h"
#include "json.h"
#include "worker-sip/call/call.h"
#include "worker-sip/call/call_listing.h"
#include "worker-sip/call/call_trace.h"
#include "worker-sip/registrar/location.h"
#include "worker-sip/routing/target_listing.h"

#include <errno.h>
#include <stdlib.h>

/* Rows of `sipwardctl registrations` read in one step. */
#define LIST_PAGE 256
/* The text of a REPLY packet is sent on when it holds this much. */
#define REPLY_CHUNK 16384

/* One query at work. */
struct listing {
	struct sip *sip;
	uint32_t id;
	size_t n;
	char text[REPLY_CHUNK + CALL_ROW_MAX + 1];
	char after[AOR_MAX]; /* last address of record listed */
	size_t after_length;
	struct str asked; /* the address of record asked for */
};

static void listing_send(struct listing *l, bool last)
{
	struct lifeline_reply head = {.id = l->id, .last = last};

	worker_send(&l->sip->worker, LIFELINE_REPLY, &head, sizeof(head), l->text, l->n);
	l->n = 0;
}

static void listing_add_row(void *arg, struct str json)
{
	struct listing *l = arg;

	if (json.n + 1 > sizeof(l->text) - l->n && l->n)
		listing_send(l, false);
	if (json.n + 1 > sizeof(l->text))
		return;
	memcpy(l->text + l->n, json.p, json.n);
	l->n += json.n;
	l->text[l->n++] = '\n';
	if (l->n >= REPLY_CHUNK)
		listing_send(l, false);
}

static void listing_binding(void *arg, struct str aor, const struct binding *b)
{
	struct listing *l = arg;
	char buffer[8192], peer[ENDPOINT_TEXT_SIZE];
	struct writer w = WRITER(buffer);
	uint64_t now = clock_realtime_ms();

	write_literal(&w, "{");
	write_json_field(&w, "aor", aor);
	write_json_field(&w, "contact", b->contact);
	write_json_field(&w, "transport", str_of(transport_name(b->flow.transport)));
	write_json_field(&w, "source", (struct str){peer, endpoint_text(&b->flow.peer, peer)});
	write_literal(&w, "\"q\":");
	write_number(&w, b->q / 1000);
	write_literal(&w, ".");
	write_number(&w, b->q % 1000 / 100);
	write_literal(&w, ",\"expires\":");
	write_number(&w, b->expires_at > now ? (b->expires_at - now) / 1000 : 0);
	write_literal(&w, "}");
	if (!w.full)
		listing_add_row(l, writer_text(&w));
	if (aor.n <= sizeof(l->after)) {
		memcpy(l->after, aor.p, aor.n);
		l->after_length = aor.n;
	}
}

static void listing_one(void *arg, const struct binding *b)
{
	struct listing *l = arg;

	listing_binding(arg, l->asked, b);
}

/* Lists the bindings of the address of record that the operator named, with or without its scheme.
 * A name that is nobody's has none. */
static void listing_address(struct listing *l, struct str name)
{
	char text[sizeof(((struct lifeline_query *)0)->argument) + 4], buffer[AOR_MAX];
	struct writer w = WRITER(text);
	struct uri_parts uri;

	if (!str_starts(name, S("sip:")) && !str_starts(name, S("sips:")))
		write_literal(&w, "sip:");
	write_str(&w, name);
	long n = w.full || uri_parse(writer_text(&w), &uri) ? -EINVAL : aor_of(&uri, buffer);
	if (n <= 0)
		return;
	l->asked = (struct str){buffer, (size_t)n};
	location_lookup(l->sip->location, l->asked, listing_one, l);
}

static void listing_registrations(struct listing *l)
{
	int rows;

	do
		rows = location_list(l->sip->location, (struct str){l->after, l->after_length},
			LIST_PAGE, listing_binding, l);
	while (rows > 0);
}

/* Has the targets of a trunk pinged by the worker that does that, which says how many they are. */
static void listing_ping(struct listing *l, struct str trunk)
{
	unsigned pinged = target_states_ping(l->sip->target_states, trunk);
	char buffer[64];
	struct writer w = WRITER(buffer);

	if (!pinged)
		return;
	write_literal(&w, "{\"pinged\":");
	write_number(&w, pinged);
	write_literal(&w, "}");
	listing_add_row(l, writer_text(&w));
}

static void listing_trace(struct listing *l, const char *argument)
{
	struct trace_filter filter;

	if (trace_filter_parse(str_of(argument), &filter) == 0)
		call_trace_list(l->sip, &filter, listing_add_row, l);
}

void listing_answer(struct sip *sip, const struct lifeline_query *q)
{
	struct listing *l = calloc(1, sizeof(*l));
	struct lifeline_reply nothing = {.id = q->id, .last = true};

	if (!l) {
		worker_send(&sip->worker, LIFELINE_REPLY, &nothing, sizeof(nothing), NULL, 0);
		return;
	}
	l->sip = sip;
	l->id = q->id;
	if (q->what == QUERY_CALLS)
		call_list(sip, q->argument, listing_add_row, l);
	else if (q->what == QUERY_CALL)
		call_show(sip, query_argument(q->argument, "id"), listing_add_row, l);
	else if (q->what == QUERY_CALL_END)
		call_end_by_operator(sip, query_argument(q->argument, "id"), listing_add_row, l);
	else if (q->what == QUERY_LISTENERS)
		call_list_listeners(sip, listing_add_row, l);
	else if (q->what == QUERY_REGISTRATIONS && q->argument[0])
		listing_address(l, str_of(q->argument));
	else if (q->what == QUERY_REGISTRATIONS)
		listing_registrations(l);
	else if (q->what == QUERY_TRUNKS)
		target_listing(sip->target_states, str_of(q->argument), listing_add_row, l);
	else if (q->what == QUERY_TRUNK_PING)
		listing_ping(l, str_of(q->argument));
	else if (q->what == QUERY_TRACE)
		listing_trace(l, q->argument);
	listing_send(l, true);
	free(l);
}
