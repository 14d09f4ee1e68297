/* stream.c - a connection's bytes: framed on their way in, queued on their way out, and bounded in
 * memory and time in both directions.
 *
 * A whole message is parsed where the read put it; only a part of one is kept, in a buffer that
 * exists just for that long. A stream that ends within a callback is freed at the end of the turn,
 * so no caller holds a pointer to nothing. Relies on: frame_next for the boundaries, flow.c for ids
 * and reports.
 */
#include "stream.h"

#include "common/counters.h"
#include "common/list.h"
#include "worker/crash_hook.h"
#include "admit.h"
#include "worker-transport/parse/parse.h"
#include "transport.h"
#include "ws.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* fds for everything that is no stream: listeners, edges, the lifeline, epoll. */
#define FD_RESERVE 160
/* The first buffer for part of a message, bytes. */
#define PARTIAL_MIN 2048
#define WRITE_CHUNKS 32

struct chunk {
	struct chunk *next;
	uint64_t cookie;
	size_t size, sent;
	uint16_t worker;
	bool message; /* counts as one; a keep-alive does not */
	char data[];
};

struct streams {
	struct transport_worker *t;
	struct stream *all, *dirty, *dead, *again;
	size_t count, queued;
	bool stopped;
	char scratch[STREAM_TURN_BYTES];
};

int streams_new(struct streams **out, struct transport_worker *t)
{
	struct streams *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return -ENOMEM;
	ss->t = t;
	*out = ss;
	return 0;
}

static void streams_bury(struct streams *ss)
{
	struct stream *s, *kept = NULL;

	while ((s = ss->dead)) {
		ss->dead = s->next_dead;
		if (s->again) { /* it still stands on that list */
			s->next_dead = kept;
			kept = s;
		} else {
			free(s);
		}
	}
	ss->dead = kept;
}

void streams_each(struct streams *ss, void (*visit)(struct stream *s, void *arg), void *arg)
{
	struct stream *next;

	for (struct stream *s = ss->all; s; s = next) {
		next = s->next;
		visit(s, arg);
	}
}

static void streams_close_one(struct stream *s, void *arg)
{
	(void)arg;
	stream_close(s, -ENOTCONN);
}

void streams_free(struct streams *ss)
{
	if (!ss)
		return;
	streams_each(ss, streams_close_one, NULL);
	for (struct stream *s = ss->again; s; s = s->next_again)
		s->again = false;
	streams_bury(ss);
	free(ss);
}

size_t streams_count(const struct streams *ss)
{
	return ss->count;
}

size_t streams_max(const struct streams *ss)
{
	size_t fds = ss->t->fds_limit > FD_RESERVE ? ss->t->fds_limit - FD_RESERVE : 1;

	return ss->t->settings->connections_max < fds ? ss->t->settings->connections_max : fds;
}

size_t streams_queued(const struct streams *ss)
{
	return ss->queued;
}

struct transport_worker *stream_worker(const struct stream *s)
{
	return s->streams->t;
}

/* ---- state ---- */

static void stream_watch(struct stream *s)
{
	uint32_t events = s->wants;

	if (s->blocked)
		events |= EPOLLOUT;
	if (s->state == STREAM_LINGERING || (s->state == STREAM_OPEN && !s->streams->stopped))
		events |= EPOLLIN;
	/* a handshake that waits for its signature wants nothing of the socket, whose peer has
	 * nothing to say either: should it speak all the same, stream_on_event takes it off the
	 * watch */
	if (!events && s->state == STREAM_OPENING)
		return;
	if (events != s->events)
		loop_modify(s->streams->t->loop, s->source, events);
	s->events = events;
}

/* From here on its id names nothing. */
static void stream_unname(struct stream *s)
{
	if (s->named)
		flow_close(s->streams->t->flows, &s->node);
	s->named = false;
}

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

void stream_close(struct stream *s, int error)
{
	struct streams *ss = s->streams;

	if (s->state == STREAM_DEAD)
		return;
	s->state = STREAM_DEAD;
	stream_unname(s);
	while (s->first) {
		if (s->first->message)
			flow_report_failed(ss->t, s->first->worker, s->first->cookie, error);
		stream_drop_chunk(s);
	}
	loop_unset(ss->t->loop, &s->deadline);
	loop_unset(ss->t->loop, &s->idle);
	loop_remove(ss->t->loop, s->source);
	if (s->framing)
		s->framing->end(s);
	if (s->layer->end)
		s->layer->end(s);
	close(s->fd);
	free(s->in);
	s->in = NULL;
	admit_disconnect(ss->t->admit, s->held);
	list_remove(s);
	ss->count--;
	s->next_dead = ss->dead;
	ss->dead = s;
}

