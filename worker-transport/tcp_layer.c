/* tcp_layer.c - the bytes of a TCP socket, read and written without waiting. Relies on nothing. */
#include "tcp_layer.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static ssize_t tcp_layer_receive(struct stream *s, void *buffer, size_t size)
{
	ssize_t n;

	do
		n = recv(s->fd, buffer, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t tcp_layer_send(struct stream *s, const struct iovec *iov, unsigned n)
{
	struct msghdr h = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n};
	ssize_t sent;

	do
		sent = sendmsg(s->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static void tcp_layer_shut(struct stream *s)
{
	shutdown(s->fd, SHUT_WR);
}

int tcp_layer_open(struct stream *s)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(int);
	int error = 0;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &length))
		return -errno;
	if (error)
		return -error;
	length = sizeof(address);
	if (getpeername(s->fd, (struct sockaddr *)&address, &length)) {
		s->wants = EPOLLOUT;
		return errno == ENOTCONN ? -EAGAIN : -errno;
	}
	length = sizeof(address);
	if (getsockname(s->fd, (struct sockaddr *)&address, &length) == 0)
		endpoint_from_sockaddr((struct sockaddr *)&address, length, &s->node.flow.local);
	return 0;
}

const struct stream_layer tcp_layer_in = {
	.receive = tcp_layer_receive, .send = tcp_layer_send, .shut = tcp_layer_shut};
const struct stream_layer tcp_layer_out = {.open = tcp_layer_open,
	.receive = tcp_layer_receive,
	.send = tcp_layer_send,
	.shut = tcp_layer_shut};
