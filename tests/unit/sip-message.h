/* sip-message.h - for tests: makes the parsed block of a message from its text (well-formed, one
 * header value a line), and reads what was sent. */
#ifndef SIPWARD_TESTS_UNIT_SIP_MESSAGE_H
#define SIPWARD_TESTS_UNIT_SIP_MESSAGE_H

#include "ipc/syntax.h"

#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static inline struct span test_span(const char *raw, struct str s)
{
	return s.n ? (struct span){(uint16_t)(s.p - raw), (uint16_t)s.n} : (struct span){0, 0};
}

static inline struct uri test_uri(const char *raw, const struct uri_parts *u)
{
	return (struct uri){.whole = test_span(raw, u->whole),
		.user = test_span(raw, u->user),
		.host = test_span(raw, u->host),
		.params = test_span(raw, u->params),
		.headers = test_span(raw, u->headers),
		.port = u->port,
		.scheme = u->scheme};
}

static inline void test_via(struct message *m, const char *raw, struct str value)
{
	struct str rest, name, param, sent_by;
	size_t end = str_find(value, ','), at;

	if (value.n < 8 || end < 8)
		abort();
	m->via_count++;
	if (m->via_count > 1)
		return;
	value.n = end;
	m->via = test_span(raw, value);
	m->via_transport = transport_of(
		(struct str){value.p + 8, str_find(str_from(value, 8), ' ')});
	at = str_find(value, ' ');
	sent_by = str_trim((struct str){value.p + at, str_find(value, ';') - at});
	end = sent_by.p[0] == '[' ? str_find(sent_by, ']') + 1 : str_find(sent_by, ':');
	m->via_host = test_span(raw, (struct str){sent_by.p, end});
	if (end < sent_by.n)
		m->via_port = (uint16_t)atoi(sent_by.p + end + 1);
	at = str_find(value, ';');
	if (at == value.n)
		return;
	m->via_params = test_span(raw, str_from(value, at));
	rest = str_from(value, at + 1);
	while (param_next(&rest, &name, &param) == 0) {
		if (str_equal_nocase(name, S("branch")))
			m->via_branch = test_span(raw, param);
		if (str_equal_nocase(name, S("rport")) && !param.p)
			m->rport = 1;
	}
}

static inline void test_address(
	const char *raw, struct str value, struct uri *uri, struct span *tag)
{
	struct address a;
	struct str found = STR_NONE;

	cr_assert(address_next(&value, &a) == 0);
	*uri = test_uri(raw, &a.uri);
	if (param_find(a.params, S("tag"), &found))
		*tag = test_span(raw, found);
}

/* The block of text, from flow; freed by the caller. */
static inline struct message *message_of(const char *text, const struct flow *flow)
{
	struct message head = {
		.version = MESSAGE_VERSION, .max_forwards = -1, .expires = -1, .flow = *flow};
	struct message_header table[MESSAGE_HEADERS_MAX];
	struct str all = str_of(text), line, first;
	size_t at = str_find(all, '\r'), end, headers = 0, space;
	struct uri_parts uri;
	char *raw;
	struct message *m;

	memset(head.first, 0xff, sizeof(head.first));
	first = (struct str){text, at};
	head.start_line = test_span(text, first);
	head.is_request = !str_starts(first, S("SIP/2.0 "));
	space = str_find(first, ' ');
	if (head.is_request) {
		head.method_name = (struct span){0, (uint16_t)space};
		head.method = method_of((struct str){text, space});
		line = str_from(first, space + 1);
		line.n = str_find(line, ' ');
		cr_assert(uri_parse(line, &uri) == 0);
		head.request_uri = test_uri(text, &uri);
	} else {
		head.status = (uint16_t)atoi(text + 8);
		head.reason = test_span(text, str_from(first, 12));
	}
	for (at += 2; text[at] != '\r'; at = end) {
		end = at + str_find(str_from(all, at), '\r') + 2;
		line = (struct str){text + at, end - at - 2};
		size_t colon = str_find(line, ':');
		struct str value = str_trim(str_from(line, colon + 1));
		uint8_t id = header_of((struct str){line.p, colon});
		table[headers] = (struct message_header){.id = id,
			.name_length = (uint8_t)colon,
			.line = (uint16_t)at,
			.end = (uint16_t)end,
			.value = {(uint16_t)(value.p - text), (uint16_t)value.n}};
		if (id < HEADER_COUNT && head.first[id] == 0xff)
			head.first[id] = (uint8_t)headers;
		headers++;
		if (id == HEADER_VIA)
			test_via(&head, text, value);
		if (id == HEADER_FROM)
			test_address(text, value, &head.from, &head.from_tag);
		if (id == HEADER_TO)
			test_address(text, value, &head.to, &head.to_tag);
		if (id == HEADER_CALL_ID)
			head.call_id = test_span(text, value);
		if (id == HEADER_CSEQ) {
			head.cseq = (uint32_t)atoi(value.p);
			if (!head.is_request) {
				head.method_name = test_span(
					text, str_from(value, str_find(value, ' ') + 1));
				head.method = method_of(str_from(value, str_find(value, ' ') + 1));
			}
		}
		if (id == HEADER_MAX_FORWARDS)
			head.max_forwards = (int16_t)atoi(value.p);
	}
	head.body = test_span(text, str_from(all, at + 2));
	head.raw_size = (uint32_t)all.n;
	head.header_count = (uint16_t)headers;
	head.size = (uint32_t)message_block_size(headers, all.n);
	m = calloc(1, head.size);
	cr_assert(m != NULL);
	*m = head;
	memcpy(m + 1, table, headers * sizeof(*table));
	raw = (char *)(m + 1) + headers * sizeof(*table);
	memcpy(raw, text, all.n);
	return m;
}

#endif
