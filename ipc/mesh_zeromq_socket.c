/* mesh_zeromq_socket.c - the carrier's ZeroMQ sockets in the loop: options, edge-triggered
 * readiness, frames. Relies on mesh_zeromq.c to look at every socket that was called before the
 * loop sleeps.
 */
#include "mesh_zeromq.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

/* Batches per edge inside libzmq, either way. They can be neither taken back nor answered with 503,
 * and die with a killed receiver: as few as keep the I/O thread busy for a turn. Fewer cost
 * wake-ups: a side tells the other of every half of them that it has taken, and with two that is of
 * each (8.3 switches of threads a call at 1,000 calls a second, 6.4 with eight, 6.2 with 32). With
 * 16 the same call cost 231 µs of CPU against 241 with eight, and no less with 32. */
#define SEND_HWM 16
#define RECEIVE_HWM 16
/* A peer that connects and says nothing holds an fd of the listener for this long. */
#define HANDSHAKE_MS 500
/* Messages taken from one socket in one turn: everything else in the loop gets its share. */
#define TAKE_PER_TURN 16

int zsocket_set(struct zsocket *s, int option, int value)
{
	return zmq_setsockopt(s->zmq, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

static int zsocket_events(struct zsocket *s)
{
	int events = 0;
	size_t size = sizeof(events);

	s->used = false;
	return zmq_getsockopt(s->zmq, ZMQ_EVENTS, &events, &size) < 0 ? 0 : events;
}

void zsocket_drain(struct zsocket *s)
{
	for (int i = 0; i < TAKE_PER_TURN && s->zmq; i++) {
		s->used = false; /* by us; taking a message may send one */
		if (s->take(s) == -EAGAIN) {
			s->more = false;
			return;
		}
		s->used = true;
	}
	s->more = s->zmq != NULL;
}

static void zsocket_on_readable(void *arg, uint32_t events)
{
	(void)events;
	zsocket_drain(arg);
}

int zsocket_open(struct zmesh *z, struct zsocket *s, struct zlink *l, int type, zsocket_take take)
{
	/* bind and connect read its edge-triggered fd, too */
	*s = (struct zsocket){.mesh = z, .link = l, .take = take, .used = true};
	s->zmq = zmq_socket(z->context, type);
	if (!s->zmq)
		return -errno;
	return zsocket_set(s, ZMQ_LINGER, 0);
}

int zsocket_watch(struct zsocket *s, bool answers)
{
	struct mesh *m = &s->mesh->mesh;
	size_t size = sizeof(int);
	int fd;

	if (zmq_getsockopt(s->zmq, ZMQ_FD, &fd, &size) < 0)
		return -errno;
	/* A message that came while it was set up raises no edge any more: the end of the turn
	 * looks. */
	loop_set(m->loop, &m->wake, 0);
	return answers ? loop_add_answers(m->loop, fd, EPOLLIN, zsocket_on_readable, s, &s->source)
	               : loop_add(m->loop, fd, EPOLLIN, zsocket_on_readable, s, &s->source);
}

void zsocket_close(struct zsocket *s)
{
	if (!s->zmq)
		return;
	loop_remove(s->mesh->mesh.loop, s->source);
	zmq_close(s->zmq);
	s->source = NULL;
	s->zmq = NULL;
	s->more = s->used = false;
}

int zsocket_set_limits(struct zsocket *s)
{
	/* Without it one peer pushed 187 MB into a listener's memory. */
	const int64_t batch_max = BATCH_MAX;
	int error;

	if (zmq_setsockopt(s->zmq, ZMQ_MAXMSGSIZE, &batch_max, sizeof(batch_max)) < 0)
		return -errno;
	error = zsocket_set(s, ZMQ_SNDHWM, SEND_HWM);
	if (error == 0)
		error = zsocket_set(s, ZMQ_RCVHWM, RECEIVE_HWM);
	if (error == 0)
		error = zsocket_set(s, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS);
	return error;
}

bool zsocket_look(struct zsocket *s)
{
	if (s->zmq && s->used && (zsocket_events(s) & ZMQ_POLLIN))
		s->more = true;
	return s->more;
}

bool frame_receive(struct zsocket *s, zmq_msg_t *frame)
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

unsigned frames_drop(struct zsocket *s, zmq_msg_t *last)
{
	bool more = zmq_msg_more(last);
	unsigned dropped = 0;

	while (more) { /* libzmq delivers a message whole: they are there */
		zmq_msg_t frame;

		if (!frame_receive(s, &frame))
			break;
		more = zmq_msg_more(&frame);
		zmq_msg_close(&frame);
		dropped++;
	}
	return dropped;
}

bool frame_deliver(struct zmesh *z, uint16_t peer, zmq_msg_t *frame)
{
	const void *data = zmq_msg_data(frame);
	size_t size = zmq_msg_size(frame);

	/* Small messages lie anywhere in libzmq's read buffer. */
	if (size <= BATCH_MAX && (uintptr_t)data % 8)
		data = memcpy(z->mesh.buffer, data, size);
	return mesh_deliver(&z->mesh, peer, data, size);
}
