/* common-wheel.c - the timer wheel against a naive model that keeps every timer in one array. */
#include "common/wheel.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define TIMERS 120

struct model {
	struct timer timer;
	uint64_t tick;  /* when it has to fire */
	uint64_t order; /* of being set */
	bool armed;
	bool deferred; /* set within the running advance for a time that has passed */
};

static struct model model[TIMERS];
static struct wheel *wheel;
static uint64_t now, order, state, fired;
static bool advancing;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

/* Small, medium and huge numbers equally often. */
static uint64_t any_span(void)
{
	return any() >> (any() % 64);
}

static void set_one(struct model *m)
{
	uint64_t span = any_span(), due;

	if (any() % 8 == 0)
		due = now > span ? now - span : 0;
	else
		due = span > UINT64_MAX - now ? UINT64_MAX : now + span;
	m->armed = true;
	m->order = order++;
	m->deferred = advancing && due <= now;
	m->tick = due <= now ? now : due;
	wheel_set(wheel, &m->timer, due);
	cr_assert(timer_armed(&m->timer));
}

static void stop_one(struct model *m)
{
	m->armed = false;
	wheel_stop(wheel, &m->timer);
	cr_assert(!timer_armed(&m->timer));
}

static struct model *expected(void)
{
	struct model *first = NULL;

	for (size_t i = 0; i < TIMERS; i++) {
		struct model *m = &model[i];

		if (!m->armed || m->deferred || m->tick > now)
			continue;
		if (!first || m->tick < first->tick ||
			(m->tick == first->tick && m->order < first->order))
			first = m;
	}
	return first;
}

static void on_timer(struct timer *t, void *arg)
{
	struct model *m = arg;

	cr_assert_eq(t, &m->timer);
	cr_assert(!timer_armed(t));
	cr_assert_eq(m, expected());
	m->armed = false;
	fired++;
	for (uint64_t n = any() % 4; n; n--) {
		struct model *other = any() % 4 ? &model[any() % TIMERS] : m;

		if (any() % 2)
			set_one(other);
		else
			stop_one(other);
	}
}

static void advance(uint64_t to)
{
	now = to;
	advancing = true;
	wheel_advance(wheel, to);
	advancing = false;
	cr_assert_null(expected(), "a timer that was due did not fire");
	for (size_t i = 0; i < TIMERS; i++) {
		model[i].deferred = false;
		cr_assert_eq(timer_armed(&model[i].timer), model[i].armed);
	}
}

static uint64_t earliest(void)
{
	uint64_t at = UINT64_MAX;

	for (size_t i = 0; i < TIMERS; i++)
		if (model[i].armed && model[i].tick < at)
			at = model[i].tick;
	return at;
}

static void check_next(void)
{
	uint64_t next = wheel_next(wheel), first = earliest();
	bool none = true;

	for (size_t i = 0; i < TIMERS; i++)
		none = none && !model[i].armed;
	if (none)
		cr_assert_eq(next, UINT64_MAX);
	cr_assert_leq(next, first);
	cr_assert_geq(next, now);
	if (first > now)
		cr_assert_gt(next, now, "wheel_next asks for a wake-up that does nothing");
}

static void begin(uint64_t seed, uint64_t start)
{
	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	now = start;
	order = fired = 0;
	cr_assert_eq(wheel_new(&wheel, start), 0);
	for (size_t i = 0; i < TIMERS; i++) {
		model[i] = (struct model){0};
		timer_init(&model[i].timer, on_timer, &model[i]);
	}
}

Test(wheel, behaves_as_a_sorted_list_would, .timeout = 60)
{
	for (uint64_t seed = 1; seed <= 60; seed++) {
		begin(seed, seed % 3 ? any_span() >> 8 : 0);
		for (int step = 0; step < 1500; step++) {
			uint64_t what = any() % 10;

			if (what < 6) {
				set_one(&model[any() % TIMERS]);
			} else if (what < 8) {
				stop_one(&model[any() % TIMERS]);
			} else {
				/* Mostly short steps, or the far future is reached too soon to be
				 * interesting. */
				uint64_t span = any() % 8 ? any() % 700 : any_span() >> 20;

				advance(span > UINT64_MAX - now ? UINT64_MAX : now + span);
			}
			check_next();
		}
		cr_assert_gt(fired, 50);
		wheel_free(wheel);
	}
}

static uint64_t fired_at;
static void note(struct timer *t, void *arg)
{
	(void)t;
	(void)arg;
	fired_at = now;
	fired++;
}

