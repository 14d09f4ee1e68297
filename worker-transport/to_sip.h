/* to_sip.h - the way of a message to the SIP workers: from its bytes to the record for the SIP
 * worker that owns its slot, or to a stateless answer. */
#ifndef SIPWARD_TRANSPORT_TO_SIP_H
#define SIPWARD_TRANSPORT_TO_SIP_H

#include "worker-transport/parse/parse_error.h"
#include "ipc/flow.h"
#include "ipc/message.h"

struct transport_worker;
struct to_sip;

/* Requests that were forwarded are remembered, to tell retransmissions from new requests: how many
 * at most. Each is for 64*T1, the life of a transaction over UDP. */
#define FORWARDED_MAX 16384
/* Retry-After of a 503, in seconds. It is spread, so that clients that were turned away do not come
 * back together. */
#define RETRY_AFTER_MIN 1
#define RETRY_AFTER_MAX 5

/* Makes the memory of what was forwarded, empty. 0; -ENOMEM. */
int to_sip_new(struct to_sip **out);
/* NULL is a no-op. */
void to_sip_free(struct to_sip *f);

enum to_sip_result {
	TO_SIP_DONE,    /* it needs no answer, has one, or was dropped */
	TO_SIP_AWAITED, /* a request that a SIP worker will answer */
	TO_SIP_ADRIFT   /* it starts within the rest of another message: what is on its stream
	                   cannot be told apart any more */
};

/* Takes one framed message (start line to the end of its body) that came by flow at received_ns
 * (CLOCK_MONOTONIC). Its source has been admitted. The message is parsed, counted against its
 * source's allowance, and forwarded, answered or dropped; each outcome is counted. raw is read
 * during the call alone. */
enum to_sip_result to_sip_message(
	struct transport_worker *t, const struct flow *flow, uint64_t received_ns, struct str raw);

/* Says that something which came by flow is dropped for that static reason, at a bounded rate;
 * counting is the caller's. */
void to_sip_say_dropped(struct transport_worker *t, const struct flow *flow, const char *reason);
/* The same where a counter is the reason: counts it, and says its name. */
void to_sip_count_dropped(struct transport_worker *t, const struct flow *flow, enum counter reason);
/* The same of a datagram or connection that admit_source or admit_connect has refused with that
 * error; -EAGAIN: there is no room for the connection. A ban has its own line, when it begins. */
void to_sip_say_not_admitted(struct transport_worker *t, const struct flow *flow, int error);

/* Answers the request at the start of raw, which could not be framed, with status and reason phrase
 * (NULL: the status' own). Does nothing where it cannot be answered. */
void to_sip_refuse(struct transport_worker *t, const struct flow *flow, struct str raw,
	unsigned status, const char *reason);

/* The response that begins at raw cannot be framed, or the connection ends within it, for that
 * reason: what it answers is told that it is broken. False where it is none, or nobody could say
 * what it answers; nothing is counted then. */
bool to_sip_cut_response(struct transport_worker *t, const struct flow *flow, uint64_t received_ns,
	struct str raw, const struct parse_error *why);

#endif
