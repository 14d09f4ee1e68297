/* mesh.c - batches of records over ZeroMQ, the only file that includes zmq.h.
 *
 * Relies on libzmq 4.3's behaviour as measured: ZMQ_FD is edge-triggered (so whoever calls into a socket looks at ZMQ_EVENTS before the loop sleeps); a refused DEALER tries no more
 * (so it is made anew); a ROUTER with ZMQ_ROUTER_MANDATORY says EHOSTUNREACH and EAGAIN instead of dropping; data and frees happen in the I/O thread. A batch is handed
 * to a DEALER only while its handshake stands: what libzmq holds at a refusal is lost, what waits here is not.
 */
#include "mesh.h"

#include "../common/counters.h"
#include "../common/log.h"
#include "batch.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <zmq.h>

/* Batches per edge inside libzmq, either way. They can be neither taken back nor answered with 503, and die with a killed receiver: as few as keep the I/O thread busy for a turn. */
#define SEND_HWM 8
#define RECEIVE_HWM 8
/* A killed listener was answering again after 6 ms with 1; the listening socket stays with the master, so that connecting rarely fails and never storms. */
#define RECONNECT_MS 1
#define RECONNECT_MAX_MS 100
/* A peer that connects and says nothing holds an fd of the listener for this long. */
#define HANDSHAKE_MS 500
/* After a refusal: the listener may be about to learn our token. Doubles up to the greater. */
#define RETRY_MS 10
#define RETRY_MAX_MS 1000
/* libzmq says within its reconnect interval that it tries again; silence after a lost connection means that it gave up. */
#define ABANDONED_MS 1000
/* Messages taken from one socket in one turn: everything else in the loop gets its share. */
#define TAKE_PER_TURN 16
/* Look again at a full socket: its wake-up can have been consumed by a call for another peer. Only while something waits. */
#define STALLED_MS 20
/* Copying this much costs less than a reference-counted message that another thread frees. */
#define COPY_MAX 4096
#define LOG_INTERVAL_MS 1000
#define ROLES 4
/* ZAP: a field is at most 255 bytes (RFC 27/ZAP); version, request id, domain, address, routing id, mechanism, user name, password. */
#define ZAP_FIELDS 8
#define ZAP_FIELD_MAX 255
/* A routing id that libzmq made: a zero and a running number. */
#define ROUTING_ID_SIZE 5

struct socket;
/* Takes one message off the socket. 0, or -EAGAIN where there is none. */
typedef int (*socket_take)(struct socket *s);

struct socket {
	struct mesh *mesh;
	struct link *link; /* whose edge it is; NULL for the ROUTER and ZAP */
	void *zmq;         /* NULL: closed */
	struct loop_source *source;
	socket_take take;
	bool more;         /* left unread for the next turn */
	bool used;         /* called since ZMQ_EVENTS was last read */
};

/* A peer: as a connecter that we listen for, as a listener that we connect to, or both. */
struct link {
	struct mesh *mesh;
	uint16_t peer;
	struct outgoing out;
	/* it connects to us */
	bool allowed;
	uint8_t token[MESH_TOKEN_SIZE];
	uint32_t generation;      /* of token: a new life, a new number */
	bool routed;              /* it has said hello */
	uint8_t routing_id[ROUTING_ID_SIZE];
	uint32_t routing_generation;
	/* we connect to it */
	struct socket dealer, monitor;
	char *path;               /* NULL: no edge */
	uint8_t own_token[MESH_TOKEN_SIZE];
	bool up;                  /* its handshake stands */
	bool hello;               /* to be said before anything else */
	struct timer retry;
	uint64_t backoff;
};

struct mesh {
	struct loop *loop;
	uint16_t self;
	mesh_record_callback callback;
	void *arg;
	void *context;
	struct socket router, zap;
	struct link *by_peer[ROLES][256];
	struct link *link[MESH_PEERS_MAX];
	unsigned links;
	unsigned edges;           /* that stand */
	uint32_t serial;          /* of monitors: their addresses are never used twice */
	struct timer wake, stalled;
	uint64_t log_due;
	uint64_t log_left_out;
	struct batch_pool pool;
	unsigned char *aligned;   /* BATCH_MAX bytes for batches that libzmq delivers unaligned */
};

