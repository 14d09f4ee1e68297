/* sign_client.c - requests to the TLS workers, and their way to another one when theirs has died.
 *
 * A request stands on one list: that of the edge it was sent over, or that of those that wait for
 * an edge with room, in the order they came; those of a dead worker go to its front. Each attempt
 * has an id of its own, so a late answer to an earlier one meets nothing. Relies on
 * ipc/sign_packet.h: a packet is sent whole or not at all.
 */
#include "sign_client.h"

#include "common/counters.h"
#include "common/list.h"
#include "common/log.h"
#include "common/log_limit.h"
#include "ipc/mesh.h"
#include "ipc/sign_packet.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Packets taken from one edge before others get their turn. */
#define PACKETS_PER_TURN 64

struct signing_list {
	struct signing *first, **end;
};

struct key_edge {
	struct sign_client *client;
	struct loop_source *source;
	struct signing_list sent;
	unsigned pending;
	int fd; /* -1: no edge */
	uint16_t peer;
	bool blocked; /* the socket took no more: waits for room */
};

struct sign_client {
	struct loop *loop;
	struct key_edge edge[KEY_EDGES_MAX];
	struct signing_list waiting;
	struct signing *entered;
	unsigned pending;
	uint32_t id;            /* of the last attempt */
	unsigned turn;          /* edge that is asked first */
	bool missing;           /* requests failed for want of a TLS worker, and the log says so */
	struct log_limit limit; /* of lines about refusals */
	unsigned tickets;
	struct ticket_key ticket[TICKETS_MAX];
};

/* ---- lists ---- */

static struct signing_list *signing_list(struct signing *s)
{
	return s->state == SIGNING_SENT ? &s->edge->sent : &s->client->waiting;
}

static void signing_unlink(struct signing *s)
{
	queue_remove(signing_list(s), s);
	if (s->state == SIGNING_SENT)
		s->edge->pending--;
	s->edge = NULL;
}

static void signing_finish(struct signing *s, int error)
{
	struct sign_client *k = s->client;

	signing_unlink(s);
	loop_unset(k->loop, &s->timer);
	k->pending--;
	counter_set(COUNTER_SIGN_PENDING, k->pending);
	s->state = error ? SIGNING_FAILED : SIGNING_DONE;
	s->error = error;
	if (error)
		count(SIGN_MISSED);
	s->done(s, s->arg);
}

/* ---- sending ---- */

static void key_edge_lost(struct key_edge *e);

/* Whether the edge takes another request. */
static bool key_edge_has_room(const struct key_edge *e)
{
	return e->fd >= 0 && !e->blocked && e->pending < SIGN_PENDING_MAX;
}

/* The edge to ask next: fewest requests, each first in its turn where they have equally many.
 * except: not this one. */
static struct key_edge *key_edge_choose(struct sign_client *k, const struct key_edge *except)
{
	struct key_edge *best = NULL;

	for (unsigned i = 0; i < KEY_EDGES_MAX; i++) {
		struct key_edge *e = &k->edge[(k->turn + i) % KEY_EDGES_MAX];

		if (e == except || !key_edge_has_room(e))
			continue;
		if (!best || e->pending < best->pending)
			best = e;
	}
	if (best)
		k->turn = (unsigned)(best - k->edge + 1) % KEY_EDGES_MAX;
	return best;
}

static void signing_arm(struct signing *s, uint64_t within)
{
	uint64_t now = loop_now(s->client->loop), left = s->deadline > now ? s->deadline - now : 0;

	loop_set(s->client->loop, &s->timer, left < within ? left : within);
}

/* Sends requests that wait, as far as edges take them. */
static void sign_client_pump(struct sign_client *k)
{
	unsigned char packet[SIGN_PACKET_MAX];
	struct signing *s;
	struct key_edge *e;

	while ((s = k->waiting.first) && (e = key_edge_choose(k, NULL))) {
		struct sign_request request = {.scheme = s->scheme,
			.id = ++k->id,
			.generation = s->generation,
			.certificate = s->certificate};
		size_t size = sign_request_encode(&request, s->text, s->size, packet);
		int error = sign_packet_send(e->fd, packet, size);

		if (error == -EAGAIN) {
			e->blocked = true;
			loop_modify(k->loop, e->source, EPOLLIN | EPOLLOUT);
			continue;
		}
		if (error) {
			key_edge_lost(e);
			continue;
		}
		count(SIGN_REQUESTS);
		signing_unlink(s);
		s->id = request.id;
		s->edge = e;
		s->state = SIGNING_SENT;
		queue_append(&e->sent, s);
		e->pending++;
		signing_arm(s, SIGN_RETRY_MS);
	}
}

/* Puts a request back among those that wait, at the place that at points to. */
static void signing_take_back(struct signing *s, struct signing **at)
{
	signing_unlink(s);
	s->state = SIGNING_WAITING;
	queue_insert(&s->client->waiting, at, s);
	signing_arm(s, SIGN_WAIT_MS);
	count(SIGN_RETRIES);
}

