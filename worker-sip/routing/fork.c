/* fork.c - RFC 3261 section 16, once for all methods (fork.h). */
#include "fork.h"

#include "common/log.h"
#include "forward.h"
#include "ipc/token.h"
#include "trunk_auth.h"
#include "worker-sip/call/dialog.h"
#include "worker-sip/labels.h"
#include "worker-sip/message/leg_request.h"
#include "worker-sip/message/splice.h"

#include <errno.h>
#include <stdlib.h>

/* Bytes of the Reason lines that pass with a CANCEL, at most: more than anyone has a reason for. */
#define FORK_REASONS_MAX 4096

static const struct client_user fork_client;
static const struct server_user fork_server;

static struct flow_users *fork_flow_users(const struct fork *f)
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

static void fork_branch_init(struct fork *f, struct fork_branch *b, const struct target *target)
{
	bool trunk = target->trunk != NONE_INDEX;

	b->fork = f;
	b->target = target;
	b->zone = (uint16_t)target->zone;
	b->trunk = target->trunk;
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

int fork_new(const struct incoming *in, const struct target *targets, unsigned count, size_t size,
	size_t branch_size, const struct fork_user *user, struct fork **out)
{
	/* The branches stand behind the request: they live as long as it does. */
	struct fork *f = calloc(1, size + count * branch_size);
	struct target *copies = malloc(count * sizeof(*copies));

	if (!f || !copies) {
		free(f);
		free(copies);
		return -ENOMEM;
	}
	*f = (struct fork){.sip = in->sip,
		.user = user,
		.server = in->transaction,
		.request = held_message_hold(transaction_request(in->transaction)),
		.targets = copies,
		.branches = (char *)f + size,
		.branch_size = branch_size,
		.count = count,
		.zone = in->zone,
		.id = random_u64(),
		.slot = in->slot,
		.invite = in->message->method == METHOD_INVITE};
	for (unsigned i = 0; i < count; i++) {
		target_copy(&copies[i], &targets[i]);
		fork_branch_init(f, fork_branch_at(f, i), &copies[i]);
	}
	transaction_serve(in->transaction, &fork_server, f);
	*out = f;
	return 0;
}

void fork_trim(struct fork *f)
{
	held_message_drop(f->request);
	held_message_drop(f->best);
	free(f->targets);
	f->request = f->best = NULL;
	f->targets = NULL;
	for (unsigned i = 0; i < f->count; i++)
		fork_branch_at(f, i)->target = NULL;
}

/* Frees f when nothing points to it any more. */
static void fork_check(struct fork *f)
{
	if (f->server || f->transactions)
		return;
	for (unsigned i = 0; i < f->count; i++) {
		struct fork_branch *b = fork_branch_at(f, i);

		loop_unset(f->sip->loop, &b->timer);
		flow_users_remove(fork_flow_users(f), &b->flow_user);
		target_attempt_end(&b->attempt);
	}
	if (f->user->released)
		f->user->released(f);
	held_message_drop(f->request);
	held_message_drop(f->best);
	free(f->targets);
	free(f);
}

void fork_drop(struct fork *f)
{
	f->transactions--;
	fork_check(f);
}

void fork_settle(struct fork *f)
{
	f->answered = f->stopped = true;
	if (f->user->settled)
		f->user->settled(f);
}

/* ---- the way back ---- */

void fork_tag(const struct fork *f, char tag[TOKEN_LENGTH])
{
	token_mint(&f->sip->keys.minting, TOKEN_TAG, f->slot, f->id, tag);
}

/* Writes m, which came from a zone, as the answer to the request. */
static int fork_write_answer(struct fork *f, const struct message *m, unsigned from_zone,
	unsigned status, struct str contact_user, struct str to_tag, struct wire **out)
{
	struct splice s = {.sip = f->sip,
		.slot = f->slot,
		.in = m,
		.from_zone = from_zone,
		.to_zone = f->zone,
		.contact_user = contact_user};

	return splice_response(&s, &f->request->message, status, to_tag, out);
}

int fork_pass(
	struct fork_branch *b, const struct message *m, struct str contact_user, struct str to_tag)
{
	struct fork *f = b->fork;
	struct wire *bytes;
	int error = fork_write_answer(f, m, b->zone, 0, contact_user, to_tag, &bytes);

	if (error)
		return error;
	error = transaction_answer(f->server, m->status, bytes);
	wire_drop(bytes);
	return error;
}

void fork_refuse(struct fork *f, unsigned status)
{
	f->failure = status;
	fork_settle(f);
	if (f->server)
		answer(f->sip, f->server, status, STR_EMPTY);
	fork_trim(f);
}

/* The status that goes back for the best failure. */
static unsigned fork_final_status(const struct fork *f)
{
	unsigned status = f->best_status ? f->best_status : 480;
	bool challenge = status == 401 || status == 407;

	/* 503 says "send me nothing more", which is for the failed peer to say and not for us
	 * (section 16.7). */
	if (status == 503)
		return 500;
	/* A redirection would tell where the other side lives. */
	if (status < 400)
		return 480;
	/* No 408 of our own for other requests than INVITE: it would come too late for anyone (RFC
	 * 4320 section 4.2). */
	if (status == 408 && !f->best && !f->invite)
		return 480;
	/* A challenge does not pass from the access side, and without it 401 and 407 say
	 * nothing. */
	if (challenge && !settings_zone(f->sip->settings, f->best_zone)->trust)
		return 403;
	return status;
}

/* The best failure goes back. */
static void fork_finish(struct fork *f)
{
	unsigned status = fork_final_status(f);
	struct wire *bytes;
	char tag[TOKEN_LENGTH];

	f->stopped = true;
	if (f->answered || !f->server)
		return;
	if (!f->best) {
		fork_refuse(f, status);
	} else if (fork_write_answer(f, &f->best->message, f->best_zone, status, STR_EMPTY,
			   transaction_tag(f->server, tag), &bytes)) {
		fork_refuse(f, 500);
	} else if (bytes->size > transaction_refusal_max(f->server)) {
		wire_drop(bytes);
		fork_refuse(f, status);
	} else {
		f->failure = status;
		fork_settle(f);
		transaction_answer(f->server, status, bytes);
		wire_drop(bytes);
		fork_trim(f);
	}
}

/* ---- the target set ---- */

static bool fork_send(struct fork_branch *b, bool udp)
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
		.replaces = f->replaces};
	struct forwarded sent;
	struct splice s;

	if (leg_request_splice(&r, &s))
		return false;
	if (b->trunk != NONE_INDEX)
		s.credentials = trunk_auth_write(f->sip, trunk_auth_of(f->sip, b->trunk),
			message_str(s.in, s.in->method_name), s.request_uri);
	if (forward_send(&s, target, udp, &fork_client, b, &sent))
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
	flow_users_add(fork_flow_users(f), &b->flow_user, b->flow.id);
	sip_watch(f->sip, &b->flow, f->slot);
	if (f->invite)
		loop_set(f->sip->loop, &b->timer, b->answer_ms);
	return true;
}

