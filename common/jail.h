/* jail.h - the steps by which a worker gives up what it does not need, in their fixed order (DESIGN.md section 8). */
#ifndef SIPWARD_COMMON_JAIL_H
#define SIPWARD_COMMON_JAIL_H

#include "worker.h"

enum jail_step {
	JAIL_STRAY_FDS = 1, JAIL_ROOT, JAIL_IDENTITY, JAIL_CAPABILITIES, JAIL_NO_NEW_PRIVILEGES, JAIL_NOT_DUMPABLE, JAIL_LIMITS, JAIL_LANDLOCK,
	JAIL_NO_PROCESSES, JAIL_SECCOMP, JAIL_STEP_COUNT
};
const char *jail_step_name(enum jail_step step);

/* Each step is asserted after it was taken and reported to the master (STEP). A step that a process without privileges cannot take is reported and passed over; a step that should
 * have worked and did not returns -errno. Root folder, Landlock and seccomp are the jails issue's to fill: their places are here. */
int jail_stray_fds(struct worker *w); /* worker_begin's: closes all fds above the lifeline, before any other arrives over it */
int jail_confine(struct worker *w);
int jail_limit(struct worker *w);
int jail_seal(struct worker *w);

#endif
