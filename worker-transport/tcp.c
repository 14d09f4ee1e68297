/* tcp.c - TCP sockets.
 *
 * A listener that cannot be served for want of an fd or memory rests for a while instead of
 * spinning on its readiness. A connection over the limit is accepted and closed, so that its peer
 * learns of it at once and the backlog stays empty for others. Relies on: stream.c for everything
 * after accept.
 */
#include "tcp.h"

#include "common/counters.h"
#include "common/log.h"
#include "admit.h"
#include "streams.h"
#include "worker-transport/tls/tls.h"
#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct tcp_listener {
	struct tcp_listener *next;
	struct tcp *tcp;
	struct loop_source *source; /* NULL while it rests */
	struct timer rest;
	struct endpoint bound;
	int fd;
	uint16_t listener;
};

struct tcp {
	struct transport_worker *t;
	struct tcp_listener *listeners;
	bool stopped;
};

/* ---- the layer ---- */

static ssize_t tcp_receive(struct stream *s, void *buffer, size_t size)
{
	ssize_t n;

	do
		n = recv(s->fd, buffer, size, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t tcp_send(struct stream *s, const struct iovec *iov, unsigned n)
{
	struct msghdr h = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = n};
	ssize_t sent;

	do
		sent = sendmsg(s->fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

static void tcp_shut(struct stream *s)
{
	shutdown(s->fd, SHUT_WR);
}

int tcp_connected(struct stream *s)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(int);
	int error = 0;

	if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &length))
		return -errno;
	if (error)
		return -error;
	length = sizeof(address);
	if (getpeername(s->fd, (struct sockaddr *)&address, &length))
		goto not_yet;
	length = sizeof(address);
	if (getsockname(s->fd, (struct sockaddr *)&address, &length) == 0)
		endpoint_from_sockaddr((struct sockaddr *)&address, length, &s->node.flow.local);
	return 0;
not_yet:
	s->wants = EPOLLOUT;
	return errno == ENOTCONN ? -EAGAIN : -errno;
}

static const struct stream_layer tcp_accepted_layer = {
	.receive = tcp_receive, .send = tcp_send, .shut = tcp_shut};
static const struct stream_layer tcp_connected_layer = {
	.open = tcp_connected, .receive = tcp_receive, .send = tcp_send, .shut = tcp_shut};

static bool tcp_is_secure(uint8_t transport)
{
	return transport == TRANSPORT_TLS || transport == TRANSPORT_WSS;
}

static void tcp_set_options(int fd)
{
	int on = 1, unacknowledged = TCP_UNACKNOWLEDGED_MS;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged, sizeof(unacknowledged));
}

/* ---- in ---- */

static void tcp_accepted(
	struct tcp_listener *l, int fd, const struct sockaddr_storage *address, socklen_t length)
{
	struct transport_worker *t = l->tcp->t;
	struct flow flow = {.transport = settings_listener(t->settings, l->listener)->transport,
		.listener = l->listener};
	struct sockaddr_storage own;
	struct source *held;
	struct stream *s;
	void *state = NULL;
	bool secure;

	count(STREAM_ACCEPTED);
	if (endpoint_from_sockaddr((const struct sockaddr *)address, length, &flow.peer) ||
		admit_source(t->admit, l->listener, &flow.peer, loop_now(t->loop))) {
		close(fd);
		return;
	}
	if (streams_count(t->streams) >= streams_max(t->streams)) {
		count(STREAM_REFUSED_FULL);
		close(fd);
		return;
	}
	if (admit_connect(t->admit, l->listener, &flow.peer, loop_now(t->loop), &held)) {
		close(fd);
		return;
	}
	length = sizeof(own);
	if (getsockname(fd, (struct sockaddr *)&own, &length) ||
		endpoint_from_sockaddr((struct sockaddr *)&own, length, &flow.local))
		flow.local = l->bound;
	tcp_set_options(fd);
	secure = tcp_is_secure(flow.transport);
	if (secure && tls_accept(t->tls, fd, &flow, held, &state)) {
		admit_disconnect(t->admit, held);
		close(fd);
		return;
	}
	if (stream_new(t->streams, fd, &flow, secure ? &tls_layer : &tcp_accepted_layer, state,
		    false, held, &s)) {
		count(STREAM_ERRORS);
		tls_abandon(state);
		admit_disconnect(t->admit, held);
		close(fd);
	}
}

static void tcp_on_event(void *arg, uint32_t events);

static int tcp_arm(struct tcp_listener *l)
{
	return loop_add(l->tcp->t->loop, l->fd, EPOLLIN, tcp_on_event, l, &l->source);
}

/* Stops accepting for TCP_ACCEPT_PAUSE_MS. */
static void tcp_rest(struct tcp_listener *l)
{
	loop_remove(l->tcp->t->loop, l->source);
	l->source = NULL;
	loop_set(l->tcp->t->loop, &l->rest, TCP_ACCEPT_PAUSE_MS);
}

