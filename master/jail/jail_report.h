/* jail_report.h - what workers say of their jails, and what the kernel says of them: which steps
 * were taken, and what was tried inside. */
#ifndef SIPWARD_MASTER_JAIL_JAIL_REPORT_H
#define SIPWARD_MASTER_JAIL_JAIL_REPORT_H

#include "ipc/lifeline.h"

#include <stdbool.h>

struct worker_slot;

/* Lines a second about what one worker may not do; the counter goes on. */
#define VIOLATION_RATE_MAX 100

/* STEP of a worker. Names what is missing, once per role and step; where the config requires the
 * whole jail, sets the supervisor's refused: the service is to end. False: it makes no sense. */
bool jail_report_step(struct worker_slot *w, const struct lifeline_step *step);
/* NOTIFIER of a worker; fd is taken. False: it makes no sense. */
bool jail_report_notifier(struct worker_slot *w, int fd);

#endif
