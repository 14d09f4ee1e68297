/* call.c - requests within a call, and what ends one (call.h). */
#include "call.h"

#include "call_explain.h"
#include "dialog_request.h"
#include "exchange.h"
#include "invite.h"
#include "refused_answer.h"
#include "worker-sip/message/allowance.h"
#include "worker-sip/decision_log.h"
#include "worker-sip/message/option_tags.h"
#include "worker-sip/message/refusal_log.h"
#include "worker-sip/routing/fork.h"
#include "worker-sip/subscription/reg_watch.h"
#include "worker-sip/subscription/subscribe.h"
#include "worker-sip/subscription/subscription.h"

/* ---- requests ---- */

/* The dialog of a request that is over, for as long as ACKs may come in it. NULL: none. */
static struct dialog *call_retired(const struct incoming *in)
{
	const struct message *m = in->message;
	struct dialog *d = dialog_retired(in->sip, message_str(m, m->call_id),
		message_str(m, m->to_tag), message_str(m, m->from_tag));

	return d && d->call && d->zone == in->zone ? d : NULL;
}

static void call_acknowledge(const struct incoming *in)
{
	struct dialog *d = dialog_of_request(in->sip, in->message);

	if (!d)
		d = call_retired(in);
	if (d && d->call && d->zone == in->zone) {
		allowance_lift(d->allowance);
		if (exchange_ack(d, in->message))
			return;
	}
	count(ACK_UNMATCHED);
	refusal_log_dropped(in->sip, in->message, "no answer waits for this ACK");
}

/* A leg whose flow was lost is back by another one. */
static void call_leg_back(struct dialog *d, const struct message *m)
{
	struct call *call = d->call;

	dialog_refresh(call->sip, d, m);
	if (d->lost)
		return;
	if (d->other->lost) /* that one has its time still */
		loop_set(call->sip->loop, &call->grace, LEG_GRACE_MS);
	else
		loop_unset(call->sip->loop, &call->grace);
}

/* Answers a request that cannot pass because the call is not established yet, or not any more.
 * False: it passes. */
static bool call_refuse_by_state(struct dialog *d, const struct incoming *in)
{
	struct call *call = d->call;
	bool bye = in->message->method == METHOD_BYE, caller = d == call->a;

	if (call->ending) {
		/* Both hang up at once: each gets its 200. */
		answer(in->sip, in->transaction, bye ? 200 : 481, STR_EMPTY);
		if (bye)
			exchange_bye_crosses(d);
		return true;
	}
	if (!call->invite || !bye)
		return false;
	/* The caller may give up an early dialog with BYE (RFC 3261 section 15); the callee may
	 * not. */
	answer(in->sip, in->transaction, caller ? 200 : 481, STR_EMPTY);
	if (caller)
		invite_end_early(call);
	return true;
}

/* Answers an INVITE that meets another one (RFC 3261 section 14.2). False: it passes. */
static bool call_refuse_invite(struct dialog *d, const struct incoming *in)
{
	if (d->call->invite || exchange_invite_pending(d->other)) {
		count(INVITES_GLARE);
		answer(in->sip, in->transaction, 491, STR_EMPTY);
		return true;
	}
	unsigned status = exchange_invite_overtakes(d);
	if (status == 0)
		return false;
	count(INVITES_GLARE);
	answer(in->sip, in->transaction, status,
		status == 500 ? S("Retry-After: 3\r\n") : STR_EMPTY);
	return true;
}

/* Answers a request that requires what cannot be kept across the legs. False: it passes. */
static bool call_refuse_extension(const struct incoming *in)
{
	char buffer[512];
	struct writer unsupported = WRITER(buffer);

	if (!option_tags_require(in->message, &unsupported))
		return false;
	answer(in->sip, in->transaction, 420,
		unsupported.full ? STR_EMPTY : writer_text(&unsupported));
	return true;
}

/* A BYE that crosses the one which its sender is still owed gets its 200 (RFC 5407 section 3.2.1).
 * False: it is refused as all else is after the end. */
static bool call_refuse_after_end(struct incoming *in)
{
	struct dialog *d = in->message->method == METHOD_BYE ? call_retired(in) : NULL;

	if (!d || !exchange_bye_taken(d))
		return false;
	in->shown = true;
	if (incoming_begin(in))
		answer(in->sip, in->transaction, 200, STR_EMPTY);
	return true;
}

