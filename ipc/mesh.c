/* mesh.c - batches of records over the master's pairs: edges, sending at the end of each turn,
 * taking what comes.
 *
 * Relies on SOCK_SEQPACKET as Linux has it: a packet goes whole or not at all; what a dead peer
 * sent can still be read, and then 0 comes; a packet without bytes looks like that end and has no
 * place here. Fds that a peer sends along are closed by the kernel, for there is no room for them.
 */
#include "mesh.h"
#include "common/counters.h"
#include "common/log.h"
#include "common/log_limit.h"
#include "batch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Peers are found by role and index: one more than the last role. */
/* A batch from this size on may have another behind it. */
#define BATCH_NEAR_FULL (BATCH_TARGET / 2)
/* Batches taken from one peer in one turn: everything else in the loop gets its share. */
#define TAKE_PER_TURN 16
/* The kernel had no memory for a packet: once more after this long. */
#define RETRY_MS 20

struct link {
	struct mesh *mesh;
	uint16_t peer;
	int fd;       /* -1: its pair has ended, or there was none yet */
	bool blocked; /* watched for room, too */
	struct loop_source *source;
	struct outgoing out;
};

struct mesh {
	struct loop *loop;
	mesh_record_callback callback;
	void *arg;
	struct link *by_peer[ROLE_COUNT][256];
	struct link *link[MESH_PEERS_MAX];
	unsigned links;
	unsigned edges; /* that stand */
	struct timer retry;
	struct log_limit limit; /* of lines that peers cause */
	struct batch_pool pool;
	unsigned char *buffer; /* BATCH_MAX bytes, aligned: the batch being taken */
};

static struct link *link_find(const struct mesh *m, uint16_t peer)
{
	return PEER_ROLE(peer) < ROLE_COUNT ? m->by_peer[PEER_ROLE(peer)][PEER_INDEX(peer)] : NULL;
}

/* What waits for a SIP worker may be somebody's call; what waits for a transport worker belongs to
 * its connections, which have ended with it. */
static bool waits_for_successor(uint16_t peer)
{
	return PEER_ROLE(peer) == PEER_SIP;
}

/* What peers can cause as often as they like gets one line a second. */
static bool mesh_may_log(struct mesh *m, uint64_t *left_out)
{
	return log_limit_pass(&m->limit, loop_now(m->loop), 1, LOG_LIMIT_SECOND, left_out);
}

/* ---- taking ---- */

static void link_end(struct link *l)
{
	struct mesh *m = l->mesh;

	if (l->fd < 0)
		return;
	loop_remove(m->loop, l->source);
	close(l->fd);
	l->fd = -1;
	l->source = NULL;
	l->blocked = false;
	counter_set(COUNTER_MESH_EDGES, --m->edges);
	if (!waits_for_successor(l->peer))
		counter_add(COUNTER_MESH_UNREACHABLE, outgoing_clear(&l->out));
}

static void batch_take_in(struct link *l, size_t size)
{
	struct mesh *m = l->mesh;
	const struct record_header *h;
	const void *data;
	size_t at = 0;
	uint64_t left_out;

	if (size > BATCH_MAX || batch_check(m->buffer, size)) {
		count(MESH_BAD_BATCH);
		if (mesh_may_log(m, &left_out))
			log_warn("mesh-bad-batch", "peer=%u.%u size=%zu left_out=%llu",
				PEER_ROLE(l->peer), PEER_INDEX(l->peer), size,
				(unsigned long long)left_out);
		return;
	}
	count(MESH_BATCHES_RECEIVED);
	while ((h = batch_next(m->buffer, size, &at, &data))) {
		count(MESH_RECORDS_RECEIVED);
		m->callback(m->arg, l->peer, h->type, data, h->size);
	}
}

