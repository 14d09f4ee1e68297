/* drain.h - taking the whole gateway out of use: new work is refused while calls go on, and a stop
 * that ends calls in order before it ends workers. */
#ifndef SIPWARD_MASTER_WORKERS_DRAIN_H
#define SIPWARD_MASTER_WORKERS_DRAIN_H

#include "worker_slot.h"

/* What a stop waits for at most, from the moment at which calls are ended: milliseconds. SIP
 * workers bound themselves (worker-sip/drain.h): most of it is the time that they take to end as
 * many calls as the option calls allows by default. It fits into the 90 seconds that systemd gives
 * a stop by default. */
#define DRAIN_STOP_MAX_MS 60000
/* A SIP worker that has said nothing within this time of the order to end calls hangs, and is not
 * waited for: it tells at once how many there are. */
#define DRAIN_HEAR_MS 2000

/* Makes s->drain. stop ends all workers: it is called when a stop has ended all calls. */
void drain_init(struct supervisor *s, void (*stop)(struct supervisor *s));
/* Refuses new work, or (on = false) serves it again. Does nothing where that holds, or while
 * stopping. */
void drain_set(struct supervisor *s, bool on);
/* Stops: new work is refused for grace_ms at most while calls go on, then calls are ended, and when
 * nothing of them is left supervise_stop follows. */
void drain_stop(struct supervisor *s, uint32_t grace_ms);
/* Tells a new life of a worker what holds. */
void drain_tell(struct worker_slot *w);
/* A DRAINED of w. False: it makes no sense. */
bool drain_take(struct worker_slot *w, const struct lifeline_drained *body);
/* A worker that was waited for may have gone. */
void drain_check(struct supervisor *s);
/* Calls that are left, as SIP workers told last; only while draining. */
uint64_t drain_calls(const struct supervisor *s);

/* Whether a stop was asked for. */
static inline bool drain_is_stop(const struct supervisor *s)
{
	return s->stopping || s->drain.stopping;
}

#endif
