/* listing.c - the streams, the bans and the messages that are kept as text.
 *
 * A listing goes on from the id that it ended with when its taker has room again, so that it needs
 * neither a copy of the table nor a bound on it. The list of streams has the newest first, those
 * of bans and messages the oldest; ids count up. Relies on: the order of streams_each and
 * admit_bans_each.
 */
#include "listing.h"

#include "common/json_text.h"
#include "admit.h"
#include "stream.h"
#include "streams.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define RETRY_MS 10
#define LINE_MAX_SIZE 1024
/* Bytes of kept messages that are searched before others have their turn. */
#define TRACE_TURN (256u << 10)
#define TRACE_TURN_MS 1

/* How much of a message has been listed, which has a line for each piece. */
struct listing_part {
	uint64_t number; /* of the message; 0: of none */
	size_t offset;
};

struct listing {
	struct listings *listings;
	struct timer retry;
	enum listing_kind kind;
	uint64_t from; /* of streams those with a lower id are still to be listed, of bans those
	                  with a higher one, of messages those from this position on */
	struct listing_part part; /* of the message there */
	uint32_t id;
	bool used;
	/* while it runs */
	uint64_t reached; /* the last id in text */
	struct listing_part reached_part;
	size_t size;
	int error;
	bool pause; /* there is room, but others have their turn first */
	struct trace_filter filter;
	uint64_t until; /* the last message's number when it began */
	char text[LISTING_PIECE], argument[sizeof(((struct lifeline_query *)0)->argument)];
};

struct listings {
	struct transport_worker *t;
	listing_take take;
	void *arg;
	struct listing *listing[LISTINGS_MAX];
};

static const char *const listing_state_names[] = {
	[STREAM_OPENING] = "opening",
	[STREAM_OPEN] = "open",
	[STREAM_DRAINING] = "draining",
	[STREAM_FINISHING] = "finishing",
	[STREAM_LINGERING] = "lingering",
	[STREAM_DEAD] = "dead",
};

/* Writes s as the inside of a JSON string: names come from the config. What does not fit is cut
 * off.
 */
static void listing_json_text(struct str s, char *buffer, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n && n + JSON_TEXT_BYTE_MAX < size; i++)
		n += json_text_byte((unsigned char)s.p[i], buffer + n);
	buffer[n] = 0;
}

static size_t listing_write_line(
	const struct stream *s, struct transport_worker *t, char buffer[LINE_MAX_SIZE])
{
	const struct flow *flow = &s->node.flow;
	char peer[ENDPOINT_TEXT_SIZE], local[ENDPOINT_TEXT_SIZE], listener[128], zone[128];
	uint64_t now = loop_now(t->loop);
	bool permitted;
	int n;

	endpoint_text(&flow->peer, peer);
	endpoint_text(&flow->local, local);
	listing_json_text(
		settings_str(t->settings, settings_listener(t->settings, flow->listener)->name),
		listener, sizeof(listener));
	listing_json_text(
		settings_str(t->settings,
			settings_zone(t->settings, settings_zone_of(t->settings, flow->listener,
							   &flow->peer, &permitted))
				->name),
		zone, sizeof(zone));
	n = snprintf(buffer, LINE_MAX_SIZE,
		"{\"flow\":\"%016llx\",\"worker\":%u,\"transport\":\"%s\",\"listener\":\"%s\","
		"\"zone\":\"%s\","
		"\"peer\":\"%s\",\"local\":\"%s\",\"direction\":\"%s\",\"state\":\"%s\","
		"\"age_ms\":%llu,\"idle_ms\":%llu,\"messages_in\":%llu,\"messages_out\":%llu,"
		"\"queued\":%zu}\n",
		(unsigned long long)flow->id, t->index, transport_name(flow->transport), listener,
		zone, peer, local, s->outgoing ? "out" : "in", listing_state_names[s->state],
		(unsigned long long)(now - s->opened), (unsigned long long)(now - s->active),
		(unsigned long long)s->messages_in, (unsigned long long)s->messages_out, s->queued);
	return n > 0 && n < LINE_MAX_SIZE ? (size_t)n : 0;
}

