/* exchange.c - two legs and what passes between them (exchange.h).
 *
 * The place where a confirmed pair of dialogs is to be journalled is call_confirm, where it is to
 * be erased call_free.
 */
#include "exchange.h"

#include "common/list.h"
#include "common/slab.h"
#include "dialog_request.h"
#include "ipc/token.h"

#include <errno.h>
#include <stdlib.h>

/* One request on its way from one leg to the other, and the way back of its answer. */
struct exchange {
	struct exchange *next, **link; /* of call->exchanges */
	struct sip *sip;
	struct call *call;       /* NULL once the call is gone */
	struct dialog *in, *out; /* valid while call is not NULL */
	struct transaction *server, *client;
	struct held_message *request; /* until it is finally answered */
	struct wire *ack;             /* as sent for the 2xx of an INVITE */
	struct timer patience; /* BYE: when its sender is answered though the other leg is silent */
	struct cseq_pair cseq;
	uint8_t method;
	bool answered, accepted; /* finally; with a 2xx to an INVITE */
	bool held;               /* the initial INVITE's branch still points here */
};

static const struct client_user exchange_client;
static const struct server_user exchange_server;

/* ---- calls ---- */

int call_new(struct sip *sip, const struct dialog_parts *a, const struct dialog_parts *b,
	struct call **out)
{
	struct slab *slab = dialogs_slab(sip->dialogs);
	struct call *call = slab_take(slab, sizeof(*call));

	if (!call)
		return -ENOMEM;
	memset(call, 0, sizeof(*call));
	call->sip = sip;
	if (dialog_new(sip, a, &call->a) || dialog_new(sip, b, &call->b)) {
		dialog_free(sip, call->a);
		slab_give(slab, call, sizeof(*call));
		return -ENOMEM;
	}
	call->a->call = call->b->call = call;
	call->a->other = call->b;
	call->b->other = call->a;
	call->started = loop_now(sip->loop);
	list_insert(&sip->call_list, call);
	sip->calls++;
	*out = call;
	return 0;
}

/* The 2xx has gone out: both dialogs stand. */
static void call_confirm(struct call *call)
{
	call->invite = NULL;
	call->answered = loop_now(call->sip->loop);
	call->a->state = call->b->state = DIALOG_CONFIRMED;
	if (call->a->flow.id)
		sip_watch(call->sip, &call->a->flow, call->a->slot);
	if (call->b->flow.id)
		sip_watch(call->sip, &call->b->flow, call->b->slot);
	count(CALLS_ANSWERED);
}

static void exchange_unlink(struct exchange *x)
{
	if (!x->call)
		return;
	list_remove(x);
	x->call->exchange_count--;
	x->call = NULL;
	x->in = x->out = NULL;
}

void call_free(struct call *call)
{
	struct sip *sip = call->sip;

	while (call->exchanges)
		exchange_unlink(call->exchanges);
	loop_unset(sip->loop, &call->grace);
	list_remove(call);
	dialog_free(sip, call->a);
	dialog_free(sip, call->b);
	sip->calls--;
	slab_give(dialogs_slab(sip->dialogs), call, sizeof(*call));
}

void call_end(struct call *call, bool bye_a, bool bye_b, struct str reason)
{
	struct sip *sip = call->sip;

	/* An answer that the other side never acknowledged is still to be acknowledged here, or its
	 * UAS would go on retransmitting. */
	for (struct exchange *x = call->exchanges; x; x = x->next)
		if (x->accepted && !x->ack)
			x->ack = dialog_send_ack(sip, x->out, x->cseq.out);
	if (bye_a)
		dialog_send_bye(sip, call->a, reason);
	if (bye_b)
		dialog_send_bye(sip, call->b, reason);
	count(CALLS_ENDED);
	call_free(call);
}

/* ---- exchanges ---- */

/* Frees x when nothing will call it back. */
static void exchange_check(struct exchange *x)
{
	if (x->server || x->client || x->held)
		return;
	loop_unset(x->sip->loop, &x->patience);
	exchange_unlink(x);
	held_message_drop(x->request);
	wire_drop(x->ack);
	free(x);
}

void exchange_release(struct exchange *x)
{
	x->held = false;
	exchange_check(x);
}

