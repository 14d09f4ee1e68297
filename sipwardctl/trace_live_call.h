/* trace_live_call.h - calls of which a live trace has shown something: which Call-IDs are theirs,
 * who takes part, and what has been told. */
#ifndef SIPWARD_SIPWARDCTL_TRACE_LIVE_CALL_H
#define SIPWARD_SIPWARDCTL_TRACE_LIVE_CALL_H

#include "ipc/trace/ladder.h"

#define LIVE_CALLS 256
#define LIVE_IDS 32   /* Call-IDs of one call */
#define LIVE_NOTES 64 /* decisions of one call that are told */

struct live_call {
	struct ladder ladder;
	char *name[LADDER_PARTIES_MAX]; /* of the parties in ladder, which points to them */
	unsigned names;
	char *call_id;
	json_t *ids, *notes; /* objects by them; NULL: this place is free */
	uint64_t turn;       /* when something of it was seen last */
};

struct live_calls {
	struct live_call call[LIVE_CALLS];
	uint64_t turn;
};

/* The call that a group of events is of; NULL: nothing of it has been shown. */
struct live_call *live_call_find(struct live_calls *calls, const struct trace_set *t, size_t group);
/* A place for the call of a group, which began then: a free one, or that of the call that was
 * silent longest, which is forgotten. */
struct live_call *live_call_new(
	struct live_calls *calls, const struct trace_set *t, size_t group, uint64_t began_us);
/* One more Call-ID is this call's. */
void live_call_add_id(struct live_call *call, const char *id);
/* A peer takes part. Whether the columns are others now. */
bool live_call_join(struct live_call *call, const char *peer, unsigned most);
/* Whether a note is to be told, which it is once. */
bool live_call_tells(struct live_call *call, const struct trace_event *e);
/* A new object of the Call-IDs of all. */
json_t *live_calls_ids(const struct live_calls *calls);
void live_calls_free(struct live_calls *calls);

#endif
