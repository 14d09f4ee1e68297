/* stream_sent.c - the requests that were written to a connection of ours (a trunk's) within the
 * life of a transaction.
 *
 * Where the connection ends, no answer to them can come by it, and who sent them is told at once
 * instead of finding out by timer F or B. A request that was answered is reported too: its
 * transaction knows that it has its final answer. Relies on: flow.c for the reports.
 */
#include "stream_parts.h"

#include "transport_worker.h"

#include <stdlib.h>

/* The most requests that are kept; of more the oldest are forgotten, and left to their timers. */
#define SENT_MAX 2048
#define SENT_MIN 16

struct sent {
	uint64_t cookie;
	uint64_t at; /* ms */
	uint16_t worker;
};

/* A ring. */
struct stream_sent {
	size_t first, count, size;
	struct sent sent[];
};

static struct sent *sent_at(struct stream_sent *all, size_t i)
{
	return &all->sent[(all->first + i) % all->size];
}

static void sent_drop_first(struct stream_sent *all)
{
	all->first = (all->first + 1) % all->size;
	all->count--;
}

/* Forgets what has had its answer by now, or its time-out: 64*T1 (RFC 3261 section 17.1). */
static void sent_expire(struct stream *s)
{
	const struct transport_worker *t = s->streams->t;
	uint64_t now = loop_now(t->loop), life = settings_64_t1(t->settings);

	while (s->sent->count && now - sent_at(s->sent, 0)->at >= life)
		sent_drop_first(s->sent);
}

/* Makes room for one more. False: there is no memory. */
static bool sent_make_room(struct stream *s)
{
	struct stream_sent *old = s->sent, *all;
	size_t size = old ? old->size * 2 : SENT_MIN;

	if (old && old->count < old->size)
		return true;
	if (old && old->size == SENT_MAX) {
		sent_drop_first(old);
		return true;
	}
	all = malloc(sizeof(*all) + size * sizeof(all->sent[0]));
	if (!all)
		return false;
	*all = (struct stream_sent){.size = size};
	for (; old && all->count < old->count; all->count++)
		all->sent[all->count] = *sent_at(old, all->count);
	free(old);
	s->sent = all;
	return true;
}

void stream_sent_note(struct stream *s, uint16_t worker, uint64_t cookie)
{
	uint64_t now = loop_now(s->streams->t->loop);

	if (s->sent)
		sent_expire(s);
	if (!sent_make_room(s))
		return;
	s->sent->count++;
	*sent_at(s->sent, s->sent->count - 1) = (struct sent){
		.cookie = cookie, .at = now, .worker = worker};
}

void stream_sent_fail(struct stream *s)
{
	struct stream_sent *all = s->sent;

	if (!all)
		return;
	sent_expire(s);
	for (; all->count; sent_drop_first(all))
		flow_report_unanswered(
			s->streams->t, sent_at(all, 0)->worker, sent_at(all, 0)->cookie);
	free(all);
	s->sent = NULL;
}
