/* stream_keep_alive.c - the pings of a connection that we made, and the end of it where no pong
 * comes (RFC 5626 sections 3.5.1 and 4.4.1): a NAT or a firewall on its way may have forgotten it,
 * which neither side is told.
 *
 * Relies on: stream_input.c, which says that a pong has come; stream_close, which tells the
 * watchers of the flow.
 */
#include "stream_parts.h"

#include "common/counters.h"
#include "to_sip.h"
#include "transport_worker.h"

#include <errno.h>
#include <stdlib.h>

struct stream_keep_alive {
	struct stream *stream;
	struct timer timer; /* of the next ping, or of the pong to the last */
	uint32_t seconds;
	bool awaited; /* a pong is */
};

/* The next ping comes after 80 to 100 % of the time, so that those of many connections which began
 * together do not stay together (RFC 5626 section 4.4). */
static void stream_keep_alive_next(struct stream_keep_alive *k)
{
	uint64_t most = (uint64_t)k->seconds * 1000;

	k->awaited = false;
	loop_set(k->stream->streams->t->loop, &k->timer,
		most / 5 * 4 + random_u64() % (most / 5 + 1));
}

static void stream_keep_alive_ping(struct stream_keep_alive *k)
{
	struct stream *s = k->stream;

	if (stream_queue(s, NULL, 0, "\r\n\r\n", 4)) {
		if (s->keep_alive) /* there was no memory; a queue that was full has ended it */
			stream_keep_alive_next(k);
		return;
	}
	count(STREAM_PINGS_SENT);
	k->awaited = true;
	loop_set(s->streams->t->loop, &k->timer, STREAM_PROBE_MS);
}

static void stream_keep_alive_on_timer(struct timer *timer, void *arg)
{
	struct stream_keep_alive *k = arg;

	(void)timer;
	if (k->stream->state != STREAM_OPEN)
		return; /* it ends without */
	if (k->awaited) {
		to_sip_count_dropped(
			k->stream->streams->t, &k->stream->node.flow, COUNTER_STREAM_PONGS_MISSING);
		stream_close(k->stream, -ETIMEDOUT);
	} else {
		stream_keep_alive_ping(k);
	}
}

int stream_keep_alive(struct stream *s, uint32_t seconds)
{
	struct stream_keep_alive *k = s->keep_alive;

	if (!s->outgoing || s->framing)
		return -EINVAL;
	if (s->state != STREAM_OPEN || (k && k->seconds == seconds))
		return 0;
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			return -ENOMEM;
		k->stream = s;
		timer_init(&k->timer, stream_keep_alive_on_timer, k);
		s->keep_alive = k;
	}
	k->seconds = seconds;
	if (!k->awaited)
		stream_keep_alive_next(k);
	return 0;
}

bool stream_keep_alive_is_pong(const struct stream *s, struct str bytes)
{
	return s->keep_alive && s->keep_alive->awaited && bytes.n >= 2 &&
	       memcmp(bytes.p, "\r\n", 2) == 0;
}

void stream_keep_alive_answered(struct stream *s)
{
	if (s->keep_alive && s->keep_alive->awaited)
		stream_keep_alive_next(s->keep_alive);
}

void stream_keep_alive_end(struct stream *s)
{
	if (!s->keep_alive)
		return;
	loop_unset(s->streams->t->loop, &s->keep_alive->timer);
	free(s->keep_alive);
	s->keep_alive = NULL;
}
