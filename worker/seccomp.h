/* seccomp.h - the system call filter of a worker. seccomp.def is its table. */
#ifndef SIPWARD_WORKER_SECCOMP_H
#define SIPWARD_WORKER_SECCOMP_H

#include "ipc/lifeline.h"

/* Puts the filter of the role, joined to the others by that carrier, on all threads of this
 * process, for good. Needs no_new_privs. What the table does not allow makes the kernel ask whoever
 * holds *notifier, which is for the caller to hand on and close: until it is answered the thread
 * stands still. Where the kernel cannot do that (somebody else's filter listens already), *notifier
 * is -1 and such a call ends the process. System calls that were unknown to this build get ENOSYS.
 * -ENOSYS: no seccomp; another -errno: the filter could not be made or put. */
int seccomp_close(enum peer_role role, enum carrier carrier, int *notifier);

/* The master's filter, which the processes that it starts inherit: what it does not allow is
 * ENOSYS, unless their own filter asks about it. */
int seccomp_close_master(void);

#endif
