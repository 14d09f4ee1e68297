/* stream_output.c - the queue of a stream: what is to be written, in order and bounded.
 *
 * A queued message is one chunk, which also says whom to tell when it cannot be written. What was
 * queued during a turn is written at its end, many chunks in one call. Relies on: flow.c for
 * reports of what could not be sent.
 */
#include "stream_parts.h"

#include "common/counters.h"
#include "to_sip.h"
#include "transport_worker.h"

#include <errno.h>
#include <stdlib.h>

/* Chunks that are written in one call, at most. */
#define WRITE_CHUNKS 32
/* Keep-alives that are answered by one chunk, at most. */
#define PONGS_CHUNK 256
/* The least length of a start line with a status code. */
#define STATUS_LINE_MIN 12

struct chunk {
	struct chunk *next;
	uint64_t cookie;   /* names it in the report of a failure; 0: no report is wanted */
	size_t size, sent; /* bytes of data, and how many of them are written */
	uint16_t worker;   /* the SIP worker that gave it */
	bool message;      /* counts as a message; a keep-alive does not */
	bool request;      /* its failure is reported even after it was written */
	char data[];
};

/* Drops the first chunk of the queue. */
static void stream_drop_chunk(struct stream *s)
{
	struct chunk *c = s->first;
	size_t cost = sizeof(*c) + c->size;

	s->first = c->next;
	if (!s->first)
		s->last = &s->first;
	s->queued -= cost;
	s->streams->queued -= cost;
	free(c);
}

void stream_fail_queue(struct stream *s, int error)
{
	while (s->first) {
		if (s->first->message)
			flow_report_failed(
				s->streams->t, s->first->worker, s->first->cookie, error);
		stream_drop_chunk(s);
	}
}

/* The first digit of the status code, where a response is to be sent; 0 for all else. */
static unsigned stream_status(const struct outgoing *out)
{
	const char *text = out->bytes;

	if (out->size < STATUS_LINE_MIN || memcmp(text, "SIP/2.0 ", 8) != 0)
		return 0;
	return (unsigned)(text[8] - '0');
}

/* Whether out is a request whose answer can come by no other stream than this one of ours. */
static bool stream_awaits_answer(const struct stream *s, const struct outgoing *out)
{
	return s->outgoing && out->cookie && !out->close && !stream_status(out);
}

void stream_make_dirty(struct stream *s)
{
	if (s->dirty)
		return;
	s->dirty = true;
	s->next_dirty = s->streams->dirty;
	s->streams->dirty = s;
}

/* Queues head and, behind it, the bytes of out. message: it counts as one, and its failure is
 * reported. */
static int stream_enqueue(struct stream *s, const void *head, size_t head_size,
	const struct outgoing *out, bool message)
{
	struct streams *ss = s->streams;
	size_t size = head_size + out->size;
	struct chunk *c;

	/* one message always fits: the bound is for those that wait behind it */
	if (s->first && s->queued + sizeof(*c) + size > ss->t->settings->connection_queue) {
		to_sip_count_dropped(ss->t, &s->node.flow, COUNTER_STREAM_QUEUE_FULL);
		stream_close(s, -EAGAIN);
		return -EAGAIN;
	}
	c = malloc(sizeof(*c) + size);
	if (!c)
		return -EAGAIN;
	*c = (struct chunk){.cookie = out->cookie,
		.size = size,
		.worker = out->peer,
		.message = message,
		.request = stream_awaits_answer(s, out)};
	if (head_size)
		memcpy(c->data, head, head_size);
	memcpy(c->data + head_size, out->bytes, out->size);
	*s->last = c;
	s->last = &c->next;
	s->queued += sizeof(*c) + size;
	ss->queued += sizeof(*c) + size;
	stream_make_dirty(s);
	return 0;
}

int stream_queue(
	struct stream *s, const void *head, size_t head_size, const void *bytes, size_t size)
{
	if (s->state > STREAM_FINISHING)
		return -ENOTCONN;
	return stream_enqueue(
		s, head, head_size, &(struct outgoing){.bytes = bytes, .size = size}, false);
}

/* A message of a SIP worker was queued: where it is the last answer that a draining stream has
 * waited for, the stream finishes. A 2xx that is repeated counts again, so that a stream may wait
 * for less than it could, never for more. */
