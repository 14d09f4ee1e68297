/* mesh_socket.c - the mesh's ZeroMQ sockets in the loop: options, edge-triggered readiness, frames, checked batches. Relies on mesh.c to
 * look at every
 * socket that was called before the loop sleeps. */
#include "mesh_private.h"

#include <errno.h>
#include <sys/epoll.h>

/* Batches per edge inside libzmq, either way. They can be neither taken back nor answered with 503, and die with a killed receiver: as few
 * as keep the I/O thread busy for a turn. */
#define SEND_HWM 8
#define RECEIVE_HWM 8
/* A peer that connects and says nothing holds an fd of the listener for this long. */
#define HANDSHAKE_MS 500
/* Messages taken from one socket in one turn: everything else in the loop gets its share. */
#define TAKE_PER_TURN 16
#define LOG_INTERVAL_MS 1000

/* What peers can cause as often as they like gets one line a second. */
bool may_log(struct mesh *m, uint64_t *left_out)
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

int socket_set(struct socket *s, int option, int value)
{
	return zmq_setsockopt(s->zmq, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int events_of(struct socket *s)
{
	int events = 0;
	size_t size = sizeof(events);

	s->used = false;
	return zmq_getsockopt(s->zmq, ZMQ_EVENTS, &events, &size) < 0 ? 0 : events;
}

void socket_drain(struct socket *s)
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
	socket_drain(arg);
}

int socket_open(struct mesh *m, struct socket *s, struct link *l, int type, socket_take take)
{
	*s = (struct socket){.mesh = m, .link = l, .take = take, .used = true}; /* bind and connect read its edge-triggered fd too */
	s->zmq = zmq_socket(m->context, type);
	if (!s->zmq)
		return -errno;
	return socket_set(s, ZMQ_LINGER, 0);
}

int socket_watch(struct socket *s)
{
	int fd;
	size_t size = sizeof(fd);

	if (zmq_getsockopt(s->zmq, ZMQ_FD, &fd, &size) < 0)
		return -errno;
	loop_set(s->mesh->loop, &s->mesh->wake, 0); /* what came while it was set up raises no edge any more: on_turn looks */
	return loop_add(s->mesh->loop, fd, EPOLLIN, on_readable, s, &s->source);
}

void socket_close(struct socket *s)
{
	if (!s->zmq)
		return;
	loop_remove(s->mesh->loop, s->source);
	zmq_close(s->zmq);
	s->source = NULL;
	s->zmq = NULL;
	s->more = s->used = false;
}

int socket_set_limits(struct socket *s)
{
	int64_t batch_max = BATCH_MAX;
	int error = 0;

	if (zmq_setsockopt(s->zmq, ZMQ_MAXMSGSIZE, &batch_max, sizeof(batch_max)) < 0)
		return -errno;
	if ((error = socket_set(s, ZMQ_SNDHWM, SEND_HWM)) || (error = socket_set(s, ZMQ_RCVHWM, RECEIVE_HWM)))
		return error;
	return socket_set(s, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
}

/* As an edge-triggered fd demands: ZMQ_EVENTS of a socket that was called. True where there is something to read. */
bool socket_look(struct socket *s)
{
	if (s->zmq && s->used && (events_of(s) & ZMQ_POLLIN))
		s->more = true;
	return s->more;
}

void batch_refuse(struct mesh *m, uint16_t peer, size_t size)
{
	uint64_t left_out;

	count(MESH_BAD_BATCH);
	if (may_log(m, &left_out))
		log_warn("mesh-bad-batch", "peer=%u.%u size=%zu left_out=%llu", PEER_ROLE(peer), PEER_INDEX(peer), size,
			 (unsigned long long)left_out);
}

void mesh_refused(struct mesh *m, uint16_t peer, uint16_t type, size_t size)
{
	uint64_t left_out;

	if (may_log(m, &left_out))
		log_warn("mesh-bad-record", "peer=%u.%u type=%u size=%zu left_out=%llu", PEER_ROLE(peer), PEER_INDEX(peer), type, size, (unsigned long long)left_out);
}

const void *batch_checked(struct mesh *m, uint16_t peer, zmq_msg_t *frame)
{
	const void *p = zmq_msg_data(frame);
	size_t size = zmq_msg_size(frame);

	if (size <= BATCH_MAX && (uintptr_t)p % 8) /* small messages lie anywhere in libzmq's read buffer */
		p = memcpy(m->aligned, p, size);
	if (size > BATCH_MAX || batch_check(p, size)) {
		batch_refuse(m, peer, size);
		return NULL;
	}
	count(MESH_BATCHES_RECEIVED);
	return p;
}

void batch_deliver(struct mesh *m, uint16_t peer, const void *batch, size_t size)
{
	const struct record_header *h;
	const void *data;
	size_t at = 0;

	while ((h = batch_next(batch, size, &at, &data))) {
		count(MESH_RECORDS_RECEIVED);
		m->callback(m->arg, peer, h->type, data, h->size);
	}
}

/* Receives one frame; false where there is none. */
bool frame_receive(struct socket *s, zmq_msg_t *frame)
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
unsigned frames_drop(struct socket *s, zmq_msg_t *last)
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
