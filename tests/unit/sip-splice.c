/* sip-splice.c - what does not pass from one leg to the other: a NUL, which is in the grammar (as a
 * quoted-pair) and ends a string in the software of many. */
#include "sip-fixture.h"
#include "sip-message.h"
#include "worker-sip/json.h"
#include "worker-sip/call/dialog_reference.h"
#include "worker-sip/message/party.h"
#include "worker-sip/message/splice.h"

static struct wire *wire;

/* The block of text, in which each '#' is a NUL. */
static struct message *with_nul(const char *text)
{
	struct flow flow = {.transport = TRANSPORT_UDP,
		.listener = CORE_UDP,
		.peer = {.family = 4, .port = 5060, .address = {10, 0, 0, 9}}};
	struct message *m = message_of(text, &flow);
	char *raw = (char *)m + sizeof(*m) + m->header_count * sizeof(struct message_header);

	if (!m->body.length)
		m->body.at = (uint16_t)m->raw_size;
	if (message_first(m, HEADER_CONTENT_TYPE))
		m->content_type = message_first(m, HEADER_CONTENT_TYPE)->value;
	if (message_first(m, HEADER_CONTACT)) {
		test_address(
			raw, message_value(m, HEADER_CONTACT), &m->contact, &(struct span){0, 0});
		m->contact_count = 1;
	}
	for (uint32_t i = 0; i < m->raw_size; i++)
		if (raw[i] == '#')
			raw[i] = 0;
	cr_assert_eq(message_check(m, m->size), 0, "it gets as far as here");
	return m;
}

static struct str tagged(const char *value, const char *tag, char buffer[256])
{
	char copy[256];
	size_t n = strlen(value);
	struct writer w = {.p = buffer, .size = 256};

	memcpy(copy, value, n);
	for (size_t i = 0; i < n; i++)
		if (copy[i] == '#')
			copy[i] = 0;
	write_address_tag(&w, (struct str){copy, n}, str_of(tag));
	cr_assert(!w.full);
	return writer_text(&w);
}

Test(splice, display_names_with_a_nul_stay_behind)
{
	static const char *const rows[][2] = {
		{"\"a\\#b\" <sip:a@b>;tag=1", "<sip:a@b>;tag=x"},
		{"\"a\\#b\"<sip:a@b;u?h=v>;p=q;tag=1", "<sip:a@b;u?h=v>;p=q;tag=x"},
		{"\"a\" <sip:a@b> ; p ;tag=1;q=\"\\#\"", "\"a\" <sip:a@b>;p;tag=x"},
		{"\"\\#\"\r\n <sip:a@b>", "<sip:a@b>;tag=x"},
		{"\"a\\0b\" <sip:a@b>;p=\"q\"", "\"a\\0b\" <sip:a@b>;p=\"q\";tag=x"},
	};
	char buffer[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct str got = tagged(rows[i][0], "x", buffer);

		cr_assert(str_equal(got, str_of(rows[i][1])), "%.*s", STR(got));
	}
}

#define HEAD                                                                                       \
	"Via: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1\r\nFrom: \"a\\#\" <sip:a@b>;tag=1\r\nTo: "      \
	"\"b\\#\" <sip:b@c>\r\nCall-ID: c\r\nCSeq: 1 MESSAGE\r\n"
#define REST                                                                                       \
	"Subject: before\r\nReply-To: \"\\#\" <sip:hidden@b>\r\nX-Own: y\r\nP-Asserted-Identity: " \
	"\"x\\#\" <sip:hidden@b>\r\nContact: \"\\#\" <sip:a@10.0.0.9>\r\nDate: "                   \
	"z\r\nContent-Type: a/b\r\n\r\n1#2"

Test(splice, request_lines_with_a_nul_do_not_pass)
{
	struct fixture *f = fixture_new();
	struct message *m = with_nul("MESSAGE sip:b@c SIP/2.0\r\n" HEAD REST);
	struct flow to = {.transport = TRANSPORT_UDP, .listener = CORE_UDP, .peer = m->flow.peer};
	struct splice s = {.sip = &f->sip,
		.in = m,
		.from_zone = ZONE_CORE,
		.to_zone = ZONE_CORE,
		.contact_user = S("us"),
		.request_uri = S("sip:b@10.0.0.8"),
		.to = &to,
		.from = S("<sip:a@b>;tag=2"),
		.to_value = S("<sip:b@c>"),
		.call_id = S("d"),
		.cseq = 1};

	cr_assert_eq(splice_request(&s, &wire), 0);
	struct str all = {wire->byte, wire->size};
	const char *body = memmem(all.p, all.n, "\r\n\r\n", 4);
	cr_assert_not_null(body);
	struct str head = {all.p, (size_t)(body - all.p)};
	cr_assert_null(memchr(head.p, 0, head.n));
	cr_assert_null(memmem(head.p, head.n, "hidden", sizeof("hidden") - 1));
	cr_assert_null(memmem(head.p, head.n, "Reply-To", sizeof("Reply-To") - 1));
	cr_assert_not_null(
		memmem(head.p, head.n, "\r\nSubject: before\r\nX-Own: y\r\nContact: <sip:us@",
			sizeof("\r\nSubject: before\r\nX-Own: y\r\nContact: <sip:us@") - 1));
	cr_assert_not_null(memmem(head.p, head.n, "\r\nDate: z\r\nContent-Type: a/b\r\n",
		sizeof("\r\nDate: z\r\nContent-Type: a/b\r\n") - 1));
	cr_assert(str_equal(str_from(all, all.n - 3), ((struct str){"1\0002", 3})),
		"a body is octets");
	wire_drop(wire);
	free(m);
	fixture_free(f);
}

