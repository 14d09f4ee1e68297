/* mesh_zeromq.c - the mesh over ZeroMQ: the context, sending, the end of each turn.
 * mesh_zeromq_listen.c has the listening side, mesh_zeromq_edge.c the connecting one,
 * mesh_zeromq_socket.c what both need. Relies on a batch not being touched once libzmq has it: its
 * I/O thread gives it back.
 */
#include "mesh_zeromq.h"
#include "common/counters.h"

#include <errno.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* Look again at a full socket: its wake-up can have been consumed by a call for another peer. Only
 * while something waits. */
#define STALLED_MS 20
/* A round through both workers wakes seven threads, which is most of what a call costs where few
 * come: tests/bench/BUDGET.md says what other times cost. Each further SIP worker adds five. */
#define GATHER_NS UINT64_C(1150000)
#define GATHER_EACH_NS UINT64_C(250000)
/* Until most of several SIP workers have answered. */
#define ANSWERS_NS UINT64_C(500000)
/* Copying this much costs less than a reference-counted message that another thread gives back. */
#define COPY_MAX 4096

const struct batch_header zmesh_hello = {.magic = BATCH_MAGIC, .count = 0};

bool zmesh_is_hello(const void *data, size_t size)
{
	return size == sizeof(zmesh_hello) && memcmp(data, &zmesh_hello, size) == 0;
}

/* ---- batches that libzmq holds ---- */