Test(wheel, following_next_reaches_every_due_time_exactly, .timeout = 20)
{
	begin(7, 12345);
	for (int i = 0; i < 2000; i++) {
		struct timer t;

		timer_init(&t, note, NULL);
		uint64_t due = now + 1 + (any_span() >> 10);
		fired = 0;
		wheel_set(wheel, &t, due);
		int wakes = 0;
		while (!fired) {
			now = wheel_next(wheel);
			wheel_advance(wheel, now);
			cr_assert_leq(++wakes, 8, "at most one wake-up a level");
		}
		cr_assert_eq(fired_at, due);
		cr_assert_eq(wheel_next(wheel), UINT64_MAX);
	}
	wheel_free(wheel);
}

Test(wheel, skips_long_gaps, .timeout = 5)
{
	struct timer t[40];

	begin(1, 0);
	for (unsigned i = 0; i < 40; i++) {
		timer_init(&t[i], note, NULL);
		wheel_set(wheel, &t[i], UINT64_C(1) << i);
	}
	now = UINT64_C(1) << 62;
	wheel_advance(wheel, now);
	cr_assert_eq(fired, 40);
	cr_assert_eq(wheel_next(wheel), UINT64_MAX);
	wheel_free(wheel);
}

Test(wheel, accepts_the_ends_of_time)
{
	struct timer first, last;

	begin(1, UINT64_MAX - 10);
	timer_init(&first, note, NULL);
	timer_init(&last, note, NULL);
	wheel_set(wheel, &first, 0);
	wheel_set(wheel, &last, UINT64_MAX);
	cr_assert_eq(wheel_next(wheel), UINT64_MAX - 10);
	wheel_advance(wheel, UINT64_MAX - 10);
	cr_assert_eq(fired, 1);
	wheel_advance(wheel, UINT64_MAX - 1);
	cr_assert_eq(fired, 1);
	wheel_advance(wheel, UINT64_MAX);
	cr_assert_eq(fired, 2);
	wheel_free(wheel);
}

Test(wheel, a_clock_that_steps_back_fires_nothing_early)
{
	struct timer t;

	begin(1, 0x500);
	timer_init(&t, note, NULL);
	wheel_set(wheel, &t, 0x505);
	/* Back over the border of a slot of the level above. */
	wheel_advance(wheel, 0x4f0);
	cr_assert_eq(fired, 0);
	cr_assert_eq(wheel_next(wheel), 0x505);
	wheel_advance(wheel, 0x504);
	cr_assert_eq(fired, 0);
	wheel_advance(wheel, 0x505);
	cr_assert_eq(fired, 1);
	wheel_free(wheel);
}

Test(wheel, a_stopped_timer_asks_for_no_wake_up)
{
	struct timer early, twin, late;

	begin(1, 0);
	timer_init(&early, note, NULL);
	timer_init(&twin, note, NULL);
	timer_init(&late, note, NULL);
	for (unsigned shift = 0; shift < 63; shift++) {
		uint64_t due = UINT64_C(1) << shift;

		wheel_set(wheel, &late, due * 2);
		wheel_set(wheel, &early, due);
		wheel_set(wheel, &twin, due);
		cr_assert_eq(wheel_next(wheel), due);
		wheel_stop(wheel, &twin);
		cr_assert_eq(wheel_next(wheel), due);
		wheel_stop(wheel, &early);
		cr_assert_eq(wheel_next(wheel), due * 2);
		wheel_stop(wheel, &late);
		cr_assert_eq(wheel_next(wheel), UINT64_MAX);
	}
	wheel_free(wheel);
}

static void free_self(struct timer *t, void *arg)
{
	struct timer **other = arg;

	if (*other) {
		wheel_stop(wheel, *other);
		free(*other);
		*other = NULL;
	}
	free(t);
	fired++;
}

Test(wheel, a_callback_may_free_its_timer_and_the_one_behind_it)
{
	struct timer *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));

	begin(1, 0);
	timer_init(a, free_self, &b);
	timer_init(b, free_self, &b);
	wheel_set(wheel, a, 300);
	wheel_set(wheel, b, 300);
	wheel_advance(wheel, 300);
	cr_assert_eq(fired, 1);
	cr_assert_eq(wheel_next(wheel), UINT64_MAX);
	wheel_free(wheel);
}

static void again_at_once(struct timer *t, void *arg)
{
	(void)arg;
	fired++;
	wheel_set(wheel, t, 0);
}

Test(wheel, a_timer_that_sets_itself_for_the_past_waits_for_the_next_advance, .timeout = 5)
{
	struct timer t;

	begin(1, 0);
	timer_init(&t, again_at_once, NULL);
	wheel_set(wheel, &t, 10);
	for (uint64_t i = 1; i <= 5; i++) {
		wheel_advance(wheel, 100);
		cr_assert_eq(fired, i);
		cr_assert_eq(wheel_next(wheel), 100);
	}
	wheel_stop(wheel, &t);
	wheel_stop(wheel, &t);
	cr_assert_eq(wheel_next(wheel), UINT64_MAX);
	wheel_free(wheel);
}
