/* listing.c - the rows that sipwardctl shows of this worker, as JSON lines in REPLY packets. */
#include "listing.h"

#include "ipc/query_argument.h"
#include "explain.h"
#include "json.h"
#include "worker-sip/call/call.h"
#include "worker-sip/call/call_listing.h"
#include "worker-sip/call/call_trace.h"
#include "worker-sip/call/minutes.h"
#include "worker-sip/registrar/registration_listing.h"
#include "worker-sip/routing/names.h"
#include "worker-sip/routing/target_listing.h"
#include "worker-sip/routing/trunk_registration.h"
#include "worker-sip/subscription/subscription_listing.h"

#include <stdlib.h>

/* The text of a REPLY packet is sent on when it holds this much. */
#define REPLY_CHUNK 16384

/* One query at work. */
struct listing {
	struct sip *sip;
	uint32_t id;
	size_t n;
	char text[REPLY_CHUNK + CALL_ROW_MAX + 1];
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

/* Has the targets of a trunk pinged, or their names looked up, by the worker that does that, which
 * says how many they are. */
static void listing_ping(struct listing *l, struct str trunk, bool resolve)
{
	unsigned pinged = resolve ? names_ask(l->sip->names, trunk)
	                          : target_states_ping(l->sip->target_states, trunk);

	if (pinged)
		json_number_line("pinged", pinged, listing_add_row, l);
}

static void listing_trace(struct listing *l, const char *argument)
{
	struct trace_filter filter;

	if (trace_filter_parse(str_of(argument), &filter) == 0)
		call_trace_list(l->sip, &filter, listing_add_row, l);
}

/* Says so where the registration of that trunk is this worker's. */
static void listing_register(struct listing *l, struct str trunk, bool registered)
{
	if (trunk_registration_order(l->sip, trunk, registered))
		listing_add_row(l, S("{\"done\":1}"));
}

/* NULL: there is no memory, and the answer is empty. */
static struct listing *listing_new(struct sip *sip, uint32_t id)
{
	struct listing *l = calloc(1, sizeof(*l));
	struct lifeline_reply nothing = {.id = id, .last = true};

	if (!l) {
		worker_send(&sip->worker, LIFELINE_REPLY, &nothing, sizeof(nothing), NULL, 0);
		return NULL;
	}
	l->sip = sip;
	l->id = id;
	return l;
}

void listing_explain(struct sip *sip, const struct lifeline_explain *q, size_t size)
{
	struct listing *l = listing_new(sip, q->id);

	if (!l)
		return;
	explain_write(
		sip, (struct str){(const char *)(q + 1), size - sizeof(*q)}, listing_add_row, l);
	listing_send(l, true);
	free(l);
}

void listing_answer(struct sip *sip, const struct lifeline_query *q)
{
	struct listing *l = listing_new(sip, q->id);

	if (!l)
		return;
	if (q->what == QUERY_CALLS)
		call_list(sip, q->argument, listing_add_row, l);
	else if (q->what == QUERY_CALL)
		call_show(sip, query_argument(q->argument, "id"), listing_add_row, l);
	else if (q->what == QUERY_CALL_END)
		call_end_by_operator(sip, query_argument(q->argument, "id"), listing_add_row, l);
	else if (q->what == QUERY_SUBSCRIPTIONS)
		subscription_list(sip, q->argument, listing_add_row, l);
	else if (q->what == QUERY_LISTENERS)
		call_list_listeners(sip, listing_add_row, l);
	else if (q->what == QUERY_REGISTRATIONS)
		registration_list(sip, q->argument, listing_add_row, l);
	else if (q->what == QUERY_REGISTRATION_REMOVE)
		registration_remove(sip, q->argument, listing_add_row, l);
	else if (q->what == QUERY_TRUNKS) {
		target_listing(sip->target_states, str_of(q->argument), listing_add_row, l);
		trunk_registrations_list(sip, str_of(q->argument), listing_add_row, l);
	} else if (q->what == QUERY_TRUNK_REGISTER || q->what == QUERY_TRUNK_UNREGISTER)
		listing_register(l, str_of(q->argument), q->what == QUERY_TRUNK_REGISTER);
	else if (q->what == QUERY_TRUNK_PING || q->what == QUERY_TRUNK_RESOLVE)
		listing_ping(l, str_of(q->argument), q->what == QUERY_TRUNK_RESOLVE);
	else if (q->what == QUERY_MINUTES)
		minutes_list(sip, q->argument, listing_add_row, l);
	else if (q->what == QUERY_MINUTES_RESET)
		minutes_reset(sip, q->argument, listing_add_row, l);
	else if (q->what == QUERY_TRACE)
		listing_trace(l, q->argument);
	listing_send(l, true);
	free(l);
}
