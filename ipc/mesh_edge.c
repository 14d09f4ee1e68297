/* mesh_edge.c - edges to listening peers: a DEALER each, with a monitor that tells when its handshake stands. Batches are handed over only
 * while it does: what libzmq holds at a
 * refusal is lost, what waits with us is not. */
#include "mesh_private.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

/* A killed listener was answering again after 6 ms with 1; the listening socket stays with the master, so that connecting rarely fails and
 * never storms. */
#define RECONNECT_MS 1
#define RECONNECT_MAX_MS 100
/* After a refusal: the listener may be about to learn our token. Doubles up to the greater. */
#define RETRY_MS 10
#define RETRY_MAX_MS 1000
/* libzmq says within its reconnect interval that it tries again; silence after a lost connection means that it gave up. */
#define ABANDONED_MS 1000

static int take_event(struct socket *s);

static int take_dealt(struct socket *s)
{
	struct mesh *m = s->mesh;
	uint16_t peer = s->link->peer;
	zmq_msg_t frame;
	const void *batch;

	if (!frame_receive(s, &frame))
		return -EAGAIN;
	if (frames_drop(s, &frame))
		batch_refuse(m, peer, zmq_msg_size(&frame));
	else if ((batch = batch_checked(m, peer, &frame)))
		batch_deliver(m, peer, batch, zmq_msg_size(&frame));
	zmq_msg_close(&frame);
	return 0;
}

static void edge_up(struct link *l, bool up)
{
	if (l->up != up) {
		l->up = up;
		l->mesh->edges += up ? 1u : -1u;
		counter_set(COUNTER_MESH_EDGES, l->mesh->edges);
	}
}

void edge_close(struct link *l)
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
	int error = socket_set_limits(&l->dealer);

	if (error || (error = socket_set(&l->dealer, ZMQ_RECONNECT_IVL, RECONNECT_MS)) ||
	    (error = socket_set(&l->dealer, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS)))
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

void edge_init(struct link *l)
{
	timer_init(&l->retry, on_retry, l);
}

int edge_hello(struct link *l)
{
	struct {
		struct batch_header batch;
		struct record_header record;
	} hello = {{BATCH_MAGIC, 1}, {0, RECORD_HELLO, 0}};

	l->dealer.used = true;
	if (zmq_send(l->dealer.zmq, &hello, sizeof(hello), ZMQ_DONTWAIT) < 0)
		return -errno;
	l->hello = false;
	return 0;
}

/* ---- the interface ---- */

int mesh_connect(struct mesh *m, uint16_t peer, const char *path, const uint8_t token[MESH_TOKEN_SIZE])
{
	struct link *l;
	char *copy;
	int error = link_need(m, peer, &l);

	if (error)
		return error;
	if (l->path && l->dealer.zmq && strcmp(l->path, path) == 0 && sodium_memcmp(l->own_token, token, MESH_TOKEN_SIZE) == 0)
		return mesh_hello(m, peer); /* the same edge: nothing that libzmq holds need be lost */
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
