/* udp.c - datagrams in and out, many in one system call.
 *
 * Datagrams that go out are gathered during a turn in one buffer per socket and written at its end.
 * Where the kernel has no room they stay there, bounded, until the socket is writable. The queue is
 * a ring of places and a buffer that is moved together when its end is reached. Relies on:
 * to_sip_message; flow.c, which has datagrams sent here; IP_PKTINFO for the address that a peer
 * wrote to, which its answer must come from.
 */
#include "udp.h"

#include "common/counters.h"
#include "common/log.h"
#include "admit.h"
#include "worker-transport/parse/parse.h"
#include "stun.h"
#include "to_sip.h"
#include "transport_worker.h"
#include "udp_error.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define DATAGRAM_MAX 65535
#define CONTROL_SIZE 64 /* one in_pktinfo or in6_pktinfo with its header */
_Static_assert(CONTROL_SIZE >= CMSG_SPACE(sizeof(struct in6_pktinfo)), "a packet's address fits");

struct udp_datagram {
	struct endpoint peer, local;
	uint64_t cookie;
	uint32_t at, size; /* in buffer */
	uint16_t worker;   /* the SIP worker that gave it */
};

struct udp_socket {
	struct udp_socket *next;
	struct udp *udp;
	struct loop_source *source;
	struct endpoint bound;
	int fd;
	int family; /* AF_INET or AF_INET6 */
	uint16_t listener;
	bool wildcard;
	bool blocked; /* waits for EPOLLOUT */
	bool stopped;
	/* the queue out */
	struct udp_datagram *queued; /* ring */
	unsigned first, count;
	unsigned char *buffer;
	uint32_t used; /* end of the last datagram in buffer */
};

struct udp_batch {
	struct mmsghdr message[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	struct sockaddr_storage address[UDP_BATCH];
	_Alignas(struct cmsghdr) unsigned char control[UDP_BATCH][CONTROL_SIZE];
};

struct udp {
	struct transport_worker *t;
	struct udp_socket *sockets;
	/* two, for an answer may be flushed while the rest of a batch is still to be read */
	struct udp_batch in, out;
	unsigned char (*datagram)[DATAGRAM_MAX];
};

/* Sends a datagram, for flow.c. */
static int udp_send_to_peer(void *arg, const struct flow *to, const struct outgoing *out)
{
	return udp_send(arg, to, out);
}

int udp_new(struct udp **out, struct transport_worker *t)
{
	struct udp *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->t = t;
	/* memory is touched only where datagrams fill it */
	u->datagram = malloc((size_t)UDP_BATCH * DATAGRAM_MAX);
	if (!u->datagram) {
		free(u);
		return -ENOMEM;
	}
	flow_set_sender(t->flows, TRANSPORT_UDP, udp_send_to_peer, u);
	*out = u;
	return 0;
}

static void udp_socket_free(struct udp_socket *s)
{
	free(s->queued);
	free(s->buffer);
	free(s);
}

void udp_free(struct udp *u)
{
	struct udp_socket *s;

	if (!u)
		return;
	while ((s = u->sockets)) {
		u->sockets = s->next;
		loop_remove(u->t->loop, s->source);
		close(s->fd);
		udp_socket_free(s);
	}
	free(u->datagram);
	free(u);
}

/* ---- in ---- */

/* The endpoint that the packet was sent to: the address from its control data, the port that the
 * socket is bound to. */
static struct endpoint udp_local_of(const struct udp_socket *s, struct msghdr *h)
{
	struct endpoint local = s->bound;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		struct sockaddr_storage buffer = {0};

		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			struct sockaddr_in *in = (struct sockaddr_in *)&buffer;
			struct in_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			in->sin_family = AF_INET;
			in->sin_addr = info.ipi_addr;
			endpoint_from_sockaddr((struct sockaddr *)&buffer, sizeof(*in), &local);
		} else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
			struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&buffer;
			struct in6_pktinfo info;

			memcpy(&info, CMSG_DATA(c), sizeof(info));
			in6->sin6_family = AF_INET6;
			in6->sin6_addr = info.ipi6_addr;
			if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
				in6->sin6_scope_id = info.ipi6_ifindex;
			endpoint_from_sockaddr((struct sockaddr *)&buffer, sizeof(*in6), &local);
		}
	}
	local.port = s->bound.port;
	return local;
}

/* The endpoint that the packet came from. 0, or a negative errno: no answer can go there. */
static int udp_peer_of(const struct msghdr *h, struct endpoint *peer)
{
	int error = endpoint_from_sockaddr(h->msg_name, h->msg_namelen, peer);

	return error == 0 && peer->port == 0 ? -EINVAL : error;
}

