/* gate_exists.c - asks the kernel for its gate (gate.h). */
#include "gate.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

bool gate_exists(void)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) /* the caller's filter holds here too: no other system call than the one
	                   that is tried */
		_exit(gate_call() == 0 ? 0 : 1);
	if (child < 0)
		return true;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return true;
	return !(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}
