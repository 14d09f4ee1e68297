/* trace.c - see trace.h. Messages are searched when somebody asks, so that keeping one costs a copy
 * and the search for secrets. Relies on: byte_ring.c, blank.c. */
#include "trace.h"

#include "common/clock.h"
#include "blank.h"

#include <errno.h>

#define NS_PER_US 1000

int trace_resize(struct trace *t, uint32_t size)
{
	int error = 0;

	if (size == t->size)
		return 0;
	byte_ring_free(t->ring);
	t->ring = NULL;
	t->last = NULL;
	t->size = size;
	if (size)
		error = byte_ring_new(&t->ring, size < TRACE_RING_MIN ? TRACE_RING_MIN : size);
	return error;
}

void trace_add(struct trace *t, const struct flow *flow, const struct endpoint *local, bool out,
	struct str message)
{
	size_t most, kept;
	struct trace_message *m;

	if (!t->ring)
		return;
	most = byte_ring_entry_max(t->ring) - sizeof(*m);
	kept = message.n < most ? message.n : most;
	m = byte_ring_put(t->ring, sizeof(*m) + kept);
	*m = (struct trace_message){.number = ++t->number,
		.at_us = clock_realtime_ns() / NS_PER_US,
		.size = (uint32_t)message.n,
		.kept = (uint32_t)kept,
		.listener = flow->listener,
		.transport = flow->transport,
		.out = out,
		.peer = flow->peer,
		.local = *local};
	memcpy(m + 1, message.p, kept);
	blank_secrets((char *)(m + 1), kept);
	t->last = m;
}

void trace_unsent(struct trace *t, int error)
{
	if (t->last && t->last->out)
		t->last->error = error;
}

/* The next line with those that it goes on in; STR_NONE at the empty line. */
static struct str trace_next_header(struct str *rest)
{
	size_t end = 0;

	if (!rest->n || rest->p[0] == '\r' || rest->p[0] == '\n')
		return STR_NONE;
	do
		end += str_find(str_from(*rest, end), '\n') + 1;
	while (end < rest->n && (rest->p[end] == ' ' || rest->p[end] == '\t'));
	if (end > rest->n)
		end = rest->n;
	struct str line = {rest->p, end};
	*rest = str_from(*rest, end);
	return line;
}

struct str trace_header(struct str message, struct str name, struct str compact)
{
	struct str line;

	while ((line = trace_next_header(&message)).p) {
		size_t colon = str_find(line, ':');
		struct str have = str_trim((struct str){line.p, colon});

		if (colon < line.n && (str_equal_nocase(have, name) ||
					      (compact.n && str_equal_nocase(have, compact))))
			return str_trim(str_from(line, colon + 1));
	}
	return STR_NONE;
}

/* Whether text has a URI of that user, or that number. */
static bool trace_names_user(struct str text, struct str user)
{
	for (size_t at = 0; at + 1 + user.n <= text.n; at++) {
		size_t end = at + 1 + user.n;

		if (text.p[at] == ':' && memcmp(text.p + at + 1, user.p, user.n) == 0 &&
			(end == text.n || memchr("@;>?:, \t\r", text.p[end], 9)))
			return true;
	}
	return false;
}

static bool trace_is_of_user(struct str bytes, struct str user)
{
	struct str first = {bytes.p, str_find(bytes, '\n')};

	return trace_names_user(trace_header(bytes, S("From"), S("f")), user) ||
	       trace_names_user(trace_header(bytes, S("To"), S("t")), user) ||
	       trace_names_user(first, user);
}

bool trace_matches(const struct trace_filter *f, const struct trace_message *m, struct str bytes)
{
	if (m->at_us < f->since_us)
		return false;
	switch (f->kind) {
	case TRACE_ALL: return true;
	case TRACE_CALL: return str_equal(trace_header(bytes, S("Call-ID"), S("i")), f->value);
	case TRACE_USER: return trace_is_of_user(bytes, f->value);
	case TRACE_SOURCE: return prefix_contains(&f->sources, &m->peer);
	default: return false;
	}
}
