/* ipc-message.c - the block between transport and SIP workers: its check against a hostile sender,
 * its accessors, and the tables of names. */
#include "ipc/message.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static _Alignas(8) char buffer[4096];

#define LINE "OPTIONS sip:b@c SIP/2.0\r\n"
#define HEAD                                                                                       \
	"Via: SIP/2.0/UDP a;branch=x\r\nFrom: <sip:d@e>;tag=1\r\nTo: <sip:f@g>\r\nCall-ID: "       \
	"i\r\nCSeq: 7 OPTIONS\r\nVia: SIP/2.0/TCP h\r\n"

static struct span find(const char *raw, const char *text)
{
	const char *at = strstr(raw, text);

	cr_assert_not_null(at, "%s", text);
	return (struct span){(uint16_t)(at - raw), (uint16_t)strlen(text)};
}

/* A block made by hand, so that this test does not depend on the parser. */
static struct message *make(void)
{
	static const char raw[] = LINE HEAD "\r\nbody";
	static const char *const values[] = {"SIP/2.0/UDP a;branch=x", "<sip:d@e>;tag=1",
		"<sip:f@g>", "i\r\n", "7 OPTIONS", "SIP/2.0/TCP h"};
	static const uint8_t ids[] = {
		HEADER_VIA, HEADER_FROM, HEADER_TO, HEADER_CALL_ID, HEADER_CSEQ, HEADER_VIA};
	struct message *m = (struct message *)(void *)buffer;
	struct message_header *h = (struct message_header *)(void *)(m + 1);
	uint16_t line = sizeof(LINE) - 1;

	memset(buffer, 0, sizeof(buffer));
	*m = (struct message){
		.version = MESSAGE_VERSION,
		.is_request = 1,
		.method = METHOD_OPTIONS,
		.raw_size = sizeof(raw) - 1,
		.cseq = 7,
		.header_count = 6,
		.max_forwards = -1,
		.expires = -1,
		.via_transport = TRANSPORT_UDP,
		.via_count = 2,
		.flow = {.transport = TRANSPORT_UDP,
			.peer = {.family = 4, .port = 5060, .address = {192, 0, 2, 1}}},
	};
	m->size = (uint32_t)message_block_size(6, m->raw_size);
	memset(m->first, 0xff, sizeof(m->first));
	for (unsigned i = 0; i < 6; i++) {
		const char *end = strstr(raw + line, "\r\n");

		h[i] = (struct message_header){.id = ids[i],
			.name_length = (uint8_t)strcspn(raw + line, ":"),
			.line = line,
			.end = (uint16_t)(end + 2 - raw),
			.value = find(raw, values[i])};
		if (ids[i] == HEADER_CALL_ID)
			h[i].value = (struct span){(uint16_t)(end - raw - 1), 1};
		if (m->first[ids[i]] == 0xff)
			m->first[ids[i]] = (uint8_t)i;
		line = h[i].end;
	}
	m->start_line = (struct span){0, sizeof(LINE) - 3};
	m->method_name = (struct span){0, 7};
	m->request_uri = (struct uri){.whole = find(raw, "sip:b@c"),
		.user = find(raw, "b@c"),
		.host = find(raw, "c SIP"),
		.scheme = URI_SIP};
	m->request_uri.user.length = m->request_uri.host.length = 1;
	m->via = h[0].value;
	m->via_host = find(raw, "a;branch");
	m->via_host.length = 1;
	m->via_params = find(raw, ";branch=x");
	m->via_branch = find(raw, "x\r\n");
	m->via_branch.length = 1;
	m->call_id = h[3].value;
	m->from = (struct uri){.whole = find(raw, "sip:d@e"), .scheme = URI_SIP};
	m->from_tag = find(raw, "1\r\n");
	m->from_tag.length = 1;
	m->to = (struct uri){.whole = find(raw, "sip:f@g"), .scheme = URI_SIP};
	m->body = find(raw, "body");
	memcpy(h + 6, raw, sizeof(raw) - 1);
	return m;
}
static struct message_header *header(struct message *m, unsigned i)
{
	return (struct message_header *)(void *)(m + 1) + i;
}

Test(message, whole)
{
	struct message *m = make();

	cr_assert_eq(message_check(m, m->size), 0);
	cr_assert(str_equal(message_value(m, HEADER_CALL_ID), S("i")));
	const struct message_header *via = message_first(m, HEADER_VIA);
	cr_assert(str_equal(message_header_value(m, message_next(m, via)), S("SIP/2.0/TCP h")));
	cr_assert_null(message_next(m, message_next(m, via)));
	cr_assert_null(message_first(m, HEADER_CONTACT));
	cr_assert_eq(message_value(m, HEADER_CONTACT).n, 0);
	cr_assert(str_equal(message_str(m, m->body), S("body")));
}

