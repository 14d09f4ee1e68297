/* clock.h - the time, read in one place.
 *
 * clock.c holds the two functions below and nothing else, and the rest of the product asks them for
 * the time (but for the processor time of another process, which the watchdog reads). A test that
 * defines both puts its own clock in their place: the linker then takes no clock.o from the
 * archive.
 */
#ifndef SIPWARD_COMMON_CLOCK_H
#define SIPWARD_COMMON_CLOCK_H

#include <stdint.h>

#define CLOCK_NS_PER_MS UINT64_C(1000000)
#define CLOCK_NS_PER_S UINT64_C(1000000000)

/* Nanoseconds of CLOCK_MONOTONIC: for intervals and timers. It never goes back. */
uint64_t clock_monotonic_ns(void);
/* Nanoseconds of CLOCK_REALTIME since 1970, 0 before: for what is stored or shown. An operator may
 * set this clock in either direction. */
uint64_t clock_realtime_ns(void);

static inline uint64_t clock_monotonic_ms(void)
{
	return clock_monotonic_ns() / CLOCK_NS_PER_MS;
}
static inline uint64_t clock_realtime_ms(void)
{
	return clock_realtime_ns() / CLOCK_NS_PER_MS;
}
static inline int64_t clock_realtime_s(void)
{
	return (int64_t)(clock_realtime_ns() / CLOCK_NS_PER_S);
}

#endif
