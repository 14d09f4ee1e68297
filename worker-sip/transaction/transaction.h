/* transaction.h - RFC 3261 section 17 with RFC 6026: client and server transactions on libosip2's
 * four machines, driven from our own hash table and the loop's timer wheel. */
#ifndef SIPWARD_SIP_TRANSACTION_TRANSACTION_H
#define SIPWARD_SIP_TRANSACTION_TRANSACTION_H

#include "worker-sip/sip.h"

struct allowance;
struct transactions;
struct transaction;

/* The callbacks below come from the loop only (a message, a report, a timer), never from within a
 * call into this layer: what fails below transaction_answer is told afterwards. They may call
 * anything here; t is freed only after gone. */

/* The user of a server transaction. All may be NULL. t stays valid until gone returns. */
struct server_user {
	void (*cancelled)(void *user, struct transaction *t,
		const struct message
			*cancel); /* CANCEL came before a final answer; it has its 200 already */
	void (*unacknowledged)(
		void *user, struct transaction *t); /* no ACK for the 2xx within 64*T1 */
	void (*failed)(void *user, struct transaction *t,
		int error); /* an answer could not be sent; the transaction ends */
	void (*gone)(void *user, struct transaction *t);
};
/* The user of a client transaction. */
struct client_user {
	/* Each new response: provisionals (100 too), the final one; for INVITE every 2xx,
	 * retransmissions and other forks too, until 64*T1 after the first. m is the batch's: keep
	 * what is needed. A broken one (ipc/message.h) is provisional, or a 2xx to INVITE, which
	 * must be ended. */
	void (*response)(void *user, struct transaction *t, const struct message *m);
	/* No response will come: 408 (timer B or F), 503 (transport error), 502 (it came and cannot
	 * be read). */
	void (*failed)(void *user, struct transaction *t, unsigned status, int error);
	void (*gone)(void *user, struct transaction *t);
};

/* Makes the layer of this worker, without transactions. -ENOMEM. */
int transactions_new(struct transactions **out, struct sip *sip);
/* Frees all transactions without calling their users. */
void transactions_free(struct transactions *ts);

/* The kinds of received requests. */
enum request_kind {
	REQUEST_ABSORBED = 0, /* retransmission, ACK of a failure, CANCEL (answered), merged request
	                         (482), over the limit (503): done */
	REQUEST_NEW, /* *out is its new server transaction; the user attaches with transaction_serve
	                and answers */
	REQUEST_ACK, /* an ACK that belongs to no failure: the dialog's */
};
/* Takes a received request to its server transaction, a new one where it has none. slot: of the
 * request, for the tokens of its answers. */
enum request_kind transactions_request(
	struct transactions *ts, const struct message *m, uint8_t slot, struct transaction **out);
/* The same in two steps, for a request that may be refused without a transaction (RFC 3261
 * section 26.3.2.4). REQUEST_NEW: there is none, and none is made yet. */
enum request_kind transactions_match(
	struct transactions *ts, const struct message *m, uint8_t slot);
/* Makes the server transaction of the request that transactions_match was given last. NULL: there
 * is no memory; the request has been answered 503. */
struct transaction *transactions_begin(
	struct transactions *ts, const struct message *m, uint8_t slot);
/* True where a new request would be over the limit: those in a dialog, and calls of emergency, have
 * some more. */
bool transactions_full(const struct transactions *ts, const struct message *m);
/* How many transactions of calls have something to come before the calls are over on both sides:
 * INVITEs and BYEs of ours that have no final response yet, INVITEs whose 2xx is not acknowledged,
 * and those of transaction_await_ack. */
unsigned transactions_owed(const struct transactions *ts);
/* Whether a received request belongs to a transaction that is here: it repeats it, cancels or
 * acknowledges it, or is merged with it. Changes nothing. */
bool transactions_have(const struct transactions *ts, const struct message *m);
/* The same of one that the very same peer has sent by the same listener, merged ones aside. */
bool transactions_have_of_peer(const struct transactions *ts, const struct message *m);
/* Whether a received response belongs to one, by its branch (proved by the caller). */
bool transactions_await(const struct transactions *ts, const struct message *m, uint64_t branch);
/* The same, to one whose request went out by the listener that the response came by. */
bool transactions_asked_by(const struct transactions *ts, const struct message *m, uint64_t branch);
/* Adds the slots of all transactions to out. Walks over all of them. */
void transactions_slots(struct transactions *ts, struct slot_set *out);
/* A received response with our branch (proved by the caller: its token's id). Unknown ones are
 * counted and dropped. A 2xx to INVITE whose transaction is gone is returned as 1: the caller's to
 * end (ACK and BYE); otherwise 0. */
int transactions_response(struct transactions *ts, const struct message *m, uint64_t branch);
/* RECORD_SEND_FAILED from that transport worker (its index) for a cookie that a transaction gave:
 * of a connection only the worker that has it is believed. error: negative errno. */
void transactions_send_failed(struct transactions *ts, unsigned worker, uint64_t cookie, int error);

/* The datagram of a client transaction with that branch (proved by the caller) could not be
 * delivered to that address: the transaction fails, unless something has come back (RFC 3261
 * section 18.4). error: negative errno. */
void transactions_unreachable(
	struct transactions *ts, uint64_t branch, const struct endpoint *to, int error);

