/* call.h - the back-to-back user agent: two legs and what passes between them (call.c), and the
 * INVITE that makes them (invite.c). */
#ifndef SIPWARD_SIP_CALL_CALL_H
#define SIPWARD_SIP_CALL_CALL_H

#include "dialog.h"
#include "worker-sip/routing/route.h"
#include "worker-sip/message/splice.h"
#include "worker-sip/transaction/transaction.h"

/* Requests in progress in one call, at most; a further one gets 500 with Retry-After. */
#define EXCHANGES_MAX 16
/* How long a leg whose connection has ended has to come back by another flow before the call
 * ends. */
#define LEG_GRACE_MS 32000

struct exchange;
struct invite;

/* Two legs. An early call belongs to its invite; a confirmed one stands alone. */
struct call {
	struct call *next, **link; /* all calls of this worker */
	struct sip *sip;
	struct dialog *a, *b;       /* the caller's leg and the callee's */
	struct exchange *exchanges; /* requests on their way, newest first */
	struct invite *invite;      /* while it is early */
	uint64_t started, answered; /* loop_now; answered 0: not yet */
	uint32_t invite_in,
		invite_out; /* CSeq of the last INVITE from the caller, and as sent on (RAck) */
	uint32_t back_in, back_out;         /* the same from the callee */
	uint32_t refer_in[2], refer_out[2]; /* CSeq of the last REFER from a ([0]) and from b ([1]),
	                                       and as sent on (the id of Event: refer) */
	uint16_t exchange_count;
	bool ending;        /* a BYE is on its way through */
	struct timer grace; /* armed while a leg's flow is gone */
	uint64_t lost;      /* that flow; 0: none */
};

/* One request within a call, on its way from one leg to the other, and the way back of its
 * answer. */
struct exchange {
	struct exchange *next, **link; /* of call->exchanges */
	struct sip *sip;
	struct call *call;       /* NULL once the call is gone */
	struct dialog *in, *out; /* valid while call is not NULL */
	struct transaction *server, *client;
	struct held_message *request; /* until it is finally answered */
	struct wire *ack;             /* as sent for the 2xx of an INVITE */
	struct timer patience; /* BYE: when its sender is answered though the other leg is silent */
	uint32_t in_cseq, out_cseq;
	uint8_t method;
	bool answered, accepted; /* finally; with a 2xx to an INVITE */
	bool held;               /* the initial INVITE's branch still points here */
};

/* An authorized INVITE outside a dialog with its targets (count > 0). Takes over t. replaces:
 * mapped value for the Replaces header, n == 0: none. */
void call_invite(struct sip *sip, struct transaction *t, const struct message *m, uint8_t slot,
	const struct identity *sender, const struct target *targets, unsigned count,
	struct str replaces);
/* A request with our To-tag: finds the dialog (481 where there is none) and passes it to the other
 * leg. t is NULL for ACK. */
void call_request(struct sip *sip, struct transaction *t, const struct message *m);
/* A stream flow has ended: branches that wait on it fail, and calls with a leg on it end unless it
 * comes back within LEG_GRACE_MS. */
void call_flow_closed(struct sip *sip, uint64_t flow);
/* A 2xx for an INVITE whose transaction is gone: ACK and BYE. */
void call_stray_answer(struct sip *sip, const struct message *m);
/* JSON lines of all calls for sipwardctl. */
void call_list(struct sip *sip, void (*line)(void *arg, struct str json), void *arg);

/* ---- between call.c and invite.c ---- */
int call_new(struct sip *sip, const struct dialog_parts *a, const struct dialog_parts *b,
	struct call **out);
/* Frees the call and its dialogs; exchanges still on their way finish alone. */
void call_free(struct call *call);
/* Ends a call from our side: ACK where one is owed, BYE to the legs asked for, then call_free.
 * reason: a Reason header line or empty. */
void call_end(struct call *call, bool bye_a, bool bye_b, struct str reason);
/* The exchange of the initial INVITE once its 2xx has gone to the caller: takes over the server
 * transaction; held until exchange_release. */
int exchange_adopt(struct call *call, struct transaction *server, uint32_t in_cseq,
	uint32_t out_cseq, struct exchange **out);
void exchange_release(struct exchange *x);
/* A stream flow has ended: unanswered branches that wait on it fail now. */
void invite_flow_closed(struct sip *sip, uint64_t flow);
/* The caller gives the INVITE up: 487, and nobody rings on. */
void invite_abandon(struct invite *v);
/* Sends ACK and BYE for a 2xx that nobody wants. */
void call_refuse_answer(struct sip *sip, const struct message *m, const struct flow *flow,
	uint16_t zone, struct wire **ack);

#endif