/* The other leg does not answer the BYE. Its sender waits no longer than timer F, and an answer
 * after that is none (RFC 4320 section 4.2): it gets its 200 in time, while the other leg's BYE is
 * still repeated. */
static void exchange_patience_over(struct timer *t, void *arg)
{
	struct exchange *x = arg;

	(void)t;
	if (x->answered || !x->call)
		return;
	x->answered = true;
	if (x->server && !transaction_answered(x->server))
		answer(x->sip, x->server, 200, STR_EMPTY);
	count(CALLS_ENDED);
	call_free(x->call);
}

/* A request that came by the leg d. NULL: no memory. */
static struct exchange *exchange_new(struct dialog *d, uint8_t method, struct transaction *server)
{
	struct call *call = d->call;
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->sip = call->sip;
	x->call = call;
	x->in = d;
	x->out = d->other;
	x->method = method;
	x->server = server;
	timer_init(&x->patience, exchange_patience_over, x);
	list_insert(&call->exchanges, x);
	call->exchange_count++;
	return x;
}

int exchange_adopt(
	struct call *call, struct transaction *server, struct cseq_pair cseq, struct exchange **out)
{
	struct exchange *x = exchange_new(call->a, METHOD_INVITE, server);

	if (!x)
		return -ENOMEM;
	x->cseq = cseq;
	x->answered = x->accepted = x->held = true;
	transaction_serve(server, &exchange_server, x);
	call_confirm(call);
	*out = x;
	return 0;
}

static void exchange_send_ack(const struct exchange *x, const struct flow *flow)
{
	sip_send(x->sip, flow, (struct str){x->ack->byte, x->ack->size}, 0, true);
}

static void exchange_repeat_ack(const struct exchange *x)
{
	struct flow flow = dialog_flow(x->sip, x->out);

	exchange_send_ack(x, &flow);
}

bool exchange_answer_again(struct exchange *x, const struct message *m)
{
	if (!x->call || !str_equal_nocase(x->out->remote_tag, message_str(m, m->to_tag)))
		return false;
	/* Our ACK was lost, or it has not come from the caller yet. */
	if (x->ack)
		exchange_repeat_ack(x);
	return true;
}

/* ---- the way back ---- */

/* Whether a 481 or 408 to it says that the call is over and not only that a subscription or a
 * provisional response is unknown (RFC 5057 section 5.3, RFC 3262 section 3). */
static bool exchange_ends_call(const struct exchange *x, unsigned status)
{
	return (status == 481 || status == 408) && x->method != METHOD_NOTIFY &&
	       x->method != METHOD_SUBSCRIBE && x->method != METHOD_REFER &&
	       x->method != METHOD_PRACK;
}

/* The status that passes to the leg which the request came by. */
static unsigned exchange_status(const struct exchange *x, unsigned status)
{
	bool challenge = status == 401 || status == 407;

	if (status == 503)
		return 500; /* it would turn the peer away from all of us */
	if (challenge && !settings_zone(x->sip->settings, x->out->zone)->trust)
		return 403;
	return status;
}

/* Writes the response m for the leg which the request came by, and answers with it. */
static void exchange_answer(struct exchange *x, const struct message *m)
{
	unsigned status = exchange_status(x, m->status);
	char contact[TOKEN_LENGTH];
	struct wire *bytes;
	struct splice s = {.sip = x->sip,
		.in = m,
		.slot = x->in->slot,
		.from_zone = x->out->zone,
		.to_zone = x->in->zone,
		.contact_user = {contact, TOKEN_LENGTH}};

	if (!x->server)
		return;
	token_mint(&x->sip->keys.minting, TOKEN_CONTACT, x->in->slot, x->in->id, contact);
	if (splice_response(&s, &x->request->message, status,
		    (struct str){x->in->tag, TOKEN_LENGTH}, &bytes) == 0) {
		transaction_answer(x->server, status, bytes);
		wire_drop(bytes);
	} else if (status >= 200) {
		answer(x->sip, x->server, 500, STR_EMPTY);
	}
}

/* The call ended meanwhile. A 2xx to a re-INVITE needs no BYE of its own: one is on its way. */
static void exchange_answer_ended(struct exchange *x)
{
	if (!x->server || transaction_answered(x->server))
		return;
	answer(x->sip, x->server, x->method == METHOD_BYE ? 200 : 487, STR_EMPTY);
	x->answered = true;
}

