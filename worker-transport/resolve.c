/* resolve.c - see resolve.h. Relies on: sockets of the master's (dns_sockets.c there), one for each
 * query under way. connect(2) gives it a random port and lets it hear that server alone; connect to
 * nothing takes the port away. */
#include "resolve.h"

#include "common/counters.h"
#include "common/list.h"
#include "common/log.h"
#include "resolve_parts.h"
#include "transport_worker.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define DNS_OPT 41

/* ---- sockets ---- */

static void resolve_socket_release(struct resolve_socket *s)
{
	const struct sockaddr none = {.sa_family = AF_UNSPEC};
	uint8_t byte;

	s->lookup = NULL;
	if (connect(s->fd, &none, sizeof(none)) < 0)
		log_debug("dns-socket", "error=\"%s\"", error_text(-errno));
	/* what is there came late */
	for (unsigned i = 0; i < RESOLVE_BURST; i++)
		if (recv(s->fd, &byte, sizeof(byte), 0) < 0)
			return;
}

static struct resolve_socket *resolve_socket_free(struct resolver *r, uint8_t family)
{
	for (unsigned i = 0; i < r->sockets; i++)
		if (!r->socket[i].lookup && r->socket[i].family == family)
			return &r->socket[i];
	return NULL;
}

static bool resolver_has_family(const struct resolver *r, uint8_t family)
{
	for (unsigned i = 0; i < r->sockets; i++)
		if (r->socket[i].family == family)
			return true;
	return false;
}

static void resolve_on_socket(void *arg, uint32_t events)
{
	struct resolve_socket *s = arg;
	struct resolver *r = s->resolver;

	(void)events;
	for (unsigned i = 0; i < RESOLVE_BURST; i++) {
		ssize_t n = recv(s->fd, r->buffer, sizeof(r->buffer), 0);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (!s->lookup)
			continue;
		if (n < 0) { /* ICMP says that nobody is there */
			lookup_next(s->lookup, -errno);
			return;
		}
		if (lookup_answered(s->lookup, r->buffer, (size_t)n))
			return;
	}
}

int resolver_socket(struct resolver *r, int fd)
{
	struct resolve_socket *s = &r->socket[r->sockets];
	int domain, error;
	socklen_t size = sizeof(domain);

	if (r->sockets == 2 * DNS_SOCKETS)
		return -ENOSPC;
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
		return -errno;
	*s = (struct resolve_socket){.resolver = r, .fd = fd, .family = domain == AF_INET ? 4 : 6};
	error = loop_add(r->t->loop, fd, EPOLLIN, resolve_on_socket, s, &s->source);
	if (error == 0)
		r->sockets++;
	return error;
}

/* ---- the end of a query ---- */

/* Gives back what it holds of the network, and begins what waited for that. */
static void lookup_let_go(struct lookup *q)
{
	struct resolver *r = q->resolver;

	loop_unset(r->t->loop, &q->timer);
	if (q->socket)
		resolve_socket_release(q->socket);
	q->socket = NULL;
	lookup_stream_close(q);
	if (r->waiting.first)
		loop_set(r->t->loop, &r->start, 0);
}

static void lookup_unlist(struct lookup *q)
{
	if (q->waits) {
		queue_remove(&q->resolver->waiting, q);
		q->resolver->waiting_count--;
	} else if (q->link) {
		list_remove(q);
	}
	q->waits = false;
}

static void lookup_free(struct lookup *q)
{
	lookup_unlist(q);
	lookup_let_go(q);
	free(q);
}

static void resolver_tell(struct resolver *r, uint16_t peer, uint64_t cookie, int error,
	const uint8_t *answer, size_t size)
{
	struct record_looked_up *told;
	void *data;

	if (!r->t->upstream.record ||
		r->t->upstream.record(r->t->upstream.arg, peer, RECORD_LOOKED_UP,
			sizeof(*told) + size, true, &data)) {
		count(DNS_ANSWERS_LOST);
		return;
	}
	told = data;
	*told = (struct record_looked_up){.cookie = cookie, .error = error, .size = (uint32_t)size};
	if (size)
		memcpy(told + 1, answer, size);
}

static void lookup_end(struct lookup *q, int error, const uint8_t *answer, size_t size)
{
	resolver_tell(q->resolver, q->peer, q->cookie, error, answer, size);
	lookup_free(q);
}

