/* stream_input.c - the bytes that come by a stream: read, framed, and handed on message by message.
 *
 * A whole message is parsed where the read put it. Only a part of a message is kept, in a buffer
 * that exists just for that long. Relies on: frame_next for the boundaries, to_sip.c for whole
 * messages.
 */
#include "stream_parts.h"

#include "common/counters.h"
#include "worker/crash_hook.h"
#include "worker-transport/parse/parse.h"
#include "to_sip.h"
#include "transport_worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* The first buffer for part of a message, bytes. */
#define PARTIAL_MIN 2048

/* Part of a message is all that is left. begun: it is more than half a keep-alive. */
static void stream_await_rest(struct stream *s, bool begun)
{
	if (!begun || s->begun)
		return;
	s->begun = true;
	loop_set(s->streams->t->loop, &s->deadline, s->streams->t->settings->message_ms);
}

/* A response that is not to be read to its end begins the bytes: ends what it answers. False where
 * there is none. */
static bool stream_cut_response(struct stream *s, struct str bytes, const struct parse_error *why)
{
	struct transport_worker *t = s->streams->t;

	if (!to_sip_cut_response(t, &s->node.flow, loop_now_ns(t->loop), bytes, why))
		return false;
	count(STREAM_CUT_RESPONSES);
	s->tells = true;
	return true;
}

bool stream_cut_message(struct stream *s, enum counter counter, const char *reason)
{
	const struct parse_error why = {.counter = counter, .reason = reason};

	/* a head that is not whole may end within a word */
	return s->state == STREAM_OPEN && !s->framing && s->in_used && s->frame.header_size &&
	       stream_cut_response(s, (struct str){s->in, s->in_used}, &why);
}

/* The bytes, of which there are size, cannot be framed, as step says: answers them where that can
 * be, and ends the stream. */
static void stream_refuse(
	struct stream *s, const char *bytes, size_t size, const struct frame_step *step)
{
	const struct parse_error why = {.counter = step->counter, .reason = step->reason};

	if (size > s->streams->t->settings->message_max)
		size = s->streams->t->settings->message_max;
	if (step->status || !stream_cut_response(s, (struct str){bytes, size}, &why)) {
		counter_add(step->counter, 1);
		to_sip_say_dropped(s->streams->t, &s->node.flow,
			step->reason ? step->reason : counter_rows[step->counter].name);
	}
	if (step->status && step->header_size)
		to_sip_refuse(s->streams->t, &s->node.flow, (struct str){bytes, step->header_size},
			step->status, step->reason);
	stream_finish(s);
}

void stream_take_message(struct stream *s, struct str raw)
{
	struct transport_worker *t = s->streams->t;

	s->messages_in++;
	s->begun = false;
	switch (to_sip_message(t, &s->node.flow, loop_now_ns(t->loop), raw)) {
	case TO_SIP_AWAITED: s->awaited++; break;
	case TO_SIP_ADRIFT:
		if (s->framing)
			break; /* which does not go by Content-Length */
		to_sip_count_dropped(t, &s->node.flow, COUNTER_STREAM_ADRIFT);
		stream_finish(s);
		break;
	case TO_SIP_DONE: break;
	}
}

/* Everything whole is taken, pings keep-alives among it. Each has its answer, for a client takes
 * one that has none for a dead flow (RFC 5626 section 4.4.1). */
static void stream_took_messages(struct stream *s, size_t pings)
{
	stream_pong(s, pings);
	if (!s->begun && s->state == STREAM_OPEN)
		loop_unset(s->streams->t->loop, &s->deadline);
}

static void stream_took_pong(struct stream *s)
{
	count(STREAM_PONGS);
	stream_keep_alive_answered(s);
}

/* Takes whole messages and keep-alives from the front of size bytes, and returns how many bytes are
 * used up: all of them where the stream has ended. */
static size_t stream_take_messages(struct stream *s, const char *buffer, size_t size)
{
	struct transport_worker *t = s->streams->t;
	size_t done = 0, pings = 0;
	bool more = false;

	if (s->framing)
		return s->framing->take(s, buffer, size);
	while (done < size && !more && s->state == STREAM_OPEN) {
		struct frame_step step = {0};

		switch (frame_next(
			&s->frame, buffer + done, size - done, t->settings->message_max, &step)) {
		case FRAME_PING:
			count(STREAM_PINGS);
			pings++;
			stream_keep_alive_answered(s);
			break;
		case FRAME_PONG: stream_took_pong(s); break;
		case FRAME_MESSAGE:
			stream_take_message(s, (struct str){buffer + done, step.consume});
			break;
		case FRAME_BAD:
			stream_refuse(s, buffer + done, size - done, &step);
			more = true;
			continue;
		case FRAME_MORE:
			if (stream_keep_alive_is_pong(
				    s, (struct str){buffer + done, size - done})) {
				stream_took_pong(s);
				step.consume = 2;
				break;
			}
			stream_await_rest(s, step.begun);
			more = true;
			continue;
		}
		s->active = loop_now(t->loop);
		done += step.consume;
	}
	stream_took_messages(s, pings);
	return s->state == STREAM_OPEN ? done : size;
}

/* Whether the bytes hold nothing whole yet: the body of a message is awaited, or the end of a line.
 * A peer that sends byte by byte must not make us copy everything each time. */
static bool stream_awaits_more(const struct stream *s, const char *buffer, size_t size)
{
	const struct frame *f = &s->frame;

	if (f->total)
		return size < f->total;
	return f->scanned && f->scanned <= size &&
	       !memchr(buffer + f->scanned, '\n', size - f->scanned);
}

/* Whether the bytes may be read: they have ended no worker before. They are evidence from here on.
 */