/* Does what the final answer to a request means for the call. */
static void exchange_finish(struct exchange *x, unsigned status)
{
	struct call *call = x->call;

	x->answered = true;
	held_message_drop(x->request); /* the rest of its life, 64*T1, it only absorbs */
	x->request = NULL;
	x->accepted = x->method == METHOD_INVITE && status < 300;
	if (!x->accepted)
		exchange_unlink(x); /* what only absorbs is not in progress */
	if (x->method == METHOD_BYE && (status == 401 || status == 407)) {
		call->ending = false;
	} else if (x->method == METHOD_BYE) {
		count(CALLS_ENDED);
		call_free(call);
	} else if (call->answered && exchange_ends_call(x, status)) {
		/* RFC 3261 section 12.2.1.2: that leg's dialog is over, and a call of one leg is
		 * none */
		call_end(call, true, true, S("Reason: SIP;cause=481;text=\"Leg gone\"\r\n"));
	}
}

static void exchange_on_response(void *user, struct transaction *t, const struct message *m)
{
	struct exchange *x = user;
	bool refreshes = x->method == METHOD_INVITE || x->method == METHOD_UPDATE;
	bool success = m->status >= 200 && m->status < 300;

	(void)t;
	if (!x->call) {
		if (m->status >= 200)
			exchange_answer_ended(x);
		return;
	}
	if (m->status == 100)
		return;
	if (x->answered) {
		if (x->method == METHOD_INVITE && success && x->ack)
			exchange_repeat_ack(x);
		return;
	}
	if (m->status < 300 && refreshes)
		dialog_refresh(x->sip, x->out, m);
	unsigned status = exchange_status(x, m->status);
	exchange_answer(x, m);
	if (status >= 200)
		exchange_finish(x, status);
}

static void exchange_on_failed(void *user, struct transaction *t, unsigned status, int error)
{
	struct exchange *x = user;
	struct call *call = x->call;

	(void)t;
	(void)error;
	if (x->answered)
		return;
	x->answered = true;
	if (x->server && !transaction_answered(x->server))
		answer(x->sip, x->server,
			x->method == METHOD_BYE ? 200
			: status == 503         ? 500
						: status,
			STR_EMPTY);
	if (!call)
		return;
	exchange_unlink(x);
	if (x->method == METHOD_BYE) {
		count(CALLS_ENDED);
		call_free(call);
	} else if (call->answered && exchange_ends_call(x, status)) {
		call_end(call, true, true, S("Reason: SIP;cause=408;text=\"Leg gone\"\r\n"));
	}
}

static void exchange_on_client_gone(void *user, struct transaction *t)
{
	struct exchange *x = user;

	(void)t;
	x->client = NULL;
	exchange_check(x);
}

static void exchange_on_cancelled(void *user, struct transaction *t, const struct message *cancel)
{
	struct exchange *x = user;

	(void)t;
	(void)cancel;
	if (x->client && !x->answered)
		transaction_cancel(x->client, STR_EMPTY);
}

static void exchange_on_unacknowledged(void *user, struct transaction *t)
{
	struct exchange *x = user;

	(void)t;
	count(CALLS_UNACKNOWLEDGED);
	if (x->call)
		call_end(x->call, true, true, S("Reason: SIP;cause=408;text=\"ACK missing\"\r\n"));
}

static void exchange_on_server_failed(void *user, struct transaction *t, int error)
{
	struct exchange *x = user;

	(void)error;
	/* A 2xx that cannot be sent is not repeated any more: its ACK will not come. */
	if (x->accepted && !x->ack)
		exchange_on_unacknowledged(user, t);
}

static void exchange_on_server_gone(void *user, struct transaction *t)
{
	struct exchange *x = user;

	(void)t;
	x->server = NULL;
	exchange_check(x);
}

static const struct client_user exchange_client = {.response = exchange_on_response,
	.failed = exchange_on_failed,
	.gone = exchange_on_client_gone};
static const struct server_user exchange_server = {.cancelled = exchange_on_cancelled,
	.unacknowledged = exchange_on_unacknowledged,
	.failed = exchange_on_server_failed,
	.gone = exchange_on_server_gone};