/* Answers what a phone asks by STUN to hold its NAT open. */
static void udp_take_stun(
	struct udp_socket *s, struct msghdr *h, struct flow *flow, struct str bytes)
{
	uint8_t answer[STUN_ANSWER_MAX];
	size_t n = stun_answer(bytes.p, bytes.n, &flow->peer, answer);

	count(UDP_STUN);
	if (!n)
		return;
	count(UDP_STUN_ANSWERED);
	flow->local = udp_local_of(s, h);
	udp_send(s->udp, flow, &(struct outgoing){.bytes = answer, .size = n});
}

/* Takes datagram i of the batch that was read. */
static void udp_take(struct udp_socket *s, unsigned i)
{
	struct transport_worker *t = s->udp->t;
	struct msghdr *h = &s->udp->in.message[i].msg_hdr;
	const char *bytes = (const char *)s->udp->datagram[i];
	size_t size = s->udp->in.message[i].msg_len;
	struct flow flow = {.transport = TRANSPORT_UDP, .listener = s->listener};

	counter_add(COUNTER_RX_BYTES, size);
	if (udp_peer_of(h, &flow.peer)) {
		count(DROP_BAD_SOURCE);
		return;
	}
	int error = admit_source(t->admit, s->listener, &flow.peer, loop_now(t->loop));

	if (error) {
		to_sip_say_not_admitted(t, &flow, error);
		return;
	}
	if (size == 0 || parse_keepalive(bytes, size)) {
		count(UDP_KEEPALIVES);
		return;
	}
	if (stun_is(bytes, size)) {
		udp_take_stun(s, h, &flow, (struct str){bytes, size});
		return;
	}
	if (h->msg_flags & MSG_TRUNC) {
		count(DROP_TRUNCATED);
		to_sip_say_dropped(t, &flow, "a datagram that is too large");
		return;
	}
	flow.local = udp_local_of(s, h);
	to_sip_message(t, &flow, loop_now_ns(t->loop), (struct str){bytes, size});
}

/* How often a datagram is tried that an ICMP error of another one may have met, before the error is
 * taken for its own. */
#define UDP_TRIES 8

/* Whether the error may be that of another peer, which the kernel learned by ICMP and tells with
 * the next call on the socket. */
static bool udp_is_peer_error(int error)
{
	return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
	       error == ENOPROTOOPT || error == EACCES || error == EPROTO || error == EHOSTDOWN ||
	       error == ENONET || error == EOPNOTSUPP;
}

static bool udp_take_errors(const struct udp_socket *s)
{
	return udp_errors_take(s->udp->t, s->fd, s->listener);
}

static void udp_receive(struct udp_socket *s)
{
	struct udp *u = s->udp;
	struct udp_batch *in = &u->in;

	for (unsigned taken = 0; taken < UDP_TURN && !s->stopped;) {
		int n;

		for (unsigned i = 0; i < UDP_BATCH; i++) {
			in->iov[i] = (struct iovec){u->datagram[i], DATAGRAM_MAX};
			in->message[i].msg_hdr = (struct msghdr){.msg_name = &in->address[i],
				.msg_namelen = sizeof(in->address[i]),
				.msg_iov = &in->iov[i],
				.msg_iovlen = 1,
				.msg_control = in->control[i],
				.msg_controllen = CONTROL_SIZE};
		}
		n = recvmmsg(s->fd, in->message, UDP_BATCH, MSG_DONTWAIT, NULL);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			/* a pending ICMP error concerns one peer; where they come without end the
			 * next turn goes on */
			if (udp_is_peer_error(errno)) {
				taken += UDP_BATCH;
				udp_take_errors(s);
				continue;
			}
			if (errno != EAGAIN)
				log_warn("udp-receive-failed", "listener=%u error=\"%s\"",
					s->listener, error_text(-errno));
			return;
		}
		for (int i = 0; i < n; i++)
			udp_take(s, (unsigned)i);
		taken += (unsigned)n;
		if (n < UDP_BATCH) /* the socket is drained */
			return;
	}
}

/* ---- out ---- */

static void udp_fill_control(const struct udp_socket *s, const struct endpoint *local,
	struct msghdr *h, unsigned char *control)
{
	struct sockaddr_storage buffer;
	struct cmsghdr *c = (struct cmsghdr *)(void *)control;

