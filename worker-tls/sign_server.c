/* sign_server.c - serves the sign requests of one transport worker. Relies on SOCK_SEQPACKET
 * packets, on sign_policy.c and on level-triggered epoll: packets that are left in the socket bring
 * the next turn. */
#include "sign_server.h"

#include "common/clock.h"
#include "common/counters.h"
#include "common/log.h"
#include "common/log_limit.h"
#include "ipc/sign_packet.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct sign_server {
	struct loop *loop;
	struct loop_source *source;
	const struct keystore *keys;
	int fd;
	unsigned peer;
	bool blocked; /* the socket takes no more: waits for room */
	/* the answers of a turn, and how many of them are sent; they wait where the socket has no
	 * room */
	unsigned answers, sent;
	size_t answer_size[SIGN_SERVER_REQUESTS_PER_TURN];
	unsigned char answer[SIGN_SERVER_REQUESTS_PER_TURN][SIGN_PACKET_MAX];
	size_t tickets_size; /* ticket keys that wait for room; 0: none */
	unsigned char tickets[SIGN_PACKET_MAX];
	struct log_limit limit; /* of lines about refusals */
};

/* A transport worker that was taken over tries what it may not. That is worth a line, but not a
 * flood of them. */
static void sign_server_log_refused(
	struct sign_server *e, const char *reason, const struct sign_request *r)
{
	uint64_t left_out;

	if (!log_limit_pass(&e->limit, loop_now(e->loop), SIGN_SERVER_LOG_LINES,
		    SIGN_SERVER_LOG_WINDOW_MS, &left_out))
		return;
	log_error("sign-refused",
		"peer=transport-%u reason=%s scheme=%04x size=%u generation=%u certificate=%u "
		"left_out=%llu",
		e->peer, reason, r ? r->scheme : 0, r ? r->size : 0, r ? r->generation : 0,
		r ? r->certificate : 0, (unsigned long long)left_out);
}

/* Closes the edge. The master brings its successor. */
static void sign_server_stop(struct sign_server *e)
{
	loop_remove(e->loop, e->source);
	e->source = NULL;
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
	sodium_memzero(e->tickets, sizeof(e->tickets));
	e->answers = e->sent = 0;
	e->tickets_size = 0;
}

static void sign_server_watch(struct sign_server *e)
{
	bool blocked = e->answers || e->tickets_size;

	if (e->source && blocked != e->blocked)
		loop_modify(e->loop, e->source, blocked ? EPOLLOUT : EPOLLIN);
	e->blocked = blocked;
}

/* Sends the packets that wait. False: some still wait, or the edge is closed. */
static bool sign_server_flush(struct sign_server *e)
{
	int error = 0;

	if (e->tickets_size) {
		error = sign_packet_send(e->fd, e->tickets, e->tickets_size);
		if (error == 0) {
			sodium_memzero(e->tickets, e->tickets_size);
			e->tickets_size = 0;
		}
	}
	while (error == 0 && e->sent < e->answers) {
		error = sign_packet_send(e->fd, e->answer[e->sent], e->answer_size[e->sent]);
		e->sent += error == 0;
	}
	if (error == -EAGAIN)
		return false;
	if (error)
		sign_server_stop(e);
	e->answers = e->sent = 0;
	return error == 0;
}

static int sign_server_sign(struct sign_server *e, const struct sign_request *r,
	const unsigned char *text, unsigned char signature[SIGNATURE_MAX], size_t *n)
{
	const struct key *key = keystore_find(e->keys, r->generation, r->certificate);

	if (!key) {
		/* Not an attack yet: a request may have crossed the end of its generation. */
		count(SIGN_UNKNOWN);
		return -ENOENT;
	}
	if (sign_policy_permitted(key_kind(key), r->scheme, text, r->size)) {
		count(SIGN_REFUSED);
		sign_server_log_refused(e,
			sign_policy_shape_of(text, r->size) == SHAPE_NONE ? "shape" : "scheme", r);
		return -EACCES;
	}
	if (key_sign(key, r->scheme, text, r->size, signature, n)) {
		count(SIGN_FAILED);
		return -EIO;
	}
	count(SIGN_DONE);
	return 0;
}

/* Takes one request and makes its answer. False: the edge has no more to do in this turn. */
static bool sign_server_next(struct sign_server *e)
{
	unsigned char packet[SIGN_PACKET_MAX], signature[SIGNATURE_MAX];
	const unsigned char *text;
	struct sign_request request;
	size_t n = 0;
	ssize_t size = sign_packet_receive(e->fd, packet);
	int error;

	if (size == -EAGAIN)
		return false;
	if (size < 0 && size != -EBADMSG) {
		sign_server_stop(e);
		return false;
	}
	if (size < 0 || sign_request_decode(packet, (size_t)size, &request, &text)) {
		/* Without an id there is nobody to answer. */
		count(SIGN_BAD_PACKETS);
		sign_server_log_refused(e, "packet", NULL);
		return true;
	}
	error = sign_server_sign(e, &request, text, signature, &n);
	e->answer_size[e->answers] = sign_reply_encode(
		request.id, error, signature, error ? 0 : n, e->answer[e->answers]);
	e->answers++;
	return true;
}

static void sign_server_on_event(void *arg, uint32_t events)
{
	struct sign_server *e = arg;
	uint64_t until = clock_monotonic_ns() + SIGN_SERVER_TURN_NS;

	if ((e->answers || e->tickets_size) && !sign_server_flush(e)) {
		if (events & (EPOLLHUP | EPOLLERR))
			sign_server_stop(e);
		return;
	}
	for (unsigned i = 0; i < SIGN_SERVER_REQUESTS_PER_TURN; i++)
		if (!sign_server_next(e) || clock_monotonic_ns() >= until)
			break;
	if (e->answers)
		sign_server_flush(e);
	sign_server_watch(e);
}

int sign_server_new(struct sign_server **out, struct loop *loop, int fd, unsigned peer,
	const struct keystore *keys)
{
	struct sign_server *e = calloc(1, sizeof(*e));
	int error;

	if (!e)
		return -ENOMEM;
	e->loop = loop;
	e->keys = keys;
	e->peer = peer;
	error = loop_add(loop, fd, EPOLLIN, sign_server_on_event, e, &e->source);
	if (error) {
		free(e);
		return error;
	}
	e->fd = fd;
	*out = e;
	return 0;
}

void sign_server_free(struct sign_server *e)
{
	if (!e)
		return;
	sign_server_stop(e);
	free(e);
}

void sign_server_tickets(struct sign_server *e, const unsigned char *packet, size_t size)
{
	if (e->fd < 0)
		return;
	memcpy(e->tickets, packet, size);
	e->tickets_size = size;
	sign_server_flush(e);
	sign_server_watch(e);
}