/* ---- server ---- */
/* Attaches its user to a new server transaction; ops stay as long as it does. */
void transaction_serve(struct transaction *t, const struct server_user *ops, void *user);
/* The sender of a new request has not shown itself (incoming_is_stranger), and its address may be
 * somebody else's: all that goes back is at most ANSWER_RATIO (ipc/message.h) bytes for each byte
 * of the request and its repetitions. What there is no room for is withheld. A final response then
 * goes when the request comes again; where none comes that makes room for it, the transaction ends
 * as if it had been lost, which is counted and logged. Provisional responses leave room for the
 * final one (ALLOWANCE_FOR_ANSWER), so that a short INVITE gets none and comes again; those that
 * want a PRACK, without which the callee does not go on, need not. A failure goes out once, and
 * again when the request comes again; transaction_answer_max says how long it may be. 100 Trying
 * goes only to an INVITE that has come again: mostly another response comes before that. -ENOMEM.
 */
int transaction_bound(struct transaction *t);
/* What the sender may be sent; NULL where it is not bound. The transaction's: hold it for longer.
 */
struct allowance *transaction_allowance(const struct transaction *t);
/* The most bytes that a final response may have to go at once; SIZE_MAX where there is no limit.
 * Only before the answer. */
size_t transaction_answer_max(const struct transaction *t);
/* The request: valid while the transaction has not been answered finally; hold it
 * (held_message_hold) for longer. */
struct held_message *transaction_request(const struct transaction *t);
/* Sends a response: takes its own reference on bytes. Provisionals are repeated for retransmitted
 * requests; a final answer is retransmitted by the machine, a 2xx to INVITE by T1 doubling to T2
 * until transaction_acknowledged. -EALREADY after a final answer. Of a request other than INVITE,
 * provisional answers and 408 are not sent (RFC 4320): 100 is the layer's own affair. */
int transaction_answer(struct transaction *t, unsigned status, struct wire *bytes);
/* The tag of local answers: the one that the last response carried or that was minted before for
 * this transaction, else a new one (buffer is where it may be written). n == 0 where the request
 * has a To-tag. */
struct str transaction_tag(struct transaction *t, char buffer[static TOKEN_LENGTH]);
/* No final answer can be made (it would be too large, no memory): ends the transaction as failed,
 * from the loop. */
void transaction_abandon(struct transaction *t, int error);
/* Has transactions_owed count this INVITE, which has been answered with a failure, until its ACK
 * comes. */
void transaction_await_ack(struct transaction *t);
/* The dialog got the ACK of this INVITE's 2xx. */
void transaction_acknowledged(struct transaction *t);
/* The user no longer wants callbacks (gone neither) and must forget t, but may still answer it in
 * the same turn of the loop: an INVITE that has no final answer then is answered 500; a client's
 * INVITE is cancelled. */
void transaction_detach(struct transaction *t);
/* The flow of a client transaction is gone: as transaction_detach, but nothing more goes out, no
 * CANCEL either. */
void transaction_cut(struct transaction *t);
bool transaction_answered(const struct transaction *t); /* finally */

/* Answers a server transaction with a response of our own, which has its To tag (transaction_tag).
 * One that cannot be built ends the transaction as failed. headers: whole lines, may be empty. */
void answer(struct sip *sip, struct transaction *t, unsigned status, struct str headers);
/* The same with a reason phrase of its own. */
void answer_reason(struct sip *sip, struct transaction *t, unsigned status, struct str reason,
	struct str headers);

/* ---- client ---- */
/* Sends a request (not ACK). bytes carry a top Via whose branch is the token of branch
 * (TOKEN_BRANCH); a reference is taken. CANCEL has its INVITE's branch. 0; where it cannot even be
 * handed to a transport worker -errno of sip_send, -ENOMEM, -EEXIST: there is no transaction then
 * and nothing is called. */
int transaction_send(struct transactions *ts, uint8_t method, uint64_t branch, uint8_t slot,
	const struct flow *to, struct wire *bytes, const struct client_user *ops, void *user,
	struct transaction **out);
/* The request that was just sent is not repeated until whom it went to has shown himself: the
 * allowance is his. */
void transaction_send_within(struct transaction *t, struct allowance *allowance);
/* Cancels an INVITE client transaction: CANCEL goes out at once when a provisional has come, else
 * with the first one (RFC 3261 section 9.1); its request is built from the INVITE's bytes. When no
 * final response follows within 64*T1 the INVITE fails with 408. headers: further header lines for
 * the CANCEL (Reason), may be empty. */
void transaction_cancel(struct transaction *t, struct str headers);
/* The bytes that a client transaction sent; NULL: they are not kept any more. Those of an INVITE
 * that was cancelled are kept to its end. */
const struct wire *transaction_sent(const struct transaction *t);
/* The same by method and branch; NULL also where there is no such client transaction. */
const struct wire *transactions_sent(
	const struct transactions *ts, uint8_t method, uint64_t branch);
/* Method, flow and slot of a transaction of either kind; branch: the id in that of a client. */
uint8_t transaction_method(const struct transaction *t);
const struct flow *transaction_flow(const struct transaction *t);
uint64_t transaction_branch(const struct transaction *t);
uint8_t transaction_slot(const struct transaction *t);

#endif
