/* drain.c - the end of a worker's work in order (drain.h). In-dialog requests, answers and
 * repetitions are served as ever; only what begins something new meets drain_refuses. Relies on
 * transactions_owed for what is still to be answered. */
#include "drain.h"

#include "worker-sip/call/exchange.h"
#include "worker-sip/call/invite.h"
#include "worker-sip/incoming.h"
#include "worker-sip/routing/trunk_registration.h"
#include "worker-sip/subscription/reg_watch.h"
#include "worker-sip/subscription/subscription.h"
#include "worker-sip/transaction/transaction.h"

/* ---- new work ---- */

bool drain_refuses(const struct incoming *in)
{
	struct sip *sip = in->sip;
	const struct listener_settings *l = settings_listener(
		sip->settings, in->message->flow.listener);

	if (sip->drain.mode == DRAIN_OFF && !l->gone)
		return false;
	if (sip->drain.mode != DRAIN_OFF && l->when_draining == WHEN_DRAINING_IGNORE) {
		count(DRAIN_IGNORED);
		if (in->explanation)
			explanation_say(in->explanation, "drain", STR_EMPTY, 0,
				"this gateway drains: no answer, for others serve the address");
	} else {
		count(DRAIN_REFUSED);
		incoming_answer(in, 503, S(DRAIN_RETRY_AFTER));
	}
	return true;
}

/* ---- calls ---- */

/* Ends one subscription. False: there is none. */
static bool drain_end_subscription(struct sip *sip)
{
	if (!sip->subscription_list)
		return reg_watches_end_one(sip, S(SUBSCRIPTION_STOPPED));
	subscription_end(sip->subscription_list, S(SUBSCRIPTION_STOPPED));
	return true;
}

/* Ends one call that stands or rings, then one subscription. False: there is none. */
static bool drain_end_call(struct sip *sip)
{
	/* first those in the making, whose early dialogs stand among the calls */
	if (sip->invite_list)
		invite_end(sip->invite_list, 503, S(DRAIN_RETRY_AFTER), S(DRAIN_REASON));
	else if (sip->call_list)
		call_end(sip->call_list, true, true, S(DRAIN_REASON));
	else
		return drain_end_subscription(sip);
	count(CALLS_STOPPED);
	return true;
}

static void drain_end_calls(struct sip *sip)
{
	struct drain *d = &sip->drain;

	for (unsigned i = 0; i < DRAIN_CALLS_PER_LOOK; i++)
		if (!drain_end_call(sip)) {
			d->ended = loop_now(sip->loop);
			trunk_registrations_stop(sip);
			return;
		}
}

/* Early dialogs stand and fall with their INVITE, which is one call however many it has. */
static uint32_t drain_calls(const struct sip *sip)
{
	uint32_t calls = invite_count(sip);

	for (const struct call *call = sip->call_list; call; call = call->next)
		calls += call->answered != 0;
	return calls;
}

/* ---- what is left ---- */

static void drain_tell(struct sip *sip, uint32_t calls, bool done)
{
	struct drain *d = &sip->drain;
	struct lifeline_drained body = {.sequence = d->sequence, .calls = calls, .done = done};

	if (d->told && d->calls == calls && d->done == done)
		return;
	if (worker_send(&sip->worker, LIFELINE_DRAINED, &body, sizeof(body), NULL, 0))
		return; /* with the next look */
	d->told = true;
	d->calls = calls;
	d->done = done;
}

/* Whether all has been answered, or has had the time to be. */
static bool drain_is_done(struct sip *sip, uint32_t calls)
{
	struct drain *d = &sip->drain;
	uint64_t now = loop_now(sip->loop);

	if (calls || transactions_owed(sip->transactions)) {
		d->stood = now;
		return !calls && d->ended && now - d->ended >= DRAIN_ANSWER_MS;
	}
	if (trunk_registrations_leaving(sip) && now - d->ended < REGISTRATION_STOP_MS)
		return false;
	return !d->stood || now - d->stood >= DRAIN_SETTLE_MS;
}

static void drain_look(struct timer *t, void *arg)
{
	struct sip *sip = arg;
	struct drain *d = &sip->drain;

	(void)t;
	if (d->mode == DRAIN_END && !d->ended) {
		if (sip->call_list || sip->invite_list || sip->subscriptions)
			d->stood = loop_now(sip->loop);
		drain_end_calls(sip);
	}
	uint32_t calls = drain_calls(sip);
	bool done = drain_is_done(sip, calls);
	if (done && d->mode == DRAIN_END && transactions_owed(sip->transactions))
		log_warn("drain-unanswered", "transactions=%u",
			transactions_owed(sip->transactions));
	drain_tell(sip, calls, done);
	if (!d->done)
		loop_set(sip->loop, &d->timer,
			d->mode == DRAIN_END ? DRAIN_END_LOOK_MS : DRAIN_LOOK_MS);
}

void drain_order(struct sip *sip, const struct lifeline_drain *order)
{
	struct drain *d = &sip->drain;

	drain_close(sip);
	*d = (struct drain){.sequence = order->sequence, .mode = order->mode};
	timer_init(&d->timer, drain_look, sip);
	if (d->mode != DRAIN_OFF)
		loop_set(sip->loop, &d->timer, 0);
}

void drain_close(struct sip *sip)
{
	if (sip->drain.mode != DRAIN_OFF)
		loop_unset(sip->loop, &sip->drain.timer);
}
