/* target_ping.c - OPTIONS to the targets of trunks (RFC 3261 section 11): how one that is up is
 * found down without a call, and how one that is down is found up.
 *
 * A trunk belongs to the SIP worker that owns the slot of its name, which alone pings its targets:
 * all of them where the trunk says so (ping), and those that are down in any case, after
 * TARGET_PROBE_FIRST_MS and then after twice the time, up to TARGET_PROBE_MOST_MS. Any response but
 * 503 is an answer. Relies on: transactions, whose timers are not waited for: the trunk's
 * answer-timeout ends a ping.
 */
#include "target_state_parts.h"

#include "target_rows.h"
#include "trunk_options.h"
#include "trunk_slot.h"
#include "worker-sip/transaction/transaction.h"

#include <errno.h>

/* Pings after a start do not all go out at once. */
#define TARGET_PING_SPREAD_MS 5000

static const struct trunk_settings *target_ping_trunk(const struct target_state *s)
{
	return settings_trunk(s->owner->sip->settings, s->trunk);
}

bool target_ping_is_ours(const struct target_state *s)
{
	return s->trunk != NONE_INDEX && trunk_is_ours(s->owner->sip, s->trunk);
}

static const struct client_user target_ping_client;

/* 0, or a negative errno: nothing was sent. */
static int target_ping_send(struct target_state *s)
{
	struct sip *sip = s->owner->sip;
	const struct target_settings *t = target_state_row(s);
	struct flow to = target_row_flow(sip->settings, s->trunk, t);
	uint64_t branch = random_u64();
	uint8_t slot = trunk_slot(sip, s->trunk);
	struct writer w = scratch_message(&sip->scratch);
	struct wire *bytes;
	int error;

	trunk_options_write(&w, sip, &to, s->trunk, t, slot, branch);
	error = scratch_wire(&sip->scratch, &w, &bytes);
	if (error)
		return error;
	error = transaction_send(sip->transactions, METHOD_OPTIONS, branch, slot, &to, bytes,
		&target_ping_client, s, &s->ping.client);
	wire_drop(bytes);
	if (error)
		return error;
	count(PINGS_SENT);
	s->references++;
	s->ping.sent_at = loop_now(sip->loop);
	return 0;
}

/* ---- its outcome ---- */

/* The pause before the next ping. 0: none. */
static uint32_t target_ping_pause(struct target_state *s)
{
	uint32_t every = target_ping_trunk(s)->ping * 1000;
	uint32_t most = every && every < TARGET_PROBE_MOST_MS ? every : TARGET_PROBE_MOST_MS;

	if (!s->down)
		return every;
	if (s->ping.pause_ms > most)
		s->ping.pause_ms = most;
	return s->ping.pause_ms;
}

static void target_ping_next(struct target_state *s)
{
	uint32_t pause = target_ping_pause(s);

	if (pause)
		loop_set(s->owner->sip->loop, &s->ping.timer, pause);
	else
		loop_unset(s->owner->sip->loop, &s->ping.timer);
}

static void target_ping_answered(struct target_state *s, unsigned status)
{
	const struct trunk_settings *trunk = target_ping_trunk(s);
	uint64_t now = loop_now(s->owner->sip->loop);

	count(PINGS_ANSWERED);
	s->heard_at = s->ping.answered_at = now;
	s->ping.rtt_ms = (uint32_t)(now - s->ping.sent_at);
	s->ping.ever = true;
	s->ping.unanswered = 0;
	if (s->down && ++s->ping.answered >= trunk->ping_up) {
		target_state_found(s, false, status, 0);
	} else if (s->down) {
		/* it is coming up: the next answers are asked for soon */
		s->ping.pause_ms = TARGET_PROBE_FIRST_MS;
		target_ping_next(s);
	} else {
		target_ping_next(s);
	}
}

/* status: 503, or 0 and a negative errno. */
static void target_ping_failed(struct target_state *s, unsigned status, int error)
{
	bool was_down = s->down;

	count(PINGS_FAILED);
	s->ping.answered = 0;
	if (was_down)
		s->ping.pause_ms *= 2; /* bounded when it is used */
	else
		s->ping.unanswered++;
	/* who is silent may have lost it; who refuses does not */
	if (was_down || error != -ETIMEDOUT ||
		s->ping.unanswered >= target_ping_trunk(s)->ping_down)
		target_state_found(s, true, status, error);
	if (was_down)
		target_state_tell_all(s); /* one that is new among them, say */
	target_ping_next(s);
}

static void target_ping_on_response(void *user, struct transaction *t, const struct message *m)
{
	struct target_state *s = user;

	if (m->status < 200 || s->ping.client != t)
		return;
	s->ping.client = NULL;
	if (s->trunk == NONE_INDEX)
		return;
	if (m->status == 503)
		target_ping_failed(s, 503, 0);
	else
		target_ping_answered(s, m->status);
}

static void target_ping_on_failed(void *user, struct transaction *t, unsigned status, int error)
{
	struct target_state *s = user;

	if (s->ping.client != t)
		return;
	s->ping.client = NULL;
	if (s->trunk == NONE_INDEX)
		return;
	if (error)
		target_ping_failed(s, 0, error);
	else
		target_ping_answered(s, status); /* it came, and could not be read */
}

static void target_ping_on_gone(void *user, struct transaction *t)
{
	(void)t;
	target_state_drop(user);
}

static const struct client_user target_ping_client = {.response = target_ping_on_response,
	.failed = target_ping_on_failed,
	.gone = target_ping_on_gone};

/* Nothing that comes to the last ping is heard any more. */
static void target_ping_cut(struct target_state *s)
{
	struct transaction *t = s->ping.client;

	if (!t)
		return;
	s->ping.client = NULL;
	transaction_cut(t);
	target_state_drop(s);
}

static void target_ping_timer(struct timer *timer, void *arg)
{
	struct target_state *s = arg;

	(void)timer;
	if (s->ping.client) {
		s->references++; /* the transaction's is given back */
		target_ping_cut(s);
		target_ping_failed(s, 0, -ETIMEDOUT);
		target_state_drop(s);
	} else {
		target_ping_now(s);
	}
}

void target_ping_now(struct target_state *s)
{
	if (!target_ping_is_ours(s) || s->ping.client)
		return;
	if (target_ping_send(s))
		target_ping_next(s); /* our own queue is full, say: no fault of the target's */
	else
		loop_set(s->owner->sip->loop, &s->ping.timer, target_ping_trunk(s)->answer_ms);
}

void target_ping_stop(struct target_state *s)
{
	loop_unset(s->owner->sip->loop, &s->ping.timer);
	target_ping_cut(s);
}

void target_ping_schedule(struct target_state *s)
{
	uint32_t pause;

	if (!s->ping.timer.callback)
		timer_init(&s->ping.timer, target_ping_timer, s);
	if (!target_ping_is_ours(s)) {
		target_ping_stop(s);
		return;
	}
	if (s->ping.client)
		return; /* its outcome says when the next one goes */
	pause = target_ping_pause(s);
	if (!s->down && pause)
		pause = 1 +
		        (uint32_t)(random_u64() %
				   (pause < TARGET_PING_SPREAD_MS ? pause : TARGET_PING_SPREAD_MS));
	if (pause)
		loop_set(s->owner->sip->loop, &s->ping.timer, pause);
	else
		loop_unset(s->owner->sip->loop, &s->ping.timer);
}
