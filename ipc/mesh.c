/* mesh.c - batches of records over either carrier: peers, queues, what is sent at the end of each
 * turn, what is delivered. */
#include "mesh.h"
#include "common/counters.h"
#include "common/log.h"
#include "mesh_carrier.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

static const struct mesh_carrier *const carriers[CARRIER_COUNT] = {
	[CARRIER_ZEROMQ] = &mesh_zeromq,
	[CARRIER_PAIRS] = &mesh_pairs,
};

struct link *link_find(const struct mesh *m, uint16_t peer)
{
	return PEER_ROLE(peer) < ROLE_COUNT ? m->by_peer[PEER_ROLE(peer)][PEER_INDEX(peer)] : NULL;
}

int link_need(struct mesh *m, uint16_t peer, struct link **out)
{
	struct link *l = link_find(m, peer);

	if (!l) {
		if (PEER_ROLE(peer) == 0 || PEER_ROLE(peer) >= ROLE_COUNT)
			return -EINVAL;
		if (m->links == MESH_PEERS_MAX)
			return -ENOSPC;
		if (!(l = calloc(1, m->carrier->link_size)))
			return -ENOMEM;
		l->mesh = m;
		l->peer = peer;
		outgoing_init(&l->out, &m->pool);
		m->carrier->link_init(l);
		m->link[m->links++] = l;
		m->by_peer[PEER_ROLE(peer)][PEER_INDEX(peer)] = l;
	}
	*out = l;
	return 0;
}

bool mesh_may_log(struct mesh *m, uint64_t *left_out)
{
	return log_limit_pass(&m->limit, loop_now(m->loop), 1, LOG_LIMIT_SECOND, left_out);
}

void mesh_count_edge(struct mesh *m, int change)
{
	m->edges += (unsigned)change;
	counter_set(COUNTER_MESH_EDGES, m->edges);
}

/* ---- taking ---- */

void mesh_refuse_batch(struct mesh *m, uint16_t peer, size_t size)
{
	uint64_t left_out;

	count(MESH_BAD_BATCH);
	if (mesh_may_log(m, &left_out))
		log_warn("mesh-bad-batch", "peer=%u.%u size=%zu left_out=%llu", PEER_ROLE(peer),
			PEER_INDEX(peer), size, (unsigned long long)left_out);
}

bool mesh_deliver(struct mesh *m, uint16_t peer, const void *batch, size_t size)
{
	const struct record_header *h;
	const void *data;
	size_t at = 0;

	if (size > BATCH_MAX || batch_check(batch, size)) {
		mesh_refuse_batch(m, peer, size);
		return false;
	}
	count(MESH_BATCHES_RECEIVED);
	while ((h = batch_next(batch, size, &at, &data))) {
		count(MESH_RECORDS_RECEIVED);
		m->callback(m->arg, peer, h->type, data, h->size);
	}
	return true;
}

void mesh_refused(struct mesh *m, uint16_t peer, uint16_t type, size_t size)
{
	uint64_t left_out;

	if (mesh_may_log(m, &left_out))
		log_warn("mesh-bad-record", "peer=%u.%u type=%u size=%zu left_out=%llu",
			PEER_ROLE(peer), PEER_INDEX(peer), type, size,
			(unsigned long long)left_out);
}

/* ---- sending ---- */

static void batch_drop(struct link *l, struct batch *b, int error)
{
	uint32_t records = batch_records(b);
	size_t size = b->used;
	uint64_t left_out;

	batch_give(&l->mesh->pool, b);
	if (error == -EHOSTUNREACH) {
		counter_add(COUNTER_MESH_UNREACHABLE, records + outgoing_clear(&l->out));
		return;
	}
	counter_add(COUNTER_MESH_OVERSIZE, records);
	if (mesh_may_log(l->mesh, &left_out))
		log_error("mesh-send-failed", "peer=%u.%u error=\"%s\" size=%zu",
			PEER_ROLE(l->peer), PEER_INDEX(l->peer), error_text(error), size);
}

static int link_send(struct link *l, struct batch *b)
{
	uint32_t records = batch_records(b);
	int error = l->mesh->carrier->send(l, b);

	if (error >= 0) {
		count(MESH_BATCHES_SENT);
		counter_add(COUNTER_MESH_RECORDS_SENT, records);
	}
	if (error == 0)
		batch_give(&l->mesh->pool, b);
	if (error >= 0)
		return 0;
	if (error == -EMSGSIZE || error == -EHOSTUNREACH) {
		batch_drop(l, b, error);
		return 0;
	}
	outgoing_put_back(&l->out, b);
	return error;
}

