/* exchange_state.h - inside of exchanges: for exchange.c, acknowledgement.c, call_end.c,
 * call_explain.c and session.c only.
 *
 * An INVITE's exchange outlives its call: the ACKs of its 2xx, on both legs, need it until both of
 * its transactions are gone (RFC 5407). It keeps the call with its dialogs, which are retired then,
 * but for that nothing is left of it.
 */
#ifndef SIPWARD_SIP_CALL_EXCHANGE_STATE_H
#define SIPWARD_SIP_CALL_EXCHANGE_STATE_H

#include "exchange.h"

#include "worker-sip/message/splice.h"
#include "worker-sip/routing/trunk_auth.h"

/* One request on its way from one leg to the other, and the way back of its answer. */
struct exchange {
	struct exchange *next, **link; /* of call->exchanges */
	struct sip *sip;
	struct call *call;       /* NULL where nothing of the call concerns it any more */
	struct dialog *in, *out; /* valid while call is not NULL */
	struct transaction *server, *client;
	struct held_message *request; /* until it is finally answered, and a BYE has gone on */
	struct wire *ack;             /* as sent for the 2xx of an INVITE */
	struct timer patience; /* BYE: when its sender is answered though the other leg is silent.
	                          INVITE: when it is cancelled, which has rung for too long, or
	                          whose call has ended */
	struct str bye_reason; /* header lines of the BYE that is owed */
	struct cseq_pair cseq;
	struct trunk_challenges challenges; /* of the other leg's trunk, that were answered */
	uint8_t method;
	uint8_t clients;         /* its client transactions, client among them */
	bool cancelled;          /* INVITE: by its sender, or by us */
	bool answered, accepted; /* finally; with a 2xx to an INVITE */
	bool held;               /* the initial INVITE's branch still points here */
	bool initial;            /* the INVITE that made the call */
	bool offered;            /* INVITE: it had an offer, its 2xx the answer: the ACK has none */
	bool concluded;          /* the ACK of its 2xx has come, or cannot come any more */
	bool bye_owed;           /* its sender gets a BYE as soon as it is concluded */
	bool timed_out;          /* INVITE: it has rung for too long */
	bool waiting;            /* BYE: for the ACK of the caller, who may get none before */
};

/* ---- exchange.c ---- */
/* Takes x out of its call, which goes where it has ended and x was the last to need it. */
void exchange_unlink(struct exchange *x);
/* Sends the BYE that waited on its way; its sender is answered where it cannot go. */
void exchange_send_waiting(struct exchange *x);
/* What m is for the other leg, without branch and credentials, as leg_request_splice has it. */
int exchange_splice(
	const struct exchange *x, const struct message *m, const struct flow *to, struct splice *s);
/* Writes m for the other leg. -ENOBUFS, -ENOMEM, -ESRCH. */
int exchange_write(struct exchange *x, const struct message *m, const struct flow *to,
	uint64_t branch, struct wire **out);

/* Whether it is an INVITE that came by that leg. */
static inline bool exchange_is_invite(const struct exchange *x, const struct dialog *in)
{
	return x->method == METHOD_INVITE && x->in == in;
}

/* ---- acknowledgement.c ---- */
/* Sends an ACK of our own for the 2xx that x got, where its sender's has not come. */
void exchange_acknowledge(struct exchange *x);
/* The same for all exchanges of a call. */
void call_acknowledge_all(struct call *call);
/* Sends the ACK that was sent before once more. */
void exchange_repeat_ack(const struct exchange *x);
/* No ACK of the sender will come: the call ends, or what waited for it goes on. */
void exchange_unacknowledged(struct exchange *x);

/* ---- call_end.c ---- */
/* The initial INVITE while the caller has not acknowledged its 2xx: no BYE may go to him (RFC 3261
 * section 15). NULL: it may. */
struct exchange *call_unacknowledged(const struct call *call);
/* The BYE of a call that waits for it. NULL: none. */
struct exchange *call_waiting_bye(const struct call *call);
/* Frees the memory of a call that has ended, where no exchange needs it any more. */
void call_forget(struct call *call);

#endif
