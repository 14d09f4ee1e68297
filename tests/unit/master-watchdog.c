/* master-watchdog.c - workers that hang, in the master's virtual time: their processes are real
 * ones that do no work (master-fixture.h), and what they do in between is waited for. */
#include "virtual_clock.h"

#include "master-supervisor.h"
#include "master/workers/watchdog.h"

/* Milliseconds of processor time that a process has used. */
static uint64_t cpu_ms(pid_t pid)
{
	struct timespec t;
	clockid_t clock;

	cr_assert_eq(clock_getcpuclockid(pid, &clock), 0);
	cr_assert_eq(clock_gettime(clock, &t), 0);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Whether all have answered that were asked, but for the one that does not. */
static bool answered(const struct worker_slot *but)
{
	for (unsigned i = 0; i < s.count; i++) {
		const struct worker_slot *w = &s.worker[i];

		if (w != but && w->state == WORKER_READY && w->waiting &&
			__atomic_load_n(&w->page->progress, __ATOMIC_RELAXED) == w->seen)
			return false;
	}
	return true;
}

/* The watchdog's next look; but: a worker that does not answer. */
static void look(const struct worker_slot *but)
{
	UNTIL(answered(but));
	virtual_clock_advance(loop, WATCHDOG_MS);
}

static struct worker_slot *begin(unsigned role, unsigned index)
{
	supervise_start(&s);
	UNTIL(ready() == 5);
	return worker_find(&s, role, index);
}

/* Lets the watchdog find that w does not turn any more. */
static void found_out(struct worker_slot *w, bool busy)
{
	while (w->hangs == 0) {
		/* more than one that stands still could use */
		UNTIL(!busy || !w->waiting || cpu_ms(w->pid) >= w->pinged_cpu + 200);
		look(w);
		cr_assert_leq(virtual_clock_ms(), 4 * WATCHDOG_MS);
	}
	UNTIL(dead == 1 && ready() == 5);
}

static void begin_of_time(void)
{
	virtual_clock_start();
	setup();
}

TestSuite(watchdog, .init = begin_of_time, .fini = teardown, .timeout = 60);

Test(watchdog, a_hang_speaks_against_what_was_in_hand)
{
	struct worker_slot *w = begin(PEER_TRANSPORT, 0);

	ask(PEER_TRANSPORT, "hold INVITE sip:bob");
	tell(w, "hang");
	found_out(w, true);
	cr_assert_eq(quarantine_count(s.quarantine), 1);
	cr_expect_str_eq(quarantine_at(s.quarantine, 0)->reason, "hangs");
}

Test(watchdog, standing_still_speaks_against_nothing)
{
	struct worker_slot *w = begin(PEER_TRANSPORT, 0);

	ask(PEER_TRANSPORT, "hold INVITE sip:bob");
	tell(w, "stand still");
	found_out(w, false);
	cr_expect_eq(quarantine_count(s.quarantine), 0);
}

Test(watchdog, one_that_hangs_is_killed_and_idle_ones_are_not)
{
	struct worker_slot *w = begin(PEER_SIP, 0);

	tell(w, "hang");
	found_out(w, true);
	cr_expect_str_eq(w->killed ? w->killed : "no", "no", "a new life");
	for (unsigned i = 0; i < 4; i++)
		look(NULL);
	cr_expect_eq(dead, 1);
	cr_expect_eq(counters_page->counter[COUNTER_WORKER_HANGS], 1);
}

Test(watchdog, an_idle_worker_is_left_asleep)
{
	struct worker_slot *w = begin(PEER_TLS, 0);

	while (!w->idle) {
		cr_assert_leq(virtual_clock_ms(), 4 * WATCHDOG_MS);
		look(NULL);
	}
	/* after that nothing wakes it for WATCHDOG_IDLE_MS from its last question */
	uint64_t progress = w->page->progress, pinged = w->pinged;

	while (loop_now(loop) + WATCHDOG_MS < pinged + WATCHDOG_IDLE_MS) {
		look(NULL);
		cr_expect_not(w->waiting);
		cr_expect_eq(w->pinged, pinged);
		cr_expect_eq(w->page->progress, progress);
	}
	look(NULL);
	cr_expect(w->waiting, "it is asked now and then");
	look(NULL);
	cr_expect_eq(dead, 0);
}