static void key_edge_lost(struct key_edge *e)
{
	if (e->fd < 0)
		return;
	loop_remove(e->client->loop, e->source);
	close(e->fd);
	e->fd = -1;
	e->source = NULL;
	e->blocked = false;
	/* in front of all, in the order in which they were sent */
	struct signing **at = &e->client->waiting.first;
	for (struct signing *s; (s = e->sent.first); at = &s->next)
		signing_take_back(s, at);
	counter_set(COUNTER_KEY_EDGES, sign_client_edges(e->client));
}

static void signing_on_timer(struct timer *timer, void *arg)
{
	struct signing *s = arg;
	struct sign_client *k = s->client;

	(void)timer;
	if (loop_now(k->loop) >= s->deadline) {
		if (!k->missing)
			log_warn("signature-missing", "reason=%s waited_ms=%d",
				sign_client_edges(k) ? "no-answer" : "no-tls-worker", SIGN_WAIT_MS);
		k->missing = true;
		signing_finish(s, -ETIMEDOUT);
		return;
	}
	/* the request waits for room, or its worker may hang: another one is asked if there is
	 * one */
	if (s->state == SIGNING_SENT && key_edge_choose(k, s->edge)) {
		struct key_edge *slow = s->edge;
		bool was = slow->blocked;

		signing_take_back(s, &k->waiting.first);
		slow->blocked = true; /* for this pass */
		sign_client_pump(k);
		slow->blocked = was;
	} else {
		signing_arm(s, SIGN_RETRY_MS); /* one may come */
	}
}

int sign_client_sign(struct sign_client *k, struct signing *s)
{
	if (s->size == 0 || s->size > SIGN_TEXT_MAX)
		return -EINVAL;
	s->client = k;
	s->edge = NULL;
	s->error = 0;
	s->signature_size = 0;
	s->state = SIGNING_WAITING;
	s->deadline = loop_now(k->loop) + SIGN_WAIT_MS;
	timer_init(&s->timer, signing_on_timer, s);
	queue_append(&k->waiting, s);
	k->pending++;
	counter_set(COUNTER_SIGN_PENDING, k->pending);
	signing_arm(s, SIGN_WAIT_MS);
	return 0; /* it leaves with the others of this turn */
}

/* Lets the requests of one turn leave together. A TLS worker then wakes up once for all of them,
 * since the others come while it signs the first. */
static bool sign_client_on_turn(void *arg)
{
	struct sign_client *k = arg;

	if (k->waiting.first)
		sign_client_pump(k);
	return false;
}

void sign_client_cancel(struct signing *s)
{
	struct sign_client *k = s->client;

	if (s->state != SIGNING_WAITING && s->state != SIGNING_SENT)
		return;
	signing_unlink(s);
	loop_unset(k->loop, &s->timer);
	k->pending--;
	counter_set(COUNTER_SIGN_PENDING, k->pending);
	s->state = SIGNING_FAILED;
	s->error = -ECANCELED;
}

unsigned sign_client_pending(const struct sign_client *k)
{
	return k->pending;
}

/* ---- receiving ---- */

static void key_edge_take_reply(struct key_edge *e, const unsigned char *packet, size_t size)
{
	struct sign_client *k = e->client;
	struct sign_reply reply;
	const unsigned char *signature;
	struct signing *s;

	if (sign_reply_decode(packet, size, &reply, &signature)) {
		log_error("key-edge-refused", "peer=%u reason=packet", e->peer);
		key_edge_lost(e);
		return;
	}
	for (s = e->sent.first; s && s->id != reply.id; s = s->next)
		;
	if (!s) {
		count(SIGN_STRAY); /* the answer to an attempt that was given up */
		return;
	}
	k->missing = false;
	if (reply.error) {
		uint64_t left_out;

		if (log_limit_pass(&k->limit, loop_now(k->loop), 1, LOG_LIMIT_SECOND, &left_out))
			log_error("signature-refused",
				"certificate=%u generation=%u scheme=%04x error=\"%s\" "
				"left_out=%llu",
				s->certificate, s->generation, s->scheme, error_text(reply.error),
				(unsigned long long)left_out);
		signing_finish(s, reply.error);
		return;
	}
	s->signature_size = reply.size;
	memcpy(s->signature, signature, reply.size);
	signing_finish(s, 0);
}

/* Remembers a ticket key. Older keys of its worker stay until they expire, to read the tickets that
 * they made; the key that expires first makes room. */
static void sign_client_remember_ticket(struct sign_client *k, const struct ticket_key *key)
{
	struct ticket_key *to = NULL;

	for (unsigned i = 0; i < k->tickets && !to; i++)
		if (memcmp(k->ticket[i].name, key->name, sizeof(key->name)) == 0)
			to = &k->ticket[i];
	if (!to && k->tickets < TICKETS_MAX)
		to = &k->ticket[k->tickets++];
	if (!to) {
		to = &k->ticket[0];
		for (unsigned i = 1; i < TICKETS_MAX; i++)
			if (k->ticket[i].expires < to->expires)
				to = &k->ticket[i];
	}
	*to = *key;
}

