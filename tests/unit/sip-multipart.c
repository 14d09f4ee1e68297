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

/* ---- messages within ---- */

#define FROM_INSIDE "From: <sip:a@" INSIDE ":5099>\n"
#define FROM_OURS "From: <sip:a@192.0.2.1>\n"

Test(multipart, messages)
{
	static const char *const types[] = {"message/rfc822", "message/sip", "Message / SIP;a=b",
		"message/http", "message/global", "message/external-body;access-type=url",
		"message/disposition-notification", "message/whatever"};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		char type[128], part[256], wanted[256];
		static const char message[] = FROM_INSIDE "X-At:\n " INSIDE "\n\nin " INSIDE "\n",
				  hidden[] = FROM_OURS "X-At:\n 192.0.2.1\n\nin " INSIDE "\n";

		snprintf(type, sizeof(type), "%s", types[i]);
		body_becomes(type, message, hidden);
		snprintf(part, sizeof(part), "--b\nContent-Type: %s\n\n%s--b--\n", type, message);
		snprintf(
			wanted, sizeof(wanted), "--b\nContent-Type: %s\n\n%s--b--\n", type, hidden);
		body_becomes("multipart/mixed;boundary=b", part, wanted);
	}
}

/* Empty lines before a message are no part of it (RFC 3261 section 7.5). */
Test(multipart, a_message_behind_empty_lines)
{
	body_becomes("message/sip", "\n\nOPTIONS sip:" INSIDE " SIP/2.0\n" FROM_INSIDE "\n" INSIDE,
		"\n\nOPTIONS sip:192.0.2.1 SIP/2.0\n" FROM_OURS "\n" INSIDE);
}

/* A status is none of its hosts, whatever is listed; its phrase may name one. */
Test(multipart, a_status_line)
{
	body_becomes("message/sipfrag", "SIP/2.0 486 Busy at " INSIDE "\n",
		"SIP/2.0 486 Busy at 192.0.2.1\n");
	body_becomes("message/sipfrag;version=2.0", "SIP/2.0 200 OK\n", "SIP/2.0 200 OK\n");
}

Test(multipart, messages_in_messages)
{
	body_becomes("message/rfc822",
		FROM_INSIDE "Content-Type: message/sip\n\n" FROM_INSIDE
			    "c: message/rfc822\n\n" FROM_INSIDE "\n" INSIDE,
		FROM_OURS "Content-Type: message/sip\n\n" FROM_OURS
			  "c: message/rfc822\n\n" FROM_OURS "\n" INSIDE);
	body_becomes("message/rfc822",
		"Content-Type: multipart/mixed;boundary=b\n\n" INSIDE "\n--b\n" FROM_INSIDE
		"\n" INSIDE "\n--b--\n" FROM_INSIDE,
		"Content-Type: multipart/mixed;boundary=b\n\n" INSIDE "\n--b\n" FROM_OURS
		"\n" INSIDE "\n--b--\n" FROM_INSIDE);
}

/* RFC 3862: the headers of the message, then those of what it carries. RFC 3464: groups of them. */
Test(multipart, messages_with_several_blocks)
{
	body_becomes("message/cpim", FROM_INSIDE "\nContent-ID: <1@" INSIDE ">\n\n" FROM_INSIDE,
		FROM_OURS "\nContent-ID: <1@192.0.2.1>\n\n" FROM_INSIDE);
	body_becomes("message/delivery-status",
		"Reporting-MTA: dns;" INSIDE "\n\nRemote-MTA: dns;" INSIDE "\n\nX: " INSIDE "\n",
		"Reporting-MTA: dns;192.0.2.1\n\nRemote-MTA: dns;192.0.2.1\n\nX: 192.0.2.1\n");
}

Test(multipart, what_is_written_in_another_syntax_is_octets)
{
	static const char xml[] = "<imdn>\n<at>sip:" INSIDE "</at>\n\n</imdn>\n";

	body_becomes("message/imdn+xml", xml, xml);
}

