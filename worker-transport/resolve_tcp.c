/* resolve_tcp.c - a query over TCP (RFC 7766), where the answer did not fit into a datagram: a
 * connection for one query, with two octets of length before it and before its answer. */
#include "resolve_parts.h"

#include "common/counters.h"
#include "resolve.h"
#include "transport_worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static int lookup_stream_send(struct lookup *q)
{
	struct resolve_stream *s = q->stream;
	uint8_t bytes[2 + DNS_QUERY_MAX] = {(uint8_t)(q->size >> 8), (uint8_t)q->size};
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
		return -errno;
	if (error)
		return -error;
	memcpy(bytes + 2, q->query, q->size);
	/* the first bytes of a connection: they fit, or something is wrong */
	ssize_t n = send(s->fd, bytes, 2 + q->size, MSG_NOSIGNAL);
	if (n != (ssize_t)(2 + q->size))
		return n < 0 ? -errno : -EPROTO;
	s->sent = true;
	return loop_modify(q->resolver->t->loop, s->source, EPOLLIN);
}

/* 1: the answer is there. 0: not yet. */
static int lookup_stream_receive(struct resolve_stream *s)
{
	size_t wanted = s->have < 2 ? 2 : 2u + dns_u16(s->buffer);
	ssize_t n;

	if (wanted > sizeof(s->buffer))
		return -EMSGSIZE;
	n = recv(s->fd, s->buffer + s->have, wanted - s->have, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	s->have += (size_t)n;
	return s->have > 2 && s->have == 2u + dns_u16(s->buffer);
}

static void lookup_on_stream(void *arg, uint32_t events)
{
	struct lookup *q = arg;
	struct resolve_stream *s = q->stream;
	int result = s->sent ? lookup_stream_receive(s) : lookup_stream_send(q);

	(void)events;
	if (result == 1 && !lookup_answered(q, s->buffer + 2, s->have - 2))
		result = -EPROTO;
	if (result < 0)
		lookup_next(q, result);
}

int lookup_stream_open(struct lookup *q)
{
	const struct endpoint *server = lookup_server(q);
	struct resolve_stream *s;
	struct sockaddr_storage address;
	socklen_t length;
	int error = 0;

	if (q->resolver->streams == RESOLVE_STREAMS_MAX)
		return -EAGAIN;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	length = endpoint_to_sockaddr(server, &address);
	s->fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->fd < 0) {
		error = -errno;
		free(s);
		return error;
	}
	q->stream = s;
	q->resolver->streams++;
	if (connect(s->fd, (struct sockaddr *)&address, length) < 0 && errno != EINPROGRESS)
		error = -errno;
	if (error == 0)
		error = loop_add(
			q->resolver->t->loop, s->fd, EPOLLOUT, lookup_on_stream, q, &s->source);
	if (error) {
		lookup_stream_close(q);
		return error;
	}
	count(DNS_OVER_TCP);
	return 0;
}

void lookup_stream_close(struct lookup *q)
{
	struct resolve_stream *s = q->stream;

	if (!s)
		return;
	loop_remove(q->resolver->t->loop, s->source);
	close(s->fd);
	free(s);
	q->stream = NULL;
	q->resolver->streams--;
}
