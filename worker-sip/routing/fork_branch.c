/* fork_branch.c - the request on its way to one target: sent, answered, challenged, lost (fork.h).
 * Relies on: fork.c, which is told of its outcome. */
#include "fork_parts.h"

#include "asserted_identity.h"

#include "forward.h"
#include "ipc/token.h"
#include "worker-sip/call/dialog.h"
#include "worker-sip/labels.h"
#include "worker-sip/message/leg_request.h"
#include "worker-sip/message/splice.h"

#include <errno.h>

static const struct client_user fork_branch_client;

static struct flow_users *fork_branch_flow_users(const struct fork *f)
{
	return &dialogs_flow_users(f->sip->dialogs)->branches;
}

/* ---- life ---- */

static void fork_branch_timer(struct timer *t, void *arg)
{
	struct fork_branch *b = arg;

	(void)t;
	if (!b->client || b->done)
		return;
	b->cancelled = true;
	transaction_cancel(b->client, STR_EMPTY);
	/* After a provisional response it is the 487 that follows the CANCEL, or its absence, that
	 * ends the branch. */
	if (b->provisional)
		return;
	b->late = true;
	target_attempt_failed(&b->attempt, -ETIMEDOUT);
	fork_branch_failed(b, 408, NULL);
}

void fork_branch_init(
	struct fork *f, struct fork_branch *b, const struct target *target, unsigned place)
{
	bool trunk = target->trunk != NONE_INDEX;

	b->fork = f;
	b->target = target;
	b->zone = (uint16_t)target->zone;
	b->trunk = target->trunk;
	b->place = (uint16_t)place;
	b->hop = target->hop;
	if (trunk) {
		b->label = (uint8_t)settings_trunk(f->sip->settings, target->trunk)->label;
		target_attempt_init(
			&b->attempt, f->sip->target_states, target->trunk, target->index);
	}
	b->id = random_u64();
	b->cseq = 1;
	timer_init(&b->timer, fork_branch_timer, b);
	token_mint(&f->sip->keys.minting, TOKEN_CALL_ID, f->slot, b->id, b->call_id);
	if (!f->invite)
		return;
	b->answer_ms = trunk ? settings_trunk(f->sip->settings, target->trunk)->answer_ms
	                     : TIMER_C_MS;
	b->ring_ms = trunk ? settings_trunk(f->sip->settings, target->trunk)->ring_ms : TIMER_C_MS;
}

void fork_branch_end(struct fork_branch *b)
{
	struct fork *f = b->fork;

	loop_unset(f->sip->loop, &b->timer);
	flow_users_remove(fork_branch_flow_users(f), &b->flow_user);
	target_attempt_end(&b->attempt);
}

/* ---- the request ---- */

bool fork_branch_send(struct fork_branch *b, bool udp)
{
	struct fork *f = b->fork;
	const struct target *target = b->target;
	struct leg_request r = {.sip = f->sip,
		.message = &f->request->message,
		.from_zone = f->zone,
		.to_zone = b->zone,
		.slot = f->slot,
		.id = b->id,
		.to = &target->flow,
		.request_uri = target->request_uri,
		.route = target->route,
		.call_id = {b->call_id, sizeof(b->call_id)},
		.cseq = b->cseq,
		.replaces = f->replaces,
		.asserted = f->asserted && asserted_identity_goes(
						   f->sip->settings, b->zone, f->anonymous)
	                            ? str_of(f->asserted)
	                            : STR_EMPTY,
		.rewrite = target->rewrite};
	struct forwarded sent;
	struct splice s;

	if (leg_request_splice(&r, &s))
		return false;
	if (b->trunk != NONE_INDEX)
		s.credentials = trunk_auth_write(f->sip, trunk_auth_of(f->sip, b->trunk),
			message_str(s.in, s.in->method_name), s.request_uri);
	if (forward_send(&s, target, udp, &fork_branch_client, b, &sent))
		return false;
	b->sent = true;
	b->client = sent.client;
	b->flow = sent.flow;
	b->switched = sent.switched;
	f->transactions++;
	b->method = r.message->method;
	if (b->trunk != NONE_INDEX)
		labels_trunk_request(b->label, b->method);
	target_attempt_sent(&b->attempt);
	flow_users_add(fork_branch_flow_users(f), &b->flow_user, b->flow.id);
	sip_watch(f->sip, &b->flow, f->slot);
	if (f->invite)
		loop_set(f->sip->loop, &b->timer, b->answer_ms);
	return true;
}

void fork_branch_done(struct fork_branch *b)
{
	b->done = true;
	loop_unset(b->fork->sip->loop, &b->timer);
	target_attempt_done(&b->attempt);
}

void fork_give_up_branch(struct fork_branch *b)
{
	if (!b->client || b->done)
		return;
	b->cancelled = true;
	transaction_cancel(b->client, STR_EMPTY);
	fork_branch_failed(b, 487, NULL);
}

void fork_give_up_pending(struct fork *f)
{
	const unsigned sent = f->next; /* not those that come in their place */

	fork_hold(f);
	for (unsigned i = 0; i < sent; i++) {
		struct fork_branch *b = fork_branch_at(f, i);

		if (!b->client || b->done || f->answered)
			continue;
		b->cancelled = b->late = true;
		transaction_cancel(b->client, STR_EMPTY);
		fork_branch_failed(b, 408, NULL);
	}
	fork_drop(f);
}

