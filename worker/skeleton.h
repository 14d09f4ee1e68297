/* skeleton.h - the skeleton that every worker's main.c is written on.
 *
 * main.c reads the same in each role:
 *
 *     worker_begin     takes the lifeline on fd 3 and WELCOME with the shared page, sends the log
 *                      through the lifeline and closes stray fds
 *     worker_receive   takes settings, keys, sockets, edges, slots ... until GO, and hands each
 *                      packet to the role's callback
 *     jail_confine     gives the process its own namespaces and root, its own uid and gid with no
 *                      way back, no capabilities, no new privileges, and makes it not dumpable
 *     (open stores)    is the role's own step, for roles that have any: with relative paths, see
 *                      jail.h
 *     jail_limit       sets rlimits (no core; fds with reserve; file size) and Landlock
 *     (start)          starts libraries and their threads: mesh, TLS
 *     jail_seal        permits no further processes, and seccomp with TSYNC, last
 *     worker_run       sends READY, then runs the loop until STOP, or until the lifeline closes
 *                      (the master is gone)
 */
#ifndef SIPWARD_WORKER_SKELETON_H
#define SIPWARD_WORKER_SKELETON_H

#include "ipc/lifeline.h"
#include "common/counters.h"
#include "common/log.h"
#include "common/loop.h"
#include "jail.h"

struct worker;

/* A packet from the master. fds left in the packet (>= 0) after the callback are closed by the
 * skeleton; the callback takes one by setting it to -1. 0, or -errno: the worker cannot go on
 * (logged, it exits). WELCOME, GO, STOP and the log are handled by the skeleton. */
typedef int (*worker_packet)(void *arg, struct lifeline_packet *packet);
/* STOP has come: finish; call worker_leave when done. NULL: the skeleton leaves at once. It leaves
 * in any case when grace_ms have passed. */
typedef void (*worker_stop)(void *arg, uint32_t grace_ms);

struct worker {
	struct loop *loop;
	struct lifeline_welcome welcome;
	worker_packet packet;
	worker_stop stop;
	void *arg;
	int lifeline;
	bool leaving;
	struct loop_source *source;
	struct timer deadline;
	struct lifeline_packet *buffer;
	enum peer_role role;
	struct page *page; /* the shared page */
	struct jail jail;
	struct lifeline_probe *probe; /* this process is here to try that; NULL: it is a worker */
	int error;   /* why the loop ended, where it was not asked to: negative errno */
	int signals; /* signalfd: SIGTERM is a STOP */
	struct loop_source *signal_source;
	struct worker_unsent *unsent; /* packets that the lifeline did not take yet, oldest first */
	struct worker_unsent **unsent_end;
	size_t unsent_bytes; /* at most WORKER_UNSENT_MAX */
};

/* Bytes of packets that wait for the master to read; one more is refused with -EAGAIN. */
#define WORKER_UNSENT_MAX (4u * 1024 * 1024)

/* All return 0 or -errno after having logged what failed; main ends with EXIT_FAILURE then. */
int worker_begin(
	struct worker *w, enum peer_role role, worker_packet packet, worker_stop stop, void *arg);
int worker_receive(struct worker *w);
int worker_run(struct worker *w);
void worker_leave(struct worker *w);

/* Sends a packet to the master; a full lifeline drops logs (counted) and retries the rest in order.
 * 0 sent or kept for later; -EAGAIN: WORKER_UNSENT_MAX reached; -EPIPE the master is gone; -EINVAL
 * what the table does not allow. */
int worker_send(struct worker *w, enum lifeline_type type, const void *body, size_t size,
	const void *more, size_t more_size);

/* Maps a sealed memfd read-only; refuses an fd without F_SEAL_WRITE, F_SEAL_SHRINK and F_SEAL_SEAL.
 * munmap is the caller's. */
int worker_map(int fd, const void **out, size_t *size);

#endif
