/* mesh.c - batches of records over ZeroMQ: peers, sending, the end of each turn. mesh_listen.c has the listening side, mesh_edge.c the
 * connecting one, mesh_socket.c what both need.
 * Relies on a batch not being touched once libzmq has it: its I/O thread frees it. */
#include "mesh_private.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

/* Look again at a full socket: its wake-up can have been consumed by a call for another peer. Only while something waits. */
#define STALLED_MS 20
/* Copying this much costs less than a reference-counted message that another thread frees. */
#define COPY_MAX 4096

struct link *link_find(const struct mesh *m, uint16_t peer)
{
	return PEER_ROLE(peer) < ROLES ? m->by_peer[PEER_ROLE(peer)][PEER_INDEX(peer)] : NULL;
}

int link_need(struct mesh *m, uint16_t peer, struct link **out)
{
	struct link *l = link_find(m, peer);

	if (!l) {
		if (PEER_ROLE(peer) == 0 || PEER_ROLE(peer) >= ROLES)
			return -EINVAL;
		if (m->links == MESH_PEERS_MAX)
			return -ENOSPC;
		if (!(l = calloc(1, sizeof(*l))))
			return -ENOMEM;
		l->mesh = m;
		l->peer = peer;
		outgoing_init(&l->out, &m->pool);
		edge_init(l);
		m->link[m->links++] = l;
		m->by_peer[PEER_ROLE(peer)][PEER_INDEX(peer)] = l;
	}
	*out = l;
	return 0;
}

/* ---- sending ---- */

static void batch_done(void *data, void *hint)
{
	struct batch *b = hint;

	(void)data;
	if (b->handed_over)
		batch_give(b);
}

/* Hands b over. 0: it is libzmq's now. Negative errno: still the caller's. */
static int batch_send(void *zmq, struct batch *b)
{
	zmq_msg_t frame;
	bool copied = b->used <= COPY_MAX;
	int error;

	if (copied) {
		if (zmq_msg_init_size(&frame, b->used) < 0)
			return -errno;
		memcpy(zmq_msg_data(&frame), b->data, b->used);
	} else if (zmq_msg_init_data(&frame, b->data, b->used, batch_done, b) < 0) {
		return -errno;
	}
	b->handed_over = true;
	if (zmq_msg_send(&frame, zmq, ZMQ_DONTWAIT) >= 0) {
		if (copied)
			batch_give(b);
		return 0;
	}
	error = -errno;
	b->handed_over = false; /* closing the frame below must not free it */
	zmq_msg_close(&frame);
	return error;
}

