/* trace.h - the last messages that came and went, whole but for their secrets (blank.h), in a ring
 * of fixed size that is this worker's own memory. */
#ifndef SIPWARD_TRANSPORT_TRACE_H
#define SIPWARD_TRANSPORT_TRACE_H

#include "common/byte_ring.h"
#include "ipc/flow.h"
#include "ipc/trace_filter.h"

/* The least size of a ring. */
#define TRACE_RING_MIN (64u << 10)

/* What stands before the bytes of a message in the ring. */
struct trace_message {
	uint64_t number; /* counts up, from 1 */
	uint64_t at_us;  /* since 1970 */
	uint32_t size;   /* of the message; fewer bytes may have been kept */
	uint32_t kept;
	int32_t error; /* negative errno where it could not be sent */
	uint16_t listener;
	uint8_t transport;
	uint8_t out; /* 1: it went, 0: it came */
	struct endpoint peer, local;
};

struct trace {
	struct byte_ring *ring; /* NULL: nothing is kept */
	struct trace_message *last;
	uint64_t number;
	uint32_t size; /* that was asked for */
};

/* Makes the ring anew where its size is another one; 0: none. What it held is gone then. 0;
 * -ENOMEM: there is none. */
int trace_resize(struct trace *t, uint32_t size);
/* Keeps a message that came or is going to its flow. */
void trace_add(struct trace *t, const struct flow *flow, const struct endpoint *local, bool out,
	struct str message);
/* The message that was added last could not be sent. */
void trace_unsent(struct trace *t, int error);

/* The header of a message with that name, or that compact form ("" for none); the value, trimmed,
 * or STR_NONE. The first one counts, and lines that it goes on in are part of it. */
struct str trace_header(struct str message, struct str name, struct str compact);
/* Whether the message is one that is asked for. */
bool trace_matches(const struct trace_filter *f, const struct trace_message *m, struct str bytes);

#endif