/* Each line breaks one thing; the block must not pass. */
#define BREAKS(statement)                                                                          \
	do {                                                                                       \
		struct message *m = make();                                                        \
		struct message_header *h = header(m, 0);                                           \
		char *raw = (char *)(h + 6);                                                       \
		(void)h;                                                                           \
		(void)raw;                                                                         \
		statement;                                                                         \
		cr_assert_eq(message_check(m, m->size), -EBADMSG, "passes with %s", #statement);   \
	} while (0)

Test(message, broken)
{
	BREAKS(m->version++);
	BREAKS(m->size += 8);
	BREAKS(m->size = 8);
	BREAKS(m->raw_size = 0);
	BREAKS(m->raw_size -= 8);
	BREAKS(m->raw_size = 0xffffffff);
	BREAKS(m->grown = m->raw_size);
	BREAKS(m->header_count++);
	BREAKS(m->header_count = 0xffff);
	BREAKS(m->is_request = 2);
	BREAKS(m->is_request = 0);
	BREAKS(m->method = METHOD_COUNT);
	BREAKS(m->method = METHOD_INVITE);
	BREAKS(m->cseq = 0x80000000);
	BREAKS(m->status = 200);
	BREAKS(m->max_forwards = 256);
	BREAKS(m->max_forwards = -2);
	BREAKS(m->expires = -2);
	BREAKS(m->expires = INT64_MAX);
	BREAKS(m->via_transport = TRANSPORT_COUNT);
	BREAKS(m->contact_star = 1);
	BREAKS(m->contact_count = 1);
	BREAKS(m->rport = 2);
	BREAKS(m->broken = 1);
	BREAKS(m->via_count = 0);
	BREAKS(m->flow.transport = 0);
	BREAKS(m->flow.transport = TRANSPORT_COUNT);
	BREAKS(m->flow.zero[0] = 1);
	BREAKS(m->flow.peer.family = 0);
	BREAKS(m->flow.peer.family = 5);
	BREAKS(m->flow.peer.address[4] = 1);
	BREAKS(m->flow.peer.zero = 1);
	BREAKS(m->flow.local.port = 1);
	BREAKS(m->start_line.at = 1);
	BREAKS(m->start_line.length++);
	BREAKS(m->start_line.length = 0xffff);
	BREAKS(m->method_name.at = 1);
	BREAKS(m->method_name.length = 0);
	BREAKS(m->reason.length = 1);
	BREAKS(m->request_uri.whole.length = 0);
	BREAKS(m->request_uri.whole.at = m->via.at);
	BREAKS(m->request_uri.user.at = 0xffff);
	BREAKS(m->request_uri.host.length = 100);
	BREAKS(m->request_uri.scheme = URI_OTHER + 1);
	BREAKS(m->request_uri.scheme = URI_NONE);
	BREAKS(m->request_uri.zero = 1);
	BREAKS(m->request_uri.params.at = 0xffff);
	BREAKS(m->via.at = m->from.whole.at);
	BREAKS(m->via.length = 0);
	BREAKS(m->via_host.length = 0);
	BREAKS(m->via_host.at = 0);
	BREAKS(m->via_branch.at = m->via_host.at);
	BREAKS(m->via_params.length = 200);
	BREAKS(m->call_id.length = 0);
	BREAKS(m->call_id.at--);
	BREAKS(m->from.whole.length = 0);
	BREAKS(m->from.whole.at = m->to.whole.at);
	BREAKS(m->from_tag.length = 5);
	BREAKS(m->to_tag.at = 0xffff);
	BREAKS(m->to_tag = m->from_tag);
	BREAKS(m->contact.whole = m->to.whole);
	BREAKS(m->content_type = m->to.whole);
	BREAKS(m->body.at--);
	BREAKS(m->body.length--);
	BREAKS(m->body.length = 0xffff);
	BREAKS(m->first[HEADER_CONTACT] = 0);
	BREAKS(m->first[HEADER_VIA] = 5);
	BREAKS(m->first[HEADER_TO] = 0xff);
	BREAKS(m->first[HEADER_TO] = 200);
	BREAKS(h[0].id = HEADER_OTHER);
	BREAKS(h[1].id = HEADER_TO);
	BREAKS(h[1].id = HEADER_COUNT);
	BREAKS(h[5].id = HEADER_OTHER);
	BREAKS(m->call_id.length = h[3].value.length = 0);
	BREAKS(h[1].line++);
	BREAKS(h[1].line = 0);
	BREAKS(h[1].end--);
	BREAKS(h[1].end = 0xffff);
	BREAKS(h[5].end = 0xffff);
	BREAKS(h[1].name_length = 0);
	BREAKS(h[1].name_length = 255);
	BREAKS(h[1].value.at = 0);
	BREAKS(h[1].value.length = 0xffff);
	BREAKS(h[1].value.length += 1);
	BREAKS(raw[h[1].line + 8] = '\n');
	BREAKS(raw[h[1].line + 8] = 0);
	BREAKS(raw[h[1].end - 2] = ' ');
	BREAKS(raw[h[1].end - 1] = ' ');
	BREAKS(raw[5] = '\n');
	BREAKS(raw[m->body.at - 2] = ' ');
	BREAKS(raw[m->raw_size] = 1);
	BREAKS(memcpy(raw + h[1].line + 6, "\r\nP", 3));
}

/* The last header line, marked as unreadable, with another first letter. */
static struct message *make_unreadable(char first)
{
	struct message *m = make();
	struct message_header *h = header(m, 5);

	((char *)(header(m, 0) + 6))[h->line] = first;
	h->id = HEADER_UNREADABLE;
	h->value = (struct span){0, 0};
	m->unreadable = 1;
	return m;
}
#define UNREADABLE_BREAKS(statement)                                                               \
	do {                                                                                       \
		struct message *m = make_unreadable('X');                                          \
		struct message_header *h = header(m, 5);                                           \
		char *raw = (char *)(h + 1);                                                       \
		(void)raw;                                                                         \
		statement;                                                                         \
		cr_assert_eq(message_check(m, m->size), -EBADMSG, "passes with %s", #statement);   \
	} while (0)

Test(message, unreadable_lines)
{
	struct message *m = make_unreadable('X');

	cr_assert_eq(message_check(m, m->size), 0);
	cr_assert_eq(message_unreadable_id(m, header(m, 5)), HEADER_OTHER);
	m = make_unreadable('V');
	cr_assert_eq(message_check(m, m->size), -EBADMSG, "a Via is never left out");
	/* octets that pass nowhere may stand in it */
	m = make_unreadable('X');
	((char *)(header(m, 0) + 6))[header(m, 5)->line + 6] = 0;
	cr_assert_eq(message_check(m, m->size), 0);
}

Test(message, unreadable_lines_that_are_none)
{
	UNREADABLE_BREAKS(m->unreadable = 0);
	UNREADABLE_BREAKS(m->unreadable = 2);
	UNREADABLE_BREAKS(h->value.length = 1);
	UNREADABLE_BREAKS(h->value.at = h->line + 5u);
	UNREADABLE_BREAKS(h->name_length = 2);
	UNREADABLE_BREAKS(h->name_length = 0);
	UNREADABLE_BREAKS(h->end--);
	UNREADABLE_BREAKS(raw[h->line + 5] = '\n');
	UNREADABLE_BREAKS((raw[h->line] = '\r', raw[h->line + 1] = '\n', raw[h->line + 2] = ' ',
		h->name_length = 0));
	UNREADABLE_BREAKS(m->first[HEADER_SUBJECT] = 5);
	BREAKS(m->unreadable = 1);
	BREAKS(m->empty_elements = 2);
	BREAKS((h[2].id = HEADER_UNREADABLE, h[2].value = (struct span){0, 0}, m->unreadable = 1));
}

/* From with a NUL, in place of "<sip:d@e>;tag=1". */
static int check_with(const char *name, const char *value)
{
	struct message *m = make();
	struct message_header *h = header(m, 1);
	char *raw = (char *)(header(m, 0) + 6);

	memcpy(raw + h->line, name, 4);
	memcpy(raw + h->value.at, value, 15);
	return message_check(m, m->size);
}

Test(message, raw_bytes_before_the_check)
{
	struct message *m = make();
	size_t size = m->size;
	struct str raw = message_raw_unchecked(m, size);

	cr_assert_eq(raw.p, message_raw(m));
	cr_assert_eq(raw.n, m->raw_size);
	cr_assert_eq(message_raw_unchecked(m, 0).n, 0);
	cr_assert_eq(message_raw_unchecked(m, sizeof(*m) - 1).n, 0);
	cr_assert_eq(message_raw_unchecked(m, size - 8).n, 0, "they would end outside");
	m->header_count = UINT16_MAX;
	cr_assert_eq(message_raw_unchecked(m, size).n, 0);
	m->header_count = 6;
	m->raw_size = UINT32_MAX;
	cr_assert_eq(message_raw_unchecked(m, size).n, 0);
	m->raw_size = 0;
	cr_assert_null(message_raw_unchecked(m, size).p);
}

Test(message, nul_only_in_a_quoted_pair)
{
	cr_assert_eq(check_with("From", "<sip:d@e>;tag=1"), 0);
	cr_assert_eq(check_with("From", "<sip:d@e>\"\\\0\"=1"), 0,
		"what the grammar makes of it is the parser's word");
	cr_assert_eq(check_with("From", "<sip:d@e>\\\0g=1\""), -EBADMSG);
	cr_assert_eq(check_with("From", "<sip:d@e>\"\0\"x=1"), -EBADMSG);
	cr_assert_eq(check_with("From", "<sip:d@e>\"\\\0g=1"), -EBADMSG);
	cr_assert_eq(check_with("From", "<sip:d@e>\"\\\\\0\"1"), -EBADMSG);
	BREAKS(memcpy(raw + m->via_params.at, ";\"\\\0\"", 5));
	BREAKS(raw[h[1].line + 4] = 0);
	BREAKS(raw[h[1].value.at - 1] = 0);
	BREAKS(raw[3] = 0);
	/* quotes that only the value as its reader sees it has */
	BREAKS((memcpy(raw + h[1].value.at, "<sip:d@e>\"\\\0\"=1", 15), h[1].value.at += 10,
		h[1].value.length -= 10));
	BREAKS((memcpy(raw + h[1].value.at, "<sip:d@e>\"\\\0\"=1", 15), h[1].value.length -= 5));
	for (unsigned id = 0; id < HEADER_COUNT; id++)
		cr_assert_eq(header_takes_nul((uint8_t)id),
			id == HEADER_FROM || id == HEADER_TO || id == HEADER_CONTACT ||
				id == HEADER_REPLY_TO || id == HEADER_REFER_TO ||
				id == HEADER_REFERRED_BY || id == HEADER_P_ASSERTED_IDENTITY ||
				id == HEADER_P_PREFERRED_IDENTITY || id == HEADER_REMOTE_PARTY_ID ||
				id == HEADER_DIVERSION || id == HEADER_HISTORY_INFO,
			"%s", header_name(id));
	cr_assert_not(header_takes_nul(HEADER_OTHER));
}

Test(message, sizes)
{
	struct message *m = make();

	for (size_t size = 0; size < m->size; size++) {
		_Alignas(8) char *copy = malloc(size + 1);

		memcpy(copy, m, size);
		cr_assert_eq(message_check(copy, size), -EBADMSG);
		free(copy);
	}
	cr_assert_eq(message_check(m, m->size + 8), -EBADMSG);
}

Test(message, fold_is_no_injection)
{
	struct message *m = make();
	char *raw = (char *)(header(m, 0) + 6);

	memcpy(raw + header(m, 1)->line + 6, "\r\n ",
		3); /* destroys From's URI, which is the parser's word */
	cr_assert_eq(message_check(m, m->size), 0);
}

Test(message, header_names)
{
	for (unsigned id = 0; id < HEADER_COUNT; id++) {
		char name[64];
		size_t n = strlen(header_name(id));

		cr_assert_eq(header_of(str_of(header_name(id))), id, "%s", header_name(id));
		for (size_t i = 0; i <= n; i++)
			name[i] = (char)toupper(header_name(id)[i]);
		cr_assert_eq(header_of((struct str){name, n}), id, "%s", name);
		name[n - 1]++;
		cr_assert_neq(header_of((struct str){name, n}), id);
	}
#define HEADER(id, name, compact)                                                                  \
	cr_assert(!sizeof(compact "") || !compact[0] || header_of(str_of(compact)) == HEADER_##id, \
		"%s", name);
#include "ipc/headers.def"
#undef HEADER
	cr_assert_eq(header_of(S("V")), HEADER_VIA);
	cr_assert_eq(header_of(STR_EMPTY), HEADER_OTHER);
	cr_assert_eq(header_of(S("!")), HEADER_OTHER);
	cr_assert_eq(header_of(S("\xff")), HEADER_OTHER);
	cr_assert_eq(header_of(S("Vib")), HEADER_OTHER);
}

Test(message, method_and_status_names)
{
	for (uint8_t m = 1; m < METHOD_COUNT; m++)
		cr_assert_eq(method_of(str_of(method_name(m))), m);
	cr_assert_eq(method_of(S("invite")), METHOD_UNKNOWN);
	cr_assert_eq(method_of(S("INVITEX")), METHOD_UNKNOWN);
	cr_assert_str_eq(method_name(METHOD_UNKNOWN), "?");
	cr_assert_str_eq(method_name(255), "?");
	cr_assert_str_eq(status_reason(486), "Busy Here");
	cr_assert_str_eq(status_reason(799), "Unknown");
}

Test(message, transports)
{
	for (uint8_t t = TRANSPORT_UDP; t < TRANSPORT_COUNT; t++)
		cr_assert_eq(transport_of(str_of(transport_name(t))), t);
	cr_assert_eq(transport_of(S("wss")), TRANSPORT_WSS);
	cr_assert_eq(transport_of(S("SCTP")), 0);
	cr_assert_str_eq(transport_name(0), "?");
	cr_assert_str_eq(transport_name(200), "?");
}