/* 0, or why something was left. */
static int link_flush(struct link *l)
{
	int error = 0;

	while (error == 0) {
		if (!l->out.first)
			outgoing_close(&l->out); /* not earlier: while the peer is behind, the open
			                            batch goes on filling */
		if (!l->out.first)
			break;
		error = link_send(l, outgoing_pop(&l->out));
	}
	if (l->mesh->carrier->flushed)
		l->mesh->carrier->flushed(l, error);
	return error;
}

bool mesh_flush_links(struct mesh *m)
{
	bool left = false;
	unsigned sent = 0;

	for (unsigned i = 0; i < m->links; i++)
		if (m->link[i]->out.records && m->carrier->ready(m->link[i])) {
			left |= link_flush(m->link[i]) != 0;
			sent++;
		}
	if (sent > 1)
		loop_expect(m->loop);
	return left;
}

void mesh_flush(struct mesh *m)
{
	/* Outside a turn nobody would come back to what is left to do. */
	if (m->carrier->turn(m))
		loop_set(m->loop, &m->wake, 0);
}

static bool mesh_on_turn(void *arg)
{
	struct mesh *m = arg;

	return m->carrier->turn(m);
}

static void mesh_on_wake(struct timer *t, void *arg)
{
	(void)t;
	(void)arg; /* being awake is all: mesh_on_turn does the rest */
}

/* ---- the interface ---- */

int mesh_new(struct mesh **out, struct loop *loop, unsigned carrier, uint16_t self,
	mesh_record_callback callback, void *arg)
{
	struct mesh *m;

	if (carrier >= CARRIER_COUNT)
		return -EINVAL;
	if (!(m = calloc(1, carriers[carrier]->mesh_size)))
		return -ENOMEM;
	m->carrier = carriers[carrier];
	m->loop = loop;
	m->self = self;
	m->callback = callback;
	m->arg = arg;
	timer_init(&m->wake, mesh_on_wake, m);
	if (!(m->buffer = aligned_alloc(64, BATCH_MAX))) {
		free(m);
		return -ENOMEM;
	}
	m->carrier->init(m);
	*out = m;
	return 0;
}

int mesh_start(struct mesh *m)
{
	int error = m->carrier->start ? m->carrier->start(m) : 0;

	return error ? error : loop_on_turn(m->loop, mesh_on_turn, m);
}

void mesh_set_gathering(const struct mesh *m)
{
	loop_gather_for(m->loop, &m->carrier->gathering);
}

void mesh_free(struct mesh *m)
{
	if (!m)
		return;
	loop_unset(m->loop, &m->wake);
	m->carrier->end(m);
	for (unsigned i = 0; i < m->links; i++) {
		outgoing_clear(&m->link[i]->out);
		sodium_memzero(m->link[i], m->carrier->link_size); /* tokens */
		free(m->link[i]);
	}
	batch_pool_free(&m->pool);
	free(m->buffer);
	free(m);
}

int mesh_edge(struct mesh *m, uint16_t peer, int fd)
{
	return m->carrier->edge ? m->carrier->edge(m, peer, fd) : -EPROTO;
}

int mesh_listen(struct mesh *m, int fd, const char *path)
{
	return m->carrier->listen ? m->carrier->listen(m, fd, path) : -EPROTO;
}

int mesh_allow(struct mesh *m, uint16_t peer, const uint8_t token[MESH_TOKEN_SIZE])
{
	return m->carrier->allow ? m->carrier->allow(m, peer, token) : -EPROTO;
}

int mesh_connect(
	struct mesh *m, uint16_t peer, const char *path, const uint8_t token[MESH_TOKEN_SIZE])
{
	return m->carrier->connect ? m->carrier->connect(m, peer, path, token) : -EPROTO;
}

int mesh_hello(struct mesh *m, uint16_t peer)
{
	return m->carrier->hello ? m->carrier->hello(m, peer) : -EPROTO;
}

int mesh_record(
	struct mesh *m, uint16_t peer, uint16_t type, size_t size, bool reserve, void **data)
{
	struct link *l = link_find(m, peer);
	int error = -ENOTCONN;

	if (l && m->carrier->reachable(l))
		error = outgoing_record(&l->out, type, size, reserve, data);
	switch (error) {
	case 0: break;
	case -ENOTCONN: count(MESH_UNREACHABLE); break;
	case -EMSGSIZE: count(MESH_OVERSIZE); break;
	default: count(MESH_FULL);
	}
	return error;
}

void mesh_shrink(struct mesh *m, uint16_t peer, size_t size)
{
	struct link *l = link_find(m, peer);

	assert(l);
	outgoing_shrink(&l->out, size);
}

size_t mesh_backlog(const struct mesh *m, uint16_t peer)
{
	const struct link *l = link_find(m, peer);

	return l ? l->out.records : 0;
}
