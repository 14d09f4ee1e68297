/* sip-multipart.c - what of one side stands in the headers within bodies: of the parts of
 * multiparts and of messages. It is not in the bytes that leave, and all else stays as it was. */
#include "sip-scene.h"

/* Of the one who sends the body. */
#define INSIDE "203.0.113.77"

static struct flow core;

static void set_up(void)
{
	worker_set_up_with_bob();
	core = flow_of(CORE_UDP, "10.0.0.11:5060", 0);
}

TestSuite(multipart, .init = set_up, .fini = worker_tear_down);

/* Of the text with its lines ending in CRLF. */
static size_t wire_length(const char *text)
{
	size_t n = strlen(text);

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static struct sent *relayed_body(const char *type, const char *body)
{
	static unsigned calls;
	char more[256];

	snprintf(more, sizeof(more), "Content-Type: %s\n", type);
	receive(&core,
		"MESSAGE sip:bob@example.net SIP/2.0\nVia: SIP/2.0/UDP "
		"10.0.0.11;branch=z9hG4bKbody%u\nMax-Forwards: 70\nFrom: "
		"<sip:a@example.org>;tag=1\nTo: <sip:bob@example.net>\nCall-ID: body-%u\nCSeq: 1 "
		"MESSAGE\n%sContent-Length: %zu\n\n%s",
		calls, calls, more, wire_length(body), body);
	calls++;
	return take_request("MESSAGE");
}

static void body_becomes(const char *type, const char *body, const char *wanted)
{
	struct sent *out = relayed_body(type, body);
	struct str got = message_str(out->message, out->message->body);
	char text[2048];
	size_t n = 0;

	for (size_t i = 0; i < got.n; i++)
		if (got.p[i] != '\r')
			text[n++] = got.p[i];
	text[n] = 0;
	cr_expect_str_eq(text, wanted);
}

Test(multipart, headers_of_parts)
{
	body_becomes("multipart/mixed;boundary=b1",
		"before " INSIDE "\n--b1\nContent-Type: application/sdp\nContent-ID: <x@" INSIDE
		">\nX-At:\n " INSIDE ":5099\n\nc=IN IP4 " INSIDE "\n--b1\nContent-Type: "
		"text/plain\n\nX-At: " INSIDE "\n--b1--\nafter " INSIDE "\n",
		"before " INSIDE "\n--b1\nContent-Type: application/sdp\nContent-ID: <x@192.0.2.1"
		">\nX-At:\n 192.0.2.1\n\nc=IN IP4 " INSIDE "\n--b1\nContent-Type: "
		"text/plain\n\nX-At: " INSIDE "\n--b1--\nafter " INSIDE "\n");
}

Test(multipart, headers_of_parts_of_parts)
{
	body_becomes("Multipart / Mixed ; boundary=\"b 1\"",
		"--b 1\nContent-Type: multipart/alternative;\n boundary=b2\n\n--b2\nContent-ID: "
		"<x@" INSIDE ">\n\n" INSIDE "\n--b2--\n--b 1\nContent-Location: sip:" INSIDE
		"\n\n--b2\nX-At: " INSIDE "\n--b 1--\n",
		"--b 1\nContent-Type: multipart/alternative;\n boundary=b2\n\n--b2\nContent-ID: "
		"<x@192.0.2.1>\n\n" INSIDE "\n--b2--\n--b 1\nContent-Location: sip:192.0.2.1"
		"\n\n--b2\nX-At: " INSIDE "\n--b 1--\n");
}

Test(multipart, a_boundary_with_an_address_stays_one)
{
	struct sent *out = relayed_body("multipart/mixed;boundary=\"b-" INSIDE "\"",
		"--b-" INSIDE "\nX-At: " INSIDE "\n\ntext\n--b-" INSIDE "--\n");

	cr_assert(!raw_has(out, INSIDE));
	cr_assert(raw_has(out, "boundary=\"b-192.0.2.1\""));
	cr_assert(raw_has(out, "--b-192.0.2.1\r\nX-At: 192.0.2.1\r\n\r\ntext\r\n--b-192.0.2.1--"));
}

Test(multipart, fragments_of_messages)
{
	body_becomes("message/sipfrag;version=2.0",
		"SIP/2.0 503 at " INSIDE "\nContact: <sip:a@" INSIDE ":5099>\n\n" INSIDE "\n",
		"SIP/2.0 503 at 192.0.2.1\nContact: <sip:a@192.0.2.1>\n\n" INSIDE "\n");
	body_becomes("multipart/mixed;boundary=b",
		"--b\nContent-Type: message/sipfrag\n\nFrom: <sip:a@" INSIDE ">\n\n" INSIDE
		"\n--b--\n",
		"--b\nContent-Type: message/sipfrag\n\nFrom: <sip:a@192.0.2.1>\n\n" INSIDE
		"\n--b--\n");
}

/* Within quotes a boundary may be written with quoted-pairs (RFC 3261 section 25.1). */
Test(multipart, a_boundary_with_quoted_pairs)
{
	body_becomes("multipart/mixed;boundary=\"\\b \\\"\\1\"",
		"--b \"1\nX-At: " INSIDE "\n\n" INSIDE "\n--b \"1--\n",
		"--b \"1\nX-At: 192.0.2.1\n\n" INSIDE "\n--b \"1--\n");
	body_becomes("multipart/mixed;boundary=\"b\\1\"", "--b\nX-At: " INSIDE "\n\n--b\\1\n",
		"--b\nX-At: " INSIDE "\n\n--b\\1\n");
}

/* Bodies of other types, and those for a zone that sees hosts, are octets. */
Test(multipart, other_bodies_stay)
{
	static const char body[] = "--b\nX-At: " INSIDE "\n\n--b--\n";

	body_becomes("text/plain;boundary=b", body, body);
	body_becomes("multipart/mixed", body, body);
	body_becomes("multipart/mixed;boundary=c", body, body);
	worker->image.zone[ZONE_OPEN].hosts = LEAVING_PASS;
	body_becomes("multipart/mixed;boundary=b", body, body);
}

/* Where others are dropped, a body without its type would be nothing (RFC 3261 section 20.15). */
Test(multipart, a_boundary_that_is_not_dropped)
{
	worker->image.zone[ZONE_OPEN].hosts = LEAVING_DROP;
	struct sent *out = relayed_body("multipart/mixed;boundary=\"b-" INSIDE "\"",
		"--b-" INSIDE "\nX-At: " INSIDE "\n\ntext\n--b-" INSIDE "--\n");
	cr_expect(raw_has(out, "Content-Type: multipart/mixed;boundary=\"b-192.0.2.1\""));
	cr_expect(raw_has(out, "--b-192.0.2.1\r\nX-At: 192.0.2.1\r\n"));
}
