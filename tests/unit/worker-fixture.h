/* worker-fixture.h - the test is the master, a forked child the worker. */
#ifndef SIPWARD_TESTS_UNIT_WORKER_FIXTURE_H
#define SIPWARD_TESTS_UNIT_WORKER_FIXTURE_H

#include "common/counters.h"
#include "patience.h"
#include "worker/skeleton.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Exit codes of the child. */
enum { LEFT = 0, FAILED = 1, WRONG = 77 };

static int lifeline, page_fd;
static struct page *page;
static pid_t child;
static struct lifeline_packet packet;
static struct worker worker;
static char root[] = "/tmp/sipward-root-XXXXXX";
static bool has_root; /* it was made */

static inline int memfd(size_t size, unsigned seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(ftruncate(fd, (off_t)size), 0);
	if (seals)
		cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static inline void setup(void)
{
	page_fd = memfd(sizeof(struct page), 0);
	page = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
	cr_assert_neq(page, MAP_FAILED);
}

/* Workers that are welcomed from now on are confined to a folder of their own. */
static inline void make_root(void)
{
	cr_assert_not_null(mkdtemp(root));
	has_root = true;
}

static inline void start(int (*body)(void))
{
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pair[1] != LIFELINE_FD)
			dup2(pair[1], LIFELINE_FD);
		_exit(body());
	}
	close(pair[1]);
	lifeline = pair[0];
}

static inline void send_to(enum lifeline_type type, const void *body, size_t size, int fd)
{
	cr_assert_eq(
		lifeline_send(lifeline, type, body, size, NULL, 0, fd >= 0 ? &fd : NULL, fd >= 0),
		0);
}

static inline void send_welcome(enum peer_role role, uint32_t drop)
{
	struct lifeline_welcome w = {.incarnation = 1,
		.role = (uint8_t)role,
		.index = 2,
		.log_level = LOG_INFO,
		.drop = (uint8_t)drop,
		.uid = 65534,
		.gid = 65533,
		.fds_limit = 100};

	if (has_root)
		strcpy(w.root, root);
	send_to(LIFELINE_WELCOME, &w, sizeof(w), page_fd);
}

/* The next packet from the worker; 0, or -EPIPE once it is gone. */
static inline int next(void)
{
	struct pollfd p = {.fd = lifeline, .events = POLLIN};

	cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1, "the worker says nothing");
	return lifeline_receive(lifeline, false, &packet);
}

/* Reads until a packet of that type comes. */
static inline void expect(enum lifeline_type type)
{
	do
		cr_assert_eq(next(), 0, "gone before %s", lifeline_name((uint16_t)type));
	while (packet.type != type);
}

static inline int exit_code(void)
{
	int status;

	while (next() == 0)
		;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status), "killed by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

static inline void send_stop(uint32_t grace_ms)
{
	struct lifeline_stop stop = {.grace_ms = grace_ms};

	send_to(LIFELINE_STOP, &stop, sizeof(stop), -1);
}

#endif