static bool fork_pending(const struct fork *f)
{
	for (unsigned i = 0; i < f->next; i++) {
		const struct fork_branch *b = fork_branch_at(f, i);

		if (b->sent && !b->done)
			return true;
	}
	return false;
}

/* Whether target i is of the group that target first begins. */
static bool fork_same_group(const struct fork *f, unsigned first, unsigned i)
{
	const struct target *a = fork_branch_at(f, first)->target;
	const struct target *b = fork_branch_at(f, i)->target;

	return a->trunk == NONE_INDEX && b->trunk == NONE_INDEX && a->q == b->q;
}

/* Makes the branch, which has not been sent, one to the target of from. */
static void fork_branch_retarget(struct fork_branch *b, const struct fork_branch *from)
{
	b->target = from->target;
	b->zone = from->zone;
	b->trunk = from->trunk;
	b->label = from->label;
	b->attempt = from->attempt;
	b->answer_ms = from->answer_ms;
	b->ring_ms = from->ring_ms;
}

/* Has the next target be one that is not known to be down, where there is one: what was known when
 * the request came may have changed. */
static void fork_prefer_alive(struct fork *f)
{
	struct fork_branch *next = fork_branch_at(f, f->next), found;
	unsigned i = f->next;

	while (i < f->count && target_attempt_is_down(&fork_branch_at(f, i)->attempt))
		i++;
	if (i == f->next || i == f->count)
		return;
	found = *fork_branch_at(f, i);
	for (; i > f->next; i--) /* those between keep their order */
		fork_branch_retarget(fork_branch_at(f, i), fork_branch_at(f, i - 1));
	fork_branch_retarget(next, &found);
}