static void tcp_rested(struct timer *timer, void *arg)
{
	struct tcp_listener *l = arg;

	if (!l->tcp->stopped && tcp_arm(l))
		loop_set(l->tcp->t->loop, timer, TCP_ACCEPT_PAUSE_MS);
}

static void tcp_on_event(void *arg, uint32_t events)
{
	struct tcp_listener *l = arg;

	(void)events;
	for (unsigned i = 0; i < TCP_ACCEPT_TURN; i++) {
		struct sockaddr_storage address;
		socklen_t length = sizeof(address);
		int fd = accept4(
			l->fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			tcp_accepted(l, fd, &address, length);
			continue;
		}
		if (errno == EAGAIN)
			return;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			count(TCP_ACCEPT_PAUSED);
			tcp_rest(l);
			return;
		}
		/* accept also gives the error of a connection that ended before it was taken; the
		 * next one may be sound */
		count(STREAM_ERRORS);
	}
}

/* ---- out ---- */

int tcp_connect(struct tcp *tcp, const struct flow *to, struct stream **out)
{
	struct transport_worker *t = tcp->t;
	const struct listener_settings *l = settings_listener(t->settings, to->listener);
	struct flow flow = *to;
	struct sockaddr_storage address;
	socklen_t length;
	void *state = NULL;
	int fd, error, on = 1;

	if (to->transport != TRANSPORT_TCP && to->transport != TRANSPORT_TLS)
		return -EPROTONOSUPPORT;
	if (tcp->stopped)
		return -ENOTCONN;
	if (streams_count(t->streams) >= streams_max(t->streams)) {
		count(STREAM_REFUSED_FULL);
		return -EAGAIN;
	}
	fd = socket(to->peer.family == 4 ? AF_INET : AF_INET6,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno == EMFILE || errno == ENFILE ? -EAGAIN : -errno;
	tcp_set_options(fd);
	/* the peer knows us by the listener's address: firewalls and its own checks of sources ask
	 * for it */
	flow.local = l->bind;
	if (endpoint_is_wildcard(&flow.local) && to->local.family)
		flow.local = to->local;
	flow.local.port = 0;
	if (flow.local.family == to->peer.family && !endpoint_is_wildcard(&flow.local)) {
		/* the port is chosen at connect, so that one address serves more than 64,000
		 * peers */
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
		length = endpoint_to_sockaddr(&flow.local, &address);
		if (bind(fd, (struct sockaddr *)&address, length)) {
			error = -errno;
			goto fail;
		}
	}
	length = endpoint_to_sockaddr(&to->peer, &address);
	if (connect(fd, (struct sockaddr *)&address, length) && errno != EINPROGRESS) {
		error = -errno;
		goto fail;
	}
	if (to->transport == TRANSPORT_TLS) {
		error = tls_connect(t->tls, fd, to, &state);
		if (error)
			goto fail;
	}
	error = stream_new(t->streams, fd, &flow, state ? &tls_layer : &tcp_connected_layer, state,
		true, NULL, out);
	if (error)
		goto fail;
	count(STREAM_CONNECTS);
	return 0;
fail:
	count(STREAM_OPEN_FAILED);
	tls_abandon(state);
	close(fd);
	return error;
}

/* ---- sockets ---- */

int tcp_new(struct tcp **out, struct transport_worker *t)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));

	if (!tcp)
		return -ENOMEM;
	tcp->t = t;
	*out = tcp;
	return 0;
}

void tcp_free(struct tcp *tcp)
{
	struct tcp_listener *l;

	if (!tcp)
		return;
	while ((l = tcp->listeners)) {
		tcp->listeners = l->next;
		loop_remove(tcp->t->loop, l->source);
		loop_unset(tcp->t->loop, &l->rest);
		close(l->fd);
		free(l);
	}
	free(tcp);
}

int tcp_add(struct tcp *tcp, int fd, uint16_t listener)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(int);
	int listening = 0, flags, error;
	struct tcp_listener *l;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length))
		return -errno;
	if (!listening)
		return -EINVAL;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	length = sizeof(address);
	if (getsockname(fd, (struct sockaddr *)&address, &length))
		return -errno;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	*l = (struct tcp_listener){.tcp = tcp, .fd = fd, .listener = listener};
	timer_init(&l->rest, tcp_rested, l);
	error = endpoint_from_sockaddr((struct sockaddr *)&address, length, &l->bound);
	if (!error)
		error = tcp_arm(l);
	if (error) {
		free(l);
		return error;
	}
	l->next = tcp->listeners;
	tcp->listeners = l;
	return 0;
}

void tcp_stop(struct tcp *tcp)
{
	tcp->stopped = true;
	for (struct tcp_listener *l = tcp->listeners; l; l = l->next) {
		loop_remove(tcp->t->loop, l->source);
		l->source = NULL;
		loop_unset(tcp->t->loop, &l->rest);
	}
}