/* ---- its outcome ---- */

/* The connection that the transport worker opened for the request has a name now. */
static void fork_branch_flow(struct fork_branch *b, const struct flow *flow)
{
	struct fork *f = b->fork;

	if (b->flow.id || !flow->id)
		return;
	b->flow.id = flow->id;
	flow_users_add(fork_branch_flow_users(f), &b->flow_user, b->flow.id);
	sip_watch(f->sip, &b->flow, f->slot);
}

/* Sends the request once more, with what its trunk's server asks for (RFC 3261 section 22.2); not
 * where an early dialog has come of it. The challenge was acknowledged by its transaction. */
static bool fork_branch_answers_challenge(struct fork_branch *b, const struct message *m)
{
	struct fork *f = b->fork;

	if ((m->status != 401 && m->status != 407) || b->trunk == NONE_INDEX || b->done ||
		b->cancelled || f->answered || f->stopped || !b->target || b->early)
		return false;
	if (!trunk_auth_take(f->sip, trunk_auth_of(f->sip, b->trunk), m, &b->challenges))
		return false;
	b->cseq++;
	b->provisional = false;
	return fork_branch_send(b, false);
}

static void fork_branch_on_response(void *user, struct transaction *t, const struct message *m)
{
	struct fork_branch *b = user;
	struct fork *f = b->fork;

	(void)t;
	target_attempt_answered(&b->attempt, m->status);
	if (b->trunk != NONE_INDEX)
		labels_trunk_response(b->label, b->method, m->status);
	if (m->status >= 300) {
		if (!fork_branch_answers_challenge(b, m))
			fork_branch_failed(b, m->status, m);
		return;
	}
	if (m->status < 200) {
		b->provisional = true;
		b->early |= m->status > 100;
		if (b->done || f->answered)
			return;
		fork_branch_flow(b, &m->flow);
		if (!f->invite)
			return; /* they go from hop to hop only (RFC 4320 section 4.1) */
		loop_set(f->sip->loop, &b->timer, b->ring_ms);
	}
	f->user->response(b, m);
}

/* Whether a request that left UDP for TCP because of its size goes by UDP after all: nobody at the
 * target has seen it, and it is still wanted (section 18.1.1). What was written to a connection
 * that ended before an answer may have been seen. */
static bool fork_branch_may_switch_back(const struct fork_branch *b, unsigned status, int error)
{
	return error != -ECONNRESET && b->switched && status == 503 && !b->provisional &&
	       !b->done && !b->fork->stopped;
}

static void fork_branch_on_failed(void *user, struct transaction *t, unsigned status, int error)
{
	struct fork_branch *b = user;

	(void)t;
	if (fork_branch_may_switch_back(b, status, error)) {
		b->switched = false;
		if (fork_branch_send(b, true))
			return;
	}
	if (b->trunk != NONE_INDEX)
		labels_trunk_response(b->label, b->method, 0);
	if (!error) /* it came, and could not be read */
		target_attempt_answered(&b->attempt, status);
	else if (!b->provisional && !b->switched)
		target_attempt_failed(&b->attempt, error);
	b->late = status == 408;
	/* A binding whose flow is gone is a phone that is not there. */
	if (b->trunk == NONE_INDEX && error)
		status = 480;
	fork_branch_failed(b, status, NULL);
}

static void fork_branch_on_gone(void *user, struct transaction *t)
{
	struct fork_branch *b = user;

	if (b->client == t)
		b->client = NULL;
	fork_drop(b->fork);
}

static const struct client_user fork_branch_client = {.response = fork_branch_on_response,
	.failed = fork_branch_on_failed,
	.gone = fork_branch_on_gone};

void fork_attempt_lost(struct target_attempt *a, bool refused)
{
	struct fork_branch *b = container_of(a, struct fork_branch, attempt);
	struct fork *f = b->fork;

	if (!b->client || b->done || b->provisional || f->stopped || f->answered)
		return;
	if (!refused && f->next == f->count)
		return;
	count(BRANCHES_GIVEN_UP);
	if (f->invite && !b->cancelled) {
		b->cancelled = true;
		transaction_cancel(b->client, STR_EMPTY);
	}
	b->late = !refused;
	fork_branch_failed(b, refused ? 503 : 408, NULL);
}

void fork_flow_closed(struct sip *sip, uint64_t flow)
{
	struct flow_user *flow_user;

	while ((flow_user = flow_users_pop(&dialogs_flow_users(sip->dialogs)->branches, flow))) {
		struct fork_branch *b = container_of(flow_user, struct fork_branch, flow_user);

		if (!b->client || b->done)
			continue;
		/* The transaction's place among those that hold f is ours now. */
		transaction_cut(b->client);
		b->client = NULL;
		if (b->trunk != NONE_INDEX)
			labels_trunk_response(b->label, b->method, 0);
		if (!b->provisional && !b->switched)
			target_attempt_failed(&b->attempt, -ECONNRESET);
		/* A phone whose flow is gone is not there; a trunk's next target may be. */
		fork_branch_failed(b, b->trunk == NONE_INDEX ? 480 : 503, NULL);
		fork_drop(b->fork);
	}
}