/* Sends to the next group of targets where one is left and no branch is pending; else the best
 * failure goes back. */
static void fork_next_group(struct fork *f)
{
	while (!f->stopped && !f->answered && f->next < f->count) {
		unsigned first = f->next, sent = 0;

		if (first)
			fork_prefer_alive(f);
		do {
			struct fork_branch *b = fork_branch_at(f, f->next++);

			bool goes = fork_send(b, false);
			if (log_enabled(LOG_DEBUG))
				fork_log_tried(b, goes);
			if (f->user->tried)
				f->user->tried(b, goes);
			if (goes) {
				sent++;
			} else {
				b->done = true;
				if (!f->best_status)
					f->best_status = 503;
			}
		} while (f->next < f->count && fork_same_group(f, first, f->next));
		if (sent)
			return;
	}
	if (!fork_pending(f))
		fork_finish(f);
}

void fork_start(struct fork *f)
{
	fork_hold(f);
	fork_next_group(f);
	fork_drop(f);
}

/* The caller's reasons as the receiver of a branch gets them. */
static struct str fork_reasons(
	const struct fork_branch *b, const struct message *cancel, struct writer *w)
{
	const struct fork *f = b->fork;

	splice_write_header(w,
		&(struct splice){.sip = f->sip,
			.in = cancel,
			.from_zone = f->zone,
			.to_zone = b->zone,
			.to = &b->flow},
		HEADER_REASON);
	return writer_text(w);
}

/* reason: header lines of our own, where the caller has said nothing. */
static void fork_cancel_branches(struct fork *f, const struct fork_branch *except,
	struct str reason, const struct message *cancel)
{
	char buffer[FORK_REASONS_MAX];

	f->stopped = true;
	for (unsigned i = 0; i < f->count && f->invite; i++) {
		struct fork_branch *b = fork_branch_at(f, i);

		loop_unset(f->sip->loop, &b->timer);
		if (b == except || !b->client || b->done || b->cancelled)
			continue;
		b->cancelled = true;
		struct writer w = WRITER(buffer);

		transaction_cancel(b->client, cancel ? fork_reasons(b, cancel, &w) : reason);
	}
}

void fork_cancel(struct fork *f, const struct fork_branch *except, struct str reason)
{
	fork_cancel_branches(f, except, reason, NULL);
}

void fork_cancel_as(struct fork *f, const struct message *cancel)
{
	fork_cancel_branches(f, NULL, STR_EMPTY, cancel);
}

/* ---- branches ---- */

/* Which of two failures is the better answer (section 16.7): the one of lower rank. */
static unsigned fork_rank(unsigned status)
{
	if (status >= 600)
		return 0;
	unsigned rank = (status / 100) * 10;
	/* Within 4xx those that tell the caller what to do differently come first; a time-out, an
	 * absent phone or what was given up says least. */
	if (status == 401 || status == 407 || status == 415 || status == 420 || status == 484)
		return rank;
	if (status == 503)
		return 99;
	if (status == 408 || status == 480 || status == 487)
		return rank + 2;
	return rank + 1;
}

void fork_branch_done(struct fork_branch *b)
{
	b->done = true;
	loop_unset(b->fork->sip->loop, &b->timer);
	target_attempt_done(&b->attempt);
}

/* Whether no other target is tried after this failure: a 6xx is for all of them, and a trunk's own
 * answer is final; only what says "not I" goes on to its next target. */
static bool fork_is_final(const struct fork_branch *b, unsigned status, const struct message *m)
{
	if (b->trunk == NONE_INDEX)
		return status >= 600;
	if (!m) /* it could not be reached, or nobody knows what it said */
		return status != 503 && status != 408 && status != 502;
	return !target_attempt_fails_over(&b->attempt, status);
}