/* Takes one batch. Its size; -EAGAIN: there is none; -EPIPE: there will be none. */
static ssize_t link_take(struct link *l)
{
	ssize_t n;

	do /* ECONNRESET is told once, before what is left: the peer died with something of ours
	      unread */
		n = recv(l->fd, l->mesh->buffer, BATCH_MAX, MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : -EPIPE;
	if (n == 0)
		return -EPIPE;
	batch_take_in(l, (size_t)n);
	return n;
}

static void on_event(void *arg, uint32_t events)
{
	struct link *l = arg;
	ssize_t n = BATCH_TARGET;

	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return; /* there is room again: the end of the turn uses it */
	/* One that is not near full is most likely the last: asking again would cost a system call
	 * for nothing. Should there be more, the loop comes back. */
	for (int i = 0; i < TAKE_PER_TURN && n >= BATCH_NEAR_FULL; i++)
		n = link_take(l);
	if (n == -EPIPE)
		link_end(l);
}

/* ---- sending ---- */

static void watch(struct link *l, bool blocked)
{
	if (l->blocked != blocked &&
		loop_modify(l->mesh->loop, l->source, EPOLLIN | (blocked ? EPOLLOUT : 0)) == 0)
		l->blocked = blocked;
}

/* Puts b into the pair. 0: it has gone, one way or the other. Negative errno: it is left to the
 * caller. */
static int batch_send(struct link *l, const struct batch *b)
{
	uint64_t left_out;
	ssize_t n;

	do
		n = send(l->fd, b->data, b->used, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n >= 0) {
		count(MESH_BATCHES_SENT);
		counter_add(COUNTER_MESH_RECORDS_SENT, batch_records(b));
		return 0;
	}
	if (errno != EMSGSIZE)
		return -errno;
	/* The master sizes pairs for the largest batch: this one would never go. */
	counter_add(COUNTER_MESH_OVERSIZE, batch_records(b));
	if (mesh_may_log(l->mesh, &left_out))
		log_error("mesh-send-failed", "peer=%u.%u error=EMSGSIZE size=%zu",
			PEER_ROLE(l->peer), PEER_INDEX(l->peer), b->used);
	return 0;
}

static void link_flush(struct link *l)
{
	int error = 0;

	while (!error) {
		struct batch *b;

		if (!l->out.first)
			outgoing_close(&l->out); /* not earlier: while the peer is behind, the open
			                            batch goes on filling */
		if (!l->out.first)
			break;
		b = outgoing_pop(&l->out);
		error = batch_send(l, b);
		if (error)
			outgoing_put_back(&l->out, b);
		else
			batch_give(&l->mesh->pool, b);
	}
	/* Where the peer is gone, taking comes to the end of the pair and ends it. */
	watch(l, error == -EAGAIN);
	if ((error == -ENOBUFS || error == -ENOMEM) && !timer_armed(&l->mesh->retry))
		loop_set(l->mesh->loop, &l->mesh->retry, RETRY_MS);
}

void mesh_flush(struct mesh *m)
{
	unsigned sent = 0;

	for (unsigned i = 0; i < m->links; i++)
		if (m->link[i]->fd >= 0 && (m->link[i]->out.records || m->link[i]->blocked)) {
			link_flush(m->link[i]);
			sent++;
		}
	if (sent > 1)
		loop_expect(m->loop);
}

static bool on_turn(void *arg)
{
	mesh_flush(arg);
	return false;
}

static void on_retry(struct timer *t, void *arg)
{
	(void)t;
	(void)arg; /* being awake is all: on_turn does the rest */
}

/* ---- the interface ---- */

int mesh_new(struct mesh **out, struct loop *loop, mesh_record_callback callback, void *arg)
{
	struct mesh *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	*m = (struct mesh){.loop = loop, .callback = callback, .arg = arg};
	timer_init(&m->retry, on_retry, m);
	if (!(m->buffer = aligned_alloc(64, BATCH_MAX))) {
		free(m);
		return -ENOMEM;
	}
	*out = m;
	return 0;
}

int mesh_start(struct mesh *m)
{
	return loop_on_turn(m->loop, on_turn, m);
}

void mesh_free(struct mesh *m)
{
	if (!m)
		return;
	loop_unset(m->loop, &m->retry);
	for (unsigned i = 0; i < m->links; i++) {
		link_end(m->link[i]);
		outgoing_clear(&m->link[i]->out);
		free(m->link[i]);
	}
	batch_pool_free(&m->pool);
	free(m->buffer);
	free(m);
}

/* The link to peer, made where there is none. */
static int link_need(struct mesh *m, uint16_t peer, struct link **out)
{
	struct link *l = link_find(m, peer);

	if (!l) {
		if (PEER_ROLE(peer) == 0 || PEER_ROLE(peer) >= ROLE_COUNT)
			return -EINVAL;
		if (m->links == MESH_PEERS_MAX)
			return -ENOSPC;
		if (!(l = calloc(1, sizeof(*l))))
			return -ENOMEM;
		*l = (struct link){.mesh = m, .peer = peer, .fd = -1};
		outgoing_init(&l->out, &m->pool);
		m->link[m->links++] = l;
		m->by_peer[PEER_ROLE(peer)][PEER_INDEX(peer)] = l;
	}
	*out = l;
	return 0;
}

int mesh_edge(struct mesh *m, uint16_t peer, int fd)
{
	struct loop_source *source;
	struct link *l;
	int error = link_need(m, peer, &l);

	if (error || (error = loop_add_answers(m->loop, fd, EPOLLIN, on_event, l, &source)))
		return error;
	/* The master makes a new pair when the other end of the old one is closed: there is an end
	 * to what is in it. */
	while (l->fd >= 0 && link_take(l) > 0)
		;
	link_end(l);
	l->fd = fd;
	l->source = source;
	counter_set(COUNTER_MESH_EDGES, ++m->edges);
	return 0;
}

void mesh_refused(struct mesh *m, uint16_t peer, uint16_t type, size_t size)
{
	uint64_t left_out;

	if (mesh_may_log(m, &left_out))
		log_warn("mesh-bad-record", "peer=%u.%u type=%u size=%zu left_out=%llu",
			PEER_ROLE(peer), PEER_INDEX(peer), type, size,
			(unsigned long long)left_out);
}

int mesh_record(
	struct mesh *m, uint16_t peer, uint16_t type, size_t size, bool reserve, void **data)
{
	struct link *l = link_find(m, peer);
	int error = -ENOTCONN;

	if (l && (l->fd >= 0 || waits_for_successor(peer)))
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
