/* streams.c - all streams of a transport worker: their number, what they hold, and the end of each
 * turn.
 *
 * A stream that ends within a callback is freed at the end of the turn, so that no caller holds a
 * pointer to nothing. Relies on: stream_input.c for reading, stream_output.c for writing.
 */
#include "streams.h"

#include "common/counters.h"
#include "admit.h"
#include "stream_parts.h"
#include "transport_worker.h"

#include <errno.h>
#include <stdlib.h>

/* File descriptors that are kept for everything but streams: listeners, edges, the lifeline,
 * epoll. */
#define FD_RESERVE 160

int streams_new(struct streams **out, struct transport_worker *t)
{
	struct streams *ss = calloc(1, sizeof(*ss));

	if (!ss)
		return -ENOMEM;
	ss->t = t;
	*out = ss;
	return 0;
}

/* Frees the dead, but for those that still stand on the list of streams to be read again. */
static void streams_bury(struct streams *ss)
{
	struct stream *s, *waiting = NULL;

	while ((s = ss->dead)) {
		ss->dead = s->next_dead;
		if (s->again) {
			s->next_dead = waiting;
			waiting = s;
		} else {
			free(s);
		}
	}
	ss->dead = waiting;
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
	/* after the dirty list, where a dead stream may still have stood */
	streams_bury(ss);
	return ss->again != NULL;
}

/* The streams that a ban ends. */
struct ban {
	struct streams *streams;
	const struct endpoint *source;
	unsigned zone;
};

static bool ban_covers(const struct ban *b, const struct flow *flow)
{
	const struct settings *settings = b->streams->t->settings;
	bool permitted;

	if (!admit_same_source(&flow->peer, b->source))
		return false;
	return settings_zone_of(settings, flow->listener, &flow->peer, &permitted) == b->zone;
}

static void streams_close_of_source(struct stream *s, void *arg)
{
	if (!ban_covers(arg, &s->node.flow))
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

	streams_each(ss, streams_close_of_source, &b);
}

static void streams_close_if_banned(struct stream *s, void *arg)
{
	struct transport_worker *t = arg;
	const struct flow *flow = &s->node.flow;

	if (s->outgoing)
		return;
	if (admit_is_denied(t->admit, flow->listener, &flow->peer))
		count(DROP_DENIED);
	else if (admit_is_banned(t->admit, flow->listener, &flow->peer, loop_now(t->loop)))
		count(STREAM_BANNED);
	else
		return;
	stream_close(s, -EACCES);
}

void streams_close_banned(struct streams *ss)
{
	streams_each(ss, streams_close_if_banned, ss->t);
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