static bool stream_lets_in(struct stream *s, struct str bytes)
{
	struct transport_worker *t = s->streams->t;

	return refusals_let_in(&t->refusals, &counters_page->stream, EVIDENCE_STREAM, bytes,
		&s->node.flow.peer, loop_now(t->loop));
}

/* Takes what is whole from the front of the size bytes at buffer, and returns how many are used up.
 * Bytes of which nothing can end this worker (keep-alives, parts of a message) are not put down as
 * evidence; a WebSocket's keep-alives stand in frames, which have to be read. */
static size_t stream_take(struct stream *s, const char *buffer, size_t size)
{
	size_t done;

	if (!s->framing && (parse_keepalive(buffer, size) || stream_awaits_more(s, buffer, size)))
		return stream_take_messages(s, buffer, size);
	if (!stream_lets_in(s, (struct str){buffer, size})) {
		stream_finish(s);
		return size;
	}
	crash_hook("stream", (struct str){buffer, size});
	done = stream_take_messages(s, buffer, size);
	evidence_drop(&counters_page->stream);
	return done;
}

/* Makes room for more of a message that has begun. False where there is no memory. */
static bool stream_make_room(struct stream *s)
{
	size_t most = s->streams->t->settings->message_max, size = s->in_size;
	char *in;

	if (s->in_used < s->in_size)
		return true;
	size = size ? size * 2 : PARTIAL_MIN;
	if (size > most)
		size = most;
	if (size <= s->in_used) /* the framing gives a result before that */
		return false;
	in = realloc(s->in, size);
	if (!in)
		return false;
	s->in = in;
	s->in_size = size;
	return true;
}

/* Keeps the rest of what was read, which is part of a message. False where there is no memory. */
static bool stream_keep(struct stream *s, const char *rest, size_t size)
{
	while (s->in_size < size) {
		s->in_used = s->in_size;
		if (!stream_make_room(s))
			return false;
	}
	memcpy(s->in, rest, size);
	s->in_used = size;
	return true;
}

/* The peer has said that nothing more comes. Half of a connection may be closed while the other
 * half stands: what came before is answered. */
static void stream_peer_ended(struct stream *s)
{
	bool answer = s->first || s->awaited;

	if (!s->ended)
		count(STREAM_ENDED);
	s->ended = true;
	if (s->state == STREAM_DRAINING)
		return; /* it still waits */
	const bool cut = stream_cut_message(
		s, COUNTER_STREAM_CUT_MESSAGES, "Connection Ended Within It");
	if (!cut && s->state == STREAM_OPEN && (s->in_used || s->begun))
		to_sip_count_dropped(s->streams->t, &s->node.flow, COUNTER_STREAM_CUT_MESSAGES);
	const bool one_way = !s->layer->one_way || s->layer->one_way(s);
	if (s->state == STREAM_OPEN && (((answer || cut) && one_way) || (cut && s->outgoing)))
		stream_finish(s);
	else
		stream_close(s, -ENOTCONN);
}

/* Reads what is not taken any more, past the layer: it need not make sense to that. */
static ssize_t stream_discard(struct stream *s)
{
	ssize_t got = recv(s->fd, s->streams->scratch, sizeof(s->streams->scratch), MSG_DONTWAIT);

	if (got > 0)
		s->discarded += (size_t)got;
	return got < 0 ? -errno : got;
}

static ssize_t stream_read(struct stream *s, bool partial)
{
	if (s->state != STREAM_OPEN)
		return stream_discard(s);
	if (partial)
		return s->layer->receive(s, s->in + s->in_used, s->in_size - s->in_used);
	return s->layer->receive(s, s->streams->scratch, sizeof(s->streams->scratch));
}

/* Reads once. True where another read may bring more. */
static bool stream_receive(struct stream *s)
{
	struct streams *ss = s->streams;
	bool partial = s->state == STREAM_OPEN && s->in_used > 0;
	size_t size, done;
	ssize_t got;

	if (partial && !stream_make_room(s)) {
		count(STREAM_ERRORS);
		stream_close(s, -ENOMEM);
		return false;
	}
	got = stream_read(s, partial);
	if (got == -EAGAIN)
		return false;
	if (got == 0) {
		stream_peer_ended(s);
		return false;
	}
	if (got < 0) {
		count(STREAM_ERRORS);
		stream_close(s, -ENOTCONN);
		return false;
	}
	counter_add(COUNTER_RX_BYTES, (uint64_t)got);
	if (s->state != STREAM_OPEN)
		return true; /* the stream takes nothing any more */
	if (!partial) {
		done = stream_take(s, ss->scratch, (size_t)got);
		if (done < (size_t)got && !stream_keep(s, ss->scratch + done, (size_t)got - done)) {
			count(STREAM_ERRORS);
			stream_close(s, -ENOMEM);
		}
		return true;
	}
	size = s->in_used + (size_t)got;
	done = stream_take(s, s->in, size);
	if (s->state == STREAM_DEAD)
		return false;
	s->in_used = size - done;
	if (s->in_used) {
		memmove(s->in, s->in + done, s->in_used);
	} else {
		free(s->in);
		s->in = NULL;
		s->in_size = 0;
	}
	return true;
}

void stream_receive_all(struct stream *s)
{
	uint64_t before = counters_page->counter[COUNTER_RX_BYTES];

	while (stream_may_read(s) && stream_receive(s)) {
		if (!stream_may_read(s) || !s->layer->pending || !s->layer->pending(s))
			return;
		if (counters_page->counter[COUNTER_RX_BYTES] - before < STREAM_TURN_BYTES)
			continue;
		if (!s->again) {
			s->again = true;
			s->next_again = s->streams->again;
			s->streams->again = s;
		}
		return;
	}
}
