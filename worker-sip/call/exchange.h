/* exchange.h - the two legs of a call, and the requests that pass from one leg to the other.
 *
 * Every request but ACK is an exchange: a server transaction on the leg that it came by, a client
 * transaction on the other, and the way back of its answer. Both call.c (requests within a call)
 * and invite.c (the INVITE that makes one) stand on it.
 */
#ifndef SIPWARD_SIP_CALL_EXCHANGE_H
#define SIPWARD_SIP_CALL_EXCHANGE_H

#include "dialog.h"
#include "worker-sip/incoming.h"
#include "worker-sip/message/leg_request.h"
#include "worker-sip/transaction/transaction.h"

/* Requests in progress in one call, at most; a further one other than BYE gets 500 with
 * Retry-After. */
#define EXCHANGES_MAX 16

struct call_record;
struct exchange;
struct invite;
struct minutes;

/* Two legs. An early call belongs to its invite; a confirmed one stands alone. */
struct call {
	struct call *next, **link; /* all calls of this worker */
	struct sip *sip;
	struct dialog *a, *b;       /* the caller's leg and the callee's */
	struct exchange *exchanges; /* requests on their way, newest first */
	struct invite *invite;      /* while it is early */
	struct call_record *record; /* from the answer on; NULL: none could be made */
	struct minutes *minutes;    /* the same; NULL: none are counted */
	uint64_t started, answered; /* loop_now; answered 0: not yet */
	/* The last INVITE and the last REFER from a ([0]) and from b ([1]): what RAck and the id of
	 * Event: refer name. */
	struct cseq_pair invites[2], refers[2];
	uint16_t exchange_count;
	bool ending;          /* a BYE is on its way through */
	bool ended;           /* nothing is left but ACKs */
	struct timer grace;   /* armed while a leg's flow is gone; call.c's */
	struct timer longest; /* armed where there is a longest duration */
	struct timer session; /* armed while its session expires (session.c) */
};

/* Makes an early call with both of its dialogs. -ENOMEM. */
int call_new(struct sip *sip, const struct dialog_parts *a, const struct dialog_parts *b,
	struct call **out);
/* The call is over: its dialogs stand no more, a 2xx that lacks its ACK gets one, and what is on
 * its way is answered (487, RFC 3261 section 15.1.2). The memory goes with the last of its INVITEs,
 * which wait for ACKs; at once where there is none. */
void call_free(struct call *call);
/* Ends the call in so many seconds, if it still stands; 0: never. */
void call_limit_duration(struct call *call, uint32_t seconds);
/* That answer, a 2xx, to an INVITE or UPDATE of an answered call has passed: the session stands for
 * as long as the two have agreed upon (RFC 4028), or without bound. */
void call_refresh_session(
	struct call *call, const struct message *request, const struct message *answer);
/* The call counts for these minutes, which it takes over, from now on; NULL: for none. */
void call_count_minutes(struct call *call, struct minutes *minutes);
/* Ends a call from our side: ACK where one is owed, BYE to the legs asked for, then call_free.
 * Where a BYE is on its way no second one is sent; the caller gets none before his ACK has come, or
 * its time is over (RFC 3261 section 15). reason: a Reason header line (RFC 3326), or empty, in
 * static memory. */
void call_end(struct call *call, bool bye_a, bool bye_b, struct str reason);

/* Passes a request (not ACK) that came by leg d on to the other leg, and its answer back. Takes
 * over in->transaction, and answers it where the request cannot go on. The caller has checked that
 * the request may come now (call.c). BYE marks the call as ending; one for the caller waits for
 * his ACK. */
void exchange_pass(struct dialog *d, const struct incoming *in);
/* Passes the ACK of a 2xx that came by leg d, which may be retired, on, or repeats the one that
 * went before. False where no answer waits for it. */
bool exchange_ack(struct dialog *d, const struct message *ack);
/* Whether an INVITE that came by leg d is on its way: not answered yet, or its 2xx not
 * acknowledged. */
bool exchange_invite_pending(const struct dialog *d);
/* What becomes of a further INVITE that came by leg d: the status that refuses it, or 0. 500 where
 * one is not answered yet (RFC 3261 section 14.2), 491 where the ACK that is still to come has the
 * answer to an offer (RFC 5407 section 3.1.5); one whose answer went with its 2xx is acknowledged
 * to the other leg in the sender's place (section 3.1.4). */
unsigned exchange_invite_overtakes(const struct dialog *d);
/* BYE came by leg d while another one is on its way. Where that one still waits to go to d, the
 * call ends without it. */
void exchange_bye_crosses(struct dialog *d);
/* BYE came by the retired leg d. Whether one was owed to it, which it does not get any more. */
bool exchange_bye_taken(struct dialog *d);

/* The exchange of the initial INVITE once its 2xx has gone to the caller: takes over the server
 * transaction, and confirms the call. The numbers are the INVITE's CSeq on the two legs; offered:
 * it came with an offer. It is held until exchange_release. -ENOMEM: nothing has changed. */
int exchange_adopt(struct call *call, struct transaction *server, struct cseq_pair cseq,
	bool offered, struct exchange **out);
/* The branch of the initial INVITE lets go of its exchange, which may be gone afterwards. */
void exchange_release(struct exchange *x);
/* Whether the 2xx m repeats the answer that x passed on. The ACK, where it has come, then goes out
 * again (RFC 3261 section 13.2.2.4). */
bool exchange_answer_again(struct exchange *x, const struct message *m);
struct sent_invite;
/* What is known of the INVITE that x passed on; it points into the call. False: the call is gone.
 */
bool exchange_sent_invite(const struct exchange *x, struct sent_invite *out);

#endif
