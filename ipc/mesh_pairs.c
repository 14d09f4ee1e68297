/* mesh_pairs.c - the mesh over SOCK_SEQPACKET pairs that the master makes: an edge is one pair, and
 * a packet one batch. There is no listener, no name in a file system, no token and no thread.
 *
 * Relies on SOCK_SEQPACKET as Linux has it: a packet goes whole or not at all; what a dead peer
 * sent can still be read, and then 0 comes; a packet without bytes looks like that end and has no
 * place here. Fds that a peer sends along are closed by the kernel, for there is no room for them.
 */
#include "common/counters.h"
#include "mesh_carrier.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A batch from this size on may have another behind it. */
#define BATCH_NEAR_FULL (BATCH_TARGET / 2)
/* Batches taken from one peer in one turn: everything else in the loop gets its share. */
#define TAKE_PER_TURN 16
/* The kernel had no memory for a packet: once more after this long. */
#define RETRY_MS 20

struct pair_link {
	struct link link;
	int fd;       /* -1: its pair has ended, or there was none yet */
	bool blocked; /* watched for room, too */
	struct loop_source *source;
};

static struct pair_link *pair_of(const struct link *l)
{
	return (struct pair_link *)(uintptr_t)l;
}

/* Records that wait for a SIP worker may be somebody's call; those that wait for a transport worker
 * belong to its connections, which have ended with it. */
static bool pair_waits_for_successor(const struct link *l)
{
	return PEER_ROLE(l->peer) == PEER_SIP;
}

/* ---- taking ---- */

static void pair_end(struct pair_link *p)
{
	struct mesh *m = p->link.mesh;

	if (p->fd < 0)
		return;
	loop_remove(m->loop, p->source);
	close(p->fd);
	p->fd = -1;
	p->source = NULL;
	p->blocked = false;
	mesh_count_edge(m, -1);
	if (!pair_waits_for_successor(&p->link))
		counter_add(COUNTER_MESH_UNREACHABLE, outgoing_clear(&p->link.out));
}

/* Takes one batch. Its size; -EAGAIN: there is none; -EPIPE: there will be none. */
static ssize_t pair_take(struct pair_link *p)
{
	struct mesh *m = p->link.mesh;
	ssize_t n;

	do /* ECONNRESET is told once, before what is left: the peer died with something of ours
	      unread */
		n = recv(p->fd, m->buffer, BATCH_MAX, MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return errno == EAGAIN ? -EAGAIN : -EPIPE;
	if (n == 0)
		return -EPIPE;
	mesh_deliver(m, p->link.peer, m->buffer, (size_t)n);
	return n;
}

static void pair_on_event(void *arg, uint32_t events)
{
	struct pair_link *p = arg;
	ssize_t n = BATCH_TARGET;

	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return; /* there is room again: the end of the turn uses it */
	/* One that is not near full is most likely the last: asking again would cost a system call
	 * for nothing. Should there be more, the loop comes back. */
	for (int i = 0; i < TAKE_PER_TURN && n >= BATCH_NEAR_FULL; i++)
		n = pair_take(p);
	if (n == -EPIPE)
		pair_end(p);
}

/* ---- sending ---- */

static int pair_send(struct link *l, struct batch *b)
{
	ssize_t n;

	do
		n = send(pair_of(l)->fd, b->data, b->used, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	/* EMSGSIZE: the master sizes pairs for the largest batch; this one would never go. Where
	 * the peer is gone, taking comes to the end of the pair and ends it: what waits is kept. */
	return n >= 0 ? 0 : -errno;
}

static void pair_flushed(struct link *l, int error)
{
	struct pair_link *p = pair_of(l);
	bool blocked = error == -EAGAIN;

	if (p->blocked != blocked &&
		loop_modify(l->mesh->loop, p->source, EPOLLIN | (blocked ? EPOLLOUT : 0)) == 0)
		p->blocked = blocked;
	if ((error == -ENOBUFS || error == -ENOMEM) && !timer_armed(&l->mesh->wake))
		loop_set(l->mesh->loop, &l->mesh->wake, RETRY_MS);
}

static bool pairs_turn(struct mesh *m)
{
	mesh_flush_links(m);
	return false;
}

/* ---- the carrier ---- */

static void pairs_init(struct mesh *m)
{
	(void)m;
}

static void pair_init(struct link *l)
{
	pair_of(l)->fd = -1;
}

static bool pair_reachable(const struct link *l)
{
	return pair_of(l)->fd >= 0 || pair_waits_for_successor(l);
}

static bool pair_ready(const struct link *l)
{
	return pair_of(l)->fd >= 0;
}

static void pairs_end(struct mesh *m)
{
	for (unsigned i = 0; i < m->links; i++)
		pair_end(pair_of(m->link[i]));
}

static int pairs_edge(struct mesh *m, uint16_t peer, int fd)
{
	struct loop_source *source;
	struct pair_link *p;
	struct link *l;
	int error = link_need(m, peer, &l);

	if (error)
		return error;
	p = pair_of(l);
	error = loop_add_answers(m->loop, fd, EPOLLIN, pair_on_event, p, &source);
	if (error)
		return error;
	/* The master makes a new pair when the other end of the old one is closed: there is an end
	 * to what is in it. */
	while (p->fd >= 0 && pair_take(p) > 0)
		;
	pair_end(p);
	p->fd = fd;
	p->source = source;
	mesh_count_edge(m, 1);
	return 0;
}

const struct mesh_carrier mesh_pairs = {
	.mesh_size = sizeof(struct mesh),
	.link_size = sizeof(struct pair_link),
	.gathering = {.least_ns = LOOP_GATHER_NS, .answers_ns = LOOP_ANSWERS_NS},
	.init = pairs_init,
	.end = pairs_end,
	.link_init = pair_init,
	.reachable = pair_reachable,
	.ready = pair_ready,
	.send = pair_send,
	.flushed = pair_flushed,
	.turn = pairs_turn,
	.edge = pairs_edge,
};
