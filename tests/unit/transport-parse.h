/* transport-parse.h - the parser as its tests call it: text in, the block or the refusal out. */
#ifndef SIPWARD_TESTS_UNIT_TRANSPORT_PARSE_H
#define SIPWARD_TESTS_UNIT_TRANSPORT_PARSE_H

#include "ipc/syntax.h"
#include "worker-transport/parse/parse.h"
#include "worker-transport/parse/parse_list.h"
#include "worker-transport/parse/parse_value.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static _Alignas(8) char buffer[MESSAGE_BLOCK_MAX];
static struct parse_error failure;

static inline struct message *block(void)
{
	return (struct message *)(void *)buffer;
}

/* Parses and, where that went well, checks the block as its receiver would. */
static inline int parse_bytes(const char *raw, size_t size)
{
	memset(buffer, 0xee, sizeof(buffer));
	int error = parse_message(raw, size, buffer, sizeof(buffer), &failure);

	if (!error) {
		struct message *m = block();

		m->flow = (struct flow){.transport = TRANSPORT_UDP,
			.peer = {.family = 4, .port = 5060, .address = {192, 0, 2, 1}}};
		cr_assert_eq(message_check(buffer, m->size), 0,
			"what parses passes the receiver's check");
	}
	return error;
}
static inline int parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}
#define TEXT(s) ((int)(s).n), (s).p
static inline void eq(struct span s, const char *expected)
{
	struct str got = message_str(block(), s);

	cr_assert(
		str_equal(got, str_of(expected)), "got '%.*s', expected '%s'", TEXT(got), expected);
}
static inline void refused(const char *text, unsigned status, const char *reason)
{
	cr_assert_eq(parse(text), -EBADMSG, "parsed: %s", text);
	cr_assert_str_eq(failure.reason, reason, "'%s' for: %s", failure.reason, text);
	cr_assert_eq(failure.status, status, "%u for: %s", failure.status, text);
	cr_assert_eq(failure.answerable, status != 0);
}

/* It parses, less the one line, which is marked. */
static inline void left_out(const char *text, const char *line)
{
	const struct message_header *h = message_headers(block());
	unsigned n = 0;

	cr_assert_eq(parse(text), 0, "'%s' for: %s", failure.reason, text);
	cr_assert_eq(block()->unreadable, 1, "%s", text);
	for (unsigned i = 0; i < block()->header_count; i++, h++) {
		if (h->id != HEADER_UNREADABLE)
			continue;
		n++;
		cr_assert(str_starts((struct str){message_raw(block()) + h->line,
					     (size_t)(h->end - h->line)},
				  str_of(line)),
			"%s", text);
	}
	cr_assert_eq(n, 1);
}

/* A response that parses, as one of which something that it needs cannot be read. */
static inline void broken(const char *text, const char *reason)
{
	cr_assert_eq(parse(text), 0, "'%s' for: %s", failure.reason, text);
	cr_assert_eq(block()->broken, 1, "%s", text);
	cr_assert_str_eq(failure.reason, reason, "'%s' for: %s", failure.reason, text);
	cr_assert_eq(failure.status, 0);
}

/* A request with one line more, or another request line. */
#define FIELDS                                                                                     \
	"Via: SIP/2.0/UDP client.example.com:5070;rport;branch=z9hG4bK1\r\n"                       \
	"From: \"Alice\" <sip:alice@example.com>;tag=a1\r\n"                                       \
	"To: <sip:bob@example.net:5080;transport=tcp?Subject=x>\r\n"                               \
	"Call-ID: abc@client\r\n"
#define REQUEST(extra)                                                                             \
	"OPTIONS sip:bob@example.net SIP/2.0\r\n" FIELDS "CSeq: 1 OPTIONS\r\n" extra "\r\n"
#define RESPONSE(extra) "SIP/2.0 200 OK\r\n" FIELDS "CSeq: 1 OPTIONS\r\n" extra "\r\n"

/* Single lines, to be put together. */
#define V "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
#define F "From: <sip:a@b>;tag=1\r\n"
#define T "To: <sip:a@b>\r\n"
#define C "Call-ID: 1\r\n"
#define Q "CSeq: 1 OPTIONS\r\n"
#define L "OPTIONS sip:b SIP/2.0\r\n"

#endif