/* ---- asking ---- */

/* The size of the question of a query, which an answer repeats. */
static size_t lookup_question(const struct lookup *q)
{
	return q->size - DNS_HEADER - DNS_OPT_SIZE;
}

const struct endpoint *lookup_server(const struct lookup *q)
{
	const struct settings *s = q->resolver->t->settings;

	if (!s->dns_servers.count)
		return NULL;
	return SETTINGS_ROW(s, struct endpoint, s->dns_servers, q->tries % s->dns_servers.count);
}

/* Another id and another spelling. The length of a label is no letter's code. */
static void lookup_disguise(struct lookup *q)
{
	uint8_t *name = q->query + DNS_HEADER;
	uint64_t bits = random_u64();

	q->query[0] = (uint8_t)bits;
	q->query[1] = (uint8_t)(bits >> 8);
	for (size_t i = 0; i + 4 < lookup_question(q); i++) {
		if (i % 64 == 0)
			bits = random_u64();
		if (isalpha(name[i]))
			name[i] = (uint8_t)(bits >> i % 64 & 1 ? toupper(name[i])
							       : tolower(name[i]));
	}
}

/* 0: it is on its way. -EAGAIN: no socket is free; another -errno: this server cannot be asked. */
static int lookup_send(struct lookup *q)
{
	struct resolver *r = q->resolver;
	const struct endpoint *server = lookup_server(q);
	struct sockaddr_storage address;
	socklen_t length;
	int error = 0;

	if (!server || !resolver_has_family(r, server->family))
		return -ENOTCONN;
	q->socket = resolve_socket_free(r, server->family);
	if (!q->socket)
		return -EAGAIN;
	q->socket->lookup = q;
	lookup_disguise(q);
	length = endpoint_to_sockaddr(server, &address);
	if (connect(q->socket->fd, (struct sockaddr *)&address, length) < 0 ||
		send(q->socket->fd, q->query, q->size, 0) < 0)
		error = errno == EAGAIN ? -ENOBUFS : -errno;
	if (error) {
		lookup_let_go(q);
		return error;
	}
	count(DNS_QUERIES);
	loop_set(r->t->loop, &q->timer, r->t->settings->dns_timeout_ms);
	return 0;
}

/* Asks the server whose turn it is, or waits for a socket. error: what it ends with where no server
 * is left. */
static void lookup_start(struct lookup *q, int error)
{
	struct resolver *r = q->resolver;
	const struct settings *s = r->t->settings;

	for (; q->tries < s->dns_servers.count * s->dns_attempts; q->tries++) {
		int failed = lookup_send(q);

		if (failed == -EAGAIN) {
			queue_append(&r->waiting, q);
			r->waiting_count++;
			q->waits = true;
			return;
		}
		if (failed == 0) {
			list_insert(&r->asked, q);
			return;
		}
		error = failed;
	}
	lookup_end(q, error, NULL, 0);
}

static void resolver_start(struct timer *timer, void *arg)
{
	struct resolver *r = arg;

	(void)timer;
	/* those that have no socket still go to the end */
	for (unsigned n = r->waiting_count; n && r->waiting.first; n--) {
		struct lookup *q = r->waiting.first;

		lookup_unlist(q);
		lookup_start(q, -ENOTCONN);
	}
}

void lookup_next(struct lookup *q, int error)
{
	if (error == -ETIMEDOUT)
		count(DNS_TIMEOUTS);
	else
		count(DNS_SERVER_FAILURES);
	lookup_unlist(q);
	lookup_let_go(q);
	q->tries++;
	lookup_start(q, error);
}

static void lookup_timer(struct timer *timer, void *arg)
{
	(void)timer;
	lookup_next(arg, -ETIMEDOUT);
}

/* ---- answers ---- */

static bool lookup_matches(const struct lookup *q, const uint8_t *answer, size_t size)
{
	size_t question = lookup_question(q);

	return size >= DNS_HEADER + question && memcmp(answer, q->query, 2) == 0 &&
	       (dns_u16(answer + 2) & (DNS_RESPONSE | DNS_OPCODE)) == DNS_RESPONSE &&
	       dns_u16(answer + 4) == 1 &&
	       memcmp(answer + DNS_HEADER, q->query + DNS_HEADER, question) == 0;
}