	if (!s->wildcard || local->family == 0 || endpoint_is_wildcard(local))
		return;
	endpoint_to_sockaddr(local, &buffer);
	memset(control, 0, CONTROL_SIZE);
	if (s->family == AF_INET && local->family == 4) {
		struct in_pktinfo info = {
			.ipi_spec_dst = ((struct sockaddr_in *)&buffer)->sin_addr};

		*c = (struct cmsghdr){.cmsg_level = IPPROTO_IP,
			.cmsg_type = IP_PKTINFO,
			.cmsg_len = CMSG_LEN(sizeof(info))};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		h->msg_controllen = CMSG_SPACE(sizeof(info));
	} else if (s->family == AF_INET6 && local->family == 6) {
		struct in6_pktinfo info = {.ipi6_addr = ((struct sockaddr_in6 *)&buffer)->sin6_addr,
			.ipi6_ifindex = local->scope};

		*c = (struct cmsghdr){.cmsg_level = IPPROTO_IPV6,
			.cmsg_type = IPV6_PKTINFO,
			.cmsg_len = CMSG_LEN(sizeof(info))};
		memcpy(CMSG_DATA(c), &info, sizeof(info));
		h->msg_controllen = CMSG_SPACE(sizeof(info));
	} else {
		return;
	}
	h->msg_control = control;
}

static struct udp_datagram *udp_queued_at(const struct udp_socket *s, unsigned i)
{
	return &s->queued[(s->first + i) % UDP_QUEUE_DATAGRAMS];
}

static void udp_drop_first(struct udp_socket *s)
{
	s->first = (s->first + 1) % UDP_QUEUE_DATAGRAMS;
	if (--s->count == 0)
		s->used = 0;
}

static void udp_block(struct udp_socket *s, bool blocked)
{
	if (s->blocked == blocked)
		return;
	s->blocked = blocked;
	if (blocked)
		count(UDP_BLOCKED);
	loop_modify(
		s->udp->t->loop, s->source, (s->stopped ? 0 : EPOLLIN) | (blocked ? EPOLLOUT : 0));
}

/* Whether the first datagram is tried again at once: the error that it met may be another's, and
 * taking the errors clears it. *wait: there are more than one turn takes; it is tried in the
 * next. */
static bool udp_may_try_again(const struct udp_socket *s, int error, unsigned tries, bool *wait)
{
	*wait = false;
	if (!udp_is_peer_error(error))
		return false;
	*wait = !udp_take_errors(s);
	/* nobody but a peer refuses */
	*wait = *wait || (error == ECONNREFUSED && tries == UDP_TRIES);
	return !*wait && tries < UDP_TRIES;
}

static void udp_flush_socket(struct udp_socket *s)
{
	struct udp_batch *out = &s->udp->out;
	unsigned tries = 0;

	while (s->count && !s->blocked) {
		unsigned n = s->count < UDP_BATCH ? s->count : UDP_BATCH;
		bool wait;
		int sent;

		for (unsigned i = 0; i < n; i++) {
			const struct udp_datagram *q = udp_queued_at(s, i);
			struct msghdr *h = &out->message[i].msg_hdr;

			out->iov[i] = (struct iovec){s->buffer + q->at, q->size};
			*h = (struct msghdr){.msg_name = &out->address[i],
				.msg_iov = &out->iov[i],
				.msg_iovlen = 1};
			h->msg_namelen = endpoint_to_sockaddr(&q->peer, &out->address[i]);
			udp_fill_control(s, &q->local, h, out->control[i]);
		}
		sent = sendmmsg(s->fd, out->message, n, MSG_DONTWAIT);
		if (sent < 0) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN || errno == ENOBUFS) {
				udp_block(s, true);
				return;
			}
			int error = errno;
			if (udp_may_try_again(s, error, ++tries, &wait))
				continue;
			if (wait) {
				udp_block(s, true);
				return;
			}
			/* the first one cannot be sent (too large, no route, refused by a
			 * firewall): it fails, the others go on */
			flow_report_failed(s->udp->t, udp_queued_at(s, 0)->worker,
				udp_queued_at(s, 0)->cookie, -error);
			udp_drop_first(s);
			tries = 0;
			continue;
		}
		tries = 0;
		for (int i = 0; i < sent; i++) {
			count(TX_MESSAGES);
			counter_add(COUNTER_TX_BYTES, udp_queued_at(s, 0)->size);
			udp_drop_first(s);
		}
	}
}

/* Moves what is queued to the start of the buffer. */
static void udp_compact(struct udp_socket *s)
{
	uint32_t from = s->count ? udp_queued_at(s, 0)->at : 0;

	if (from == 0)
		return;
	memmove(s->buffer, s->buffer + from, s->used - from);
	for (unsigned i = 0; i < s->count; i++)
		udp_queued_at(s, i)->at -= from;
	s->used -= from;
}

/* Whether the queue takes those bytes, and the reserve is left where they may not use it. */
static bool udp_has_room(const struct udp_socket *s, const struct outgoing *out)
{
	size_t queued = s->used - (s->count ? udp_queued_at(s, 0)->at : 0);
	unsigned datagrams = UDP_QUEUE_DATAGRAMS;
	uint32_t bytes = UDP_QUEUE_BYTES;

	if (!out->reserve) {
		datagrams -= UDP_QUEUE_RESERVE(datagrams);
		bytes -= UDP_QUEUE_RESERVE(bytes);
	}
	if (s->count >= datagrams || queued + out->size > bytes)
		return false;
	return s->used + out->size <= UDP_QUEUE_BYTES;
}

