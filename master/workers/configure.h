/* configure.h - what a life of a worker is told before it may go, and what the others are told of
 * it. */
#ifndef SIPWARD_MASTER_WORKERS_CONFIGURE_H
#define SIPWARD_MASTER_WORKERS_CONFIGURE_H

#include "worker_slot.h"

/* From exec to READY: stores may have to be checked. */
#define START_MAX_MS 30000

/* Tells a new life everything up to GO, and its peers of their ends of its edges. It has
 * START_MAX_MS to become ready. */
void configure_worker(struct worker_slot *w);
/* Tells the peers of a worker that it has died. */
void configure_tell_death(struct worker_slot *w);

#endif
