/* wheel.h - a hierarchical timer wheel of one millisecond ticks.
 *
 * Setting, moving and stopping a timer is O(1) and allocates nothing: the node is embedded in its
 * owner. Times are milliseconds of CLOCK_MONOTONIC.
 */
#ifndef SIPWARD_COMMON_WHEEL_H
#define SIPWARD_COMMON_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

struct timer;
typedef void (*timer_callback)(struct timer *t, void *arg);

/* Zero-initialise before use; callback and arg are set once by timer_init. A timer that is not
 * armed costs nothing. */
struct timer {
	struct timer *next, **link; /* the slot's list; link is NULL when not armed */
	uint64_t due;
	timer_callback callback;
	void *arg;
};

struct wheel;

/* now: the current time in milliseconds. -ENOMEM. The wheel is freed with wheel_free; armed timers
 * are forgotten then. */
int wheel_new(struct wheel **out, uint64_t now);
void wheel_free(struct wheel *w);

static inline void timer_init(struct timer *t, timer_callback callback, void *arg)
{
	*t = (struct timer){.callback = callback, .arg = arg};
}
static inline bool timer_armed(const struct timer *t)
{
	return t->link != 0;
}
/* Arms t, or moves it where it was armed. due lies in the past: it fires at the next wheel_advance.
 * Any due is accepted. */
void wheel_set(struct wheel *w, struct timer *t, uint64_t due);
void wheel_stop(struct wheel *w, struct timer *t); /* no-op when not armed */

/* Fires all timers due at or before now, in order of their tick. A callback may set, stop and free
 * any timer, its own too (a timer is disarmed before its callback runs). A timer set by a callback
 * for a time that has passed fires in the next call. */
void wheel_advance(struct wheel *w, uint64_t now);

/* The time of the next tick at which something may be due (it may be early by the coarseness of an
 * upper level, never late), or UINT64_MAX when nothing is armed. */
uint64_t wheel_next(const struct wheel *w);

#endif
