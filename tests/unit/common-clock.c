/* Tests of common/clock. */
#include "common/clock.h"

#include <criterion/criterion.h>
#include <time.h>

/* Nanoseconds that a clock says by itself. */
static uint64_t kernel_ns(clockid_t clock)
{
	struct timespec t;

	cr_assert_eq(clock_gettime(clock, &t), 0);
	return (uint64_t)t.tv_sec * CLOCK_NS_PER_S + (uint64_t)t.tv_nsec;
}

Test(clock, monotonic_is_the_kernels)
{
	uint64_t before = kernel_ns(CLOCK_MONOTONIC), now = clock_monotonic_ns(),
		 after = kernel_ns(CLOCK_MONOTONIC);

	cr_assert_leq(before, now);
	cr_assert_leq(now, after);
	cr_assert_leq(now / 1000000, clock_monotonic_ms());
	cr_assert_leq(clock_monotonic_ms(), kernel_ns(CLOCK_MONOTONIC) / 1000000);
}

Test(clock, realtime_is_the_kernels)
{
	uint64_t before = kernel_ns(CLOCK_REALTIME), now = clock_realtime_ns(),
		 ms = clock_realtime_ms();
	int64_t seconds = clock_realtime_s();
	uint64_t after = kernel_ns(CLOCK_REALTIME);

	cr_assert_leq(before, now);
	cr_assert_leq(now, after);
	cr_assert_leq(before / 1000000, ms);
	cr_assert_leq(ms, after / 1000000);
	cr_assert_leq((int64_t)(before / 1000000000), seconds);
	cr_assert_leq(seconds, (int64_t)(after / 1000000000));
}
