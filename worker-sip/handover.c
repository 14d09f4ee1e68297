/* handover.c - the old owner's part of a slot's move. Relies on every transaction and dialog
 * knowing its slot, and on everything that this worker keeps for a call hanging on one of them. */
#include "handover.h"

#include "ipc/token.h"
#include "worker-sip/call/call.h"
#include "worker-sip/call/dialog.h"
#include "worker-sip/call/dialog_reference.h"
#include "worker-sip/call/exchange.h"
#include "worker-sip/call/invite.h"
#include "worker-sip/subscription/reg_watch.h"
#include "worker-sip/subscription/subscribe.h"
#include "worker-sip/subscription/subscription.h"
#include "worker-sip/subscription/subscription_sweep.h"
#include "worker-sip/transaction/transaction.h"

/* ---- what belongs here ---- */

static bool handover_keeps_response(struct sip *sip, const struct message *m)
{
	struct str text = message_str(m, m->via_branch);
	uint64_t branch;
	uint8_t slot;

	if (text.n == BRANCH_LENGTH &&
		token_prove(&sip->keys.minting, TOKEN_BRANCH,
			str_from(text, BRANCH_LENGTH - TOKEN_LENGTH), &slot, &branch) == 0 &&
		transactions_await(sip->transactions, m, branch))
		return true;
	/* a 2xx to INVITE that comes again after its transaction */
	return dialog_of_tags(sip, message_str(m, m->call_id), message_str(m, m->from_tag),
		       message_str(m, m->to_tag)) != NULL;
}

/* Whether a request is to take over a call that is here, or to join it. */
static bool handover_keeps_named(struct sip *sip, const struct message *m)
{
	struct str value = message_value(m, HEADER_REPLACES);

	if (!value.n)
		value = message_value(m, HEADER_JOIN);
	return value.n && dialog_reference_find(sip, value);
}

bool handover_keeps(struct sip *sip, const struct message *m)
{
	if (!m->is_request)
		return handover_keeps_response(sip, m);
	if (transactions_have(sip->transactions, m))
		return true;
	if (m->method == METHOD_REGISTER)
		return false;
	if (m->to_tag.length &&
		(dialog_of_request(sip, m) || subscribe_awaits(sip, m) ||
			dialog_retired(sip, message_str(m, m->call_id), message_str(m, m->to_tag),
				message_str(m, m->from_tag))))
		return true;
	return dialog_of_contact(sip, message_str(m, m->request_uri.user)) != NULL ||
	       handover_keeps_named(sip, m);
}

/* ---- what is left ---- */

static bool handover_moves_away(const struct sip *sip, unsigned slot)
{
	return sip->slots.worker[slot] == sip->index && sip->slots.next[slot] != sip->index;
}

static void handover_tell(struct sip *sip, const struct lifeline_slots_free *body)
{
	if (sip->handover.epoch == body->epoch &&
		memcmp(&sip->handover.told, &body->set, sizeof(body->set)) == 0)
		return;
	if (worker_send(&sip->worker, LIFELINE_SLOTS_FREE, body, sizeof(*body), NULL, 0))
		return; /* with the next look */
	sip->handover.epoch = body->epoch;
	sip->handover.told = body->set;
}

static void handover_look(struct timer *t, void *arg)
{
	struct sip *sip = arg;
	struct slot_set used = {{0}};
	struct lifeline_slots_free body = {.epoch = sip->slots.epoch};
	bool any = false, more = false;

	(void)t;
	/* a subscription would stay for as long as it is refreshed; one may have been made since */
	subscriptions_sweep(sip);
	reg_watches_sweep(sip);
	transactions_slots(sip->transactions, &used);
	for (const struct call *call = sip->call_list; call; call = call->next) {
		slot_set_add(&used, call->a->slot);
		slot_set_add(&used, call->b->slot);
	}
	for (const struct subscription *s = sip->subscription_list; s; s = s->next)
		slot_set_add(&used, s->a->slot);
	subscribe_slots(sip, &used);
	reg_watches_slots(sip, &used);
	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		if (!handover_moves_away(sip, i))
			continue;
		more = true;
		if (slot_set_has(&used, (uint8_t)i))
			continue;
		slot_set_add(&body.set, (uint8_t)i);
		any = true;
	}
	if (any)
		handover_tell(sip, &body);
	if (more)
		loop_set(sip->loop, &sip->handover.timer, HANDOVER_LOOK_MS);
}

void handover_init(struct sip *sip)
{
	timer_init(&sip->handover.timer, handover_look, sip);
}

void handover_slots_changed(struct sip *sip)
{
	if (timer_armed(&sip->handover.timer))
		return;
	for (unsigned i = 0; i < SLOT_COUNT; i++)
		if (handover_moves_away(sip, i)) {
			subscriptions_sweep(sip);
			reg_watches_sweep(sip);
			loop_set(sip->loop, &sip->handover.timer, HANDOVER_LOOK_MS);
			return;
		}
}