/* ---- the way out ---- */

/* Writes m for the other leg. */
static int exchange_write(struct exchange *x, const struct message *m, const struct flow *to,
	uint64_t branch, struct wire **out)
{
	const struct call *call = x->call;
	unsigned from = x->in == call->a ? 0 : 1;
	const struct dialog *other = x->out;
	struct splice s;
	struct leg_request r = {.sip = x->sip,
		.message = m,
		.from_zone = x->in->zone,
		.to_zone = other->zone,
		.slot = other->slot,
		.in_dialog = true,
		.id = other->id,
		.to = to,
		.request_uri = other->target,
		.route = other->route,
		.call_id = other->call_id,
		.cseq = x->cseq.out,
		.from = other->local,
		.to_value = other->remote,
		.invite = call->invites[from],
		/* whoever sends NOTIFY got the REFER from the other leg */
		.refer = call->refers[1 - from]};
	int error = leg_request_splice(&r, &s);

	if (error)
		return error;
	s.branch = branch;
	return splice_request(&s, out);
}

/* Whether it is an INVITE of that leg. */
static bool exchange_is_invite(const struct exchange *x, const struct dialog *in)
{
	return x->method == METHOD_INVITE && x->in == in;
}

void exchange_ack(struct dialog *d, const struct message *m)
{
	struct exchange *x = d->call->exchanges;

	while (x && !(exchange_is_invite(x, d) && x->cseq.in == m->cseq && x->accepted))
		x = x->next;
	if (!x) {
		count(ACK_UNMATCHED);
		return;
	}
	struct flow flow = dialog_flow(x->sip, x->out);
	if (!x->ack) {
		if (x->server)
			transaction_acknowledged(x->server);
		if (exchange_write(x, m, &flow, random_u64(), &x->ack))
			return;
		held_message_drop(x->request);
		x->request = NULL;
	}
	exchange_send_ack(x, &flow);
}

bool exchange_invite_pending(const struct dialog *d)
{
	for (const struct exchange *x = d->call->exchanges; x; x = x->next)
		if (exchange_is_invite(x, d) && (!x->answered || (x->accepted && !x->ack)))
			return true;
	return false;
}

/* Notes the numbers that a later RAck or Event may name, and that a BYE ends the call. */
static void exchange_note(struct exchange *x)
{
	struct call *call = x->call;
	unsigned from = x->in == call->a ? 0 : 1;

	if (x->method == METHOD_INVITE)
		call->invites[from] = x->cseq;
	if (x->method == METHOD_REFER)
		call->refers[from] = x->cseq;
	if (x->method == METHOD_BYE) {
		call->ending = true;
		loop_set(x->sip->loop, &x->patience, 32u * x->sip->settings->t1_ms);
	}
}

static int exchange_send(struct exchange *x, const struct message *m)
{
	uint64_t branch = random_u64();
	struct flow flow = dialog_flow(x->sip, x->out);
	struct wire *bytes;
	int error = exchange_write(x, m, &flow, branch, &bytes);

	if (error)
		return error;
	error = transaction_send(x->sip->transactions, m->method, branch, x->out->slot, &flow,
		bytes, &exchange_client, x, &x->client);
	wire_drop(bytes);
	return error;
}

void exchange_pass(struct dialog *d, const struct incoming *in)
{
	struct call *call = d->call;
	struct transaction *t = in->transaction;
	uint8_t method = in->message->method;
	struct exchange *x = call->exchange_count < EXCHANGES_MAX ? exchange_new(d, method, t)
	                                                          : NULL;

	if (!x) {
		answer(in->sip, t, 500, S("Retry-After: 3\r\n"));
		return;
	}
	x->request = held_message_hold(transaction_request(t));
	x->cseq = (struct cseq_pair){in->message->cseq, ++d->other->local_cseq};
	transaction_serve(t, &exchange_server, x);
	exchange_note(x);
	int error = exchange_send(x, in->message);
	if (error == 0)
		return;
	x->answered = true;
	answer(in->sip, t, method == METHOD_BYE ? 200 : error == -ESRCH ? 481 : 500, STR_EMPTY);
	if (method == METHOD_BYE)
		call_end(call, false, false, STR_EMPTY);
}
