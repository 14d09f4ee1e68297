/* tcp.c - TCP sockets: which connections there are, and what each is made of.
 *
 * A listener that cannot be served for want of an fd or memory rests for a while instead of
 * spinning on its readiness. A connection over the limit is accepted and closed, so that its peer
 * learns of it at once and the backlog stays empty for others. Relies on: stream.c for everything
 * after accept and connect; tcp_layer.c, tls/ and ws.c for what stands between socket and messages.
 */
#include "tcp.h"

#include "common/counters.h"
#include "common/log.h"
#include "admit.h"
#include "stream.h"
#include "streams.h"
#include "tcp_layer.h"
#include "worker-transport/tls/tls.h"
#include "to_sip.h"
#include "transport_worker.h"
#include "ws.h"

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

static bool tcp_is_secure(uint8_t transport)
{
	return transport == TRANSPORT_TLS || transport == TRANSPORT_WSS;
}

static const struct stream_framing *tcp_framing(uint8_t transport)
{
	return transport == TRANSPORT_WS || transport == TRANSPORT_WSS ? &ws_framing : NULL;
}

/* Bytes that are not acknowledged within 64*T1 end a connection. */
static void tcp_set_options(const struct transport_worker *t, int fd)
{
	int on = 1, unacknowledged = (int)settings_64_t1(t->settings);

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged, sizeof(unacknowledged));
}

/* ---- in ---- */

/* Whether the peer may connect, and *held as admit_connect has it. 0, or a negative errno; counted.
 */
static int tcp_admit(
	const struct tcp_listener *l, const struct endpoint *peer, struct source **held)
{
	struct transport_worker *t = l->tcp->t;
	int error = admit_source(t->admit, l->listener, peer, loop_now(t->loop));

	if (error)
		return error;
	if (streams_count(t->streams) >= streams_max(t->streams)) {
		count(STREAM_REFUSED_FULL);
		return -EAGAIN;
	}
	return admit_connect(t->admit, l->listener, peer, loop_now(t->loop), held);
}

/* The address that the peer connected to. */
static struct endpoint tcp_local_of(const struct tcp_listener *l, int fd)
{
	struct endpoint local = l->bound;
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	if (getsockname(fd, (struct sockaddr *)&address, &length) == 0)
		endpoint_from_sockaddr((struct sockaddr *)&address, length, &local);
	return local;
}

/* Makes the stream of an accepted connection, whose place held is. 0, or a negative errno; fd and
 * held are then still the caller's. */
static int tcp_begin_stream(
	struct transport_worker *t, int fd, const struct flow *flow, struct source *held)
{
	struct stream_start start = {.fd = fd,
		.flow = *flow,
		.layer = &tcp_layer_in,
		.framing = tcp_framing(flow->transport),
		.held = held};
	struct stream *s;
	int error;

	if (tcp_is_secure(flow->transport)) {
		start.layer = &tls_layer;
		error = tls_accept(t->tls, fd, flow, held, &start.layer_state);
		if (error)
			return error;
	}
	error = stream_new(t->streams, &start, &s);
	if (error) {
		count(STREAM_ERRORS);
		tls_abandon(start.layer_state);
	}
	return error;
}

static void tcp_on_accept(
	struct tcp_listener *l, int fd, const struct sockaddr_storage *address, socklen_t length)
{
	struct transport_worker *t = l->tcp->t;
	struct flow flow = {.transport = settings_listener(t->settings, l->listener)->transport,
		.listener = l->listener};
	struct source *held;
	int error;

