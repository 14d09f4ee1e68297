/* mesh-zeromq.h - ends of the mesh over ZeroMQ with real sockets, and children. Children are forked
 * before this process has a mesh: a ZeroMQ context does not survive fork. */
#ifndef SIPWARD_TESTS_UNIT_MESH_ZEROMQ_H
#define SIPWARD_TESTS_UNIT_MESH_ZEROMQ_H

#include "common/counters.h"
#include "common/log.h"
#include "ipc/mesh.h"
#include "mesh-fixture.h"
#include "own_folder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define CALLER PEER(PEER_TRANSPORT, 1)
#define LISTENER PEER(PEER_SIP, 0)

static char dir[32], path[64];
static int listening;
static uint8_t token_a[MESH_TOKEN_SIZE], token_b[MESH_TOKEN_SIZE];

static inline void quiet(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
}

static inline int listen_at(const char *at)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(name.sun_path, at);
	cr_assert_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	cr_assert_eq(listen(fd, 64), 0);
	return fd;
}

static inline void setup(void)
{

	cr_assert_geq(sodium_init(), 0);
	log_init("test", -1, LOG_ERROR, quiet, NULL);
	own_folder_make(dir);
	snprintf(path, sizeof(path), "%s/sip-0.sock", dir);
	listening = listen_at(path);
	randombytes_buf(token_a, sizeof(token_a));
	randombytes_buf(token_b, sizeof(token_b));
}

static inline void teardown(void)
{
	unlink(path);
	rmdir(dir);
}

static inline void open_end(struct end *e, uint16_t self)
{
	*e = (struct end){0};
	cr_assert_eq(mesh_new(&e->mesh, loop, CARRIER_ZEROMQ, self, on_record, e), 0);
	cr_assert_eq(mesh_start(e->mesh), 0);
}

static inline void open_listener(struct end *e, uint16_t self, int fd, const char *at)
{
	*e = (struct end){0};
	cr_assert_eq(mesh_new(&e->mesh, loop, CARRIER_ZEROMQ, self, on_record, e), 0);
	cr_assert_eq(mesh_listen(e->mesh, fd, at), 0);
	cr_assert_eq(mesh_start(e->mesh), 0);
}

/* The peer has said hello: there is a way back to it. */
static inline bool knows(struct end *e, uint16_t peer)
{
	void *buffer;

	if (mesh_record(e->mesh, peer, RECORD_WATCH, sizeof(struct record_watch), false, &buffer))
		return false;
	mesh_shrink(e->mesh, peer, 0);
	return true;
}

static inline int number(struct mesh *m, uint16_t peer, uint64_t n)
{
	void *buffer;
	int error = mesh_record(m, peer, RECORD_WATCH, sizeof(struct record_watch), false, &buffer);

	if (!error)
		*(struct record_watch *)buffer = (struct record_watch){.flow = n};
	return error;
}

static inline void new_loop(void)
{
	cr_assert_eq(loop_new(&loop), 0);
}

static inline void close_ends(struct end *a, struct end *b)
{
	if (a)
		mesh_free(a->mesh);
	if (b)
		mesh_free(b->mesh);
	loop_free(loop);
}

static inline pid_t child_of(void (*body)(void), int *go)
{
	int start[2];
	pid_t pid;
	char c;

	cr_assert_eq(pipe(start), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody behind */
		close(start[1]);
		if (read(start[0], &c, 1) == 1)
			body();
		_exit(0);
	}
	close(start[0]);
	*go = start[1];
	return pid;
}

static inline void release(int go)
{
	cr_assert_eq(write(go, "g", 1), 1);
	close(go);
}

static inline void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#endif