static void stream_answered(struct stream *s, const struct outgoing *out)
{
	if (!out->peer || stream_status(out) < 2 || s->awaited == 0)
		return;
	s->awaited--;
	if (s->awaited == 0 && s->state == STREAM_DRAINING && !s->tells)
		s->state = STREAM_FINISHING;
}

void stream_pong(struct stream *s, size_t n)
{
	char pongs[PONGS_CHUNK * (STREAM_HEAD_MAX + 2)];
	uint8_t head[STREAM_HEAD_MAX] = {0};
	int head_size = 0;
	size_t one, part;

	if (n && s->framing && s->state <= STREAM_FINISHING)
		head_size = s->framing->head(s, "\r\n", 2, head);
	if (head_size < 0)
		return;
	one = (size_t)head_size + 2;
	for (; n && s->state <= STREAM_FINISHING; n -= part) {
		part = n < PONGS_CHUNK ? n : PONGS_CHUNK;
		for (size_t i = 0; i < part; i++) {
			memcpy(pongs + i * one, head, (size_t)head_size);
			memcpy(pongs + i * one + head_size, "\r\n", 2);
		}
		if (stream_queue(s, NULL, 0, pongs, part * one))
			return;
	}
}

/* Whether a draining stream takes a request, which could not be answered by it any more. Only an
 * ACK and a BYE for what it has brought, which would stand without them. */
static bool stream_takes_request(const struct stream *s)
{
	return s->state != STREAM_DRAINING || s->tells;
}

int stream_send(struct stream *s, const struct outgoing *out)
{
	uint8_t head[STREAM_HEAD_MAX];
	int head_size = 0, error;

	if (s->state > STREAM_DRAINING)
		return -ENOTCONN;
	if (!stream_status(out) && !stream_takes_request(s))
		return -ENOTCONN;
	/* whom we have connected to is reached by a new connection, and can answer */
	if (!stream_status(out) && s->state == STREAM_DRAINING && s->outgoing)
		return flow_send_anew(s->streams->t, &s->node.flow, out);
	if (s->framing)
		head_size = s->framing->head(s, out->bytes, out->size, head);
	if (head_size < 0)
		return head_size;
	/* the CRLF of a keep-alive is no message */
	error = stream_enqueue(s, head, (size_t)head_size, out, out->size > 2);
	if (error)
		return error;
	stream_answered(s, out);
	if (out->close) {
		if (s->state == STREAM_OPEN || s->state == STREAM_DRAINING)
			s->state = STREAM_FINISHING;
		flow_unlist(s->streams->t->flows, &s->node);
	}
	return 0;
}

/* The layer has taken n bytes of the queue: drops the chunks that are written to their end. */
static void stream_written(struct stream *s, size_t n)
{
	counter_add(COUNTER_TX_BYTES, n);
	while (n) {
		struct chunk *c = s->first;
		size_t part = c->size - c->sent < n ? c->size - c->sent : n;

		c->sent += part;
		n -= part;
		if (c->sent < c->size)
			return;
		if (c->message) {
			count(TX_MESSAGES);
			s->messages_out++;
			s->active = loop_now(s->streams->t->loop);
		}
		if (c->request)
			stream_sent_note(s, c->worker, c->cookie);
		stream_drop_chunk(s);
	}
}

/* Whether a stream that is to end has queued its framing's last words. */
static bool stream_has_last_words(struct stream *s)
{
	return s->state == STREAM_FINISHING && s->framing && s->framing->farewell(s);
}

void stream_flush(struct stream *s)
{
	if (s->state < STREAM_OPEN || s->state > STREAM_FINISHING)
		return;
	s->blocked = false;
	while (s->first || stream_has_last_words(s)) {
		struct iovec iov[WRITE_CHUNKS];
		unsigned n = 0;
		ssize_t sent;

		for (struct chunk *c = s->first; c && n < WRITE_CHUNKS; c = c->next)
			iov[n++] = (struct iovec){c->data + c->sent, c->size - c->sent};
		sent = s->layer->send(s, iov, n);
		if (sent == -EAGAIN) {
			s->blocked = true;
			break;
		}
		if (sent < 0) {
			count(STREAM_ERRORS);
			stream_close(s, (int)sent);
			return;
		}
		stream_written(s, (size_t)sent);
	}
	if (!s->first && s->state == STREAM_FINISHING)
		stream_linger(s);
	else if (s->state != STREAM_DEAD)
		stream_watch(s);
}
