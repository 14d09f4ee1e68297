/* call_record.h - the record of a call: who, when, by which way, each target tried and what became
 * of it, and how it ended. It is born with the INVITE, goes over to the call with its answer, and
 * is told in one line of the log and one of the CDRs when it ends, answered or
 * not.
 *
 * One block of memory, made with the INVITE; what is longer than its bound is cut. An INVITE that
 * is refused before there is a call has a record as well, if its sender is trusted or has shown
 * himself.
 *
 * A call whose record could not be made for lack of memory has NULL for it, which is a no-op
 * everywhere below.
 */
#ifndef SIPWARD_SIP_CALL_CALL_RECORD_H
#define SIPWARD_SIP_CALL_CALL_RECORD_H

#include "limits.h"
#include "worker-sip/incoming.h"
#include "worker-sip/routing/target.h"

struct call_record;

enum call_ender {
	CALL_ENDER_NONE,
#define CALL_ENDER(id, name, help) CALL_ENDER_##id,
#include "call_record.def"
};
enum call_end_cause {
	CALL_END_NONE,
#define CALL_END(id, name, help) CALL_END_##id,
#include "call_record.def"
};
/* Why a call goes on to somebody else than was called. */
enum call_forward_cause {
	CALL_FORWARD_NONE,
#define CALL_FORWARD(id, name, help) CALL_FORWARD_##id,
#include "call_record.def"
};
enum call_outcome {
	CALL_OUTCOME_NONE, /* not tried */
#define CALL_OUTCOME(id, name, help) CALL_OUTCOME_##id,
#include "call_record.def"
};

/* The record of an INVITE that is about to go to those targets, whose numbers below are their
 * places. NULL: no memory, which is counted. */
struct call_record *call_record_new(
	const struct incoming *in, const struct target *targets, unsigned count);

/* A call that its callee has forwarded. */
struct call_forwarded {
	uint8_t cause;
	struct str by;              /* who has forwarded it */
	uint64_t limit[LIMIT_KEYS]; /* of limits_admit_forward: from now on it counts for these */
};
/* The INVITE has further targets, behind those that it had, because its callee has forwarded it.
 * *r is another block afterwards. Where there is no memory the record stays as it is, which is
 * counted, and what becomes of these targets is not in it. */
void call_record_forwarded(struct call_record **r, const struct target *targets, unsigned count,
	const struct call_forwarded *f);

/* From now on the call counts for what limits_admit said, until the record is closed, and each
 * target that is tried for its trunk. */
void call_record_hold(
	struct call_record *r, const struct incoming *in, const uint64_t limit[LIMIT_KEYS]);
/* The domain of the user of ours who calls; NONE_INDEX: it is none. */
unsigned call_record_domain(const struct call_record *r);
bool call_record_is_emergency(const struct call_record *r);
/* Whether the limits of its trunk, of that index, let the call go to target i, after others have
 * failed. What is not so is counted. */
bool call_record_permits(struct call_record *r, unsigned i, unsigned trunk);

/* Target i got the INVITE, with that Call-ID. */
void call_record_tried(struct call_record *r, unsigned i, struct str call_id);
/* Target i could not be sent anything. */
void call_record_unsent(struct call_record *r, unsigned i);
/* Target i has failed. status: its own, 0 where it gave none. */
void call_record_failed(
	struct call_record *r, unsigned i, enum call_outcome outcome, unsigned status);
/* A provisional response above 100 has come. */
void call_record_rings(struct call_record *r);
/* m is the final response that is passed on; its sender's name is noted. Nothing where the call has
 * ended otherwise. */
void call_record_final(struct call_record *r, const struct message *m);
/* Target i has answered with m, a 2xx: the call stands. */
void call_record_answered(struct call_record *r, unsigned i, const struct message *m);

/* Notes how the call ends, and that it does so now; what was noted first holds. reason: the value
 * of a Reason header, or empty. */
void call_record_ends(
	struct call_record *r, enum call_ender ender, enum call_end_cause cause, struct str reason);
/* The same for a call that ends because no target has answered it. */
void call_record_ends_unanswered(struct call_record *r);
/* The value of a Reason header line, as call_record_ends takes it; empty for an empty one. */
struct str call_record_reason_value(struct str line);
/* What call_record_ends noted was not the end after all. */
void call_record_goes_on(struct call_record *r);
/* The call is over: tells what there is to tell, and frees the record. status: what the caller got
 * finally where the call was not answered; 0: nothing. */
void call_record_close(struct call_record *r, unsigned status);

/* The INVITE is refused with that status. Nothing for whoever has not shown himself, for
 * challenges, and for an INVITE within a dialog. */
void call_record_refused(const struct incoming *in, unsigned status);
/* The worker stops: tells of all calls that it has. */
void call_records_stop(struct sip *sip);

#endif
