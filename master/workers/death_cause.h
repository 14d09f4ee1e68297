/* death_cause.h - what workers that died had in hand: it is recorded, and all are told to refuse
 * it. */
#ifndef SIPWARD_MASTER_WORKERS_DEATH_CAUSE_H
#define SIPWARD_MASTER_WORKERS_DEATH_CAUSE_H

#include "worker_slot.h"

/* A worker has died with that status of waitpid. Keeps what it had in hand, if it died of that,
 * and tells all workers. Its hands are empty then. */
void death_cause_record(struct worker_slot *w, int status);
/* Tells a worker what to refuse; a new life, before GO. */
void death_cause_tell(struct worker_slot *w);
/* The list has changed: tells all living workers. */
void death_cause_tell_all(struct supervisor *s);

#endif
