/* spawn.c - fork and exec of a worker.
 *
 * Exec, not only fork: no address-space layout, heap or key of the master is in the child. Its life
 * is bound to the lifeline, which it sees close when the master is gone; a signal on the parent's
 * death would leave it no time to finish. Relies on the master having one thread.
 */
#include "spawn.h"
#include "ipc/lifeline.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Variables that a worker may have: for builds with sanitizers, which read them before main. */
static const char *const variables[] = {"ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"};
#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

int spawn_program(const char *role, char *out, size_t size)
{
	char folder[4096];

#ifdef SIPWARD_LIBEXEC
	snprintf(folder, sizeof(folder), "%s", SIPWARD_LIBEXEC);
#else
	ssize_t n = readlink("/proc/self/exe", folder, sizeof(folder) - 1);
	if (n < 0)
		return -errno;
	folder[n] = '\0';
	char *slash = strrchr(folder, '/');
	if (slash)
		*slash = '\0';
#endif
	int length = snprintf(out, size, "%s/sipward-%s", folder, role);
	if (length < 0 || (size_t)length >= size)
		return -ENAMETOOLONG;
	return access(out, X_OK) < 0 ? -errno : 0;
}

static void spawn_become(const char *program, unsigned index, int lifeline)
	__attribute__((noreturn));
static void spawn_become(const char *program, unsigned index, int lifeline)
{
	char number[12], *environment[VARIABLES + 1], buffer[VARIABLES][512];
	unsigned n = 0;
	sigset_t none;

	for (size_t i = 0; i < VARIABLES; i++) {
		const char *value = getenv(variables[i]);

		if (value && (size_t)snprintf(buffer[n], sizeof(buffer[n]), "%s=%s", variables[i],
				     value) < sizeof(buffer[n])) {
			environment[n] = buffer[n];
			n++;
		}
	}
	environment[n] = NULL;
	setsid();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (lifeline == LIFELINE_FD)
		fcntl(lifeline, F_SETFD, 0);
	else if (dup2(lifeline, LIFELINE_FD) < 0)
		_exit(126);
	if (null >= 0 && (dup2(null, 0) < 0 || dup2(null, 1) < 0))
		_exit(126);
	if (close_range(LIFELINE_FD + 1, ~0u, 0) < 0)
		_exit(126);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	snprintf(number, sizeof(number), "%u", index);
	char *arguments[] = {(char *)(uintptr_t)program, number, NULL};
	execve(program, arguments, environment);
	_exit(127);
}

int spawn_worker(const char *program, unsigned index, pid_t *out_pid, int *lifeline)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	pid_t pid = fork();
	if (pid < 0) {
		int error = -errno;

		close(pair[0]);
		close(pair[1]);
		return error;
	}
	if (pid == 0)
		spawn_become(program, index, pair[1]);
	close(pair[1]);
	*out_pid = pid;
	*lifeline = pair[0];
	return 0;
}