static void lookup_mismatched(struct lookup *q)
{
	struct resolver *r = q->resolver;
	char server[ENDPOINT_TEXT_SIZE];
	uint64_t left_out;

	count(DNS_MISMATCHED);
	if (!log_limit_pass(&r->log, loop_now(r->t->loop), 1, LOG_LIMIT_SECOND, &left_out))
		return;
	if (lookup_server(q))
		endpoint_text(lookup_server(q), server);
	else
		server[0] = '\0';
	log_warn("dns-answer-mismatched", "server=%s left_out=%llu", server,
		(unsigned long long)left_out);
}

bool lookup_answered(struct lookup *q, const uint8_t *answer, size_t size)
{
	const struct settings *s = q->resolver->t->settings;
	unsigned flags;

	if (!lookup_matches(q, answer, size)) {
		lookup_mismatched(q);
		return false;
	}
	flags = dns_u16(answer + 2);
	if (flags & DNS_TRUNCATED && !q->stream && lookup_server(q)) {
		lookup_let_go(q);
		int error = lookup_stream_open(q);
		if (error)
			lookup_next(q, error);
		else
			loop_set(q->resolver->t->loop, &q->timer, s->dns_timeout_ms);
		return true;
	}
	count(DNS_ANSWERS);
	/* another server may know more than one that fails */
	bool failed = (flags & DNS_RCODE) != DNS_RCODE_NO_ERROR &&
	              (flags & DNS_RCODE) != DNS_RCODE_NO_NAME;
	if (failed && q->tries + 1 < s->dns_servers.count * s->dns_attempts)
		lookup_next(q, -EREMOTEIO);
	else
		lookup_end(q, 0, answer, size);
	return true;
}

/* ---- orders ---- */

/* One question for a type that we ask for, and the OPT record: nothing else leaves, whoever wants
 * it. */
static bool resolver_is_sound(const uint8_t *query, size_t size)
{
	static const uint8_t counts[8] = {0, 1, 0, 0, 0, 0, 0, 1};
	const uint8_t *p = query + DNS_HEADER, *end = query + size;

	if (size < DNS_HEADER + 5 + DNS_OPT_SIZE || size > DNS_QUERY_MAX ||
		dns_u16(query + 2) != DNS_RECURSION_DESIRED || memcmp(query + 4, counts, 8) != 0)
		return false;
	while (p < end && *p) {
		if (*p > 63)
			return false;
		p += 1 + *p;
	}
	if (end - p != 1 + 4 + DNS_OPT_SIZE)
		return false;
	uint16_t type = dns_u16(p + 1);
	return (type == DNS_A || type == DNS_AAAA || type == DNS_SRV || type == DNS_NAPTR) &&
	       dns_u16(p + 3) == DNS_CLASS_IN && p[5] == 0 && dns_u16(p + 6) == DNS_OPT &&
	       dns_u16(end - 2) == 0;
}

bool resolver_ask(struct resolver *r, uint16_t peer, const struct record_lookup *order, size_t size)
{
	const uint8_t *query = (const uint8_t *)(order + 1);
	struct lookup *q = NULL;

	if (size < sizeof(*order) || size - sizeof(*order) != order->size ||
		!resolver_is_sound(query, order->size))
		return false;
	if (r->waiting_count < RESOLVE_WAITING_MAX)
		q = calloc(1, sizeof(*q));
	if (!q) {
		count(DNS_QUERIES_REFUSED);
		resolver_tell(r, peer, order->cookie, -EAGAIN, NULL, 0);
		return true;
	}
	q->resolver = r;
	q->cookie = order->cookie;
	q->peer = peer;
	q->size = order->size;
	memcpy(q->query, query, q->size);
	timer_init(&q->timer, lookup_timer, q);
	lookup_start(q, -ENOTCONN);
	return true;
}

/* ---- begin and end ---- */

int resolver_new(struct resolver **out, struct transport_worker *t)
{
	struct resolver *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->t = t;
	timer_init(&r->start, resolver_start, r);
	*out = r;
	return 0;
}

void resolver_free(struct resolver *r)
{
	if (!r)
		return;
	while (r->waiting.first)
		lookup_free(r->waiting.first);
	while (r->asked)
		lookup_free(r->asked);
	loop_unset(r->t->loop, &r->start);
	for (unsigned i = 0; i < r->sockets; i++) {
		loop_remove(r->t->loop, r->socket[i].source);
		close(r->socket[i].fd);
	}
	free(r);
}
