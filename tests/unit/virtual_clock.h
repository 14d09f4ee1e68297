/* virtual_clock.h - time that passes only where a test lets it pass. 64*T1 and timer C take their
 * real lengths and no time, and two events happen in exactly the order that the test says.
 *
 * Everything in the product, libosip2 too, reads time by clock_gettime and sleeps in epoll_wait or
 * epoll_pwait2. A test program that includes this header has its own of these three: a symbol of
 * the program stands before that of a shared library, so that libraries meet them, too. They are
 * the kernel's until virtual_clock_start, and stay the kernel's for all other threads (Criterion
 * has some). From then on the clock stands still, and nothing sleeps: an epoll without events says
 * at once that its time is over, and how long it would have slept is noted. That is all that is
 * needed to go to the next moment at which something happens: virtual_clock_advance lets each loop
 * turn until none has anything left to do at this moment, then sets the clock to the earliest
 * moment at which one of them would have woken up. Several loops of one process, several workers
 * that is, live in one time in this way.
 *
 * Within one moment a loop does what it does in the product: events go before timers.
 *
 * One source file of a program includes this header.
 */
#ifndef SIPWARD_TESTS_UNIT_VIRTUAL_CLOCK_H
#define SIPWARD_TESTS_UNIT_VIRTUAL_CLOCK_H

#include "common/loop.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Where the clocks start: an uptime of some days, and 2026-01-01 00:00:00 UTC. */
#define VIRTUAL_MONOTONIC_NS UINT64_C(400000000000000)
#define VIRTUAL_REALTIME_NS UINT64_C(1767225600000000000)
/* More turns than any test needs within one moment: a loop that never comes to rest is a bug. */
#define VIRTUAL_TURNS_MAX 100000

static __thread struct {
	bool started;
	uint64_t passed_ns; /* since the start */
	uint64_t wake_ns;   /* the earliest moment at which a loop would have woken up */
	bool busy;          /* an epoll had events */
} virtual_clock;

int clock_gettime(clockid_t id, struct timespec *t)
{
	uint64_t ns = virtual_clock.passed_ns;

	/* a negative id is the clock of a process: what it has used of a processor */
	if (!virtual_clock.started || id < 0)
		return (int)syscall(SYS_clock_gettime, id, t);
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		ns += VIRTUAL_REALTIME_NS;
	else
		ns += VIRTUAL_MONOTONIC_NS;
	t->tv_sec = (time_t)(ns / 1000000000);
	t->tv_nsec = (long)(ns % 1000000000);
	return 0;
}

/* Looks for events without sleeping, and notes how long the caller would have slept. */
static int virtual_epoll(int epoll, struct epoll_event *events, int max, uint64_t sleep_ns)
{
	int n = (int)syscall(SYS_epoll_pwait, epoll, events, max, 0, NULL, 0);
	uint64_t wake = virtual_clock.passed_ns + sleep_ns;

	if (n > 0)
		virtual_clock.busy = true;
	else if (wake < virtual_clock.wake_ns)
		virtual_clock.wake_ns = wake;
	return n;
}

int epoll_wait(int epoll, struct epoll_event *events, int max, int timeout_ms)
{
	if (!virtual_clock.started)
		return (int)syscall(SYS_epoll_pwait, epoll, events, max, timeout_ms, NULL, 0);
	return virtual_epoll(epoll, events, max,
		timeout_ms < 0 ? UINT64_MAX / 2 : (uint64_t)timeout_ms * 1000000);
}

int epoll_pwait2(int epoll, struct epoll_event *events, int max, const struct timespec *timeout,
	const sigset_t *mask)
{
	if (!virtual_clock.started)
		return (int)syscall(
			SYS_epoll_pwait2, epoll, events, max, timeout, mask, sizeof(uint64_t));
	return virtual_epoll(epoll, events, max,
		!timeout ? UINT64_MAX / 2
			 : (uint64_t)timeout->tv_sec * 1000000000 + (uint64_t)timeout->tv_nsec);
}

/* From now on this thread's time is virtual. Before the first loop of a test is made. */
static inline void virtual_clock_start(void)
{
	virtual_clock.passed_ns = 0;
	virtual_clock.started = true;
}

/* This thread's time is the kernel's again. */
static inline void virtual_clock_stop(void)
{
	virtual_clock.started = false;
}

/* Milliseconds since virtual_clock_start. */
static inline uint64_t virtual_clock_ms(void)
{
	return virtual_clock.passed_ns / 1000000;
}

/* Lets all loops do what is to be done at this moment. Returns the moment at which the first of
 * them would wake up, at most limit_ns from now. */
static inline uint64_t virtual_clock_settle(
	struct loop *const *loops, unsigned count, uint64_t limit_ns)
{
	uint64_t limit_ms = limit_ns / 1000000;
	unsigned turns = 0;

	/* Two turns at least: the test may have left something that the end of a turn does. */
	do {
		cr_assert_lt(turns, VIRTUAL_TURNS_MAX, "a loop does not come to rest");
		virtual_clock.busy = false;
		virtual_clock.wake_ns = UINT64_MAX;
		for (unsigned i = 0; i < count; i++)
			cr_assert_eq(
				loop_once(loops[i], limit_ms < INT_MAX ? (int)limit_ms : INT_MAX),
				0);
	} while (turns++ == 0 || virtual_clock.busy ||
		 virtual_clock.wake_ns <= virtual_clock.passed_ns);
	return virtual_clock.wake_ns;
}

/* Lets ms milliseconds pass for all loops: every timer that is due by then, and every event, comes
 * in its order at its moment. */
static inline void virtual_clock_advance_all(struct loop *const *loops, unsigned count, unsigned ms)
{
	uint64_t end = virtual_clock.passed_ns + ms * UINT64_C(1000000);

	for (;;) {
		/* One millisecond more, so that what is due at the end is told from what is not. */
		uint64_t wake = virtual_clock_settle(
			loops, count, end - virtual_clock.passed_ns + 1000000);

		if (wake > end)
			break;
		virtual_clock.passed_ns = wake;
	}
	/* The test's next step happens at the end: the loops have read the clock by then. */
	virtual_clock.passed_ns = end;
	virtual_clock_settle(loops, count, 1000000);
}

static inline void virtual_clock_advance(struct loop *loop, unsigned ms)
{
	virtual_clock_advance_all(&loop, 1, ms);
}

/* Goes to the next moment, at most limit_ms from now, at which the loop has something to do, and
 * lets it do that. False where there is none. */
static inline bool virtual_clock_step(struct loop *loop, unsigned limit_ms)
{
	uint64_t limit = limit_ms * UINT64_C(1000000), end = virtual_clock.passed_ns + limit,
		 wake = virtual_clock_settle(&loop, 1, limit + 1000000);

	virtual_clock.passed_ns = wake < end ? wake : end;
	virtual_clock_settle(&loop, 1, 1000000);
	return wake <= end;
}

#endif
