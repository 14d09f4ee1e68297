/* spawn.h - starts a worker's program with its lifeline on LIFELINE_FD. */
#ifndef SIPWARD_MASTER_SPAWN_H
#define SIPWARD_MASTER_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

/* The path of the program of a role ("transport", "sip", "tls"): beside the master's own, or in
 * SIPWARD_LIBEXEC where that was compiled in. -ENAMETOOLONG; -ENOENT, -EACCES: it is not there or
 * cannot be run. */
int spawn_program(const char *role, char *out, size_t size);

/* Forks and executes program with its index as only argument. *lifeline is the master's end,
 * non-blocking and close-on-exec. The child has nothing else but stderr, an environment without the
 * master's, no blocked signals, and a session of its own (a ^C at a terminal is the master's to act
 * on). -errno. */
int spawn_worker(const char *program, unsigned index, pid_t *pid, int *lifeline);

#endif
