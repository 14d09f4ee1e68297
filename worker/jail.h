/* jail.h - the steps by which a worker gives up what it does not need, in their fixed order
 * (DESIGN.md section 8). */
#ifndef SIPWARD_WORKER_JAIL_H
#define SIPWARD_WORKER_JAIL_H

#include "skeleton.h"

/* What finds errors for us (AddressSanitizer and its kin, valgrind) needs /proc, its program's
 * file, threads and processes of its own: such a build leaves out the steps that take these away,
 * and says so (ENOTSUP). The bench that tells what the jails cost is the other one to do so. */
#if defined(__SANITIZE_ADDRESS__) || defined(SIPWARD_UNJAILED)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum jail_step {
	JAIL_STRAY_FDS = 1,
	JAIL_NAMESPACES,
	JAIL_ROOT,
	JAIL_IDENTITY,
	JAIL_CAPABILITIES,
	JAIL_NO_NEW_PRIVILEGES,
	JAIL_NOT_DUMPABLE,
	JAIL_LIMITS,
	JAIL_LANDLOCK,
	JAIL_NO_PROCESSES,
	JAIL_SECCOMP,
	JAIL_STEP_COUNT
};
const char *jail_step_name(enum jail_step step);

/* Each step is asserted after it was taken and reported to the master (STEP). A step that a process
 * without privileges cannot take is reported and passed over; a step that should have worked and
 * did not returns -errno.
 *
 * Stores are opened between jail_confine and jail_limit, as the worker's own uid and without any
 * capability, which is after the root was changed: jail_stores opens their folder before, and the
 * working directory is that folder until jail_limit moves it into the root. So stores are opened
 * with relative paths. */
int jail_stray_fds(struct worker *w); /* worker_begin's: closes all fds above the lifeline, before
                                         any other arrives over it */
int jail_stores(struct worker *w, struct str folder);
int jail_confine(struct worker *w);
int jail_limit(struct worker *w);
int jail_seal(struct worker *w);

#endif