static void key_edge_take_tickets(struct key_edge *e, const unsigned char *packet, size_t size)
{
	struct sign_client *k = e->client;
	struct sign_tickets tickets;

	if (sign_tickets_decode(packet, size, &tickets)) {
		log_error("key-edge-refused", "peer=%u reason=packet", e->peer);
		key_edge_lost(e);
		return;
	}
	for (unsigned i = 0; i < k->tickets; i++)
		if (k->ticket[i].peer == e->peer)
			k->ticket[i].current = false;
	for (unsigned i = tickets.count; i-- > 0;) {
		struct ticket_key key = {
			.expires = tickets.key[i].expires_ms, .peer = e->peer, .current = i == 0};

		memcpy(key.name, tickets.key[i].name, sizeof(key.name));
		memcpy(key.aes, tickets.key[i].aes, sizeof(key.aes));
		memcpy(key.hmac, tickets.key[i].hmac, sizeof(key.hmac));
		sign_client_remember_ticket(k, &key);
		sodium_memzero(&key, sizeof(key));
	}
	sodium_memzero(&tickets, sizeof(tickets));
}

static void key_edge_on_event(void *arg, uint32_t events)
{
	struct key_edge *e = arg;
	struct sign_client *k = e->client;
	unsigned char packet[SIGN_PACKET_MAX];

	if (events & EPOLLOUT) {
		e->blocked = false;
		loop_modify(k->loop, e->source, EPOLLIN);
	}
	for (unsigned i = 0; i < PACKETS_PER_TURN && e->fd >= 0; i++) {
		int fd = e->fd;
		ssize_t n = sign_packet_receive(fd, packet);

		if (n == -EAGAIN)
			break;
		if (n < 0) {
			if (n != -EPIPE)
				log_error("key-edge-refused", "peer=%u error=\"%s\"", e->peer,
					error_text((int)n));
			key_edge_lost(e);
			break;
		}
		if (sign_packet_kind(packet, (size_t)n) == SIGN_TICKETS) {
			key_edge_take_tickets(e, packet, (size_t)n);
			sodium_memzero(packet, sizeof(packet));
		} else {
			key_edge_take_reply(e, packet, (size_t)n);
			/* no need to ask whether there is more: the next packet brings its own
			 * event */
			if (e->pending == 0)
				break;
		}
	}
}

/* ---- edges ---- */

int sign_client_new(struct sign_client **out, struct loop *loop)
{
	struct sign_client *k = calloc(1, sizeof(*k));
	int error;

	if (!k)
		return -ENOMEM;
	error = loop_on_turn(loop, sign_client_on_turn, k);
	if (error) {
		free(k);
		return error;
	}
	k->loop = loop;
	for (unsigned i = 0; i < KEY_EDGES_MAX; i++)
		k->edge[i] = (struct key_edge){.client = k, .fd = -1};
	*out = k;
	return 0;
}

unsigned sign_client_edges(const struct sign_client *k)
{
	unsigned n = 0;

	for (unsigned i = 0; i < KEY_EDGES_MAX; i++)
		n += k->edge[i].fd >= 0;
	return n;
}

int sign_client_edge(struct sign_client *k, uint16_t peer, int fd)
{
	struct key_edge *e;
	int flags, error;

	if (PEER_ROLE(peer) != PEER_TLS)
		return -EINVAL;
	if (PEER_INDEX(peer) >= KEY_EDGES_MAX)
		return -ENOSPC;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	e = &k->edge[PEER_INDEX(peer)];
	key_edge_lost(e);
	error = loop_add(k->loop, fd, EPOLLIN, key_edge_on_event, e, &e->source);
	if (error)
		return error;
	e->fd = fd;
	e->peer = peer;
	counter_set(COUNTER_KEY_EDGES, sign_client_edges(k));
	sign_client_pump(k);
	return 0;
}

void sign_client_free(struct sign_client *k)
{
	if (!k)
		return;
	for (unsigned i = 0; i < KEY_EDGES_MAX; i++)
		key_edge_lost(&k->edge[i]);
	while (k->waiting.first)
		sign_client_cancel(k->waiting.first);
	sodium_memzero(k->ticket, sizeof(k->ticket));
	free(k);
}

/* ---- session tickets ---- */

const struct ticket_key *sign_client_ticket(const struct sign_client *k, uint64_t now)
{
	const struct ticket_key *best = NULL;

	for (unsigned i = 0; i < k->tickets; i++) {
		if (!k->ticket[i].current || k->ticket[i].expires <= now)
			continue;
		if (!best || k->ticket[i].expires > best->expires)
			best = &k->ticket[i];
	}
	return best;
}

const struct ticket_key *sign_client_ticket_named(
	const struct sign_client *k, const unsigned char name[16], uint64_t now)
{
	for (unsigned i = 0; i < k->tickets; i++)
		if (memcmp(k->ticket[i].name, name, sizeof(k->ticket[i].name)) == 0)
			return k->ticket[i].expires > now ? &k->ticket[i] : NULL;
	return NULL;
}

/* ---- the signing of the handshake that goes on ---- */

void sign_client_enter(struct sign_client *k, struct signing *s)
{
	k->entered = s;
}

struct signing *sign_client_entered(const struct sign_client *k)
{
	return k->entered;
}
