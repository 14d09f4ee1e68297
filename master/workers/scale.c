/* scale.c - see scale.h. The slot map is the supervisor's; what becomes of it is slots.h's. */
#include "scale.h"

#include "common/log.h"
#include "configure.h"
#include "master/certificates/certificates.h"
#include "master/listen.h"
#include "slots.h"

/* ---- slots ---- */

static void scale_tell_slots(struct supervisor *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		struct worker_slot *w = &s->worker[i];

		if (worker_lives(w) && role_has(w->role, ROLE_MESSAGES))
			worker_tell(w, LIFELINE_SLOTS, &s->slots, sizeof(s->slots), -1);
	}
}

/* Whether every worker that sends messages has an edge to that SIP worker. */
static bool scale_is_reached(const struct worker_slot *sip)
{
	const struct supervisor *s = sip->supervisor;

	if (sip->state != WORKER_READY)
		return false;
	for (unsigned i = 0; i < s->count && s->carrier == CARRIER_ZEROMQ; i++) {
		const struct worker_slot *w = &s->worker[i];
		const struct edge_token *edge = edge_tokens_of(
			&s->tokens, PEER(w->role, w->index), sip->index);

		if (edge && worker_lives(w) && edge->state != EDGE_OPEN)
			return false;
	}
	return true;
}

/* Spreads the slots over the SIP workers that are wanted and can be reached: who has owned slots
 * before keeps its part while it is respawned. */
static void scale_spread_slots(struct supervisor *s)
{
	uint32_t owners = 0;

	for (unsigned i = 0; i < s->role_count[PEER_SIP]; i++) {
		const struct worker_slot *w = worker_find(s, PEER_SIP, i);

		if (w && !w->leaving && !w->retired &&
			(s->scale.slot_owners >> i & 1 || scale_is_reached(w)))
			owners |= UINT32_C(1) << i;
	}
	if (!owners || owners == s->scale.slot_owners)
		return;
	s->scale.slot_owners = owners;
	if (slots_plan(&s->slots, owners))
		scale_tell_slots(s);
}

void scale_slots_free(struct worker_slot *w, const struct lifeline_slots_free *body)
{
	struct supervisor *s = w->supervisor;

	if (body->epoch == s->slots.epoch && slots_moved(&s->slots, w->index, &body->set))
		scale_tell_slots(s);
	scale_watch(s);
}

/* ---- workers that leave ---- */

/* Its listeners are the others' from now on. */
static void scale_close_sockets(struct worker_slot *w)
{
	struct listen *l = w->supervisor->listen;

	listen_suspend(l, w->index);
	for (unsigned i = 0; i < l->offered; i++)
		configure_tell_closed(w, i);
}

static void scale_look_at_transport(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;
	uint64_t leaving = loop_now(s->loop) - w->left;
	bool streams = __atomic_load_n(&w->page->counter[COUNTER_STREAMS], __ATOMIC_RELAXED) != 0;

	if (!listen_is_suspended(s->listen, w->index)) {
		if (leaving >= SCALE_CLOSE_MS)
			scale_close_sockets(w);
	} else if (!streams || leaving >= s->leave_ms) {
		s->scale.leave(w);
	}
}

/* What is asked of a TLS worker that leaves transport workers ask of another one, which there has
 * to be as long as a handshake may need a key. */
static bool scale_is_needed_for_keys(const struct worker_slot *w)
{
	const struct supervisor *s = w->supervisor;

	for (unsigned i = 0; i < s->count; i++) {
		const struct worker_slot *other = &s->worker[i];

		if (other->role == PEER_TLS && !other->leaving && other->state == WORKER_READY)
			return false;
	}
	return certificates_live(s->certificates);
}

static bool scale_has_finished(const struct worker_slot *w)
{
	switch (w->role) {
	case PEER_SIP: return slots_has_none(&w->supervisor->slots, w->index);
	case PEER_TLS: return !scale_is_needed_for_keys(w);
	default: return true;
	}
}

static void scale_look_at(struct worker_slot *w)
{
	if (!w->leaving || w->state != WORKER_READY)
		return;
	if (w->role == PEER_TRANSPORT)
		scale_look_at_transport(w);
	else if (scale_has_finished(w))
		w->supervisor->scale.leave(w);
}

void scale_left(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;
	struct slot_set all;

	memset(&all, 0xff, sizeof(all));
	w->retired = true;
	log_info("worker-retired", "peer=%s-%u", role_name(w->role), w->index);
	if (w->role == PEER_TRANSPORT)
		listen_suspend(s->listen, w->index);
	/* what it had ended with it, where it did not end in order */
	if (w->role == PEER_SIP && slots_moved(&s->slots, w->index, &all))
		scale_tell_slots(s);
	scale_watch(s);
}

static void scale_remove(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;

	if (w->leaving || w->retired)
		return;
	w->leaving = true;
	w->left = loop_now(s->loop);
	log_info("worker-leaving", "peer=%s-%u", role_name(w->role), w->index);
	/* it is not waited for until its back-off is over */
	if (w->state == WORKER_DOWN)
		loop_set(s->loop, &w->timer, 0);
}

/* ---- both ---- */

/* Whether something is still to come or to go. */
static bool scale_is_under_way(const struct supervisor *s)
{
	if (slots_move(&s->slots) ||
		(unsigned)__builtin_popcount(s->scale.slot_owners) != s->role_count[PEER_SIP])
		return true;
	for (unsigned i = 0; i < s->count; i++)
		if (s->worker[i].leaving && !s->worker[i].retired)
			return true;
	return false;
}

static void scale_look(struct timer *t, void *arg)
{
	struct supervisor *s = arg;

	(void)t;
	scale_spread_slots(s);
	for (unsigned i = 0; i < s->count; i++)
		scale_look_at(&s->worker[i]);
	scale_watch(s);
}

void scale_watch(struct supervisor *s)
{
	if (!s->stopping && !timer_armed(&s->scale.timer) && scale_is_under_way(s))
		loop_set(s->loop, &s->scale.timer, SCALE_LOOK_MS);
}

static void scale_role_to(struct supervisor *s, unsigned role, unsigned count)
{
	unsigned before = s->role_count[role];

	s->role_count[role] = count;
	/* one that could not be made earlier is tried again */
	for (unsigned i = 0; i < count; i++)
		s->scale.add(s, role, i);
	for (unsigned i = count; i < before; i++) {
		struct worker_slot *w = worker_find(s, role, i);

		if (w)
			scale_remove(w);
	}
}

void scale_to(struct supervisor *s, const unsigned count[ROLE_COUNT])
{
	/* those that others talk to first */
	for (unsigned r = ROLE_COUNT - 1; r >= ROLE_FIRST; r--)
		scale_role_to(s, r, count[r]);
	scale_spread_slots(s);
	scale_watch(s);
}

void scale_tls_at_least(struct supervisor *s, unsigned count)
{
	if (s->role_count[PEER_TLS] < count)
		scale_role_to(s, PEER_TLS, count);
}

void scale_init(struct supervisor *s,
	void (*add)(struct supervisor *s, unsigned role, unsigned index),
	void (*leave)(struct worker_slot *w))
{
	s->scale = (struct scale){.add = add,
		.leave = leave,
		.slot_owners = (uint32_t)((UINT64_C(1) << s->role_count[PEER_SIP]) - 1)};
	timer_init(&s->scale.timer, scale_look, s);
}
