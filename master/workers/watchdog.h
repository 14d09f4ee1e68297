/* watchdog.h - finds workers that hang and kills them. */
#ifndef SIPWARD_MASTER_WORKERS_WATCHDOG_H
#define SIPWARD_MASTER_WORKERS_WATCHDOG_H

#include "worker_slot.h"

/* The intervals at which progress is looked at, and at which an idle worker is woken to show that
 * it lives. */
#define WATCHDOG_MS 2000
#define WATCHDOG_IDLE_MS 10000

/* Begins to look at all workers; ends with the supervisor's timer. */
void watchdog_start(struct supervisor *s);

#endif
