/* stream.c - a connection's life: opening, its events and time limits, its end.
 *
 * A stream that ends within a callback is freed at the end of the turn, so that no caller holds a
 * pointer to nothing. Relies on: stream_input.c and stream_output.c for its bytes, stream_sent.c
 * for the requests that its end leaves without an answer, flow.c for its id and for reports.
 */
#include "stream_parts.h"

#include "common/counters.h"
#include "common/list.h"
#include "admit.h"
#include "to_sip.h"
#include "transport_worker.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

struct transport_worker *stream_worker(const struct stream *s)
{
	return s->streams->t;
}

/* ---- state ---- */

void stream_watch(struct stream *s)
{
	uint32_t events = s->wants;

	if (s->blocked)
		events |= EPOLLOUT;
	if (stream_may_read(s))
		events |= EPOLLIN;
	/* A handshake that waits for its signature wants nothing of the socket, and its peer has
	 * nothing to say either. Should the peer speak all the same, stream_on_event takes the
	 * socket off the watch. */
	if (!events && s->state == STREAM_OPENING)
		return;
	if (events != s->events)
		loop_modify(s->streams->t->loop, s->source, events);
	s->events = events;
}

/* Takes the stream's id back: from here on it names nothing. */
static void stream_unname(struct stream *s)
{
	if (s->named)
		flow_close(s->streams->t->flows, &s->node);
	s->named = false;
}

