/* fault_log.h - what is said of messages with faults: each is counted by its reason, and logged
 * once a source and reason in a while, and at a bounded rate. */
#ifndef SIPWARD_TRANSPORT_FAULT_LOG_H
#define SIPWARD_TRANSPORT_FAULT_LOG_H

#include "common/hash.h"
#include "common/log_limit.h"
#include "ipc/message.h"
#include "worker-transport/parse/parse_error.h"

/* Lines a second, and for how long a source's fault is not said again, milliseconds. */
#define FAULT_LOG_LINES 5
#define FAULT_LOG_AGAIN_MS 600000
/* Sources and faults that are remembered; two that share a place are said in turn. */
#define FAULT_LOG_PLACES 1024

/* Zero-initialise before use. */
struct fault_log {
	struct log_limit limit, picked_limit;
	uint64_t said[FAULT_LOG_PLACES]; /* fingerprints of source, fault and time */
};

/* Where a line is of: the flow, and whether an operator has picked its source, which is said each
 * time then, up to FAULT_LOG_PICKED lines a second, whatever the level is. now: loop_now. */
struct fault_source {
	const struct flow *flow;
	bool picked;
	uint64_t now;
};
#define FAULT_LOG_PICKED 200

/* A message that cannot be read came by flow: counts its fault and logs it. */
void fault_log_refused(struct fault_log *l, const struct hash_key *key,
	const struct fault_source *from, const struct parse_error *error);

/* What came by flow, or its connection, is dropped for that static reason; counting is the
 * caller's. */
void fault_log_dropped(struct fault_log *l, const struct hash_key *key,
	const struct fault_source *from, const char *reason);

/* Counts and logs the headers and the reason phrase of m that are left out of what passes on.
 * crowd: how many more were, of too many. */
void fault_log_left_out(struct fault_log *l, const struct hash_key *key,
	const struct fault_source *from, const struct message *m, unsigned crowd);

#endif
