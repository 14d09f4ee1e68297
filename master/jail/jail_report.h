/* jail_report.h - what workers say of their jails, and what the kernel says of them: which steps
 * were taken, and what was tried inside. */
#ifndef SIPWARD_MASTER_JAIL_JAIL_REPORT_H
#define SIPWARD_MASTER_JAIL_JAIL_REPORT_H

#include "ipc/lifeline.h"

#include <stdbool.h>

struct config;
struct config_errors;
struct supervisor;
struct worker_slot;

/* Lines a second about what one worker may not do; the counter goes on. */
#define VIOLATION_RATE_MAX 100

/* STEP of a worker. Names what is missing, once per role and step; where the config requires the
 * whole jail, sets the supervisor's refused: the service is to end. False: it makes no sense. */
bool jail_report_step(struct worker_slot *w, const struct lifeline_step *step);
/* NOTIFIER of a worker; fd is taken. False: it makes no sense. */
bool jail_report_notifier(struct worker_slot *w, int fd);

/* What the filter of a live worker does with a system call that it does not allow, as it holds for
 * that process: "enforce", "log", or "none" where it has no filter. "": it has not told yet, or
 * there is no process. */
const char *jail_mode(const struct worker_slot *w);
/* Whether a live worker has told that it could not take that step. */
bool jail_lacks(const struct worker_slot *w, unsigned step);
/* Has s->jail_log hold for the workers that live: it is the master that answers their filters. */
void jail_apply(struct supervisor *s);
/* Adds to errors what the jails of live workers do not permit to change from the one config to the
 * other, by worker. */
void jail_refuse_changes(const struct supervisor *s, const struct config *now,
	const struct config *then, struct config_errors *errors);

#endif