/* Hands on the text so far. */
static void listing_hand_on(struct listing *l)
{
	if (l->error || l->size == 0)
		return;
	l->error = l->listings->take(l->listings->arg, l->id, l->text, l->size, false);
	if (l->error == 0) {
		l->from = l->reached;
		l->part = l->reached_part;
	}
	l->size = 0;
}

static void listing_add(struct listing *l, uint64_t id, const char *line, size_t n)
{
	if (l->size + n > sizeof(l->text))
		listing_hand_on(l);
	if (l->error)
		return;
	memcpy(l->text + l->size, line, n);
	l->size += n;
	l->reached = id;
}

static void listing_add_stream(struct stream *s, void *arg)
{
	struct listing *l = arg;
	char line[LINE_MAX_SIZE];

	if (l->error || s->node.flow.id >= l->from)
		return;
	listing_add(l, s->node.flow.id, line, listing_write_line(s, l->listings->t, line));
}

static void listing_add_ban(const struct ban_view *ban, void *arg)
{
	struct listing *l = arg;
	const struct settings *settings = l->listings->t->settings;
	char line[LINE_MAX_SIZE], source[ENDPOINT_TEXT_SIZE], zone[128] = "";
	int n;

	if (l->error)
		return;
	endpoint_address_text(&ban->source, source);
	if (ban->zone != NONE_INDEX)
		listing_json_text(settings_str(settings, settings_zone(settings, ban->zone)->name),
			zone, sizeof(zone));
	n = snprintf(line, sizeof(line), "{\"source\":\"%s%s\",\"zone\":\"%s\",\"left_s\":%llu}\n",
		source, ban->network ? "/64" : "", zone,
		(unsigned long long)((ban->left + 999) / 1000));
	if (n > 0 && (size_t)n < sizeof(line))
		listing_add(l, ban->serial, line, (size_t)n);
}

/* Adds a line for each piece of a message that is still to be listed. The message begins at that
 * position, and next is behind it. */
static void listing_add_message(struct listing *l, uint64_t position, uint64_t next,
	const struct trace_message *m, struct str bytes)
{
	const struct settings *settings = l->listings->t->settings;
	char line[LINE_MAX_SIZE + LISTING_TEXT * JSON_TEXT_BYTE_MAX];
	char peer[ENDPOINT_TEXT_SIZE], local[ENDPOINT_TEXT_SIZE], listener[128] = "";

	endpoint_text(&m->peer, peer);
	endpoint_text(&m->local, local);
	if (m->listener < settings->listeners.count)
		listing_json_text(
			settings_str(settings, settings_listener(settings, m->listener)->name),
			listener, sizeof(listener));
	for (size_t offset = m->number == l->part.number ? l->part.offset : 0;
		offset < bytes.n && !l->error; offset += LISTING_TEXT) {
		struct str piece = str_from(bytes, offset);
		int head = snprintf(line, LINE_MAX_SIZE,
			"{\"worker\":%u,\"number\":%llu,\"at_us\":%llu,\"direction\":\"%s\","
			"\"transport\":\"%s\",\"listener\":\"%s\",\"peer\":\"%s\","
			"\"local\":\"%s\",\"error\":%d,\"size\":%u,\"kept\":%u,"
			"\"offset\":%zu,\"text\":\"",
			l->listings->t->index, (unsigned long long)m->number,
			(unsigned long long)m->at_us, m->out ? "out" : "in",
			transport_name(m->transport), listener, peer, local, m->error, m->size,
			m->kept, offset);
		size_t n = head > 0 && head < LINE_MAX_SIZE ? (size_t)head : 0;

		for (size_t i = 0; i < piece.n && i < LISTING_TEXT; i++)
			n += json_text_byte((unsigned char)piece.p[i], line + n);
		memcpy(line + n, "\"}\n", 3);
		if (head <= 0 || head >= LINE_MAX_SIZE)
			continue;
		bool last = offset + LISTING_TEXT >= bytes.n;
		listing_add(l, last ? next : position, line, n + 3);
		if (!l->error)
			l->reached_part = (struct listing_part){
				.number = last ? 0 : m->number, .offset = offset + LISTING_TEXT};
	}
}