/* All is written: tell the peer, and give it time to read before the socket goes. */
static void stream_linger(struct stream *s)
{
	s->state = STREAM_LINGERING;
	stream_unname(s);
	s->layer->shut(s);
	loop_unset(s->streams->t->loop, &s->idle);
	loop_set(s->streams->t->loop, &s->deadline, STREAM_LINGER_MS);
	stream_watch(s);
}

static void stream_make_dirty(struct stream *s)
{
	if (s->dirty)
		return;
	s->dirty = true;
	s->next_dirty = s->streams->dirty;
	s->streams->dirty = s;
}

void stream_finish(struct stream *s)
{
	if (s->state == STREAM_OPENING) {
		/* nothing was exchanged yet */
		stream_close(s, -ENOTCONN);
	} else if (s->state == STREAM_OPEN) {
		s->state = STREAM_FINISHING;
		flow_unlist(s->streams->t->flows, &s->node);
		stream_make_dirty(s); /* flush lingers once nothing is left */
	}
}

/* ---- out ---- */

/* out says whose it is and what it is to whom; its bytes go behind head. */
static int stream_enqueue(struct stream *s, const void *head, size_t head_size,
	const struct outgoing *out, bool message)
{
	struct streams *ss = s->streams;
	size_t size = head_size + out->size;
	struct chunk *c;

	/* one message always fits: the bound is for those that wait behind one */
	if (s->first && s->queued + sizeof(*c) + size > ss->t->settings->connection_queue) {
		count(STREAM_QUEUE_FULL);
		stream_close(s, -EAGAIN);
		return -EAGAIN;
	}
	c = malloc(sizeof(*c) + size);
	if (!c)
		return -EAGAIN;
	*c = (struct chunk){
		.cookie = out->cookie, .size = size, .worker = out->peer, .message = message};
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

int stream_send(struct stream *s, const struct outgoing *out)
{
	uint8_t head[STREAM_HEAD_MAX];
	int head_size = 0, error;

	if (s->state > STREAM_OPEN)
		return -ENOTCONN;
	if (s->framing)
		head_size = s->framing->head(s, out->bytes, out->size, head);
	if (head_size < 0)
		return head_size;
	error = stream_enqueue(
		s, head, (size_t)head_size, out, out->size > 2 /* not the CRLF of a keep-alive */);
	if (error)
		return error;
	if (out->close) {
		if (s->state == STREAM_OPEN)
			s->state = STREAM_FINISHING;
		flow_unlist(s->streams->t->flows, &s->node);
	}
	return 0;
}

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
		stream_drop_chunk(s);
	}
}

static bool stream_has_last_words(struct stream *s)
{
	return s->state == STREAM_FINISHING && s->framing && s->framing->farewell(s);
}

