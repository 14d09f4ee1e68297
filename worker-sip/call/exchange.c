/* exchange.c - two legs and what passes between them (exchange.h). The ACKs of INVITEs are in
 * acknowledgement.c, the end of a call is in call_end.c.
 *
 * The place where a confirmed pair of dialogs is to be journalled is call_confirm, where it is to
 * be erased call_free.
 */
#include "call_record.h"
#include "dialog_request.h"
#include "exchange_state.h"
#include "provisional.h"

#include "common/list.h"
#include "common/slab.h"
#include "ipc/token.h"
#include "worker-sip/labels.h"
#include "worker-sip/message/allowance.h"
#include "worker-sip/routing/fork.h"
#include "worker-sip/routing/later_rules.h"
#include "worker-sip/routing/trunk_auth.h"

#include <errno.h>
#include <stdlib.h>

static const struct client_user exchange_client;
static int exchange_send(struct exchange *x, const struct message *m);
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
	sip_count_call(sip, 1);
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

void exchange_unlink(struct exchange *x)
{
	struct call *call = x->call;

	if (!call)
		return;
	list_remove(x);
	call->exchange_count--;
	x->call = NULL;
	x->in = x->out = NULL;
	call_forget(call);
}

/* ---- exchanges ---- */

/* Frees x when nothing will call it back. */
static void exchange_check(struct exchange *x)
{
	if (x->server || x->clients || x->held)
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
 * still repeated, or waits for its ACK. An INVITE that nobody answers is cancelled, and its sender
 * told when the other leg has said that it is; its 2xx may have crossed the CANCEL. */
static void exchange_patience_over(struct timer *t, void *arg)
{
	struct exchange *x = arg;

	(void)t;
	if (x->method == METHOD_INVITE && x->client) {
		if (!x->answered) {
			count(REINVITES_GIVEN_UP);
			x->timed_out = true;
		}
		x->cancelled = true;
		transaction_cancel(x->client, STR_EMPTY);
	} else if (x->call && !x->answered) {
		call_end(x->call, false, false, STR_EMPTY);
	}
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

int exchange_adopt(struct call *call, struct transaction *server, struct cseq_pair cseq,
	bool offered, struct exchange **out)
{
	struct exchange *x = exchange_new(call->a, METHOD_INVITE, server);

	if (!x)
		return -ENOMEM;
	x->cseq = cseq;
	x->answered = x->accepted = x->held = x->initial = true;
	x->offered = offered;
	transaction_serve(server, &exchange_server, x);
	call_confirm(call);
	*out = x;
	return 0;
}

/* ---- the way back ---- */

/* Whether a 481 or 408 to it says that the call is over and not only that a subscription or a
 * provisional response is unknown (RFC 5057 section 5.3, RFC 3262 section 3). */
static bool exchange_ends_call(const struct exchange *x, unsigned status)
{
	if (x->timed_out) /* that leg has rung: the session stays as it was (section 14.1) */
		return false;
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
	if (status == 487 && x->timed_out)
		return 408; /* it was ours to give up (RFC 3261 section 16.8) */
	if (challenge && !settings_zone(x->sip->settings, x->out->zone)->trust)
		return 403;
	return status;
}

/* Writes the response m for the leg which the request came by, and answers with it. False: it
 * cannot be passed. */
static bool exchange_answer(struct exchange *x, const struct message *m)
{
	unsigned status = exchange_status(x, m->status);
	char contact[TOKEN_LENGTH];
	struct wire *bytes;
	struct splice s = {.sip = x->sip,
		.in = m,
		.slot = x->in->slot,
		.from_zone = x->out->zone,
		.to_zone = x->in->zone,
		.contact_user = {contact, TOKEN_LENGTH},
		.rewrite = later_rules_of_response(x->sip, m, x->out->zone, x->in->zone)};

	if (!x->server)
		return false;
	token_mint(&x->sip->keys.minting, TOKEN_CONTACT, x->in->slot, x->in->id, contact);
	if (splice_response(&s, &x->request->message, status,
		    (struct str){x->in->tag, TOKEN_LENGTH}, &bytes) == 0) {
		transaction_answer(x->server, status, bytes);
		wire_drop(bytes);
		return true;
	}
	if (status >= 200)
		answer(x->sip, x->server, 500, STR_EMPTY);
	return false;
}

/* A response after the end of the call. A 2xx is acknowledged all the same; its dialog has its BYE
 * already (RFC 5407 section 3.2.3). */
static void exchange_on_late_response(struct exchange *x, const struct message *m)
{
	bool success = m->status >= 200 && m->status < 300;

	if (!x->call || x->method != METHOD_INVITE || !success)
		return;
	x->accepted = true;
	if (x->ack)
		exchange_repeat_ack(x);
	else
		exchange_acknowledge(x);
}

/* Does what the final answer to a request means for the call. */
static void exchange_finish(struct exchange *x, unsigned status)
{
	struct call *call = x->call;

	x->answered = true;
	loop_unset(x->sip->loop, &x->patience);
	held_message_drop(x->request); /* the rest of its life, 64*T1, it only absorbs */
	x->request = NULL;
	x->accepted = x->method == METHOD_INVITE && status < 300;
	if (!x->accepted)
		exchange_unlink(x); /* what only absorbs is not in progress */
	if (x->method == METHOD_BYE && (status == 401 || status == 407)) {
		call->ending = false;
		call_record_goes_on(call->record);
	} else if (x->method == METHOD_BYE) {
		count(CALLS_ENDED);
		call_free(call);
	} else if (call->answered && exchange_ends_call(x, status)) {
		/* RFC 3261 section 12.2.1.2: that leg's dialog is over, and a call of one leg is
		 * none */
		call_end(call, true, true, S("Reason: SIP;cause=481;text=\"Leg gone\"\r\n"));
	}
}

/* A 2xx to a re-INVITE that cannot be read: what the legs have agreed upon is not known any more.
 */
static void exchange_on_unreadable(struct exchange *x)
{
	if (x->answered) {
		if (x->ack)
			exchange_repeat_ack(x);
		return;
	}
	count(RESPONSES_BROKEN);
	x->answered = true;
	x->ack = dialog_send_ack(x->sip, x->out, x->cseq.out);
	if (x->server && !transaction_answered(x->server))
		answer(x->sip, x->server, 502, STR_EMPTY);
	call_end(x->call, true, true, S("Reason: SIP;cause=502;text=\"Unreadable answer\"\r\n"));
}

/* A provisional response that cannot be read passes on without what a PRACK would be for. */
static void exchange_on_broken_provisional(struct exchange *x, const struct message *m)
{
	if (x->answered)
		return;
	struct held_message *copy = provisional_unreliable(m, x->offered);
	if (!copy)
		return; /* it comes again, or the answer does */
	exchange_answer(x, &copy->message);
	held_message_drop(copy);
}

/* Sends the request once more, with what the trunk's server asks for (RFC 3261 section 22.2). */
static bool exchange_answers_challenge(struct exchange *x, const struct message *m)
{
	unsigned from = x->in == x->call->a ? 0 : 1;

	if ((m->status != 401 && m->status != 407) || x->cancelled || !x->request ||
		!trunk_auth_take(x->sip, x->out->trunk, m, &x->challenges))
		return false;
	x->cseq.out = ++x->out->local_cseq;
	if (exchange_send(x, &x->request->message))
		return false;
	if (x->method == METHOD_INVITE)
		x->call->invites[from] = x->cseq;
	if (x->method == METHOD_REFER)
		x->call->refers[from] = x->cseq;
	return true;
}

static void exchange_on_response(void *user, struct transaction *t, const struct message *m)
{
	struct exchange *x = user;
	bool refreshes = x->method == METHOD_INVITE || x->method == METHOD_UPDATE;
	bool success = m->status >= 200 && m->status < 300;

	(void)t;
	if (!x->call || x->call->ended) {
		exchange_on_late_response(x, m);
		return;
	}
	if (m->status == 100)
		return;
	if (m->status < 200 && !dialog_can_read(m)) {
		exchange_on_broken_provisional(x, m);
		return;
	}
	if (!dialog_can_read(m)) {
		exchange_on_unreadable(x);
		return;
	}
	if (x->answered) {
		if (x->method == METHOD_INVITE && success && x->ack)
			exchange_repeat_ack(x);
		return;
	}
	if (exchange_answers_challenge(x, m))
		return;
	if (m->status < 300 && refreshes)
		dialog_refresh(x->sip, x->out, m);
	if (refreshes && (success || message_first(m, HEADER_RSEQ)))
		dialog_take_target(x->sip, x->in, &x->request->message);
	unsigned status = exchange_status(x, m->status);
	bool passed = exchange_answer(x, m);
	if (success && refreshes && x->call->answered)
		call_refresh_session(x->call, &x->request->message, m);
	if (status >= 200)
		exchange_finish(x, status);
	if (!passed && x->accepted) {
		/* nobody else will acknowledge it */
		x->concluded = true;
		exchange_acknowledge(x);
	}
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

	if (x->client == t)
		x->client = NULL;
	x->clients--;
	exchange_check(x);
}

static void exchange_on_cancelled(void *user, struct transaction *t, const struct message *cancel)
{
	struct exchange *x = user;

	(void)t;
	(void)cancel;
	x->cancelled = true;
	if (x->client && !x->answered)
		transaction_cancel(x->client, STR_EMPTY);
}

static void exchange_on_unacknowledged(void *user, struct transaction *t)
{
	(void)t;
	exchange_unacknowledged(user);
}

static void exchange_on_server_failed(void *user, struct transaction *t, int error)
{
	struct exchange *x = user;

	(void)t;
	(void)error;
	/* A 2xx that cannot be sent is not repeated any more: its ACK will not come. */
	if (x->accepted && !x->concluded)
		exchange_unacknowledged(x);
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

int exchange_splice(
	const struct exchange *x, const struct message *m, const struct flow *to, struct splice *s)
{
	const struct call *call = x->call;
	unsigned from = x->in == call->a ? 0 : 1;
	const struct dialog *other = x->out;
	const struct leg_request r = {.sip = x->sip,
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

	return leg_request_splice(&r, s);
}

int exchange_write(struct exchange *x, const struct message *m, const struct flow *to,
	uint64_t branch, struct wire **out)
{
	struct splice s;
	int error = exchange_splice(x, m, to, &s);

	if (error)
		return error;
	s.branch = branch;
	s.credentials = dialog_credentials(x->sip, x->out, message_str(m, m->method_name));
	return splice_request(&s, out);
}

bool exchange_invite_pending(const struct dialog *d)
{
	for (const struct exchange *x = d->call->exchanges; x; x = x->next)
		if (exchange_is_invite(x, d) && (!x->answered || (x->accepted && !x->ack)))
			return true;
	return false;
}

unsigned exchange_invite_overtakes(const struct dialog *d)
{
	for (struct exchange *x = d->call->exchanges; x; x = x->next) {
		if (!exchange_is_invite(x, d))
			continue;
		if (!x->answered)
			return 500;
		if (x->accepted && !x->ack && !x->offered)
			return 491;
		exchange_acknowledge(x);
	}
	return 0;
}

/* Notes the numbers that a later RAck or Event may name, and that a BYE ends the call. */
static void exchange_note(struct exchange *x)
{
	struct call *call = x->call;
	unsigned from = x->in == call->a ? 0 : 1;

	if (x->method == METHOD_INVITE) {
		call->invites[from] = x->cseq;
		loop_set(x->sip->loop, &x->patience, TIMER_C_MS);
	}
	if (x->method == METHOD_REFER)
		call->refers[from] = x->cseq;
	if (x->method == METHOD_BYE) {
		call->ending = true;
		call_record_ends(call->record, from == 0 ? CALL_ENDER_CALLER : CALL_ENDER_CALLEE,
			CALL_END_BYE, message_value(&x->request->message, HEADER_REASON));
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
	error = allowance_take(x->out->allowance, bytes->size, ALLOWANCE_FOR_ANSWER)
	                ? transaction_send(x->sip->transactions, m->method, branch, x->out->slot,
				  &flow, bytes, &exchange_client, x, &x->client)
	                : -EAGAIN;
	wire_drop(bytes);
	if (error)
		return error;
	x->clients++;
	transaction_send_within(x->client, x->out->allowance);
	return 0;
}

/* Sends the request on its way, or answers that it cannot go. */
static void exchange_go(struct exchange *x, const struct message *m)
{
	int error = exchange_send(x, m);
	unsigned status = error == -ESRCH ? 481 : 500;

	if (error == 0)
		return;
	x->answered = true;
	if (x->server && !transaction_answered(x->server))
		answer(x->sip, x->server, x->method == METHOD_BYE ? 200 : status,
			error == -EAGAIN ? S("Retry-After: 3\r\n") : STR_EMPTY);
	if (x->method != METHOD_BYE)
		return;
	/* as with an ACK that is too large for the other leg, ours stands in its place */
	dialog_send_bye(x->sip, x->out, STR_EMPTY);
	call_end(x->call, false, false, STR_EMPTY);
}

void exchange_send_waiting(struct exchange *x)
{
	struct held_message *request = held_message_hold(x->request);

	x->waiting = false;
	exchange_go(x, &request->message);
	held_message_drop(request);
}

void exchange_pass(struct dialog *d, const struct incoming *in)
{
	struct call *call = d->call;
	struct transaction *t = in->transaction;
	bool bye = in->message->method == METHOD_BYE; /* has its place in any case */
	struct exchange *x = bye || call->exchange_count < EXCHANGES_MAX
	                             ? exchange_new(d, in->message->method, t)
	                             : NULL;

	if (!x) {
		count(DIALOG_FULL);
		answer(in->sip, t, 500, S("Retry-After: 3\r\n"));
		return;
	}
	x->request = held_message_hold(transaction_request(t));
	x->cseq = (struct cseq_pair){in->message->cseq, ++d->other->local_cseq};
	x->offered = in->message->body.length != 0;
	transaction_serve(t, &exchange_server, x);
	exchange_note(x);
	if (bye) {
		/* It ends the sessions of what was answered as well: whoever answered is told that
		 * his answer has come, before the BYE. */
		call_acknowledge_all(call);
		x->waiting = x->out == call->a && call_unacknowledged(call);
	}
	if (!x->waiting)
		exchange_go(x, in->message);
}

void exchange_bye_crosses(struct dialog *d)
{
	struct exchange *x = call_waiting_bye(d->call);

	if (!x || x->out != d)
		return;
	x->waiting = false;
	call_end(d->call, false, false, STR_EMPTY);
}
