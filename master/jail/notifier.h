/* notifier.h - the descriptor by which the kernel asks about the system calls that a filter does
 * not allow. */
#ifndef SIPWARD_MASTER_JAIL_NOTIFIER_H
#define SIPWARD_MASTER_JAIL_NOTIFIER_H

#include "ipc/lifeline.h"

#include <stdbool.h>
#include <sys/types.h>

struct loop;
struct loop_source;

/* A system call that a filter did not allow. */
struct violation {
	pid_t thread;
	uint32_t arch;
	int number;
	uint64_t argument[6];
};
#define VIOLATION_TEXT_MAX 320
/* "syscall=openat(257) thread=12 args=0x.." */
void violation_text(const struct violation *v, char out[VIOLATION_TEXT_MAX]);
/* The name of a system call, or "?", in buffer. */
const char *violation_call(const struct violation *v, char buffer[32]);

/* The kernel asks here about the violations of one process. */
typedef void (*notifier_violation)(void *arg, const struct violation *v);
struct notifier {
	int fd; /* -1: none */
	struct loop *loop;
	struct loop_source *source;
	bool go_on; /* let the call be made: only logging */
	notifier_violation tell;
	void *arg;
};
/* Takes fd; -EINVAL where it is no notifier of a filter (it is closed). Each violation is told;
 * unless go_on is set the thread stands still until it is killed, which is up to whoever is
 * told. */
int notifier_open(struct notifier *n, struct loop *loop, int fd, bool go_on,
	notifier_violation tell, void *arg);
/* Does nothing where none is open. */
void notifier_close(struct notifier *n);

#endif