/* A message whose own body has changed ends where its part does. */
Test(multipart, the_length_of_a_message_within)
{
	body_becomes("message/sip", FROM_INSIDE "Content-Length: 5\nSubject: a\n\nwhole",
		FROM_OURS "Content-Length: 5\nSubject: a\n\nwhole");
	body_becomes("multipart/mixed;boundary=b",
		"--b\nc: message/sip\n\nl: 50\nc: message/sipfrag\n\nX-At: " INSIDE
		"\nl: 3\n\nabc\n--b\n\nl: 3\n--b--\n",
		"--b\nc: message/sip\n\nc: message/sipfrag\n\nX-At: 192.0.2.1\nl: 3\n\nabc\n--b\n"
		"\nl: 3\n--b--\n");
}

/* Multiparts within each other, and a part with an address in each, the innermost too. */
static void nest(char *text, unsigned levels)
{
	*text = 0;
	for (unsigned i = 1; i < levels; i++)
		text += sprintf(text, "--%u\nX-At: " INSIDE "\nc: multipart/mixed;boundary=%u\n\n",
			i, i + 1);
	text += sprintf(text, "--%u\nX-At: " INSIDE "\n\nin\n", levels);
	for (unsigned i = levels; i; i--)
		text += sprintf(text, "--%u--\nafter\n", i);
}

/* RFC 2046 section 5.1.5. */
Test(multipart, parts_of_a_digest_are_messages)
{
	body_becomes("multipart/Digest; boundary=b1",
		"--b1\n\nFrom: a@" INSIDE "\n\nX-At: " INSIDE "\n--b1\nContent-ID: <1@" INSIDE
		">\n\nTo: b@" INSIDE "\n\n" INSIDE
		"\n--b1\nContent-Type: text/plain\n\nX-At: " INSIDE "\n--b1--\n",
		"--b1\n\nFrom: a@192.0.2.1\n\nX-At: " INSIDE
		"\n--b1\nContent-ID: <1@192.0.2.1>\n\nTo: b@192.0.2.1\n\n" INSIDE
		"\n--b1\nContent-Type: text/plain\n\nX-At: " INSIDE "\n--b1--\n");
	body_becomes("multipart/mixed; boundary=b1",
		"--b1\nContent-Type: multipart/digest; boundary=b2\n\n--b2\n\nFrom: a@" INSIDE
		"\n\nhi\n--b2--\n--b1\n\nX-At: " INSIDE "\n--b1--\n",
		"--b1\nContent-Type: multipart/digest; boundary=b2\n\n--b2\n\nFrom: a@192.0.2.1"
		"\n\nhi\n--b2--\n--b1\n\nX-At: " INSIDE "\n--b1--\n");
}

Test(multipart, what_is_too_deep_does_not_pass)
{
	char body[4096];
	const uint64_t *dropped = &counters_page->counter[COUNTER_BODY_PARTS_TOO_DEEP];

	nest(body, 16);
	struct sent *out = relayed_body("multipart/mixed;boundary=1", body);
	cr_expect(!raw_has(out, INSIDE));
	cr_expect(raw_has(out, "\r\n--16\r\nX-At: 192.0.2.1\r\n\r\nin\r\n--16--\r\n"));
	cr_expect_eq(*dropped, 0);
	nest(body, 20);
	out = relayed_body("multipart/mixed;boundary=1", body);
	cr_expect(!raw_has(out, INSIDE));
	cr_expect(!raw_has(out, "--17"));
	cr_expect(raw_has(out, "multipart/mixed;boundary=16\r\n\r\n--16--\r\nafter\r\n--15--"));
	cr_expect_eq(*dropped, 1);
	/* parts beside it pass */
	body_becomes("multipart/mixed;boundary=1",
		"--1\nc: message/sip\nc: message/sip\nc: message/sip\nc: message/sip\n"
		"c: message/sip\nc: message/sip\nc: message/sip\nc: message/sip\n"
		"c: message/sip\nc: message/sip\nc: message/sip\nc: message/sip\n"
		"c: message/sip\nc: message/sip\nc: message/sip\nc: message/sip\n\n" FROM_INSIDE
		"\n--1\n" FROM_INSIDE "\n--1--\n",
		"--1\n" FROM_OURS "\n--1--\n");
}