static void stream_flush(struct stream *s)
{
	if (s->state != STREAM_OPEN && s->state != STREAM_FINISHING)
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

/* ---- in ---- */

static size_t stream_take_messages(struct stream *s, const char *buffer, size_t size)
{
	struct transport_worker *t = s->streams->t;
	size_t done = 0;
	bool ping = false;

	if (s->framing)
		return s->framing->take(s, buffer, size);
	while (done < size && s->state == STREAM_OPEN) {
		struct frame_step step = {0};

		switch (frame_next(
			&s->frame, buffer + done, size - done, t->settings->message_max, &step)) {
		case FRAME_PING:
			count(STREAM_PINGS);
			ping = true;
			break;
		case FRAME_PONG: count(STREAM_PONGS); break;
		case FRAME_MESSAGE:
			s->messages_in++;
			s->begun = false;
			to_sip_message(t, &s->node.flow, loop_now_ns(t->loop),
				(struct str){buffer + done, step.consume});
			break;
		case FRAME_BAD:
			counter_add(step.counter, 1);
			if (step.status && step.header_size)
				to_sip_refuse(t, &s->node.flow,
					(struct str){buffer + done, step.header_size}, step.status,
					step.reason);
			stream_finish(s);
			return size;
		case FRAME_MORE:
			if (step.begun && !s->begun) {
				s->begun = true;
				loop_set(t->loop, &s->deadline, t->settings->message_ms);
			}
			goto out;
		}
		s->active = loop_now(t->loop);
		done += step.consume;
	}
out:
	/* one answer however many came at once: a flood of keep-alives costs its sender more than
	 * us */
	if (ping && s->state == STREAM_OPEN)
		stream_send(s, &(struct outgoing){.bytes = "\r\n", .size = 2});
	if (!s->begun && s->state == STREAM_OPEN)
		loop_unset(t->loop, &s->deadline);
	return s->state == STREAM_OPEN ? done : size;
}

/* The body of a message is awaited, or the end of a line: who sends them byte by byte shall not
 * have all of it copied each time. */
static bool stream_awaits_more(const struct stream *s, const char *buffer, size_t size)
{
	const struct frame *f = &s->frame;

	if (f->total)
		return size < f->total;
	return f->scanned && f->scanned <= size &&
	       !memchr(buffer + f->scanned, '\n', size - f->scanned);
}

/* Takes what is whole from the front of the size bytes at buffer. Returns how many are used up.
 * Keep-alives are everybody's (a WebSocket's stand in frames) and not in hand. */
static size_t stream_take(struct stream *s, const char *buffer, size_t size)
{
	struct transport_worker *t = s->streams->t;
	size_t done;

	if (!s->framing && (parse_keepalive(buffer, size) || stream_awaits_more(s, buffer, size)))
		return stream_take_messages(s, buffer, size);
	if (refusals_refuse(&t->refusals, EVIDENCE_STREAM, (struct str){buffer, size},
		    &s->node.flow.peer, loop_now(t->loop))) {
		stream_finish(s);
		return size;
	}
	evidence_take(&counters_page->stream, EVIDENCE_STREAM, buffer, size);
	crash_hook("stream", (struct str){buffer, size});
	done = stream_take_messages(s, buffer, size);
	evidence_drop(&counters_page->stream);
	return done;
}

/* Room for more of a message that has begun. */
static bool stream_make_room(struct stream *s)
{
	size_t most = s->streams->t->settings->message_max, size = s->in_size;
	char *in;

	if (s->in_used < s->in_size)
		return true;
	size = size ? size * 2 : PARTIAL_MIN;
	if (size > most)
		size = most;
	if (size <= s->in_used) /* framing gives a result before that */
		return false;
	in = realloc(s->in, size);
	if (!in)
		return false;
	s->in = in;
	s->in_size = size;
	return true;
}

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

/* Reads once. True where it is worth another try. */
static bool stream_receive(struct stream *s)
{
	struct streams *ss = s->streams;
	bool partial = s->in_used > 0;
	size_t size, done;
	ssize_t got;

	if (partial && !stream_make_room(s)) {
		count(STREAM_ERRORS);
		stream_close(s, -ENOMEM);
		return false;
	}
	got = partial ? s->layer->receive(s, s->in + s->in_used, s->in_size - s->in_used)
	              : s->layer->receive(s, ss->scratch, sizeof(ss->scratch));
	if (got == -EAGAIN)
		return false;
	if (got <= 0) {
		if (got < 0)
			count(STREAM_ERRORS);
		else
			count(STREAM_ENDED);
		if (got == 0 && (s->in_used || s->begun))
			count(STREAM_CUT_MESSAGES);
		stream_close(s, -ENOTCONN);
		return false;
	}
	counter_add(COUNTER_RX_BYTES, (uint64_t)got);
	if (s->state == STREAM_LINGERING)
		return true; /* nobody is there to hear it */
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

static bool stream_may_read(const struct stream *s)
{
	return s->state == STREAM_LINGERING || (s->state == STREAM_OPEN && !s->streams->stopped);
}

/* Reads what one event has brought, and what the layer holds back of earlier ones; the rest has its
 * turn after the others. */
static void stream_receive_all(struct stream *s)
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

bool streams_flush(struct streams *ss)
{
	struct stream *s, *again = ss->again;

	ss->again = NULL;
	while ((s = again)) {
		again = s->next_again;
		s->again = false;
		stream_receive_all(s);
	}
	while ((s = ss->dirty)) {
		ss->dirty = s->next_dirty;
		s->dirty = false;
		stream_flush(s);
	}
	streams_bury(ss); /* after the dirty list, where a dead one may still have stood */
	return ss->again != NULL;
}

/* ---- events ---- */

void stream_go_on(struct stream *s)
{
	int error;

	if (s->state != STREAM_OPENING)
		return;
	s->wants = 0;
	error = s->layer->open(s);
	if (error == -EAGAIN) {
		stream_watch(s);
		return;
	}
	if (error) {
		count(STREAM_OPEN_FAILED);
		stream_close(s, error);
		return;
	}
	s->wants = 0;
	loop_unset(s->streams->t->loop, &s->deadline);
	if (s->framing && s->framing->open(s)) {
		count(STREAM_OPEN_FAILED);
		stream_close(s, -ENOMEM);
		return;
	}
	/* told to close after its last byte before it was open */
	s->state = s->node.listed ? STREAM_OPEN : STREAM_FINISHING;
	s->active = loop_now(s->streams->t->loop);
	stream_make_dirty(s); /* its flush sees to the events too */
	if (s->layer->pending && s->layer->pending(s))
		stream_receive_all(s);
}

static void stream_on_event(void *arg, uint32_t events)
{
	struct stream *s = arg;
	uint32_t wanted = s->wants;

	if (s->state == STREAM_OPENING) {
		/* it waits for nothing of the socket's, but this it has to be told: the peer is
		 * gone */
		if (wanted) {
			stream_go_on(s);
		} else if (events & (EPOLLERR | EPOLLHUP)) {
			stream_close(s, -ECONNRESET);
		} else {
			loop_modify(s->streams->t->loop, s->source, 0);
			s->events = 0;
		}
		return;
	}
	s->wants = 0;
	if (events & EPOLLOUT || (s->blocked && events & wanted))
		stream_flush(s);
	if (s->state == STREAM_FINISHING && events & (EPOLLERR | EPOLLHUP))
		stream_close(s, -ENOTCONN);
	else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP | wanted))
		stream_receive_all(s);
	if (s->state != STREAM_DEAD)
		stream_watch(s);
}

