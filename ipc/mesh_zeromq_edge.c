/* mesh_zeromq_edge.c - edges to listening peers: a DEALER each, with a monitor that tells when its
 * handshake stands. Batches are handed over only while it does: what libzmq holds at a refusal is
 * lost, what waits with us is not.
 */
#include "mesh_zeromq.h"
#include "common/counters.h"
#include "common/log.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* A killed listener was answering again after 6 ms with 1; the listening socket stays with the
 * master, so that connecting rarely fails and never storms. */
#define RECONNECT_MS 1
#define RECONNECT_MAX_MS 100
/* After a refusal: the listener may be about to learn our token. Doubles up to the greater. */
#define RETRY_MS 10
#define RETRY_MAX_MS 1000
/* libzmq says within its reconnect interval that it tries again; silence after a lost connection
 * means that it gave up. */
#define ABANDONED_MS 1000

static int edge_take_event(struct zsocket *s);

static int edge_take_batch(struct zsocket *s)
{
	uint16_t peer = s->link->link.peer;
	zmq_msg_t frame;

	if (!frame_receive(s, &frame))
		return -EAGAIN;
	if (frames_drop(s, &frame))
		mesh_refuse_batch(&s->mesh->mesh, peer, zmq_msg_size(&frame));
	else
		frame_deliver(s->mesh, peer, &frame);
	zmq_msg_close(&frame);
	return 0;
}

static void edge_up(struct zlink *l, bool up)
{
	if (l->up != up)
		mesh_count_edge(l->link.mesh, up ? 1 : -1);
	l->up = up;
}

void zedge_close(struct zlink *l)
{
	edge_up(l, false);
	if (l->dealer.zmq)
		zmq_socket_monitor(l->dealer.zmq, NULL, 0);
	zsocket_close(&l->monitor);
	zsocket_close(&l->dealer);
	loop_unset(l->link.mesh->loop, &l->retry);
}

static int edge_set(struct zlink *l)
{
	char user[8];
	int error = zsocket_set_limits(&l->dealer);

	if (error == 0)
		error = zsocket_set(&l->dealer, ZMQ_RECONNECT_IVL, RECONNECT_MS);
	if (error == 0)
		error = zsocket_set(&l->dealer, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS);
	if (error)
		return error;
	snprintf(user, sizeof(user), "%u", l->link.mesh->self);
	if (zmq_setsockopt(l->dealer.zmq, ZMQ_PLAIN_USERNAME, user, strlen(user)) < 0 ||
		zmq_setsockopt(l->dealer.zmq, ZMQ_PLAIN_PASSWORD, l->own_token, MESH_TOKEN_SIZE) <
			0)
		return -errno;
	return 0;
}

static int edge_connect(struct zlink *l)
{
	const int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH |
	                   ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_DISCONNECTED |
	                   ZMQ_EVENT_CONNECT_RETRIED;
	char monitor[48], endpoint[EDGE_PATH_MAX + 8];

	snprintf(monitor, sizeof(monitor), "inproc://edge-%u", zmesh_of(l->link.mesh)->serial++);
	snprintf(endpoint, sizeof(endpoint), "ipc://%s", l->path);
	if (zmq_socket_monitor(l->dealer.zmq, monitor, events) < 0 ||
		zmq_connect(l->monitor.zmq, monitor) < 0 ||
		zmq_connect(l->dealer.zmq, endpoint) < 0)
		return -errno;
	return 0;
}

int zedge_open(struct zlink *l)
{
	struct zmesh *z = zmesh_of(l->link.mesh);
	int error = zsocket_open(z, &l->dealer, l, ZMQ_DEALER, edge_take_batch);

	l->hello = true;
	if (error == 0)
		error = edge_set(l);
	if (error == 0)
		error = zsocket_open(z, &l->monitor, l, ZMQ_PAIR, edge_take_event);
	if (error == 0)
		error = edge_connect(l);
	if (error == 0)
		error = zsocket_watch(&l->dealer, true);
	if (error == 0)
		error = zsocket_watch(&l->monitor, false);
	if (error)
		zedge_close(l);
	return error;
}

static void edge_refused(struct zlink *l)
{
	edge_up(l, false);
	l->backoff = l->backoff ? l->backoff * 2 : RETRY_MS;
	if (l->backoff > RETRY_MAX_MS)
		l->backoff = RETRY_MAX_MS;
	loop_set(l->link.mesh->loop, &l->retry, l->backoff);
}

static void edge_on_retry(struct timer *t, void *arg)
{
	struct zlink *l = arg;
	int error;

	(void)t;
	count(MESH_RETRIES);
	zedge_close(l);
	error = zedge_open(l);
	if (error) {
		log_warn("mesh-connect-failed", "peer=%u.%u error=\"%s\"", PEER_ROLE(l->link.peer),
			PEER_INDEX(l->link.peer), error_text(error));
		edge_refused(l);
	}
}

/* An event of the socket monitor: number and value in one frame, the endpoint in the next. */
static int edge_take_event(struct zsocket *s)
{
	struct zlink *l = s->link;
	struct loop *loop = l->link.mesh->loop;
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
		loop_unset(loop, &l->retry);
		break;
	case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
	case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL: edge_refused(l); break;
	case ZMQ_EVENT_DISCONNECTED:
		edge_up(l, false);
		if (!timer_armed(&l->retry))
			loop_set(loop, &l->retry, ABANDONED_MS);
		break;
	case ZMQ_EVENT_CONNECT_RETRIED:
		if (!l->backoff)
			loop_unset(loop, &l->retry);
		break;
	}
	return 0;
}

void zedge_init(struct zlink *l)
{
	timer_init(&l->retry, edge_on_retry, l);
}

int zedge_hello(struct zlink *l)
{
	l->dealer.used = true;
	if (zmq_send(l->dealer.zmq, &zmesh_hello, sizeof(zmesh_hello), ZMQ_DONTWAIT) < 0)
		return -errno;
	l->hello = false;
	return 0;
}

/* ---- the interface ---- */

int zedge_connect(struct mesh *m, uint16_t peer, const char *path, const uint8_t *token)
{
	struct link *found;
	struct zlink *l;
	int error;

	if (!path[0] || strlen(path) >= EDGE_PATH_MAX)
		return -ENAMETOOLONG;
	error = link_need(m, peer, &found);
	if (error)
		return error;
	l = zlink_of(found);
	if (l->dealer.zmq && strcmp(l->path, path) == 0 &&
		sodium_memcmp(l->own_token, token, MESH_TOKEN_SIZE) == 0)
		/* the same edge: nothing that libzmq holds need be lost */
		return zedge_say_hello(m, peer);
	zedge_close(l);
	memcpy(l->path, path, strlen(path) + 1);
	memcpy(l->own_token, token, MESH_TOKEN_SIZE);
	l->backoff = 0;
	if (!zmesh_of(m)->context)
		return 0; /* mesh_start opens it */
	error = zedge_open(l);
	if (error)
		l->path[0] = '\0';
	return error;
}

int zedge_say_hello(struct mesh *m, uint16_t peer)
{
	struct link *found = link_find(m, peer);
	struct zlink *l = found ? zlink_of(found) : NULL;

	if (!l || !l->path[0])
		return -ENOTCONN;
	l->hello = true;
	loop_set(m->loop, &m->wake, 0);
	return 0;
}