static void listing_run_trace(struct listing *l)
{
	const struct trace *trace = &l->listings->t->trace;
	const struct trace_message *m;
	uint64_t at = l->from, position = at;
	size_t n, searched = 0;

	l->reached = l->from;
	l->reached_part = l->part;
	while (!l->error && trace->ring && (m = byte_ring_next(trace->ring, &at, &n)) &&
		m->number <= l->until) {
		struct str bytes = {(const char *)(m + 1), m->kept};

		if (trace_matches(&l->filter, m, bytes))
			listing_add_message(l, position, at, m, bytes);
		position = at;
		searched += n;
		if (searched < TRACE_TURN || l->error)
			continue;
		listing_hand_on(l);
		if (l->error == 0) {
			l->from = at;
			l->error = -EAGAIN;
			l->pause = true;
		}
	}
}

/* Lists what is still to be listed, as far as the taker has room. */
static void listing_run(struct listing *l)
{
	struct listings *all = l->listings;

	l->size = 0;
	l->error = 0;
	l->pause = false;
	if (l->kind == LISTING_TRACE)
		listing_run_trace(l);
	else if (l->kind == LISTING_BANS)
		admit_bans_each(all->t->admit, l->from, loop_now(all->t->loop), listing_add_ban, l);
	else
		streams_each(all->t->streams, listing_add_stream, l);
	listing_hand_on(l);
	if (l->error == 0)
		l->error = all->take(all->arg, l->id, "", 0, true);
	if (l->error == -EAGAIN)
		loop_set(all->t->loop, &l->retry, l->pause ? TRACE_TURN_MS : RETRY_MS);
	else
		l->used = false;
}

static void listing_on_retry(struct timer *timer, void *arg)
{
	(void)timer;
	listing_run(arg);
}

int listings_new(struct listings **out, struct transport_worker *t, listing_take take, void *arg)
{
	struct listings *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	*l = (struct listings){.t = t, .take = take, .arg = arg};
	*out = l;
	return 0;
}

void listings_free(struct listings *l)
{
	if (!l)
		return;
	for (unsigned i = 0; i < LISTINGS_MAX; i++) {
		if (l->listing[i])
			loop_unset(l->t->loop, &l->listing[i]->retry);
		free(l->listing[i]);
	}
	free(l);
}

/* A listing that nobody uses; NULL, with *error, where there is none. */
static struct listing *listing_take_one(struct listings *all, uint32_t id, int *error)
{
	for (unsigned i = 0; i < LISTINGS_MAX; i++) {
		struct listing *l = all->listing[i];

		if (l && l->used)
			continue;
		if (!l) {
			l = all->listing[i] = calloc(1, sizeof(*l));
			if (!l) {
				*error = -ENOMEM;
				return NULL;
			}
			l->listings = all;
			timer_init(&l->retry, listing_on_retry, l);
		}
		l->id = id;
		return l;
	}
	*error = -EBUSY;
	return NULL;
}

int listing_start(struct listings *all, uint32_t id, enum listing_kind kind)
{
	int error;
	struct listing *l = listing_take_one(all, id, &error);

	if (!l)
		return error;
	l->used = true;
	l->kind = kind;
	l->from = kind == LISTING_BANS ? 0 : UINT64_MAX;
	listing_run(l);
	return 0;
}

int listing_start_trace(struct listings *all, uint32_t id, struct str filter)
{
	int error;
	struct listing *l = listing_take_one(all, id, &error);

	if (!l)
		return error;
	error = str_copy(filter, l->argument, sizeof(l->argument));
	if (error == 0)
		error = trace_filter_parse(str_of(l->argument), &l->filter);
	if (error)
		return error;
	l->used = true;
	l->kind = LISTING_TRACE;
	l->from = 0;
	l->part = (struct listing_part){0};
	l->until = all->t->trace.number;
	listing_run(l);
	return 0;
}
