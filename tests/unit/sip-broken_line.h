/* sip-broken_line.h - for tests: the line of a header broken in six ways, and what may be left of
 * it in what the worker sends. */
#ifndef SIPWARD_TESTS_UNIT_SIP_BROKEN_LINE_H
#define SIPWARD_TESTS_UNIT_SIP_BROKEN_LINE_H

#include "sip-scene.h"

#define MARK "broken7"
enum { GARBAGE, CONTROL, LATIN, OPEN, WITHOUT_COLON, EMPTY_ELEMENTS, WAYS };

static inline const char *broken_line(unsigned id, unsigned way)
{
	static char line[256];
	static const char *const rest[WAYS] = {
		[GARBAGE] = ": ;=" MARK "\"<@\n",
		[CONTROL] = ": " MARK "\x01\n",
		[LATIN] = ": " MARK "\xfc\n",
		[OPEN] = ": \"" MARK ", <a\n",
		[WITHOUT_COLON] = " " MARK "\n",
		[EMPTY_ELEMENTS] = ": , a,, b ,\n",
	};

	snprintf(line, sizeof(line), "%s%s", header_name(id), rest[way]);
	return line;
}

/* In text a quote or bracket is like any other octet. */
static inline bool is_text(unsigned id)
{
	return id == HEADER_SUBJECT || id == HEADER_USER_AGENT || id == HEADER_SERVER ||
	       id == HEADER_ORGANIZATION || id == HEADER_PRIORITY || id == HEADER_TIMESTAMP;
}

/* What every message needs. */
static inline bool is_needed(unsigned id)
{
	return id <= HEADER_CSEQ || id == HEADER_CONTENT_LENGTH;
}

static inline void assert_clean(const struct sent *s, unsigned id)
{
	const struct message *m = s->message;
	const struct message_header *h = message_headers(m);

	cr_assert_eq(m->unreadable, 0, "%s", header_name(id));
	for (unsigned i = 0; i < m->header_count; i++, h++) {
		struct str value = message_header_value(m, h);

		if (!is_text(h->id)) {
			cr_assert_not(has(value, MARK), "%s: %.*s", header_name(id), STR(value));
			cr_assert_not(
				list_has_empty(value), "%s: %.*s", header_name(id), STR(value));
		}
	}
}

/* All transactions end, and what was said is of no interest any more. */
static inline void forget(void)
{
	closing = true;
	pass(2 * 64 * T1);
	closing = false;
	while (sent_count)
		free(sent[--sent_count].message);
	while (said_count)
		free(said[--said_count].message);
}

#endif
