/* drain.c - see drain.h. A SIP worker that is not ready has no calls, and is not waited for. */
#include "drain.h"

#include "common/log.h"

static bool drain_is_waited_for(const struct worker_slot *w)
{
	return w->role == PEER_SIP && w->state == WORKER_READY;
}

uint64_t drain_calls(const struct supervisor *s)
{
	uint64_t calls = 0;

	for (unsigned i = 0; i < s->count; i++)
		if (drain_is_waited_for(&s->worker[i]))
			calls += s->worker[i].drained.calls;
	return calls;
}

static bool drain_has_heard(const struct worker_slot *w)
{
	return w->drained.sequence == w->supervisor->drain.sequence;
}

static bool drain_is_done(const struct supervisor *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		const struct worker_slot *w = &s->worker[i];

		if (!drain_is_waited_for(w))
			continue;
		if (drain_has_heard(w) ? !w->drained.done : !s->drain.heard)
			return false;
	}
	return true;
}

void drain_check(struct supervisor *s)
{
	if (s->drain.mode == DRAIN_OFF || s->drain.told || s->stopping || !drain_is_done(s))
		return;
	s->drain.told = true;
	log_info("drained", "after_ms=%llu",
		(unsigned long long)(loop_now(s->loop) - s->drain.since));
	if (!s->drain.stopping)
		return;
	loop_unset(s->loop, &s->drain.timer);
	s->drain.stop(s);
}

void drain_tell(struct worker_slot *w)
{
	const struct drain *d = &w->supervisor->drain;
	struct lifeline_drain body = {.sequence = d->sequence, .mode = d->mode};

	w->drained = (struct lifeline_drained){.sequence = 0};
	if (w->role == PEER_SIP && d->sequence)
		worker_tell(w, LIFELINE_DRAIN, &body, sizeof(body), -1);
}

static void drain_order(struct supervisor *s, enum drain_mode mode)
{
	s->drain.mode = (uint8_t)mode;
	s->drain.told = s->drain.heard = false;
	s->drain.since = loop_now(s->loop);
	s->drain.sequence++;
	for (unsigned i = 0; i < s->count; i++)
		if (worker_lives(&s->worker[i]))
			drain_tell(&s->worker[i]);
}

void drain_set(struct supervisor *s, bool on)
{
	if (drain_is_stop(s) || on == (s->drain.mode != DRAIN_OFF))
		return;
	log_info(on ? "draining" : "undrained", "%s", "");
	drain_order(s, on ? DRAIN_REFUSE : DRAIN_OFF);
}

static void drain_end_calls(struct supervisor *s)
{
	drain_order(s, DRAIN_END);
	loop_set(s->loop, &s->drain.timer, DRAIN_HEAR_MS);
	drain_check(s);
}

static void drain_timer_fired(struct timer *t, void *arg)
{
	struct supervisor *s = arg;

	(void)t;
	if (s->stopping)
		return;
	if (s->drain.mode != DRAIN_END) {
		log_info("stop-grace-over", "calls=%llu", (unsigned long long)drain_calls(s));
		drain_end_calls(s);
		return;
	}
	if (!s->drain.heard) {
		s->drain.heard = true;
		loop_set(s->loop, &s->drain.timer, DRAIN_STOP_MAX_MS - DRAIN_HEAR_MS);
		drain_check(s);
		return;
	}
	log_warn("drain-late", "calls=%llu", (unsigned long long)drain_calls(s));
	s->drain.stop(s);
}

void drain_stop(struct supervisor *s, uint32_t grace_ms)
{
	if (drain_is_stop(s))
		return;
	s->drain.stopping = true;
	if (!grace_ms) {
		drain_end_calls(s);
		return;
	}
	drain_order(s, DRAIN_REFUSE);
	loop_set(s->loop, &s->drain.timer, grace_ms);
	drain_check(s);
}

bool drain_take(struct worker_slot *w, const struct lifeline_drained *body)
{
	struct supervisor *s = w->supervisor;

	if (body->done > 1 || (body->done && body->calls))
		return false;
	if (s->drain.mode == DRAIN_OFF || body->sequence != s->drain.sequence)
		return true; /* it crossed the next order */
	w->drained = *body;
	drain_check(s);
	return true;
}

void drain_init(struct supervisor *s, void (*stop)(struct supervisor *s))
{
	s->drain = (struct drain){.mode = DRAIN_OFF, .stop = stop};
	timer_init(&s->drain.timer, drain_timer_fired, s);
}