void stream_close(struct stream *s, int error)
{
	struct streams *ss = s->streams;

	if (s->state == STREAM_DEAD)
		return;
	s->state = STREAM_DEAD;
	stream_unname(s);
	stream_sent_fail(s);
	stream_fail_queue(s, error);
	stream_keep_alive_end(s);
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

void stream_linger(struct stream *s)
{
	s->state = STREAM_LINGERING;
	stream_unname(s);
	s->layer->shut(s);
	loop_unset(s->streams->t->loop, &s->idle);
	loop_set(s->streams->t->loop, &s->deadline, STREAM_LINGER_MS);
	stream_watch(s);
}

void stream_finish_within(struct stream *s, uint64_t ms)
{
	struct transport_worker *t = s->streams->t;

	if (s->state == STREAM_OPENING) {
		/* nothing was exchanged so far */
		stream_close(s, -ENOTCONN);
		return;
	}
	if (s->state != STREAM_OPEN)
		return;
	loop_unset(t->loop, &s->idle);
	stream_make_dirty(s); /* its flush lingers once nothing is left */
	stream_sent_fail(s);
	if (s->tells && !s->awaited && ms > STREAM_LINGER_MS)
		ms = STREAM_LINGER_MS; /* an ACK and a BYE come at once */
	if (s->awaited || s->tells) {
		s->state = STREAM_DRAINING;
		s->drained = loop_now(t->loop) + ms;
		flow_halve(t->flows, &s->node);
		loop_set(t->loop, &s->deadline, t->settings->t1_ms < ms ? t->settings->t1_ms : ms);
	} else {
		s->state = STREAM_FINISHING;
		flow_unlist(t->flows, &s->node);
		loop_set(t->loop, &s->deadline, ms);
	}
}

void stream_finish(struct stream *s)
{
	stream_finish_within(s, settings_64_t1(s->streams->t->settings));
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
	/* it may have been told before it was open to close after its last byte */
	s->state = s->node.listed ? STREAM_OPEN : STREAM_FINISHING;
	s->active = loop_now(s->streams->t->loop);
	stream_make_dirty(s); /* its flush sees to the events too */
	if (s->layer->pending && s->layer->pending(s))
		stream_receive_all(s);
}

/* Whether the stream takes nothing more, and has something to write or waits for it. */
static bool stream_is_ending(const struct stream *s)
{
	return s->state == STREAM_DRAINING || s->state == STREAM_FINISHING;
}

static void stream_on_event(void *arg, uint32_t events)
{
	struct stream *s = arg;
	uint32_t wanted = s->wants;

	if (s->state == STREAM_OPENING) {
		/* A stream that waits for nothing of the socket still has to learn that its peer
		 * is gone. */
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
	if (stream_is_ending(s) && events & (EPOLLERR | EPOLLHUP))
		stream_close(s, -ENOTCONN);
	else if (events & (EPOLLIN | EPOLLERR | EPOLLHUP | wanted))
		stream_receive_all(s);
	if (s->state != STREAM_DEAD)
		stream_watch(s);
}

/* Has a peer that has ended show whether it still listens: one that is gone answers whatever is
 * written to it with a reset, and its INVITE has lost its caller. A CRLF between messages means
 * nothing (RFC 3261 section 7.5). */
static void stream_ask(struct stream *s)
{
	if (stream_may_read(s))
		return; /* its end will be read */
	if (s->framing)
		s->framing->probe(s);
	else
		stream_queue(s, NULL, 0, "\r\n", 2);
}

/* The stream still waits for answers: goes on with that, or gives them up. */
static void stream_on_undrained(struct stream *s)
{
	struct transport_worker *t = s->streams->t;
	uint64_t now = loop_now(t->loop), left = s->drained > now ? s->drained - now : 0;

	if (left) {
		loop_set(t->loop, &s->deadline,
			left < t->settings->t2_ms ? left : t->settings->t2_ms);
		stream_ask(s);
		return;
	}
	count(STREAM_UNFINISHED);
	s->state = STREAM_FINISHING;
	loop_set(t->loop, &s->deadline, STREAM_LINGER_MS);
	stream_make_dirty(s);
}

/* A message is not whole in time. What came before it is still answered. */
static void stream_on_slow(struct stream *s)
{
	const bool cut = stream_cut_message(s, COUNTER_STREAM_SLOW, "Message Not Whole in Time");

	if (!cut)
		to_sip_count_dropped(s->streams->t, &s->node.flow, COUNTER_STREAM_SLOW);
	if (cut || s->awaited)
		stream_finish(s);
	else
		stream_close(s, -ETIMEDOUT);
}

static void stream_on_deadline(struct timer *timer, void *arg)
{
	struct stream *s = arg;

	(void)timer;
	switch (s->state) {
	case STREAM_OPEN: stream_on_slow(s); return;
	case STREAM_DRAINING: stream_on_undrained(s); return;
	case STREAM_OPENING:
		to_sip_count_dropped(s->streams->t, &s->node.flow, COUNTER_STREAM_OPEN_LATE);
		break;
	case STREAM_FINISHING: count(STREAM_UNFINISHED); break;
	default: break;
	}
	stream_close(s, -ETIMEDOUT);
}

/* Whether the peer can be asked for an answer, and was not asked since it was active last. */
static bool stream_may_probe(const struct stream *s)
{
	return s->active >= s->probed && s->state == STREAM_OPEN && s->framing;
}

static void stream_on_idle(struct timer *timer, void *arg)
{
	struct stream *s = arg;
	struct transport_worker *t = s->streams->t;
	uint64_t passed = loop_now(t->loop) - s->active;

	if (s->keep_alive) /* whose pings find out whether anybody is there */
		passed = 0;
	if (passed < t->settings->idle_ms) {
		loop_set(t->loop, timer, t->settings->idle_ms - passed);
		return;
	}
	if (stream_may_probe(s) && s->framing->probe(s)) {
		s->probed = loop_now(t->loop);
		loop_set(t->loop, timer,
			t->settings->idle_ms < STREAM_PROBE_MS ? t->settings->idle_ms
							       : STREAM_PROBE_MS);
		return;
	}
	count(STREAM_IDLE);
	stream_close(s, -ETIMEDOUT);
}

struct stream *stream_of(struct flow_node *n)
{
	return container_of(n, struct stream, node);
}

/* Sends by its stream, for flow.c. */
static int stream_send_by_flow(struct flow_node *n, const struct outgoing *out)
{
	return stream_send(stream_of(n), out);
}

int stream_new(struct streams *ss, const struct stream_start *start, struct stream **out)
{
	struct transport_worker *t = ss->t;
	struct stream *s = calloc(1, sizeof(*s));
	int error;

	if (!s)
		return -ENOMEM;
	s->node.flow = start->flow;
	s->node.send = stream_send_by_flow;
	s->streams = ss;
	s->layer = start->layer;
	s->layer_state = start->layer_state;
	s->framing = start->framing;
	s->fd = start->fd;
	s->outgoing = start->outgoing;
	s->held = start->held;
	s->last = &s->first;
	s->state = s->layer->open ? STREAM_OPENING : STREAM_OPEN;
	/* we wait for the connection to stand, or for the peer, which speaks first */
	s->wants = s->state == STREAM_OPEN ? 0 : s->outgoing ? EPOLLOUT : EPOLLIN;
	s->events = s->state == STREAM_OPEN ? EPOLLIN : s->wants;
	error = loop_add_input(t->loop, s->fd, s->events, stream_on_event, s, &s->source);
	if (error) {
		free(s);
		return error;
	}
	s->opened = s->active = loop_now(t->loop);
	timer_init(&s->deadline, stream_on_deadline, s);
	timer_init(&s->idle, stream_on_idle, s);
	if (s->framing && s->state == STREAM_OPEN)
		error = s->framing->open(s);
	if (error) {
		loop_remove(t->loop, s->source);
		free(s);
		return error;
	}
	if (s->state == STREAM_OPENING)
		loop_set(t->loop, &s->deadline,
			s->outgoing ? t->settings->connect_ms : t->settings->handshake_ms);
	loop_set(t->loop, &s->idle, t->settings->idle_ms);
	flow_open(t->flows, &s->node);
	s->named = true;
	list_insert(&ss->all, s);
	ss->count++;
	*out = s;
	return 0;
}
