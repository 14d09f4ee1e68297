/* trunk_gauge.c - what the counters say of trunks: each is told by the worker that pings it, so
 * that all workers together count it once. */
#include "target_state_parts.h"
#include "trunk_binding.h"

struct trunk_gauge_sums {
	uint64_t up, down, disabled, unregistered;
};

static bool trunk_gauge_is_up(const struct target_states *ts, unsigned trunk)
{
	const struct target_list *l = &ts->list;
	bool alive = false;

	for (unsigned k = l->first[trunk]; k < l->first[trunk + 1]; k++)
		alive |= !l->state[k]->down;
	return alive && !trunk_binding_is_missed(ts->sip, trunk);
}

/* A trunk that is this worker's. */
static void trunk_gauge_set(
	const struct target_states *ts, unsigned trunk, struct trunk_gauge_sums *sums)
{
	const struct trunk_settings *t = settings_trunk(ts->sip->settings, trunk);
	struct labelled *labelled = &counters_page->labelled;
	enum trunk_gauge state = TRUNK_GAUGE_DOWN;
	bool stands = trunk_binding_stands(ts->sip, trunk);

	if (target_states_is_disabled(ts, trunk))
		state = TRUNK_GAUGE_DISABLED;
	else if (trunk_gauge_is_up(ts, trunk))
		state = TRUNK_GAUGE_UP;
	sums->disabled += state == TRUNK_GAUGE_DISABLED;
	sums->up += state == TRUNK_GAUGE_UP;
	sums->down += state == TRUNK_GAUGE_DOWN;
	labelled_set(&labelled->trunk_gauge[t->label], state);
	if (!t->register_s)
		return;
	sums->unregistered += !stands;
	labelled_set(&labelled->registration_gauge[t->label],
		stands ? REGISTRATION_GAUGE_STANDS : REGISTRATION_GAUGE_MISSING);
}

void target_states_gauge(const struct target_states *ts)
{
	const struct target_list *l = &ts->list;
	struct labelled *labelled = &counters_page->labelled;
	struct trunk_gauge_sums sums = {0};

	for (unsigned i = 0; i < LABEL_TRUNKS; i++) {
		labelled_set(&labelled->trunk_gauge[i], TRUNK_GAUGE_NONE);
		labelled_set(&labelled->registration_gauge[i], REGISTRATION_GAUGE_NONE);
	}
	for (unsigned i = 0; i < l->trunks; i++)
		if (l->first[i] != l->first[i + 1] && target_ping_is_ours(l->state[l->first[i]]))
			trunk_gauge_set(ts, i, &sums);
	counter_set(COUNTER_TRUNKS_UP, sums.up);
	counter_set(COUNTER_TRUNKS_DOWN, sums.down);
	counter_set(COUNTER_TRUNKS_DISABLED, sums.disabled);
	counter_set(COUNTER_TRUNKS_UNREGISTERED, sums.unregistered);
}