static int link_send(struct link *l, struct batch *b)
{
	struct mesh *m = l->mesh;
	int error;

	if (l->path) {
		l->dealer.used = true;
		return batch_send(l->dealer.zmq, b);
	}
	m->router.used = true;
	/* Whether this peer can be reached and has room is decided here; the second frame follows the first. */
	if (zmq_send(m->router.zmq, l->routing_id, ROUTING_ID_SIZE, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
		return -errno;
	error = batch_send(m->router.zmq, b);
	if (error) /* the open message must be ended or it would swallow the next */
		zmq_send(m->router.zmq, NULL, 0, ZMQ_DONTWAIT);
	return error;
}

static bool sendable(const struct link *l)
{
	return l->path ? l->up : l->routed && l->mesh->router.zmq;
}

/* Sends what it can. True where something that could be sent is left for want of room. */
static bool link_flush(struct link *l)
{
	uint64_t left_out;

	if (!sendable(l))
		return false;
	if (l->path && l->hello && edge_hello(l))
		return true;
	for (;;) {
		struct batch *b;
		uint32_t records;
		int error;
		if (!l->out.first)
			outgoing_close(&l->out); /* not earlier: while the peer is behind, the open batch goes on filling */
		if (!l->out.first)
			return false;
		b = outgoing_pop(&l->out);
		records = batch_records(b);
		error = link_send(l, b);
		if (!error) {
			count(MESH_BATCHES_SENT);
			counter_add(COUNTER_MESH_RECORDS_SENT, records);
			continue;
		}
		if (error == -EHOSTUNREACH) {
			counter_add(COUNTER_MESH_UNREACHABLE, records);
			batch_give(b);
			l->routed = false;
			return false;
		}
		outgoing_put_back(&l->out, b);
		if (error != -EAGAIN && error != -EINTR && may_log(l->mesh, &left_out))
			log_error("mesh-send-failed", "peer=%u.%u error=%d", PEER_ROLE(l->peer), PEER_INDEX(l->peer), -error);
		return true;
	}
}

/* Sends from all links. True where there is something to read. */
static bool flush_all(struct mesh *m)
{
	bool stalled = true, readable = false;

	for (int pass = 0; pass < 2 && stalled; pass++) { /* looking at the events may have made room: once more */
		stalled = false;
		for (unsigned i = 0; i < m->links; i++)
			stalled |= link_flush(m->link[i]);
		readable = socket_look(&m->router);
		readable |= socket_look(&m->zap);
		for (unsigned i = 0; i < m->links; i++) {
			readable |= socket_look(&m->link[i]->dealer);
			readable |= socket_look(&m->link[i]->monitor);
		}
	}
	if (!stalled)
		loop_unset(m->loop, &m->stalled);
	else if (!timer_armed(&m->stalled))
		loop_set(m->loop, &m->stalled, STALLED_MS);
	return readable;
}

static bool drain_left(struct socket *s)
{
	if (!s->zmq || !s->more)
		return false;
	socket_drain(s);
	return true;
}

static bool on_turn(void *arg)
{
	struct mesh *m = arg;
	bool worked = drain_left(&m->zap);

	worked |= drain_left(&m->router);
	for (unsigned i = 0; i < m->links; i++) {
		worked |= drain_left(&m->link[i]->monitor);
		worked |= drain_left(&m->link[i]->dealer);
	}
	/* After work the next turn comes at once, so that whoever's turn callback ran before ours sees its fruits. */
	return flush_all(m) || worked;
}

static void nothing_to_do(struct timer *t, void *arg)
{
	(void)t;
	(void)arg; /* being awake is all: on_turn does the rest */
}

/* ---- the interface ---- */

/* libzmq starts them with the first socket, which may be wanted only when the jail has closed: then none could be started any more. */
static int start_threads(void *context)
{
	void *socket = zmq_socket(context, ZMQ_PAIR);

	return socket && zmq_close(socket) == 0 ? 0 : -errno;
}

int mesh_new(struct mesh **out, struct loop *loop, uint16_t self, mesh_record_callback callback, void *arg)
{
	struct mesh *m = calloc(1, sizeof(*m));
	int error = -ENOMEM;

	if (!m)
		return error;
	m->loop = loop;
	m->self = self;
	m->callback = callback;
	m->arg = arg;
	timer_init(&m->wake, nothing_to_do, m);
	timer_init(&m->stalled, nothing_to_do, m);
	if (!(m->aligned = aligned_alloc(8, BATCH_MAX)))
		goto failed;
	if (!(m->context = zmq_ctx_new()))
		goto failed;
	error = -EINVAL;
	if (zmq_ctx_set(m->context, ZMQ_IO_THREADS, 1) < 0 || zmq_ctx_set(m->context, ZMQ_BLOCKY, 0) < 0)
		goto failed;
	if ((error = start_threads(m->context)))
		goto failed;
	if ((error = loop_on_turn(loop, on_turn, m)))
		goto failed;
	*out = m;
	return 0;
failed:
	if (m->context)
		zmq_ctx_term(m->context);
	free(m->aligned);
	free(m);
	return error;
}

void mesh_free(struct mesh *m)
{
	if (!m)
		return;
	loop_unset(m->loop, &m->wake);
	loop_unset(m->loop, &m->stalled);
	for (unsigned i = 0; i < m->links; i++) {
		edge_close(m->link[i]);
		outgoing_clear(&m->link[i]->out);
	}
	socket_close(&m->router);
	socket_close(&m->zap);
	/* Ends the I/O thread: only now nobody else holds a batch. */
	while (zmq_ctx_term(m->context) < 0 && errno == EINTR)
		;
	batch_pool_free(&m->pool);
	for (unsigned i = 0; i < m->links; i++) {
		free(m->link[i]->path);
		sodium_memzero(m->link[i], sizeof(*m->link[i]));
		free(m->link[i]);
	}
	free(m->aligned);
	free(m);
}

int mesh_record(struct mesh *m, uint16_t peer, uint16_t type, size_t size, bool reserve, void **data)
{
	struct link *l = link_find(m, peer);
	int error = -ENOTCONN;

	if (l && (l->path || l->routed))
		error = outgoing_record(&l->out, type, size, reserve, data);
	switch (error) {
	case 0:
		break;
	case -ENOTCONN:
		count(MESH_UNREACHABLE);
		break;
	case -EMSGSIZE:
		count(MESH_OVERSIZE);
		break;
	default:
		count(MESH_FULL);
	}
	return error;
}

void mesh_shrink(struct mesh *m, uint16_t peer, size_t size)
{
	struct link *l = link_find(m, peer);

	assert(l);
	outgoing_shrink(&l->out, size);
}

void mesh_flush(struct mesh *m)
{
	/* Outside a turn nobody would look at what became readable meanwhile. */
	if (flush_all(m))
		loop_set(m->loop, &m->wake, 0);
}

size_t mesh_backlog(const struct mesh *m, uint16_t peer)
{
	const struct link *l = link_find(m, peer);

	return l ? l->out.records : 0;
}