void call_request(struct incoming *in)
{
	const struct message *m = in->message;

	if (in->explanation) {
		call_explain(in);
		return;
	}
	if (m->method == METHOD_ACK) {
		call_acknowledge(in);
		return;
	}
	struct dialog *d = dialog_of_request(in->sip, m);
	if (!d && call_refuse_after_end(in))
		return;
	if (!d)
		d = subscribe_notified(in);
	if (!d || in->zone != d->zone) {
		count(DIALOG_UNMATCHED);
		incoming_answer(in, 481, STR_EMPTY);
		return;
	}
	in->shown = true;
	allowance_lift(d->allowance);
	if (!incoming_begin(in))
		return;
	if (d->remote_cseq && m->cseq <= d->remote_cseq) {
		/* RFC 3261 section 12.2.2: it is out of order. */
		count(DIALOG_OUT_OF_ORDER);
		answer(in->sip, in->transaction, 500, STR_EMPTY);
		return;
	}
	d->remote_cseq = m->cseq;
	decision_dialog(in, d);
	if (d->subscription) {
		subscription_pass(d, in);
		return;
	}
	if (d->watch) {
		reg_watch_pass(d, in);
		return;
	}
	if (d->lost)
		call_leg_back(d, m);
	if (call_refuse_by_state(d, in))
		return;
	if (m->method == METHOD_INVITE || m->method == METHOD_UPDATE)
		dialog_take_flow(in->sip, d, &m->flow);
	if (m->method == METHOD_INVITE && call_refuse_invite(d, in))
		return;
	if (m->method != METHOD_BYE && call_refuse_extension(in))
		return;
	exchange_pass(d, in);
}

/* ---- connections ---- */

/* Only the leg that is still there can be told. */
static void call_grace_over(struct timer *t, void *arg)
{
	struct call *call = arg;
	bool a = call->a->lost, b = call->b->lost;

	(void)t;
	if (!a && !b) /* it is back by an answer that came by another flow */
		return;
	count(CALLS_LEG_LOST);
	call_end(call, !a, !b, S("Reason: SIP;cause=503;text=\"Flow lost\"\r\n"));
}

/* The flow of a leg of an answered call has ended. */
static void call_leg_lost(struct dialog *d)
{
	struct call *call = d->call;

	if (settings_zone(call->sip->settings, d->zone)->trust) {
		/* A trunk may close a connection that is idle: the next request opens another. */
		d->flow.id = 0;
		return;
	}
	d->lost = true;
	if (timer_armed(&call->grace))
		return;
	timer_init(&call->grace, call_grace_over, call);
	loop_set(call->sip->loop, &call->grace, LEG_GRACE_MS);
}

void call_flow_closed(struct sip *sip, uint64_t flow)
{
	struct flow_user *leg;

	invite_flow_closed(sip, flow);
	fork_flow_closed(sip, flow);
	while ((leg = flow_users_pop(&dialogs_flow_users(sip->dialogs)->legs, flow))) {
		struct dialog *d = container_of(leg, struct dialog, flow_user);

		if (d->subscription)
			subscription_leg_lost(d);
		else if (d->watch)
			reg_watch_lost(d);
		else if (d->call && d->call->answered)
			call_leg_lost(d);
	}
}

/* ---- answers of INVITEs that are gone ---- */

void call_stray_answer(const struct incoming *in, uint64_t branch)
{
	const struct message *m = in->message;
	struct dialog *d = dialog_of_tags(in->sip, message_str(m, m->call_id),
		message_str(m, m->from_tag), message_str(m, m->to_tag));

	if (d && d->call &&
		d->zone == in->zone) { /* a late repetition of an answer whose call stands */
		wire_drop(dialog_send_ack(in->sip, d, m->cseq));
		return;
	}
	struct sent_invite invite;
	bool known = m->broken && sent_invite_read(transactions_sent(in->sip->transactions,
							   METHOD_INVITE, branch),
					  &invite);
	refused_answer_take(in->sip, m, in->zone, known ? &invite : NULL);
}

/* ---- sipwardctl ---- */

void call_list_listeners(struct sip *sip, void (*line)(void *arg, struct str json), void *arg)
{
	bool used[LISTENERS_MAX] = {false};

	for (const struct call *call = sip->call_list; call; call = call->next) {
		used[call->a->flow.listener % LISTENERS_MAX] = true;
		used[call->b->flow.listener % LISTENERS_MAX] = true;
	}
	invite_mark_listeners(sip, used);
	for (unsigned i = 0; i < LISTENERS_MAX; i++) {
		char buffer[32];
		struct writer w = WRITER(buffer);

		if (!used[i])
			continue;
		write_literal(&w, "{\"listener\":");
		write_number(&w, i);
		write_literal(&w, "}");
		line(arg, writer_text(&w));
	}
}
