/* call_end.c - how a call ends (RFC 3261 section 15): what is still owed to each leg, and when the
 * last of it goes. */
#include "exchange_state.h"

#include "common/list.h"
#include "common/slab.h"
#include "call_record.h"
#include "dialog_request.h"
#include "worker-sip/labels.h"
#include "limits.h"
#include "minutes.h"

struct exchange *call_unacknowledged(const struct call *call)
{
	for (struct exchange *x = call->exchanges; x; x = x->next)
		if (x->initial && x->accepted && !x->concluded && x->server)
			return x;
	return NULL;
}

struct exchange *call_waiting_bye(const struct call *call)
{
	for (struct exchange *x = call->exchanges; x; x = x->next)
		if (x->waiting)
			return x;
	return NULL;
}

/* Sends BYE to the caller, or leaves it until his ACK has come. */
static void call_bye_caller(struct call *call, struct str reason)
{
	struct exchange *x = call_unacknowledged(call);

	if (!x) {
		dialog_send_bye(call->sip, call->a, reason);
		return;
	}
	x->bye_owed = true;
	x->bye_reason = reason;
}

void call_end(struct call *call, bool bye_a, bool bye_b, struct str reason)
{
	/* An answer that the other side never acknowledged is still to be acknowledged here, or its
	 * UAS would go on retransmitting. */
	call_acknowledge_all(call);
	if (call->ending) {
		/* A BYE has come by one leg, and has gone out by the other: no second one does. */
		bye_a = call_waiting_bye(call) != NULL;
		bye_b = false;
	}
	if (bye_a)
		call_bye_caller(call, reason);
	if (bye_b)
		dialog_send_bye(call->sip, call->b, reason);
	count(CALLS_ENDED);
	call_record_ends(
		call->record, CALL_ENDER_GATEWAY, CALL_END_ENDED, call_record_reason_value(reason));
	call_free(call);
}

static void call_longest_over(struct timer *t, void *arg)
{
	(void)t;
	count(LIMIT_DURATION);
	call_end(arg, true, true, S(LIMIT_DURATION_REASON));
}

void call_limit_duration(struct call *call, uint32_t seconds)
{
	if (seconds == 0)
		return;
	timer_init(&call->longest, call_longest_over, call);
	loop_set(call->sip->loop, &call->longest, (uint64_t)seconds * 1000);
}

static void call_minutes_over(void *arg)
{
	call_end(arg, true, true, S(MINUTES_OVER_REASON));
}

void call_count_minutes(struct call *call, struct minutes *minutes)
{
	call->minutes = minutes;
	minutes_begin(minutes, call_minutes_over, call);
}

/* What becomes of an exchange whose call has ended. RFC 3261 section 15.1.2: what was on its way is
 * answered 487. An INVITE stays: a 2xx to it would still want its ACK, and what was answered with
 * one waits for the other side's. */
static void exchange_call_ended(struct exchange *x)
{
	struct sip *sip = x->sip;

	exchange_acknowledge(x);
	if (!x->answered && x->server && !transaction_answered(x->server))
		answer(sip, x->server, x->method == METHOD_BYE ? 200 : 487, STR_EMPTY);
	if (x->method == METHOD_INVITE && !x->answered && x->client)
		loop_set(sip->loop, &x->patience, 32u * sip->settings->t1_ms);
	bool stays = x->method == METHOD_INVITE && (x->accepted || x->client);
	x->answered = true;
	x->waiting = false;
	held_message_drop(x->request);
	x->request = NULL;
	if (!stays)
		exchange_unlink(x);
}

void call_free(struct call *call)
{
	struct sip *sip = call->sip;
	struct exchange *next;

	loop_unset(sip->loop, &call->grace);
	loop_unset(sip->loop, &call->longest);
	loop_unset(sip->loop, &call->session);
	list_remove(call);
	sip_count_call(sip, -1);
	call_record_close(call->record, 0);
	call->record = NULL;
	minutes_end(call->minutes);
	call->minutes = NULL;
	dialog_retire(sip, call->a);
	dialog_retire(sip, call->b);
	for (struct exchange *x = call->exchanges; x; x = next) {
		next = x->next;
		exchange_call_ended(x);
	}
	call->ended = true;
	call_forget(call);
}

void call_forget(struct call *call)
{
	if (!call->ended || call->exchanges)
		return;
	dialog_free(call->sip, call->a);
	dialog_free(call->sip, call->b);
	slab_give(dialogs_slab(call->sip->dialogs), call, sizeof(*call));
}