	count(STREAM_ACCEPTED);
	error = endpoint_from_sockaddr((const struct sockaddr *)address, length, &flow.peer);
	if (error == 0)
		error = tcp_admit(l, &flow.peer, &held);
	if (error) {
		to_sip_say_not_admitted(t, &flow, error);
		close(fd);
		return;
	}
	flow.local = tcp_local_of(l, fd);
	tcp_set_options(t, fd);
	if (tcp_begin_stream(t, fd, &flow, held)) {
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

static void tcp_on_rest(struct timer *timer, void *arg)
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
			tcp_on_accept(l, fd, &address, length);
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

/* Binds the socket to the address of to's listener, and sets *own to it, without a port. The peer
 * knows us by that address: firewalls and its own checks of sources ask for it. A wildcard leaves
 * the choice to the kernel, unless to says which of our addresses it is. */
static int tcp_bind(
	int fd, const struct listener_settings *l, const struct flow *to, struct endpoint *own)
{
	struct sockaddr_storage address;
	socklen_t length;
	int on = 1;

	*own = l->bind;
	if (endpoint_is_wildcard(own) && to->local.family)
		*own = to->local;
	own->port = 0;
	if (own->family != to->peer.family || endpoint_is_wildcard(own))
		return 0;
	/* the port is chosen at connect, so that one address serves more than 64,000 peers */
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	length = endpoint_to_sockaddr(own, &address);
	return bind(fd, (struct sockaddr *)&address, length) ? -errno : 0;
}

/* Has the kernel connect, which tcp_layer_open waits for. */
static int tcp_begin_connect(int fd, const struct endpoint *peer)
{
	struct sockaddr_storage address;
	socklen_t length = endpoint_to_sockaddr(peer, &address);

	if (connect(fd, (struct sockaddr *)&address, length) && errno != EINPROGRESS)
		return -errno;
	return 0;
}

/* Starts a connection to to->peer from the address of to->listener. 0; -EAGAIN: there are as many
 * connections as may be; -ENOTCONN: tcp_stop was called; another negative errno. */
static int tcp_connect(struct tcp *tcp, const struct flow *to, struct stream **out)
{
	struct transport_worker *t = tcp->t;
	struct stream_start start = {.outgoing = true, .flow = *to, .layer = &tcp_layer_out};
	int error;

	if (tcp->stopped)
		return -ENOTCONN;
	if (streams_count(t->streams) >= streams_max(t->streams)) {
		count(STREAM_REFUSED_FULL);
		return -EAGAIN;
	}
	start.fd = socket(to->peer.family == 4 ? AF_INET : AF_INET6,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (start.fd < 0)
		return errno == EMFILE || errno == ENFILE ? -EAGAIN : -errno;
	tcp_set_options(t, start.fd);
	error = tcp_bind(
		start.fd, settings_listener(t->settings, to->listener), to, &start.flow.local);
	if (error == 0)
		error = tcp_begin_connect(start.fd, &to->peer);
	if (error == 0 && to->transport == TRANSPORT_TLS) {
		start.layer = &tls_layer;
		error = tls_connect(t->tls, start.fd, to, &start.layer_state);
	}
	if (error == 0)
		error = stream_new(t->streams, &start, out);
	if (error) {
		count(STREAM_OPEN_FAILED);
		tls_abandon(start.layer_state);
		close(start.fd);
		return error;
	}
	count(STREAM_CONNECTS);
	return 0;
}

/* Sends by a connection that is made for it, for flow.c. */
static int tcp_send_to_peer(void *arg, const struct flow *to, const struct outgoing *out)
{
	struct stream *s;
	int error = tcp_connect(arg, to, &s);

	return error ? error : stream_send(s, out);
}

/* ---- sockets ---- */

int tcp_new(struct tcp **out, struct transport_worker *t)
{
	struct tcp *tcp = calloc(1, sizeof(*tcp));

	if (!tcp)
		return -ENOMEM;
	tcp->t = t;
	flow_set_sender(t->flows, TRANSPORT_TCP, tcp_send_to_peer, tcp);
	flow_set_sender(t->flows, TRANSPORT_TLS, tcp_send_to_peer, tcp);
	*out = tcp;
	return 0;
}

/* Closes the one that *at points to. */
static void tcp_close_listener(struct tcp *tcp, struct tcp_listener **at)
{
	struct tcp_listener *l = *at;

	*at = l->next;
	loop_remove(tcp->t->loop, l->source);
	loop_unset(tcp->t->loop, &l->rest);
	close(l->fd);
	free(l);
}

void tcp_free(struct tcp *tcp)
{
	if (!tcp)
		return;
	while (tcp->listeners)
		tcp_close_listener(tcp, &tcp->listeners);
	free(tcp);
}

void tcp_remove(struct tcp *tcp, uint16_t listener)
{
	struct tcp_listener **at = &tcp->listeners;

	while (*at && (*at)->listener != listener)
		at = &(*at)->next;
	if (*at)
		tcp_close_listener(tcp, at);
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
	timer_init(&l->rest, tcp_on_rest, l);
	error = endpoint_from_sockaddr((struct sockaddr *)&address, length, &l->bound);
	if (error == 0)
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
