/* trace_live_call.c - see trace_live_call.h. */
#include "trace_live_call.h"

#include <stdlib.h>
#include <string.h>

static void live_call_clear(struct live_call *call)
{
	for (unsigned i = 0; i < call->names; i++)
		free(call->name[i]);
	free(call->call_id);
	json_decref(call->ids);
	json_decref(call->notes);
	*call = (struct live_call){.ids = NULL};
}

struct live_call *live_call_find(struct live_calls *calls, const struct trace_set *t, size_t group)
{
	const struct trace_event *e;

	for (unsigned i = 0; i < LIVE_CALLS; i++)
		TRACE_GROUP_EACH (t, group, e)
			if (json_object_get(calls->call[i].ids, e->call_id)) {
				calls->call[i].turn = calls->turn;
				return &calls->call[i];
			}
	return NULL;
}

struct live_call *live_call_new(
	struct live_calls *calls, const struct trace_set *t, size_t group, uint64_t began_us)
{
	struct live_call *call = &calls->call[0];

	for (unsigned i = 1; i < LIVE_CALLS && call->ids; i++)
		if (!calls->call[i].ids || calls->call[i].turn < call->turn)
			call = &calls->call[i];
	live_call_clear(call);
	call->turn = calls->turn;
	call->ids = json_object();
	call->notes = json_object();
	/* the first event is a note, which has the caller's leg, or the first message */
	call->call_id = strdup(t->event[t->place[t->begin[group]]].call_id);
	if (!call->ids || !call->notes || !call->call_id)
		abort();
	call->ladder = (struct ladder){.began_us = began_us, .call_id = call->call_id};
	return call;
}

void live_call_add_id(struct live_call *call, const char *id)
{
	if (json_object_size(call->ids) < LIVE_IDS)
		json_object_set_new(call->ids, id, json_true());
}

bool live_call_join(struct live_call *call, const char *peer, unsigned most)
{
	char *name = strdup(peer);
	bool more = call->ladder.more;

	if (name && ladder_join(&call->ladder, name, most)) {
		call->name[call->names++] = name;
		return true;
	}
	free(name);
	return more != call->ladder.more;
}

bool live_call_tells(struct live_call *call, const struct trace_event *e)
{
	/* what comes next becomes known later */
	static const char next[] = ": the next one";
	size_t n = strlen(e->note), end = strlen(next);

	if (n > end && strcmp(e->note + n - end, next) == 0)
		n -= end;
	if (json_object_getn(call->notes, e->note, n) ||
		json_object_size(call->notes) >= LIVE_NOTES)
		return false;
	json_object_setn_new(call->notes, e->note, n, json_true());
	return true;
}

json_t *live_calls_ids(const struct live_calls *calls)
{
	json_t *ids = json_object();

	for (unsigned i = 0; i < LIVE_CALLS; i++)
		if (calls->call[i].ids)
			json_object_update(ids, calls->call[i].ids);
	return ids;
}

void live_calls_free(struct live_calls *calls)
{
	for (unsigned i = 0; i < LIVE_CALLS; i++)
		live_call_clear(&calls->call[i]);
}