void fork_branch_failed(struct fork_branch *b, unsigned status, const struct message *m)
{
	struct fork *f = b->fork;

	if (b->done)
		return;
	fork_branch_done(b);
	if (log_enabled(LOG_DEBUG))
		fork_log_failed(b, status, m != NULL);
	if (f->user->failed)
		f->user->failed(b, status, m);
	if (f->answered)
		return;
	if (!f->best_status || fork_rank(status) < fork_rank(f->best_status)) {
		held_message_drop(f->best);
		f->best = m ? held_message_new(m) : NULL;
		f->best_status = status;
		f->best_zone = b->zone;
	}
	if (fork_is_final(b, status, m)) {
		if (status >= 600)
			fork_cancel(f, b, STR_EMPTY);
		f->stopped = true;
	}
	if (!fork_pending(f))
		fork_next_group(f);
}

void fork_give_up_branch(struct fork_branch *b)
{
	if (!b->client || b->done)
		return;
	b->cancelled = true;
	transaction_cancel(b->client, STR_EMPTY);
	fork_branch_failed(b, 487, NULL);
}

/* The connection that the transport worker opened for the request has a name now. */
static void fork_branch_flow(struct fork_branch *b, const struct flow *flow)
{
	struct fork *f = b->fork;

	if (b->flow.id || !flow->id)
		return;
	b->flow.id = flow->id;
	flow_users_add(fork_flow_users(f), &b->flow_user, b->flow.id);
	sip_watch(f->sip, &b->flow, f->slot);
}

/* Sends the request once more, with what its trunk's server asks for (RFC 3261 section 22.2); not
 * where an early dialog has come of it. The challenge was acknowledged by its transaction. */
static bool fork_answers_challenge(struct fork_branch *b, const struct message *m)
{
	struct fork *f = b->fork;

	if ((m->status != 401 && m->status != 407) || b->trunk == NONE_INDEX || b->done ||
		b->cancelled || f->answered || f->stopped || !b->target || b->early)
		return false;
	if (!trunk_auth_take(f->sip, trunk_auth_of(f->sip, b->trunk), m, &b->challenges))
		return false;
	b->cseq++;
	b->provisional = false;
	return fork_send(b, false);
}

static void fork_on_response(void *user, struct transaction *t, const struct message *m)
{
	struct fork_branch *b = user;
	struct fork *f = b->fork;

	(void)t;
	target_attempt_answered(&b->attempt, m->status);
	if (b->trunk != NONE_INDEX)
		labels_trunk_response(b->label, b->method, m->status);
	if (m->status >= 300) {
		if (!fork_answers_challenge(b, m))
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
static bool fork_may_switch_back(const struct fork_branch *b, unsigned status, int error)
{
	return error != -ECONNRESET && b->switched && status == 503 && !b->provisional &&
	       !b->done && !b->fork->stopped;
}

static void fork_on_failed(void *user, struct transaction *t, unsigned status, int error)
{
	struct fork_branch *b = user;

	(void)t;
	if (fork_may_switch_back(b, status, error)) {
		b->switched = false;
		if (fork_send(b, true))
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

static void fork_on_gone(void *user, struct transaction *t)
{
	struct fork_branch *b = user;

	if (b->client == t)
		b->client = NULL;
	fork_drop(b->fork);
}

static const struct client_user fork_client = {
	.response = fork_on_response, .failed = fork_on_failed, .gone = fork_on_gone};

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
		if (!b->provisional && !b->switched)
			target_attempt_failed(&b->attempt, -ECONNRESET);
		/* A phone whose flow is gone is not there; a trunk's next target may be. */
		fork_branch_failed(b, b->trunk == NONE_INDEX ? 480 : 503, NULL);
		fork_drop(b->fork);
	}
}

/* ---- the server transaction ---- */

static void fork_on_cancelled(void *user, struct transaction *t, const struct message *cancel)
{
	struct fork *f = user;

	(void)t;
	if (!f->answered && f->user->cancelled)
		f->user->cancelled(f, cancel);
}

/* The sender cannot be told; nobody shall ring for it. */
static void fork_on_server_failed(void *user, struct transaction *t, int error)
{
	struct fork *f = user;

	(void)t;
	(void)error;
	fork_settle(f);
	fork_cancel(f, NULL, STR_EMPTY);
	fork_trim(f);
}

static void fork_on_server_gone(void *user, struct transaction *t)
{
	struct fork *f = user;

	(void)t;
	f->server = NULL;
	fork_check(f);
}

static const struct server_user fork_server = {.cancelled = fork_on_cancelled,
	.failed = fork_on_server_failed,
	.gone = fork_on_server_gone};