static int take_routed(struct socket *s);
static int take_zap(struct socket *s);
static int take_dealt(struct socket *s);
static int take_event(struct socket *s);

/* What peers can cause as often as they like gets one line a second. */
static bool may_log(struct mesh *m, uint64_t *left_out)
{
	uint64_t now = loop_now(m->loop);

	if (now < m->log_due) {
		m->log_left_out++;
		return false;
	}
	*left_out = m->log_left_out;
	m->log_left_out = 0;
	m->log_due = now + LOG_INTERVAL_MS;
	return true;
}

/* ---- links ---- */

static struct link *link_find(const struct mesh *m, uint16_t peer)
{
	return PEER_ROLE(peer) < ROLES ? m->by_peer[PEER_ROLE(peer)][PEER_INDEX(peer)] : NULL;
}

static void on_retry(struct timer *t, void *arg);

static int link_need(struct mesh *m, uint16_t peer, struct link **out)
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
		timer_init(&l->retry, on_retry, l);
		m->link[m->links++] = l;
		m->by_peer[PEER_ROLE(peer)][PEER_INDEX(peer)] = l;
	}
	*out = l;
	return 0;
}

/* ---- sockets ---- */

static int set_int(void *zmq, int option, int value)
{
	return zmq_setsockopt(zmq, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int events_of(struct socket *s)
{
	int events = 0;
	size_t size = sizeof(events);

	s->used = false;
	return zmq_getsockopt(s->zmq, ZMQ_EVENTS, &events, &size) < 0 ? 0 : events;
}

static void drain(struct socket *s)
{
	s->used = true;
	for (int i = 0; i < TAKE_PER_TURN && s->zmq; i++)
		if (s->take(s) == -EAGAIN) {
			s->more = false;
			return;
		}
	s->more = s->zmq != NULL;
}

static void on_readable(void *arg, uint32_t events)
{
	(void)events;
	drain(arg);
}

static int socket_open(struct mesh *m, struct socket *s, struct link *l, int type, socket_take take)
{
	*s = (struct socket){.mesh = m, .link = l, .take = take, .used = true}; /* bind and connect read its edge-triggered fd too */
	s->zmq = zmq_socket(m->context, type);
	if (!s->zmq)
		return -errno;
	return set_int(s->zmq, ZMQ_LINGER, 0);
}

static int socket_watch(struct socket *s)
{
	int fd;
	size_t size = sizeof(fd);

	if (zmq_getsockopt(s->zmq, ZMQ_FD, &fd, &size) < 0)
		return -errno;
	loop_set(s->mesh->loop, &s->mesh->wake, 0); /* what came while it was set up raises no edge any more: on_turn looks */
	return loop_add(s->mesh->loop, fd, EPOLLIN, on_readable, s, &s->source);
}

static void socket_close(struct socket *s)
{
	if (!s->zmq)
		return;
	loop_remove(s->mesh->loop, s->source);
	zmq_close(s->zmq);
	s->source = NULL;
	s->zmq = NULL;
	s->more = s->used = false;
}

static int set_limits(void *zmq)
{
	int64_t batch_max = BATCH_MAX;
	int error = 0;

	if (zmq_setsockopt(zmq, ZMQ_MAXMSGSIZE, &batch_max, sizeof(batch_max)) < 0)
		return -errno;
	if ((error = set_int(zmq, ZMQ_SNDHWM, SEND_HWM)) || (error = set_int(zmq, ZMQ_RCVHWM, RECEIVE_HWM)))
		return error;
	return set_int(zmq, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
}

/* ---- receiving ---- */

static void refuse_batch(struct mesh *m, uint16_t peer, size_t size)
{
	uint64_t left_out;

	count(MESH_BAD_BATCH);
	if (may_log(m, &left_out))
		log_warn("mesh-bad-batch", "peer=%u.%u size=%zu left_out=%llu", PEER_ROLE(peer), PEER_INDEX(peer), size, (unsigned long long)left_out);
}

static void deliver(struct mesh *m, uint16_t peer, const void *batch, size_t size)
{
	const struct record_header *h;
	const void *data;
	size_t at = 0;

	while ((h = batch_next(batch, size, &at, &data))) {
		count(MESH_RECORDS_RECEIVED);
		m->callback(m->arg, peer, h->type, data, h->size);
	}
}

/* The batch in a frame where it can be read, or NULL (refused). */
static const void *frame_batch(struct mesh *m, uint16_t peer, zmq_msg_t *frame)
{
	const void *p = zmq_msg_data(frame);
	size_t size = zmq_msg_size(frame);

	if (size <= BATCH_MAX && (uintptr_t)p % 8) /* small messages lie anywhere in libzmq's read buffer */
		p = memcpy(m->aligned, p, size);
	if (size > BATCH_MAX || batch_check(p, size)) {
		refuse_batch(m, peer, size);
		return NULL;
	}
	count(MESH_BATCHES_RECEIVED);
	return p;
}

/* Receives one frame; false where there is none. */
static bool frame_receive(struct socket *s, zmq_msg_t *frame)
{
	int n;

	zmq_msg_init(frame);
	do
		n = zmq_msg_recv(frame, s->zmq, ZMQ_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		zmq_msg_close(frame);
	return n >= 0;
}

/* Drops the frames that follow last; how many. libzmq delivers a message whole: they are there. */
static unsigned frames_drop(struct socket *s, zmq_msg_t *last)
{
	unsigned dropped = 0;
	bool more = zmq_msg_more(last);

	while (more) {
		zmq_msg_t frame;
		if (!frame_receive(s, &frame))
			break;
		more = zmq_msg_more(&frame);
		zmq_msg_close(&frame);
		dropped++;
	}
	return dropped;
}

static int take_dealt(struct socket *s)
{
	struct mesh *m = s->mesh;
	uint16_t peer = s->link->peer;
	zmq_msg_t frame;
	const void *batch;

	if (!frame_receive(s, &frame))
		return -EAGAIN;
	if (frames_drop(s, &frame))
		refuse_batch(m, peer, zmq_msg_size(&frame));
	else if ((batch = frame_batch(m, peer, &frame)))
		deliver(m, peer, batch, zmq_msg_size(&frame));
	zmq_msg_close(&frame);
	return 0;
}

/* The way back to a connecter is the one it used last: by life, then by libzmq's running number, for what an ended connection sent may be read after its successor's first. */
static void learn_route(struct link *l, uint32_t generation, const uint8_t id[ROUTING_ID_SIZE])
{
	uint32_t known, now;

	memcpy(&known, l->routing_id + 1, sizeof(known));
	memcpy(&now, id + 1, sizeof(now));
	if (l->routed && l->routing_generation == generation && (int32_t)(__builtin_bswap32(now) - __builtin_bswap32(known)) <= 0)
		return;
	memcpy(l->routing_id, id, ROUTING_ID_SIZE);
	l->routing_generation = generation;
	l->routed = true;
}

static int take_routed(struct socket *s)
{
	struct mesh *m = s->mesh;
	struct link *l = NULL;
	zmq_msg_t id, frame;
	unsigned peer = 0, generation = 0;
	const char *user;
	const void *batch;

	if (!frame_receive(s, &id))
		return -EAGAIN;
	if (!zmq_msg_more(&id) || !frame_receive(s, &frame)) {
		refuse_batch(m, 0, 0);
		zmq_msg_close(&id);
		return 0;
	}
	/* The user is what take_zap answered, not what the peer says. */
	user = zmq_msg_gets(&frame, "User-Id");
	if (user && sscanf(user, "%u.%u", &peer, &generation) == 2 && peer <= UINT16_MAX)
		l = link_find(m, (uint16_t)peer);
	if (frames_drop(s, &frame) || !l || !l->allowed || zmq_msg_size(&id) != ROUTING_ID_SIZE)
		refuse_batch(m, (uint16_t)peer, zmq_msg_size(&frame));
	else if ((batch = frame_batch(m, l->peer, &frame))) {
		/* What an earlier life sent was allowed when it was sent; but it is not the one to answer. */
		if (generation == l->generation)
			learn_route(l, generation, zmq_msg_data(&id));
		deliver(m, l->peer, batch, zmq_msg_size(&frame));
	}
	zmq_msg_close(&id);
	zmq_msg_close(&frame);
	return 0;
}

/* ---- authentication: the ZAP handler (RFC 27/ZAP) ---- */

struct zap_field {
	size_t size;
	uint8_t byte[ZAP_FIELD_MAX + 1];
};

static bool field_is(const struct zap_field *f, const char *text)
{
	return f->size == strlen(text) && memcmp(f->byte, text, f->size) == 0;
}

static struct link *authenticate(struct mesh *m, const struct zap_field *field)
{
	const struct zap_field *user = &field[6], *password = &field[7];
	uint64_t peer;
	struct link *l;

	if (!field_is(&field[0], "1.0") || !field_is(&field[5], "PLAIN"))
		return NULL;
	if (str_number((struct str){(const char *)user->byte, user->size}, UINT16_MAX, &peer))
		return NULL;
	l = link_find(m, (uint16_t)peer);
	if (!l || !l->allowed || password->size != MESH_TOKEN_SIZE || sodium_memcmp(password->byte, l->token, MESH_TOKEN_SIZE) != 0)
		return NULL;
	return l;
}

static int take_zap(struct socket *s)
{
	struct mesh *m = s->mesh;
	struct zap_field field[ZAP_FIELDS];
	unsigned fields = 0;
	bool more = true;
	struct link *l = NULL;
	char user[32];
	int length = 0;

	field[1].size = 0;
	while (more) {
		zmq_msg_t frame;
		if (!frame_receive(s, &frame))
			return -EAGAIN; /* only before the first: a request is delivered whole */
		if (fields < ZAP_FIELDS && zmq_msg_size(&frame) <= ZAP_FIELD_MAX) {
			field[fields].size = zmq_msg_size(&frame);
			memcpy(field[fields].byte, zmq_msg_data(&frame), field[fields].size);
			fields++;
		} else {
			fields = ZAP_FIELDS + 1;
		}
		more = zmq_msg_more(&frame);
		zmq_msg_close(&frame);
	}
	if (fields == ZAP_FIELDS)
		l = authenticate(m, field);
	if (l) {
		length = snprintf(user, sizeof(user), "%u.%u", l->peer, l->generation);
	} else {
		uint64_t left_out;
		count(MESH_AUTH_REFUSED);
		if (may_log(m, &left_out))
			log_warn("mesh-auth-refused", "left_out=%llu", (unsigned long long)left_out);
	}
	zmq_send(s->zmq, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, field[1].byte, field[1].size, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, l ? "200" : "400", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, NULL, 0, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, user, (size_t)length, ZMQ_SNDMORE | ZMQ_DONTWAIT);
	zmq_send(s->zmq, NULL, 0, ZMQ_DONTWAIT);
	sodium_memzero(field, sizeof(field));
	return 0;
}

/* ---- edges to listeners ---- */

static void edge_up(struct link *l, bool up)
{
	if (l->up != up) {
		l->up = up;
		l->mesh->edges += up ? 1u : -1u;
		counter_set(COUNTER_MESH_EDGES, l->mesh->edges);
	}
}

static void edge_close(struct link *l)
{
	edge_up(l, false);
	if (l->dealer.zmq)
		zmq_socket_monitor(l->dealer.zmq, NULL, 0);
	socket_close(&l->monitor);
	socket_close(&l->dealer);
	loop_unset(l->mesh->loop, &l->retry);
}

static int edge_set(struct link *l)
{
	char user[8];
	int error = set_limits(l->dealer.zmq);

	if (error || (error = set_int(l->dealer.zmq, ZMQ_RECONNECT_IVL, RECONNECT_MS)) ||
	    (error = set_int(l->dealer.zmq, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS)))
		return error;
	snprintf(user, sizeof(user), "%u", l->mesh->self);
	if (zmq_setsockopt(l->dealer.zmq, ZMQ_PLAIN_USERNAME, user, strlen(user)) < 0 ||
	    zmq_setsockopt(l->dealer.zmq, ZMQ_PLAIN_PASSWORD, l->own_token, MESH_TOKEN_SIZE) < 0)
		return -errno;
	return 0;
}

static int edge_open(struct link *l)
{
	const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
			   ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CONNECT_RETRIED;
	char monitor[48], endpoint[128];
	int error;

	snprintf(monitor, sizeof(monitor), "inproc://edge-%u", l->mesh->serial++);
	if (snprintf(endpoint, sizeof(endpoint), "ipc://%s", l->path) >= (int)sizeof(endpoint))
		return -ENAMETOOLONG;
	l->hello = true;
	if ((error = socket_open(l->mesh, &l->dealer, l, ZMQ_DEALER, take_dealt)) || (error = edge_set(l)) ||
	    (error = socket_open(l->mesh, &l->monitor, l, ZMQ_PAIR, take_event)))
		goto failed;
	error = -EIO;
	if (zmq_socket_monitor(l->dealer.zmq, monitor, events) < 0 || zmq_connect(l->monitor.zmq, monitor) < 0 ||
	    zmq_connect(l->dealer.zmq, endpoint) < 0) {
		error = -errno;
		goto failed;
	}
	if ((error = socket_watch(&l->dealer)) || (error = socket_watch(&l->monitor)))
		goto failed;
	return 0;
failed:
	edge_close(l);
	return error;
}

static void edge_retry(struct link *l, uint64_t delay)
{
	loop_set(l->mesh->loop, &l->retry, delay);
}

static void edge_refused(struct link *l)
{
	edge_up(l, false);
	l->backoff = l->backoff ? l->backoff * 2 : RETRY_MS;
	if (l->backoff > RETRY_MAX_MS)
		l->backoff = RETRY_MAX_MS;
	edge_retry(l, l->backoff);
}

static void on_retry(struct timer *t, void *arg)
{
	struct link *l = arg;
	int error;

	(void)t;
	count(MESH_RETRIES);
	edge_close(l);
	error = edge_open(l);
	if (error) {
		log_warn("mesh-connect-failed", "peer=%u.%u error=%d", PEER_ROLE(l->peer), PEER_INDEX(l->peer), -error);
		edge_refused(l);
	}
}

/* An event of the socket monitor: number and value in one frame, the endpoint in the next. */
static int take_event(struct socket *s)
{
	struct link *l = s->link;
	zmq_msg_t frame;
	uint16_t event = 0;

	if (!frame_receive(s, &frame))
		return -EAGAIN;
	if (zmq_msg_size(&frame) >= sizeof(event))
		memcpy(&event, zmq_msg_data(&frame), sizeof(event));
	frames_drop(s, &frame);
	zmq_msg_close(&frame);
	switch (event) {
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
		edge_up(l, true);
		l->hello = true;
		l->backoff = 0;
		loop_unset(l->mesh->loop, &l->retry);
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
	case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
		edge_refused(l);
		break;
	case ZMQ_EVENT_DISCONNECTED:
		edge_up(l, false);
		if (!timer_armed(&l->retry))
			edge_retry(l, ABANDONED_MS);
		break;
	case ZMQ_EVENT_CONNECT_RETRIED:
		if (!l->backoff)
			loop_unset(l->mesh->loop, &l->retry);
		break;
	}
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

static int say_hello(struct link *l)
{
	struct {
		struct batch_header batch;
		struct record_header record;
	} hello = {{BATCH_MAGIC, 1}, {0, RECORD_HELLO, 0}};

	if (zmq_send(l->dealer.zmq, &hello, sizeof(hello), ZMQ_DONTWAIT) < 0)
		return -errno;
	l->hello = false;
	return 0;
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
	if (l->path && l->hello) {
		l->dealer.used = true;
		if (say_hello(l))
			return true;
	}
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

/* As an edge-triggered fd demands: ZMQ_EVENTS of a socket that was called. True where there is something to read. */
static bool look(struct socket *s)
{
	if (s->zmq && s->used && (events_of(s) & ZMQ_POLLIN))
		s->more = true;
	return s->more;
}

/* Sends from all links. True where there is something to read. */
static bool flush_all(struct mesh *m)
{
	bool stalled = true, readable = false;

	for (int pass = 0; pass < 2 && stalled; pass++) { /* looking at the events may have made room: once more */
		stalled = false;
		for (unsigned i = 0; i < m->links; i++)
			stalled |= link_flush(m->link[i]);
		readable = look(&m->router);
		readable |= look(&m->zap);
		for (unsigned i = 0; i < m->links; i++) {
			readable |= look(&m->link[i]->dealer);
			readable |= look(&m->link[i]->monitor);
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
	drain(s);
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

int mesh_listen(struct mesh *m, int fd, const char *path)
{
	char endpoint[128];
	int error;

	if (m->router.zmq)
		return -EALREADY;
	if (snprintf(endpoint, sizeof(endpoint), "ipc://%s", path) >= (int)sizeof(endpoint))
		return -ENAMETOOLONG;
	/* ZAP first: without its handler a connecter would be refused for good. */
	if ((error = socket_open(m, &m->zap, NULL, ZMQ_REP, take_zap)))
		goto failed;
	if (zmq_bind(m->zap.zmq, "inproc://zeromq.zap.01") < 0) {
		error = -errno;
		goto failed;
	}
	if ((error = socket_watch(&m->zap)) || (error = socket_open(m, &m->router, NULL, ZMQ_ROUTER, take_routed)) ||
	    (error = set_limits(m->router.zmq)) || (error = set_int(m->router.zmq, ZMQ_ROUTER_MANDATORY, 1)) ||
	    (error = set_int(m->router.zmq, ZMQ_PLAIN_SERVER, 1)))
		goto failed;
	if (zmq_setsockopt(m->router.zmq, ZMQ_ZAP_DOMAIN, "mesh", 4) < 0 || (error = set_int(m->router.zmq, ZMQ_USE_FD, fd)) ||
	    zmq_bind(m->router.zmq, endpoint) < 0) {
		error = error ? error : -errno;
		goto failed;
	}
	if ((error = socket_watch(&m->router)))
		goto failed;
	return 0;
failed:
	socket_close(&m->router);
	socket_close(&m->zap);
	return error;
}

int mesh_allow(struct mesh *m, uint16_t peer, const uint8_t token[MESH_TOKEN_SIZE])
{
	struct link *l;
	int error = link_need(m, peer, &l);

	if (error)
		return error;
	l->allowed = token != NULL;
	if (token) {
		memcpy(l->token, token, MESH_TOKEN_SIZE);
		l->generation++;
	} else {
		sodium_memzero(l->token, MESH_TOKEN_SIZE);
		l->routed = false;
		if (!l->path)
			counter_add(COUNTER_MESH_UNREACHABLE, outgoing_clear(&l->out));
	}
	return 0;
}

int mesh_connect(struct mesh *m, uint16_t peer, const char *path, const uint8_t token[MESH_TOKEN_SIZE])
{
	struct link *l;
	char *copy;
	int error = link_need(m, peer, &l);

	if (error)
		return error;
	if (l->path && l->dealer.zmq && strcmp(l->path, path) == 0 && sodium_memcmp(l->own_token, token, MESH_TOKEN_SIZE) == 0) {
		return mesh_hello(m, peer); /* the same edge: nothing that libzmq holds need be lost */
	}
	if (!(copy = strdup(path)))
		return -ENOMEM;
	edge_close(l);
	free(l->path);
	l->path = copy;
	memcpy(l->own_token, token, MESH_TOKEN_SIZE);
	l->backoff = 0;
	error = edge_open(l);
	if (error) {
		free(l->path);
		l->path = NULL;
	}
	return error;
}

int mesh_hello(struct mesh *m, uint16_t peer)
{
	struct link *l = link_find(m, peer);

	if (!l || !l->path)
		return -ENOTCONN;
	l->hello = true;
	loop_set(m->loop, &m->wake, 0);
	return 0;
}

int mesh_disconnect(struct mesh *m, uint16_t peer)
{
	struct link *l = link_find(m, peer);

	if (!l || !l->path)
		return -ENOTCONN;
	edge_close(l);
	free(l->path);
	l->path = NULL;
	l->backoff = 0;
	sodium_memzero(l->own_token, MESH_TOKEN_SIZE);
	counter_add(COUNTER_MESH_UNREACHABLE, outgoing_clear(&l->out));
	return 0;
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