static void stream_on_deadline(struct timer *timer, void *arg)
{
	struct stream *s = arg;

	(void)timer;
	if (s->state == STREAM_OPENING)
		count(STREAM_OPEN_LATE);
	else if (s->state != STREAM_LINGERING)
		count(STREAM_SLOW);
	stream_close(s, -ETIMEDOUT);
}

static void stream_on_idle(struct timer *timer, void *arg)
{
	struct stream *s = arg;
	struct transport_worker *t = s->streams->t;
	uint64_t passed = loop_now(t->loop) - s->active;

	if (passed < t->settings->idle_ms) {
		loop_set(t->loop, timer, t->settings->idle_ms - passed);
		return;
	}
	if (s->active >= s->probed && s->state == STREAM_OPEN && s->framing &&
		s->framing->probe(s)) {
		s->probed = loop_now(t->loop);
		loop_set(t->loop, timer,
			t->settings->idle_ms < STREAM_PROBE_MS ? t->settings->idle_ms
							       : STREAM_PROBE_MS);
		return;
	}
	count(STREAM_IDLE);
	stream_close(s, -ETIMEDOUT);
}

int stream_new(struct streams *ss, int fd, const struct flow *flow,
	const struct stream_layer *layer, void *layer_state, bool outgoing, struct source *held,
	struct stream **out)
{
	struct transport_worker *t = ss->t;
	struct stream *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->node.flow = *flow;
	s->streams = ss;
	s->layer = layer;
	s->layer_state = layer_state;
	s->fd = fd;
	s->outgoing = outgoing;
	s->held = held;
	s->last = &s->first;
	s->state = layer->open ? STREAM_OPENING : STREAM_OPEN;
	s->wants = s->state == STREAM_OPEN ? 0
	           : outgoing              ? EPOLLOUT
	                                   : EPOLLIN; /* connecting; or the peer speaks first */
	s->events = s->state == STREAM_OPEN ? EPOLLIN : s->wants;
	error = loop_add_input(t->loop, fd, s->events, stream_on_event, s, &s->source);
	if (error) {
		free(s);
		return error;
	}
	s->opened = s->active = loop_now(t->loop);
	timer_init(&s->deadline, stream_on_deadline, s);
	timer_init(&s->idle, stream_on_idle, s);
	if (flow->transport == TRANSPORT_WS || flow->transport == TRANSPORT_WSS)
		s->framing = &ws_framing;
	if (s->framing && s->state == STREAM_OPEN)
		error = s->framing->open(s);
	if (error) {
		loop_remove(t->loop, s->source);
		free(s);
		return error;
	}
	if (s->state == STREAM_OPENING)
		loop_set(t->loop, &s->deadline,
			outgoing ? t->settings->connect_ms : t->settings->handshake_ms);
	loop_set(t->loop, &s->idle, t->settings->idle_ms);
	flow_open(t->flows, &s->node);
	s->named = true;
	list_insert(&ss->all, s);
	ss->count++;
	*out = s;
	return 0;
}

struct ban {
	struct streams *streams;
	const struct endpoint *source;
	unsigned zone;
};

static void streams_close_banned(struct stream *s, void *arg)
{
	const struct ban *b = arg;
	const struct flow *flow = &s->node.flow;
	bool permitted;

	if (!admit_same_source(&flow->peer, b->source) ||
		settings_zone_of(b->streams->t->settings, flow->listener, &flow->peer,
			&permitted) != b->zone)
		return;
	count(STREAM_BANNED);
	stream_close(s, -EACCES);
}

void streams_close_source(struct streams *ss, unsigned listener, const struct endpoint *source)
{
	bool permitted;
	struct ban b = {.streams = ss,
		.source = source,
		.zone = settings_zone_of(ss->t->settings, listener, source, &permitted)};

	streams_each(ss, streams_close_banned, &b);
}

static void streams_stop_one(struct stream *s, void *arg)
{
	(void)arg;
	stream_watch(s);
}

void streams_stop(struct streams *ss)
{
	ss->stopped = true;
	streams_each(ss, streams_stop_one, NULL);
}