Test(splice, response_lines_with_a_nul_do_not_pass)
{
	struct fixture *f = fixture_new();

	struct message *
		m = with_nul("SIP/2.0 200 OK\r\n" HEAD REST),
	       *request = with_nul(
		       "MESSAGE sip:b@c SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9\r\nFrom: "
		       "<sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: e\r\nCSeq: 1 MESSAGE\r\n\r\n");
	struct splice s = {.sip = &f->sip,
		.in = m,
		.from_zone = ZONE_CORE,
		.to_zone = ZONE_CORE,
		.contact_user = S("us")};

	cr_assert_eq(splice_response(&s, request, 0, S("t"), &wire), 0);
	const char *body = memmem(wire->byte, wire->size, "\r\n\r\n", sizeof("\r\n\r\n") - 1);
	cr_assert_not_null(body);
	cr_assert_null(memchr(wire->byte, 0, (size_t)(body - wire->byte)));
	cr_assert_null(memmem(wire->byte, wire->size, "hidden", sizeof("hidden") - 1));
	cr_assert_not_null(
		memmem(wire->byte, wire->size, "\r\nX-Own: y\r\n", sizeof("\r\nX-Own: y\r\n") - 1));
	wire_drop(wire);
	free(request);
	free(m);
	fixture_free(f);
}

Test(splice, mapped_addresses_lose_it)
{
	struct fixture *f = fixture_new();
	static const char *const rows[][2] = {{"\"r\\#\" <sip:r@b?x=y>;p", "<sip:r@b?x=y>;p"},
		{"\"r\" <sip:r@b>;p=\"\\#\"", "\"r\" <sip:r@b>"}, {"sip:r@b;p=\"\\#\"", "sip:r@b"},
		{"\"r\" <sip:r@b>;p", "\"r\" <sip:r@b>;p"}};
	struct flow to = {.transport = TRANSPORT_UDP};
	struct hosts hosts = hosts_between(&f->sip, ZONE_CORE, ZONE_CORE, &to);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char buffer[256], copy[256];
		struct writer w = WRITER(buffer);
		size_t n = strlen(rows[i][0]);

		for (size_t k = 0; k < n; k++)
			copy[k] = rows[i][0][k] == '#' ? 0 : rows[i][0][k];
		dialog_reference_address(&w, (struct str){copy, n}, &hosts);
		cr_assert(str_equal(writer_text(&w), str_of(rows[i][1])), "%.*s",
			STR(writer_text(&w)));
	}
	fixture_free(f);
}

/* What is reached through us is reached over the transport of the leg where the URI is written. */
Test(splice, mapped_addresses_have_the_transport_of_the_other_leg)
{
	struct fixture *f = fixture_new();
	static const char uri[] = "<sip:bob@10.9.9.9:5071;transport=udp;x=1>";
	static const struct {
		uint8_t transport;
		const char *uri, *end;
	} rows[] = {{TRANSPORT_UDP, uri, ";x=1>"}, {TRANSPORT_TCP, uri, ";x=1;transport=tcp>"},
		{TRANSPORT_TLS, uri, ";x=1;transport=tls>"},
		{TRANSPORT_WSS, uri, ";x=1;transport=ws>"},
		{TRANSPORT_TLS, "<sips:bob@10.9.9.9;transport=tcp>", "5060>"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct flow to = {.transport = rows[i].transport};
		struct hosts hosts = hosts_between(&f->sip, ZONE_CORE, ZONE_OPEN, &to);
		char buffer[256];
		struct writer w = WRITER(buffer);

		dialog_reference_address(&w, str_of(rows[i].uri), &hosts);
		size_t n = strlen(rows[i].end);
		cr_assert(w.n > n && memcmp(buffer + w.n - n, rows[i].end, n) == 0, "%.*s",
			STR(writer_text(&w)));
		cr_assert_null(memmem(buffer, w.n, "10.9.9.9", 8));
	}
	fixture_free(f);
}

Test(splice, lists_say_that_it_was_there)
{
	char buffer[64];
	struct writer w = WRITER(buffer);

	write_json(&w, (struct str){"a\0b\x01", 4});
	cr_assert(str_equal(writer_text(&w), S("a\\ufffdb\\u0001")));
}
