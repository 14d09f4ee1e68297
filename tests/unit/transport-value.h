/* transport-value.h - values of known headers as their tests read them, one by one: the fields and
 * the fault that come of it. */
#ifndef SIPWARD_TESTS_UNIT_TRANSPORT_VALUE_H
#define SIPWARD_TESTS_UNIT_TRANSPORT_VALUE_H

#include "worker-transport/parse/parse_list.h"
#include "worker-transport/parse/parse_value.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct message message;
static struct parser parser;
static char text[65536];
static size_t used;

static inline void begin(bool request)
{
	memset(&message, 0, sizeof(message));
	message.max_forwards = -1;
	message.expires = -1;
	message.is_request = request;
	parser = (struct parser){.raw = text, .message = &message};
	used = 16;
}

/* Reads one value as the parser does: trimmed, of bytes that spans can count from. */
static inline void value_again(uint8_t id, const char *value, bool again)
{
	size_t n = strlen(value);

	cr_assert_lt(n, sizeof(text) - used);
	memcpy(text + used, value, n);
	parse_value(&parser, id, (struct str){text + used, n}, again);
	used += n;
}
static inline void value(uint8_t id, const char *text_of_value)
{
	value_again(id, text_of_value, false);
}

static inline struct str of(struct span s)
{
	return (struct str){text + s.at, s.length};
}
#define EQ(span, z)                                                                                \
	cr_assert(str_equal(of(span), str_of(z)), "got '%.*s', expected '%s'", STR(of(span)), z)

#endif
