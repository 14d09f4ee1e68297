/* drain.h - how a SIP worker comes to its end, or is taken out of use for a while: new work is
 * refused, calls go on or are ended, and the master is told how many are left. */
#ifndef SIPWARD_SIP_DRAIN_H
#define SIPWARD_SIP_DRAIN_H

#include "sip.h"

/* Told in the 503 that refuses new work, seconds: a restart is over by then. */
#define DRAIN_RETRY_AFTER "Retry-After: 30\r\n"
/* What both legs of a call are told that a stop ends (RFC 3326). */
#define DRAIN_REASON "Reason: SIP;cause=503;text=\"Gateway stopping\"\r\n"

/* Between two looks at what is left, milliseconds: while calls go on, and while they are ended. */
#define DRAIN_LOOK_MS 250
#define DRAIN_END_LOOK_MS 10
/* Calls ended with one look, 5,000 a second: their BYEs may all have to go through the queue of one
 * connection, and through the peer at its end. */
#define DRAIN_CALLS_PER_LOOK 50
/* The time that the BYEs and CANCELs of the last calls have to be answered in. Over UDP each goes
 * out four times meanwhile. */
#define DRAIN_ANSWER_MS 4000
/* From the last answer to the report that nothing is left: nobody confirms that the ACK of a 487,
 * or the 200 of a BYE which crossed ours, has arrived, and it may have to go out again. */
#define DRAIN_SETTLE_MS 100

struct incoming;

/* Takes an order of the master; also before the loop runs. */
void drain_order(struct sip *sip, const struct lifeline_drain *order);
/* Whether a request outside of dialogs is refused, and done with, because the worker drains or its
 * listener has been removed: it is answered, or ignored, as its listener has it. While the worker
 * drains it must not have a transaction. */
bool drain_refuses(const struct incoming *in);
/* No look at what is left is to come. */
void drain_close(struct sip *sip);

#endif