/* From libzmq's I/O thread. The list is only ever pushed to and taken whole: it needs no lock. */
static void batch_on_freed(void *data, void *hint)
{
	struct batch *b = (struct batch *)((unsigned char *)data - offsetof(struct batch, data));
	struct zmesh *z = hint;

	if (!b->handed_over)
		return; /* it could not be sent: it is still the mesh's */
	b->next = __atomic_load_n(&z->returned, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(
		&z->returned, &b->next, b, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static void zmesh_take_batches_back(struct zmesh *z)
{
	struct batch *b;

	if (!__atomic_load_n(&z->returned, __ATOMIC_RELAXED))
		return;
	b = __atomic_exchange_n(&z->returned, NULL, __ATOMIC_ACQUIRE);
	while (b) {
		struct batch *next = b->next;

		batch_give(&z->mesh.pool, b);
		b = next;
	}
}

/* ---- sending ---- */

/* As the carrier's send. */
static int zmesh_send_batch(struct zmesh *z, void *zmq, struct batch *b)
{
	bool copied = b->used <= COPY_MAX;
	zmq_msg_t frame;
	int error;

	if (copied ? zmq_msg_init_size(&frame, b->used)
		   : zmq_msg_init_data(&frame, b->data, b->used, batch_on_freed, z))
		return -errno;
	if (copied)
		memcpy(zmq_msg_data(&frame), b->data, b->used);
	b->handed_over = true;
	if (zmq_msg_send(&frame, zmq, ZMQ_DONTWAIT) >= 0)
		return !copied;
	error = -errno;
	b->handed_over = false;
	zmq_msg_close(&frame);
	return error;
}

static int zlink_send(struct link *link, struct batch *b)
{
	struct zmesh *z = zmesh_of(link->mesh);
	struct zlink *l = zlink_of(link);
	int error;

	if (l->path[0]) {
		l->dealer.used = true;
		return zmesh_send_batch(z, l->dealer.zmq, b);
	}
	z->router.used = true;
	/* Whether this peer can be reached and has room is decided here; the second frame follows
	 * the first. */
	if (zmq_send(z->router.zmq, l->routing_id, ROUTING_ID_SIZE, ZMQ_DONTWAIT | ZMQ_SNDMORE) <
		0) {
		error = -errno;
		if (error == -EHOSTUNREACH)
			zlink_unroute(l);
		return error;
	}
	error = zmesh_send_batch(z, z->router.zmq, b);
	if (error < 0) /* the open message must be ended or it would swallow the next */
		zmq_send(z->router.zmq, NULL, 0, ZMQ_DONTWAIT);
	return error;
}

static bool zlink_ready(const struct link *link)
{
	const struct zlink *l = zlink_of(link);

	return l->path[0] ? l->up && !l->hello : l->routed && zmesh_of(link->mesh)->router.zmq;
}

static bool zlink_reachable(const struct link *link)
{
	const struct zlink *l = zlink_of(link);

	return l->path[0] || l->routed;
}

/* ---- the end of a turn ---- */

static bool zsocket_drain_left(struct zsocket *s)
{
	if (!s->zmq || !s->more)
		return false;
	zsocket_drain(s);
	return true;
}

/* Says the hellos that are due. True: one could not be said for want of room. */
static bool zmesh_say_hellos(struct mesh *m)
{
	bool left = false;

	for (unsigned i = 0; i < m->links; i++) {
		struct zlink *l = zlink_of(m->link[i]);

		if (l->hello && l->up)
			left |= zedge_hello(l) != 0;
	}
	return left;
}

/* True where there is something to read. */
static bool zmesh_look(struct zmesh *z)
{
	bool readable = zsocket_look(&z->router);

	readable |= zsocket_look(&z->zap);
	for (unsigned i = 0; i < z->mesh.links; i++) {
		struct zlink *l = zlink_of(z->mesh.link[i]);

		readable |= zsocket_look(&l->dealer);
		readable |= zsocket_look(&l->monitor);
	}
	return readable;
}

static bool zmesh_turn(struct mesh *m)
{
	struct zmesh *z = zmesh_of(m);
	bool worked = zsocket_drain_left(&z->zap), stalled = true, readable = false;

	worked |= zsocket_drain_left(&z->router);
	for (unsigned i = 0; i < m->links; i++) {
		worked |= zsocket_drain_left(&zlink_of(m->link[i])->monitor);
		worked |= zsocket_drain_left(&zlink_of(m->link[i])->dealer);
	}
	zmesh_take_batches_back(z);
	/* Looking at the events may have made room: once more. */
	for (int pass = 0; pass < 2 && stalled; pass++) {
		stalled = zmesh_say_hellos(m);
		stalled |= mesh_flush_links(m);
		readable = zmesh_look(z);
	}
	if (!stalled)
		loop_unset(m->loop, &z->stalled);
	else if (!timer_armed(&z->stalled))
		loop_set(m->loop, &z->stalled, STALLED_MS);
	/* After work the next turn comes at once, so that whoever's turn callback ran before ours
	 * sees its fruits. */
	return readable || worked;
}

static void zmesh_on_stalled(struct timer *t, void *arg)
{
	(void)t;
	(void)arg; /* being awake is all: the end of the turn does the rest */
}

/* ---- the carrier ---- */

static void zmesh_init(struct mesh *m)
{
	struct zmesh *z = zmesh_of(m);

	z->listen_fd = -1;
	timer_init(&z->stalled, zmesh_on_stalled, z);
}

static void zlink_init(struct link *l)
{
	zedge_init(zlink_of(l));
}

/* libzmq starts its threads with the first socket, which may be wanted only when the jail has
 * closed: then none could be started any more. */
static int context_start_threads(void *context)
{
	void *socket = zmq_socket(context, ZMQ_PAIR);

	return socket && zmq_close(socket) == 0 ? 0 : -errno;
}

static int zmesh_start(struct mesh *m)
{
	struct zmesh *z = zmesh_of(m);
	int error;

	if (!(z->context = zmq_ctx_new()))
		return -errno;
	/* under SCHED_BATCH the I/O thread does not interrupt the worker's turn when it is woken */
	if (zmq_ctx_set(z->context, ZMQ_IO_THREADS, 1) < 0 ||
		zmq_ctx_set(z->context, ZMQ_BLOCKY, 0) < 0 ||
		zmq_ctx_set(z->context, ZMQ_THREAD_SCHED_POLICY, SCHED_BATCH) < 0)
		return -errno;
	error = context_start_threads(z->context);
	if (error == 0)
		error = zlisten_open(z);
	for (unsigned i = 0; i < m->links && error == 0; i++)
		if (zlink_of(m->link[i])->path[0])
			error = zedge_open(zlink_of(m->link[i]));
	return error;
}

static void zmesh_end(struct mesh *m)
{
	struct zmesh *z = zmesh_of(m);

	loop_unset(m->loop, &z->stalled);
	for (unsigned i = 0; i < m->links; i++)
		zedge_close(zlink_of(m->link[i]));
	zsocket_close(&z->router);
	zsocket_close(&z->zap);
	if (z->listen_fd >= 0)
		close(z->listen_fd);
	/* Ends the I/O thread: only now nobody else holds a batch. */
	while (z->context && zmq_ctx_term(z->context) < 0 && errno == EINTR)
		;
	zmesh_take_batches_back(z);
}

const struct mesh_carrier mesh_zeromq = {
	.mesh_size = sizeof(struct zmesh),
	.link_size = sizeof(struct zlink),
	.gathering = {GATHER_NS, GATHER_EACH_NS, ANSWERS_NS},
	.init = zmesh_init,
	.start = zmesh_start,
	.end = zmesh_end,
	.link_init = zlink_init,
	.reachable = zlink_reachable,
	.ready = zlink_ready,
	.send = zlink_send,
	.turn = zmesh_turn,
	.listen = zlisten_take_fd,
	.allow = zlisten_allow,
	.connect = zedge_connect,
	.hello = zedge_say_hello,
};
