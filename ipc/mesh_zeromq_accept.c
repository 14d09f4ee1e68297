/* mesh_zeromq_accept.c - accept4 as libzmq calls it, with a bound on the fds that peers can take.
 *
 * libzmq ends the process when accept4 says EMFILE, and takes ECONNABORTED for a connection that
 * has gone meanwhile. A peer that was taken over and connects without end must neither end its
 * listener nor keep others out, so this function stands in place of the C library's (the dynamic
 * linker finds the program's own first): fds get the lowest number that is free, so a number tells
 * how many there are, and a connection whose number is too high is closed.
 *
 * The master gives a listener as many fds as all transport workers together can connect with, and
 * more (master/main.c). Siblings, which have as many as the listener itself, get the lower part
 * only: the kernel tells them from transport workers by their uid. Without root all workers have
 * the same one, and transport workers get no more than siblings.
 */
#include "mesh_zeromq.h"

#include "common/counters.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Fds that stay for what this process opens itself: edges made anew, their monitors and signals. */
#define OWN_FDS 128
/* Below this siblings may connect: beside its own there is room for the few that each has. */
#define SIBLING_FDS 768

static struct {
	int listening;      /* the socket that this is about; -1 none: all others are as ever */
	int most, siblings; /* numbers from here on are too high */
	uid_t uid;
} limit = {.listening = -1};

void accept_limit(int listening)
{
	struct rlimit fds;

	if (getrlimit(RLIMIT_NOFILE, &fds) < 0 || fds.rlim_cur >= 1 << 30)
		return;
	limit.listening = listening;
	limit.most = (int)fds.rlim_cur > 2 * OWN_FDS ? (int)fds.rlim_cur - OWN_FDS
	                                             : (int)fds.rlim_cur / 2;
	limit.siblings = limit.most < SIBLING_FDS ? limit.most : SIBLING_FDS;
	limit.uid = getuid();
}

static bool accept_is_too_many(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (fd < limit.siblings)
		return false;
	if (fd >= limit.most)
		return true;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == limit.uid;
}

/* EMFILE should not come to pass below the limit; libzmq must not see it where it does. */
static bool accept_is_crowded(long accepted)
{
	return accepted < 0 ? errno == EMFILE : accept_is_too_many((int)accepted);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	long accepted = syscall(SYS_accept4, fd, address, size, flags);

	if (fd != limit.listening || !accept_is_crowded(accepted))
		return (int)accepted;
	if (accepted >= 0)
		close((int)accepted);
	count(MESH_CROWDED); /* libzmq's I/O thread alone does */
	errno = ECONNABORTED;
	return -1;
}