int udp_send(struct udp *u, const struct flow *to, const struct outgoing *out)
{
	struct udp_socket *s = u->sockets;

	while (s && s->listener != to->listener)
		s = s->next;
	if (!s)
		return -ENOTCONN;
	if (to->peer.family != (s->family == AF_INET ? 4 : 6))
		return -EAFNOSUPPORT;
	if (s->count == UDP_BATCH && !s->blocked)
		udp_flush_socket(s);
	if (s->count && udp_queued_at(s, 0)->at > 0 && s->used + out->size > UDP_QUEUE_BYTES)
		udp_compact(s);
	if (!udp_has_room(s, out)) {
		count(UDP_QUEUE_FULL);
		return -EAGAIN;
	}
	memcpy(s->buffer + s->used, out->bytes, out->size);
	*udp_queued_at(s, s->count) = (struct udp_datagram){.peer = to->peer,
		.local = to->local,
		.cookie = out->cookie,
		.worker = out->peer,
		.at = s->used,
		.size = (uint32_t)out->size};
	s->used += (uint32_t)out->size;
	s->count++;
	return 0;
}

void udp_flush(struct udp *u)
{
	for (struct udp_socket *s = u->sockets; s; s = s->next)
		udp_flush_socket(s);
}

size_t udp_queued(const struct udp *u)
{
	size_t n = 0;

	for (struct udp_socket *s = u->sockets; s; s = s->next)
		n += s->count;
	return n;
}

/* ---- sockets ---- */

static void udp_on_event(void *arg, uint32_t events)
{
	struct udp_socket *s = arg;

	if (events & EPOLLERR)
		udp_take_errors(s);
	if (events & (EPOLLOUT | EPOLLERR)) {
		udp_block(s, false);
		udp_flush_socket(s);
	}
	if (events & (EPOLLIN | EPOLLERR))
		udp_receive(s);
}

/* Makes a socket's state, without taking fd. */
static int udp_socket_new(struct udp *u, int fd, uint16_t listener, struct udp_socket **out)
{
	struct udp_socket *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*s = (struct udp_socket){.udp = u, .fd = fd, .listener = listener};
	s->queued = calloc(UDP_QUEUE_DATAGRAMS, sizeof(*s->queued));
	s->buffer = malloc(UDP_QUEUE_BYTES);
	if (!s->queued || !s->buffer) {
		udp_socket_free(s);
		return -ENOMEM;
	}
	*out = s;
	return 0;
}

/* Learns what the socket is bound to. 0; -EINVAL: it is not bound; another negative errno. */
static int udp_read_bound(struct udp_socket *s)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);
	int error;

	if (getsockname(s->fd, (struct sockaddr *)&address, &length))
		return -errno;
	error = endpoint_from_sockaddr((struct sockaddr *)&address, length, &s->bound);
	if (error)
		return error;
	s->family = address.ss_family;
	s->wildcard = endpoint_is_wildcard(&s->bound);
	return s->bound.port ? 0 : -EINVAL;
}

/* Has the kernel say of each packet which of our addresses it was sent to. */
static int udp_ask_for_local(const struct udp_socket *s)
{
	int on = 1, result;

	if (s->family == AF_INET)
		result = setsockopt(s->fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
	else
		result = setsockopt(s->fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
	return result ? -errno : 0;
}

int udp_add(struct udp *u, int fd, uint16_t listener)
{
	struct udp_socket *s;
	int error = udp_socket_new(u, fd, listener, &s);

	if (error)
		return error;
	error = udp_read_bound(s);
	if (error == 0)
		error = udp_ask_for_local(s);
	if (error == 0)
		error = udp_errors_ask(fd, s->family);
	if (error == 0)
		error = loop_add_input(u->t->loop, fd, EPOLLIN, udp_on_event, s, &s->source);
	if (error) {
		udp_socket_free(s);
		return error;
	}
	s->next = u->sockets;
	u->sockets = s;
	return 0;
}

void udp_remove(struct udp *u, uint16_t listener)
{
	for (struct udp_socket **at = &u->sockets; *at; at = &(*at)->next) {
		struct udp_socket *s = *at;

		if (s->listener != listener)
			continue;
		*at = s->next;
		loop_remove(u->t->loop, s->source);
		close(s->fd);
		udp_socket_free(s);
		return;
	}
}

void udp_stop(struct udp *u)
{
	for (struct udp_socket *s = u->sockets; s; s = s->next) {
		s->stopped = true;
		loop_modify(u->t->loop, s->source, s->blocked ? EPOLLOUT : 0);
	}
}
