/* call_trace.c - see call_trace.h.
 *
 * A record is one block, and kept as it is, which costs a copy; it becomes text when somebody asks.
 * Its strings point into the block: a copy has them moved. Relies on: byte_ring.c,
 * call_record_text.c.
 */
#include "call_trace.h"

#include "common/byte_ring.h"
#include "common/log.h"
#include "worker-sip/message/writer.h"

#include <stdlib.h>

/* What is kept: where the block was, and the block. */
struct call_trace_entry {
	uintptr_t was;
};

void call_trace_settings(struct sip *sip)
{
	uint32_t size = sip->settings->trace_ring, part = size / CALL_TRACE_PART;
	int error = 0;

	if (size == sip->call_trace_size)
		return;
	call_trace_free(sip);
	sip->call_trace_size = size;
	if (size)
		error = byte_ring_new(
			&sip->call_trace, part < CALL_TRACE_MIN ? CALL_TRACE_MIN : part);
	if (error)
		log_error("trace-off", "error=\"%s\"", error_text(error));
}

void call_trace_free(struct sip *sip)
{
	byte_ring_free(sip->call_trace);
	sip->call_trace = NULL;
	sip->call_trace_size = 0;
}

void call_trace_keep(const struct call_record *r)
{
	struct byte_ring *ring = r->sip->call_trace;
	struct call_trace_entry *e = ring ? byte_ring_put(ring, sizeof(*e) + r->size) : NULL;

	if (!e)
		return;
	e->was = (uintptr_t)r;
	memcpy(e + 1, r, r->size);
}

/* A string of a copy, which still points into the block that was at was. */
static void call_trace_move(struct str *s, uintptr_t was, const struct call_record *copy)
{
	if (s->n)
		s->p = (const char *)copy + ((uintptr_t)s->p - was);
}

static bool call_trace_matches(const struct trace_filter *f, const struct call_record *r)
{
	if ((r->began_realtime_ms + 1) * 1000 < f->since_us)
		return false;
	switch (f->kind) {
	case TRACE_ALL:
	case TRACE_LAST: return true;
	case TRACE_CALL:
		if (str_equal(r->text[CALL_TEXT_CALL_ID], f->value))
			return true;
		for (unsigned i = 0; f->value.n == TOKEN_LENGTH && i < r->count; i++)
			if (memcmp(r->target[i].call_id, f->value.p, TOKEN_LENGTH) == 0)
				return true;
		return false;
	case TRACE_TRUNK:
		for (unsigned i = 0; i < r->count; i++)
			if (r->target[i].outcome != CALL_OUTCOME_NONE &&
				str_equal(r->target[i].trunk, f->value))
				return true;
		return false;
	default: return false;
	}
}

static void call_trace_add(const struct call_record *r, const struct trace_filter *f,
	void (*add)(void *arg, struct str json), void *arg)
{
	struct writer w = WRITER(r->sip->scratch.call_record);

	if (!call_trace_matches(f, r))
		return;
	call_record_write(r, &w);
	if (!w.full)
		add(arg, writer_text(&w));
}

static void call_trace_add_kept(const struct call_trace_entry *e, size_t n,
	const struct trace_filter *f, void (*add)(void *arg, struct str json), void *arg)
{
	struct call_record *copy = malloc(n - sizeof(*e));

	if (!copy)
		return;
	memcpy(copy, e + 1, n - sizeof(*e));
	for (unsigned i = 0; i < CALL_TEXTS; i++)
		call_trace_move(&copy->text[i], e->was, copy);
	for (unsigned i = 0; i < copy->count; i++) {
		call_trace_move(&copy->target[i].trunk, e->was, copy);
		call_trace_move(&copy->target[i].forwarder, e->was, copy);
	}
	call_trace_add(copy, f, add, arg);
	free(copy);
}

/* How many of the kept ones are before the last ones that are asked for. */
static size_t call_trace_earlier(const struct sip *sip, const struct trace_filter *f)
{
	size_t count = 0, n;
	uint64_t at = 0;

	if (f->kind != TRACE_LAST)
		return 0;
	while (sip->call_trace && byte_ring_next(sip->call_trace, &at, &n))
		count++;
	return count > f->last ? count - f->last : 0;
}

void call_trace_list(struct sip *sip, const struct trace_filter *f,
	void (*add)(void *arg, struct str json), void *arg)
{
	size_t earlier = call_trace_earlier(sip, f), n;
	const struct call_trace_entry *e;
	uint64_t at = 0;

	while (sip->call_trace && (e = byte_ring_next(sip->call_trace, &at, &n)))
		if (earlier)
			earlier--;
		else
			call_trace_add_kept(e, n, f, add, arg);
	/* the last ones are those that have ended: the list of calls has the others */
	for (const struct call_record *r = sip->call_records; r && f->kind != TRACE_LAST;
		r = r->next)
		if (!r->told)
			call_trace_add(r, f, add, arg);
}
