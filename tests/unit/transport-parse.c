/* transport-parse.c - the strict parser: what must pass, what must be refused and why, the torture
 * messages of RFC 4475 and RFC 5118, and the inputs that hurt the code behind it. */
#include "ipc/syntax.h"
#include "worker-transport/parse/parse.h"
#include "worker-transport/parse/parse_value.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static _Alignas(8) char buffer[MESSAGE_BLOCK_MAX];
static struct parse_error failure;

static struct message *block(void)
{
	return (struct message *)(void *)buffer;
}

/* Parses and, where that went well, checks the block as its receiver would. */
static int parse_bytes(const char *raw, size_t size)
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
static int parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}
#define TEXT(s) ((int)(s).n), (s).p
static void eq(struct span s, const char *expected)
{
	struct str got = message_str(block(), s);

	cr_assert(
		str_equal(got, str_of(expected)), "got '%.*s', expected '%s'", TEXT(got), expected);
}
static void refused(const char *text, unsigned status, const char *reason)
{
	cr_assert_eq(parse(text), -EBADMSG, "parsed: %s", text);
	cr_assert_str_eq(failure.reason, reason, "'%s' for: %s", failure.reason, text);
	cr_assert_eq(failure.status, status, "%u for: %s", failure.status, text);
	cr_assert_eq(failure.answerable, status != 0);
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

Test(parse, request)
{
	cr_assert_eq(parse("\r\n\r\nINVITE sips:bob;x=y:pw@example.net:5061;lr SIP/2.0\r\n" FIELDS
			   "v: SIP/2.0/TCP second.example.com, SIP/2.0/TCP third\r\nCSeq: 4711 "
			   "INVITE\r\nMax-Forwards: 69\r\nm: \"A\" "
			   "<sip:alice@192.0.2.9;ob>;expires=60\r\n"
			   "Expires: 120\r\nSubject: a,b\r\n c\r\nX-Other: y\r\nc: "
			   "text/plain\r\nl: 4\r\n\r\nbodyrest"),
		0);
	struct message *m = block();

	cr_assert_eq(m->is_request, 1);
	cr_assert_eq(m->method, METHOD_INVITE);
	eq(m->method_name, "INVITE");
	eq(m->start_line, "INVITE sips:bob;x=y:pw@example.net:5061;lr SIP/2.0");
	eq(m->request_uri.user, "bob;x=y");
	eq(m->request_uri.host, "example.net");
	cr_assert_eq(m->request_uri.port, 5061);
	cr_assert_eq(m->request_uri.scheme, URI_SIPS);
	eq(m->request_uri.params, "lr");
	struct uri_parts u = uri_of(m, &m->request_uri);
	cr_assert(str_equal(u.password, S("pw")));
	eq(m->via, "SIP/2.0/UDP client.example.com:5070;rport;branch=z9hG4bK1");
	eq(m->via_host, "client.example.com");
	cr_assert_eq(m->via_port, 5070);
	eq(m->via_branch, "z9hG4bK1");
	eq(m->via_params, ";rport;branch=z9hG4bK1");
	cr_assert_eq(m->via_count, 3);
	cr_assert_eq(m->via_transport, TRANSPORT_UDP);
	cr_assert_eq(m->rport, 1);
	eq(m->call_id, "abc@client");
	eq(m->from.whole, "sip:alice@example.com");
	eq(m->from_tag, "a1");
	cr_assert_eq(m->to_tag.length, 0);
	eq(m->to.params, "transport=tcp");
	eq(m->to.headers, "Subject=x");
	cr_assert_eq(m->to.port, 5080);
	eq(m->contact.user, "alice");
	cr_assert_eq(m->contact_count, 1);
	cr_assert_eq(m->cseq, 4711);
	cr_assert_eq(m->max_forwards, 69);
	cr_assert_eq(m->expires, 120);
	eq(m->content_type, "text/plain");
	eq(m->body, "body");
	cr_assert_eq(m->header_count, 13);
	cr_assert(str_equal(message_value(m, HEADER_SUBJECT), S("a,b\r\n c")),
		"a fold stands as it came");
	const struct message_header *via = message_first(m, HEADER_VIA);
	cr_assert(str_equal(message_header_name(m, message_next(m, via)), S("v")));
	cr_assert_null(message_next(m, message_next(m, via)));
	cr_assert_eq(m->raw_size, (size_t)(strstr(message_raw(m), "body") - message_raw(m)) + 4,
		"bytes past Content-Length are gone");
}

Test(parse, response)
{
	cr_assert_eq(parse("SIP/2.0 486 Busy Here\r\n" FIELDS "CSeq: 2 INVITE\r\n\r\n"), 0);
	cr_assert_eq(block()->is_request, 0);
	cr_assert_eq(block()->status, 486);
	eq(block()->reason, "Busy Here");
	cr_assert_eq(block()->method, METHOD_INVITE);
	cr_assert_eq(block()->max_forwards, -1);
	cr_assert_eq(block()->expires, -1);
	cr_assert_eq(block()->contact_count, 0);
	cr_assert_eq(parse("SIP/2.0 200\r\n" FIELDS "CSeq: 2 INVITE\r\n\r\n"), 0);
	refused("SIP/2.0 099 No\r\n" FIELDS "CSeq: 2 INVITE\r\n\r\n", 0, "Malformed Status-Line");
	refused("SIP/2.0 700 No\r\n" FIELDS "CSeq: 2 INVITE\r\n\r\n", 0, "Malformed Status-Line");
	refused("SIP/2.0 -5 No\r\n" FIELDS "CSeq: 2 INVITE\r\n\r\n", 0, "Malformed Status-Line");
	refused("SIP/2.0 99999999999 No\r\n" FIELDS "CSeq: 2 INVITE\r\n\r\n", 0,
		"Malformed Status-Line");
	refused("SIP/7.9 200 No\r\n" FIELDS "CSeq: 2 INVITE\r\n\r\n", 0, "Version Not Supported");
	refused(RESPONSE("Content-Length: 5\r\n"), 0, "Body Shorter Than Content-Length");
}

Test(parse, start_line)
{
#define LINE(line) line "\r\n" FIELDS "CSeq: 1 OPTIONS\r\n\r\n"
	cr_assert_eq(parse(LINE("OPTIONS tel:+49-30-1234;phone-context=x SIP/2.0")), 0);
	cr_assert_eq(block()->request_uri.scheme, URI_TEL);
	eq(block()->request_uri.user, "+49-30-1234");
	cr_assert_eq(parse(LINE("OPTIONS sip:[2001:db8::1]:5060 SIP/2.0")), 0);
	eq(block()->request_uri.host, "[2001:db8::1]");
	cr_assert_eq(parse(LINE("OPTIONS mailto:a@b SIP/2.0")), 0);
	cr_assert_eq(block()->request_uri.scheme, URI_OTHER);
	refused(LINE("OPTIONS sip:bob@example.net SIP/3.0"), 505, "Version Not Supported");
	refused(LINE("OPTIONS sip:bob@example.net  SIP/2.0"), 400, "Malformed Request-Line");
	refused(LINE("OPTIONS  sip:bob@example.net SIP/2.0"), 400, "Malformed Request-Line");
	refused(LINE("OPTIONS sip:bob@example.net SIP/2.0 "), 400, "Malformed Request-Line");
	refused(LINE("OPTIONS sip: SIP/2.0"), 400, "Malformed Request-URI");
	refused(LINE("OPTIONS sip:bob@ SIP/2.0"), 400, "Malformed Request-URI");
	refused(LINE("OPTIONS sip:@b SIP/2.0"), 400, "Malformed Request-URI");
	refused(LINE("OPTIONS sip:a@b@c SIP/2.0"), 400, "Malformed Request-URI");
	refused(LINE("OPTIONS sip:a@b:0 SIP/2.0"), 400, "Malformed Request-URI");
	refused(LINE("OPTIONS sip:a@b:65536 SIP/2.0"), 400, "Malformed Request-URI");
	refused(LINE("OPTIONS bob SIP/2.0"), 400, "Malformed Request-URI");
	refused(LINE("OPTIONS sip:a%2@b SIP/2.0"), 400, "Malformed Request-URI");
	refused(LINE("OPTIONS sip:a\xc3\xa4@b SIP/2.0"), 400, "Malformed Request-URI");
	refused("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, "Not SIP");
	refused("\x16\x03\x01\x02", 0, "Not SIP");
	refused("OPTIONS sip:bob@example.net SIP/2.0", 0, "Not SIP");
	refused("", 0, "Not SIP");
	refused("\r\n\r\n", 0, "Not SIP");
	/* case: the version's does not matter, the method's does */
	cr_assert_eq(parse(LINE("OPTIONS sip:bob@example.net sip/2.0")), 0);
	refused(LINE("options sip:bob@example.net SIP/2.0"), 400, "CSeq of Another Method");
}

Test(parse, lines)
{
	cr_assert_eq(parse(REQUEST("Subject:\r\n")), 0, "an empty value");
	cr_assert_eq(parse(REQUEST("Subject \t:\tx\t\r\n")), 0);
	cr_assert(str_equal(message_value(block(), HEADER_SUBJECT), S("x")));
	refused(REQUEST("Subject x\r\n"), 400, "Malformed Header Line");
	refused(REQUEST(": x\r\n"), 400, "Malformed Header Line");
	refused(REQUEST("Sub ject: x\r\n"), 400, "Malformed Header Line");
	refused(REQUEST("Subject: a\nEvil: b\r\n"), 0, "Line End Other Than CRLF");
	refused(REQUEST("Subject: a\rEvil: b\r\n"), 0, "Line End Other Than CRLF");
	refused("OPTIONS sip:bob@example.net SIP/2.0\r\n" FIELDS "CSeq: 1 OPTIONS\r\n", 0,
		"Headers Without End");
	refused("OPTIONS sip:bob@example.net SIP/2.0\r\n folded: x\r\n" FIELDS
		"CSeq: 1 OPTIONS\r\n\r\n",
		400, "Malformed Header Line");
	refused(REQUEST("Subject: a\x01\r\n"), 400, "Control Byte in Headers");
	refused(REQUEST("Subject: a\x7f\r\n"), 400, "Control Byte in Headers");
	cr_assert_eq(parse(REQUEST("Reply-To: \"a\\\x01\\\x7f\" <sip:a@b>\r\n")), 0, "quoted-pair");
	cr_assert_eq(parse(REQUEST("Subject: \xe5\xa4\xa7\r\n")), 0, "UTF-8");
	static const char *const bad[] = {"\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
		"\xf4\x90\x80\x80", "\xff", "\xc3", "\xe5\xa4", "\xf0\x80\x80\x80"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char text[1024];

		snprintf(text, sizeof(text), REQUEST("Subject: %s\r\n"), bad[i]);
		refused(text, 400, "Headers Not in UTF-8");
	}
	/* a name of 255 octets fits, one of 256 does not */
	char name[257], text[2048];
	memset(name, 'x', sizeof(name));
	snprintf(text, sizeof(text), REQUEST("%.255s: v\r\n"), name);
	cr_assert_eq(parse(text), 0);
	snprintf(text, sizeof(text), REQUEST("%.256s: v\r\n"), name);
	refused(text, 400, "Malformed Header Line");
}

Test(parse, nul)
{
#define OF(text)                                                                                   \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}
	static const struct str bad[] = {
		OF("Subject: a\0b"),
		OF("Subject: \"a\\\0b\""),
		OF("X-Other: \"\\\0\""),
		OF("User-Agent: \"\\\0\""),
		OF("Contact: \"a\0b\" <sip:a@b>"),
		OF("Contact: a\0 <sip:a@b>"),
		OF("Contact: a\\\0 <sip:a@b>"),
		OF("Contact: \"a\\\\\0b\" <sip:a@b>"),
		OF("Contact: <sip:a\0@b>"),
		OF("Contact: <sip:a\\\0@b>"),
		OF("Contact: <sip:a@b>;x=\0"),
		OF("Contact: <sip:a@b>;x=\"\\\0"),
		OF("Con\0tact: <sip:a@b>"),
		OF("Reply-To: <sip:a@b>\0"),
		OF("\0"),
		OF("Route: \"\\\0\" <sip:a@b>"),
		OF("Via: SIP/2.0/UDP a;x=\"\\\0\""),
		OF("Call-ID: \"\\\0\""),
		OF("Remote-Party-ID: \"\\\0"),
		OF("Contact: \"a\r\n \0\" <sip:a@b>"),
	};
	static const struct str good[] = {
		OF("Contact: \"a\\\0b\" <sip:a@b>"),
		OF("Contact: <sip:a@b>;x=\"\\\0\""),
		OF("Reply-To: \"\\\0\r\n \\\0\"\r\n <sip:a@b>"),
		OF("Remote-Party-ID: \"\\\\\\\0\" <sip:a@b>"),
	};
	char text[1024], *at;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad) + sizeof(good) / sizeof(*good); i++) {
		bool fits = i >= sizeof(bad) / sizeof(*bad);
		struct str line = fits ? good[i - sizeof(bad) / sizeof(*bad)] : bad[i];

		at = stpcpy(text,
			"OPTIONS sip:bob@example.net SIP/2.0\r\n" FIELDS "CSeq: 1 OPTIONS\r\n");
		memcpy(at, line.p, line.n);
		at = stpcpy(at + line.n, "\r\n\r\n");
		cr_assert_eq(parse_bytes(text, (size_t)(at - text)), fits ? 0 : -EBADMSG, "%zu: %s",
			i, failure.reason);
		if (fits)
			continue;
		cr_assert_str_eq(failure.reason, "NUL in Headers", "%zu: %s", i, failure.reason);
		cr_assert_eq(failure.status, 400);
		cr_assert_eq(failure.counter, COUNTER_PARSE_CONTROL);
	}
	static const struct str lines[] = {OF("OPTIONS sip:b\0 SIP/2.0"),
		OF("OPTIONS\0 sip:b SIP/2.0"), OF("SIP/2.0 200 \"\\\0\""), OF("\0")};
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		memcpy(text, lines[i].p, lines[i].n);
		at = stpcpy(text + lines[i].n, "\r\n" FIELDS "CSeq: 1 OPTIONS\r\n\r\n");
		cr_assert_eq(parse_bytes(text, (size_t)(at - text)), -EBADMSG);
		cr_assert_str_eq(failure.reason, "Not SIP");
	}
	refused("SIP/2.0 200 \"\\\x01\"\r\n" FIELDS "CSeq: 1 OPTIONS\r\n\r\n", 0, "Not SIP");
	refused(REQUEST("Reply-To: \"a\\\x01 <sip:a@b>\r\n"), 400, "Control Byte in Headers");
	/* escaped it is a URI's like any other; what it is undone to is refused by whoever undoes
	 * it */
	char aor[AOR_MAX];
	cr_assert_eq(parse("REGISTER sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: "
			   "<sip:a@b>;tag=1\r\nTo: <sip:alice%00evil@example.net>\r\nCall-ID: "
			   "1\r\nCSeq: 1 REGISTER\r\n\r\n"),
		0);
	struct uri_parts to = uri_of(block(), &block()->to);
	cr_assert_eq(aor_of(&to, aor), -EINVAL);
}

Test(parse, mandatory_and_single)
{
#define V "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\n"
#define F "From: <sip:a@b>;tag=1\r\n"
#define T "To: <sip:a@b>\r\n"
#define C "Call-ID: 1\r\n"
#define Q "CSeq: 1 OPTIONS\r\n"
#define L "OPTIONS sip:b SIP/2.0\r\n"
	cr_assert_eq(parse(L V F T C Q "\r\n"), 0);
	/* without a Via nothing says where an answer would go; with one it is sent without what is
	 * missing */
	refused(L F T C Q "\r\n", 0, "Missing Via");
	refused(L V T C Q "\r\n", 400, "Missing From");
	refused(L V F C Q "\r\n", 400, "Missing To");
	refused(L V F T Q "\r\n", 400, "Missing Call-ID");
	refused(L V F T C "\r\n", 400, "Missing CSeq");
	refused(L V "\r\n", 400, "Missing From");
	refused("ACK sip:b SIP/2.0\r\n" V "\r\n", 0, "Missing From");
	refused(L V F T C Q F "\r\n", 400, "More Than One From");
	refused(L V F T C Q T "\r\n", 400, "More Than One To");
	refused(L V F T C Q C "\r\n", 400, "More Than One Call-ID");
	refused(L V F T C Q Q "\r\n", 400, "More Than One CSeq");
	refused(REQUEST("Max-Forwards: 1\r\nMax-Forwards: 1\r\n"), 400,
		"More Than One Max-Forwards");
	refused(REQUEST("l: 0\r\nContent-Length: 0\r\n"), 400, "More Than One Content-Length");
	refused(REQUEST("c: a/b\r\nContent-Type: a/b\r\n"), 400, "More Than One Content-Type");
	refused("INVITE sip:b SIP/2.0\r\n" V F T C "CSeq: 1 INVITE\r\n\r\n", 400,
		"Missing Contact");
	refused("INVITE sip:b SIP/2.0\r\n" V F T C
		"CSeq: 1 INVITE\r\nContact: <sip:a@b>\r\nContact: <sip:a@b>\r\n\r\n",
		400, "More Than One Contact");
	refused("INVITE sip:b SIP/2.0\r\n" V F T C "CSeq: 1 INVITE\r\nContact: *\r\n\r\n", 400,
		"Malformed Contact");
	/* an ACK is never answered */
	refused("ACK sip:b SIP/2.0\r\n" V F T C "CSeq: 1 INVITE\r\n\r\n", 0,
		"CSeq of Another Method");
	cr_assert_eq(parse("REGISTER sip:b SIP/2.0\r\n" V F T C
			   "CSeq: 1 REGISTER\r\nContact: *\r\n\r\n"),
		0);
	cr_assert_eq(block()->contact_star, 1);
	refused("REGISTER sip:b SIP/2.0\r\n" V F T C
		"CSeq: 1 REGISTER\r\nContact: *\r\nContact: <sip:a@b>\r\n\r\n",
		400, "Malformed Contact");
	refused("REGISTER sip:b SIP/2.0\r\n" V F T C
		"CSeq: 1 REGISTER\r\nContact: <sip:a@b>\r\nContact: *\r\n\r\n",
		400, "Malformed Contact");
}

Test(parse, values)
{
	static const struct {
		const char *line, *reason;
	} bad[] = {
		{"Max-Forwards: 256", "Malformed Max-Forwards"},
		{"Max-Forwards: -1", "Malformed Max-Forwards"},
		{"Max-Forwards:", "Malformed Max-Forwards"},
		{"Max-Forwards: 1 1", "Malformed Max-Forwards"},
		{"Contact: <sip:a@b>,", "Malformed Contact"},
		{"Contact: <sip:a@b> x", "Malformed Contact"},
		{"Contact:", "Malformed Contact"},
		{"Contact: <sip:a@b", "Malformed Contact"},
		{"Contact: \"x <sip:a@b>", "Malformed Contact"},
		{"Contact: sip:a@b?x=y", "Malformed Contact"},
		{"Contact: <sip:a@b>;=x", "Malformed Contact"},
		{"Contact: <sip:a@b>;x=", "Malformed Contact"},
		{"Route: sip:a@b", "Malformed Route"},
		{"Record-Route: <sip:a@b>;", "Malformed Record-Route"},
		{"Path: <a>", "Malformed Path"},
		{"Route:", "Malformed Route"},
		{"Refer-To: <sip:a@b>, <sip:c@d>", "Malformed Refer-To"},
		{"r: x", "Malformed Refer-To"},
		{"Referred-By: <sip:%0@b>", "Malformed Referred-By"},
		{"Via: SIP/2.0/UDP", "Malformed Via"},
		{"Via: SIP/2.0 UDP a", "Malformed Via"},
		{"Via: SIP/1.0/UDP a;branch=z9hG4bKx", "Malformed Via"},
		{"Via: SIP/2.0/UDP a;branch", "Malformed Via"},
		{"Via: SIP/2.0/UDP a;branch=", "Malformed Via"},
		{"Via: SIP/2.0/UDP a;branch=z9hG4bK", "Malformed Via"},
		{"Via: SIP/2.0/UDP a;branch=1;branch=2", "Malformed Via"},
		{"Via: SIP/2.0/UDP a:0", "Malformed Via"},
		{"Via: SIP/2.0/UDP a b", "Malformed Via"},
		{"Via:", "Malformed Via"},
		{"Via: SIP/2.0/UDP [::1", "Malformed Via"},
		{"Via: SIP/2.0/UDP a;received=x:y", "Malformed Via"},
		{"Content-Length: 5abc", "Malformed Content-Length"},
		{"Content-Length: -1", "Malformed Content-Length"},
		{"Content-Length: 4294967301", "Malformed Content-Length"},
		{"Content-Length: +0", "Malformed Content-Length"},
		{"Content-Length: 0x0", "Malformed Content-Length"},
		{"Content-Length:", "Malformed Content-Length"},
		{"Content-Length: 0 0", "Malformed Content-Length"},
		{"Content-Length: 1", "Body Shorter Than Content-Length"},
		{"Content-Type: text", "Malformed Content-Type"},
		{"Content-Type: text/", "Malformed Content-Type"},
		{"Content-Type: text/plain;", "Malformed Content-Type"},
		{"Require: a,,b", "Malformed Require"},
		{"Supported: a b", "Malformed Supported"},
		{"Allow: INVITE,", "Malformed Allow"},
		{"Authorization: Digest", "Malformed Authorization"},
		{"Authorization: Digest a", "Malformed Authorization"},
		{"Authorization: Digest a=\"b", "Malformed Authorization"},
		{"Authorization:", "Malformed Authorization"},
		{"Authorization: Digest a=b c=d", "Malformed Authorization"},
		{"Event: ;x", "Malformed Event"},
		{"Session-Expires: x", "Malformed Session-Expires"},
		{"RAck: 1 INVITE", "Malformed RAck"},
		{"RAck: 1 2", "Malformed RAck"},
		{"RSeq: x", "Malformed RSeq"},
		{"Date: yesterday", "Malformed Date"},
	};
	static const char *const good[] = {
		"Contact: sip:a@b;x=y",
		"Contact: <tel:+1234>",
		"Route: <sip:a;lr>, \"x,y\" <sip:b;lr>;p=\"q;,\"",
		"Via: SIP/2.0/UDP [::1]:5060;received=::1;rport=5060;branch=x",
		"Via: SIP/2.0/FOO a.b.",
		"Content-Type: text/plain ; charset = \"utf-8\"",
		"Require:",
		"Supported: ",
		"Allow: INVITE , ACK",
		"Authorization: Digest username=\"a\\\"b,c\", nc=00000001 ,qop=auth",
		"Authorization: Other abc==",
		"Event: presence;id=1",
		"Session-Expires: 90;refresher=uac",
		"RAck: 1 2 INVITE",
		"Date: Sat, 13 Nov 2010 23:29:00 GMT",
		"Expires: 99999999999999999999",
		"Replaces: a@b;to-tag=1;from-tag=2",
		"X-Any: ,,;;\"",
		"Contact: \xe5\xa4\xa7 <sip:a@b>",
		"Contact: a b <sip:a@b>",
		"Contact:<sip:a@b>;+sip.instance=\"<urn:uuid:1>\";reg-id=1",
		"P-Asserted-Identity: \"x\" <sip:a@b>, tel:+1",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char text[1024];

		snprintf(text, sizeof(text), REQUEST("%s\r\n"), bad[i].line);
		refused(text, 400, bad[i].reason);
		snprintf(text, sizeof(text), RESPONSE("%s\r\n"), bad[i].line);
		refused(text, 0, bad[i].reason);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		char text[1024];

		snprintf(text, sizeof(text), REQUEST("%s\r\n"), good[i]);
		cr_assert_eq(parse(text), 0, "'%s' for %s", failure.reason, good[i]);
	}
}

Test(parse, parties)
{
	static const char *const bad[] = {
		"<sip:a@b>;tag",
		"<sip:a@b>;tag=",
		"<sip:a@b>;tag=1;tag=2",
		"<sip:a@b>;tag=\"x\"",
		"<sip:a@b>, <sip:c@d>;tag=1",
		"",
		"x",
		"sip:a@b c",
		"<sip:a@b>;tag=a=b",
		"a@b",
		"<sip:a@b>>;tag=1",
		"<>;tag=1",
		"<sip:alice%0gevil@x>;tag=1",
		"sip:a@b?x=y;tag=1",
		"\"a\" sip:a@b;tag=1",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char text[1024];

		snprintf(text, sizeof(text), L V T C Q "From: %s\r\n\r\n", bad[i]);
		refused(text, 400, "Malformed From");
		snprintf(text, sizeof(text), L V F C Q "To: %s\r\n\r\n", bad[i]);
		refused(text, 400, "Malformed To");
	}
	cr_assert_eq(parse(L V T C Q "f: sip:a@b;tag=x;p\r\n\r\n"), 0);
	eq(block()->from.whole, "sip:a@b");
	eq(block()->from_tag, "x");
}

Test(parse, cseq_and_call_id)
{
	static const char *const cseqs[] = {"2147483648 OPTIONS", "1", "OPTIONS", "1OPTIONS",
		"-1 OPTIONS", "1 OPTIONS x", "", "99999999999999999999 OPTIONS"};
	static const char *const ids[] = {"", "a b", "a@", "@a", "a@b@c", "a,b", "a;b"};
	char text[1024];

	for (size_t i = 0; i < sizeof(cseqs) / sizeof(*cseqs); i++) {
		snprintf(text, sizeof(text), L V F T C "CSeq: %s\r\n\r\n", cseqs[i]);
		refused(text, 400, "Malformed CSeq");
	}
	refused(L V F T C "CSeq: 1 INVITE\r\n\r\n", 400, "CSeq of Another Method");
	refused(L V F T C "CSeq: 1 OPTIONSX\r\n\r\n", 400, "CSeq of Another Method");
	cr_assert_eq(parse(L V F T C "CSeq: 2147483647 OPTIONS\r\n\r\n"), 0);
	cr_assert_eq(block()->cseq, INT32_MAX);
	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		snprintf(text, sizeof(text), L V F T Q "Call-ID: %s\r\n\r\n", ids[i]);
		refused(text, 400, "Malformed Call-ID");
	}
}

Test(parse, expires)
{
	cr_assert_eq(parse(REQUEST("Expires: soon\r\n")), 0);
	cr_assert_eq(block()->expires, 3600);
	cr_assert_eq(parse(REQUEST("Expires:\r\n")), 0);
	cr_assert_eq(block()->expires, 3600);
	cr_assert_eq(parse(REQUEST("Expires: 99999999999999999999\r\n")), 0);
	cr_assert_eq(block()->expires, UINT32_MAX);
	cr_assert_eq(parse(REQUEST("Expires: 0\r\n")), 0);
	cr_assert_eq(block()->expires, 0);
}

Test(parse, body)
{
	cr_assert_eq(parse(REQUEST("Content-Type: a/b\r\n") "rest"), 0);
	eq(block()->body, "rest");
	refused(REQUEST("") "rest", 400, "Missing Content-Type");
	cr_assert_eq(parse(REQUEST("Content-Length: 0\r\n") "rest"), 0);
	cr_assert_eq(block()->body.length, 0);
	static const char nul[] = "OPTIONS sip:b SIP/2.0\r\n" V F T C Q
				  "Content-Type: a/b\r\n\r\na\0b";
	cr_assert_eq(parse_bytes(nul, sizeof(nul) - 1), 0, "a body is octets");
	cr_assert_eq(block()->body.length, 3);
}

/* Repeated parts, each many times over, that cost a parser much. */
static char *repeat(const char *before, const char *part, size_t count, const char *after)
{
	char *text = malloc(strlen(before) + count * strlen(part) + strlen(after) + 1), *at = text;

	at = stpcpy(at, before);
	while (count--)
		at = stpcpy(at, part);
	stpcpy(at, after);
	return text;
}
static void repeated(
	const char *before, const char *part, size_t fits, const char *after, const char *reason)
{
	char *text = repeat(before, part, fits, after);

	cr_assert_eq(parse(text), 0, "%zu times '%s': %s", fits, part, failure.reason);
	free(text);
	text = repeat(before, part, fits + 1, after);
	refused(text, 400, reason);
	cr_assert_eq(failure.counter, COUNTER_PARSE_LIMIT);
	free(text);
	text = repeat(before, part,
		(MESSAGE_RAW_MAX - strlen(before) - strlen(after)) / strlen(part), after);
	refused(text, 400, reason);
	free(text);
}

Test(parse, limits)
{
	const char *before = "OPTIONS sip:b SIP/2.0\r\n" V F T C Q;

	repeated(L V F T C Q "Supported: a", ",a", PARSE_ITEMS_MAX - 1, "\r\n\r\n",
		"Too Many List Elements");
	repeated(L V F T C Q "X-Any: a", ",", PARSE_ITEMS_MAX - 1, "\r\n\r\n",
		"Too Many List Elements");
	repeated(L V F T C Q "Contact: <sip:a@b>", ",<sip:a@b>", PARSE_ITEMS_MAX - 1, "\r\n\r\n",
		"Too Many List Elements");
	repeated(L V F T C Q "Route: <sip:a>", ",<sip:a>", PARSE_ITEMS_MAX - 1, "\r\n\r\n",
		"Too Many List Elements");
	repeated(L V F T C Q "Via: SIP/2.0/UDP a", ";a", PARAMS_MAX, "\r\n\r\n",
		"Too Many Parameters");
	repeated(L V T C Q "From: <sip:a@b>", ";a", PARAMS_MAX, "\r\n\r\n", "Too Many Parameters");
	repeated(L V T C Q "From: <sip:a@b", ";a", PARAMS_MAX, ">\r\n\r\n", "Too Many Parameters");
	repeated(L V F T C Q "Contact: <sip:a@b?a=b", "&a=b", PARAMS_MAX - 1, ">\r\n\r\n",
		"Too Many Parameters");
	repeated(L V F T C Q "Content-Type: a/b", ";a=b", PARAMS_MAX, "\r\n\r\n",
		"Too Many Parameters");
	repeated(L V F T C Q "Authorization: Digest a=b", ",a=b", PARSE_PARAMS_MAX - 1, "\r\n\r\n",
		"Too Many Parameters");
	repeated(before, "X-Any: y\r\n", MESSAGE_HEADERS_MAX - 5, "\r\n", "Too Many Headers");
	repeated(L V F T C Q "Via: SIP/2.0/UDP a", ", SIP/2.0/UDP a", PARSE_VIAS_MAX - 2,
		"\r\n\r\n", "Too Many Via");
	char *commas = repeat(L V F T C Q "Subject: ", ",", 60000, "\r\n\r\n");
	cr_assert_eq(parse(commas), 0, "text has no elements");
	free(commas);
}

Test(parse, refused_but_answerable)
{
	cr_assert_eq(parse("INVITE sip:b SIP/2.0\r\n" V "Via: SIP/2.0/UDP second\r\n" F
			   "To: <sip:a@b>;tag=t\r\nMax-Forwards: x\r\n" C
			   "CSeq: 1 INVITE\r\nContact: <sip:a@b>\r\n\r\nbody"),
		-EBADMSG);
	const struct message *m = block();

	cr_assert(failure.answerable);
	cr_assert_eq(failure.status, 400);
	cr_assert_str_eq(failure.reason, "Malformed Max-Forwards");
	cr_assert_eq(failure.counter, COUNTER_PARSE_VALUE);
	cr_assert(str_equal(message_value(m, HEADER_VIA), S("SIP/2.0/UDP a;branch=z9hG4bK1")));
	cr_assert(str_equal(message_header_value(m, message_next(m, message_first(m, HEADER_VIA))),
		S("SIP/2.0/UDP second")));
	cr_assert(str_equal(message_value(m, HEADER_FROM), S("<sip:a@b>;tag=1")));
	cr_assert(str_equal(message_value(m, HEADER_TO), S("<sip:a@b>;tag=t")));
	cr_assert(str_equal(message_value(m, HEADER_CALL_ID), S("1")));
	cr_assert(str_equal(message_value(m, HEADER_CSEQ), S("1 INVITE")));
	eq(m->via_branch, "z9hG4bK1");
	eq(m->to_tag, "t");
	eq(m->method_name, "INVITE");
}

/* The way back is the sent-by of the top Via, whatever stands behind it; a further Via does not
 * take its place. */
Test(parse, answerable_by_a_broken_via)
{
	cr_assert_eq(parse(L "Via: SIP/2.0/UDP 192.0.2.15;;,;,,\r\n" V F T C Q "\r\n"), -EBADMSG);
	cr_assert(failure.answerable);
	cr_assert_str_eq(failure.reason, "Malformed Via");
	eq(block()->via, "SIP/2.0/UDP 192.0.2.15;;,;,,");
	eq(block()->via_host, "192.0.2.15");
	eq(block()->via_params, ";;,;,,");
	cr_assert_eq(block()->via_branch.length, 0);
	static const char *const none[] = {"Via: SIP/2.0/UDP\r\n", "Via: SIP/2.0/UDP ;branch=x\r\n",
		"Via: SIP/2.0/UDP a:0\r\n", "Via:\r\n", "Via: ,\r\n", "Via: HTTP/1.1/TCP a\r\n"};
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		char text[1024];

		snprintf(text, sizeof(text), L "%s" V F T C Q "\r\n", none[i]);
		refused(text, 0, "Malformed Via");
	}
}

Test(parse, small_room)
{
	const char *text = REQUEST("");
	size_t need = message_block_size(MESSAGE_HEADERS_MAX, strlen(text));

	cr_assert_eq(parse_message(text, strlen(text), buffer, need - 1, &failure), -ENOBUFS);
	cr_assert_eq(parse_message(text, strlen(text), buffer, need, &failure), 0);
}

Test(parse, every_prefix)
{
	const char *text = "INVITE sip:b SIP/2.0\r\n" V F T C
			   "CSeq: 1 INVITE\r\nContact: \"x\\\"\" "
			   "<sip:[::1]:5060;a=b?c=d>;e=\"f\"\r\nAuthorization: Digest "
			   "a=\"b\"\r\nContent-Type: a/b\r\n\r\nx";
	size_t head = (size_t)(strstr(text, "\r\n\r\n") - text) + 4;

	for (size_t n = 0; n < strlen(text); n++) {
		char *copy = malloc(
			n +
			1); /* of exactly this size: a read behind it is seen by the sanitizers */

		memcpy(copy, text, n);
		cr_assert_eq(parse_bytes(copy, n), n < head ? -EBADMSG : 0, "prefix of %zu", n);
		free(copy);
	}
}

Test(parse, keepalive)
{
	cr_assert(parse_keepalive("\r\n\r\n", 4));
	cr_assert(parse_keepalive("\0\0\0\0", 4));
	cr_assert_not(parse_keepalive("\r\nx", 3));
}

/* ---- the torture messages ---- */

struct torture {
	const char *name;
	unsigned status;    /* 0 with reason: dropped */
	const char *reason; /* NULL: parses */
};

static void torture(const char *folder, const struct torture *row, size_t rows)
{
	static char raw[MESSAGE_RAW_MAX];

	for (; rows; rows--, row++) {
		char path[256];

		snprintf(path, sizeof(path), "tests/torture/%s/%s.dat", folder, row->name);
		FILE *f = fopen(path, "rb");
		cr_assert_not_null(f, "%s", path);
		size_t size = fread(raw, 1, sizeof(raw), f);
		fclose(f);
		int error = parse_bytes(raw, size);

		if (!row->reason) {
			cr_assert_eq(error, 0, "%s: %s", row->name, failure.reason);
			continue;
		}
		cr_assert_eq(error, -EBADMSG, "%s parsed", row->name);
		cr_assert_str_eq(
			failure.reason, row->reason, "%s: '%s'", row->name, failure.reason);
		cr_assert_eq(failure.status, row->status, "%s: %u", row->name, failure.status);
	}
}

Test(parse, rfc4475)
{
	static const struct torture rows[] = {
		/* 3.1.1 valid */
		{"wsinv", 0, NULL},
		{"intmeth", 0, NULL},
		{"intmeth-without-nul", 0, NULL},
		{"esc01", 0, NULL},
		{"escnull", 0, NULL},
		{"esc02", 0, NULL},
		{"lwsdisp", 0, NULL},
		{"longreq", 0, NULL},
		{"dblreq", 0, NULL},
		{"semiuri", 0, NULL},
		{"transports", 0, NULL},
		{"mpart01", 0, NULL},
		{"unreason", 0, NULL},
		{"noreason", 0, NULL},
		/* 3.1.2 invalid */
		{"badinv01", 400, "Malformed Via"},
		{"clerr", 400, "Body Shorter Than Content-Length"},
		{"ncl", 400, "Malformed Content-Length"},
		{"scalar02", 400, "Malformed CSeq"},
		{"scalarlg", 0, "Malformed CSeq"},
		{"quotbal", 400, "Malformed To"},
		{"ltgtruri", 400, "Malformed Request-URI"},
		{"lwsruri", 400, "Malformed Request-Line"},
		{"lwsstart", 400, "Malformed Request-Line"},
		{"trws", 400, "Malformed Request-Line"},
		{"escruri", 400, "Malformed Request-URI"},
		{"baddate", 400, "Malformed Date"},
		{"regbadct", 400, "Malformed Contact"},
		{"badaspec", 400, "Malformed To"},
		{"baddn", 400, "Malformed From"},
		{"badvers", 505, "Version Not Supported"},
		{"mismatch01", 400, "CSeq of Another Method"},
		{"mismatch02", 400, "CSeq of Another Method"},
		{"bigcode", 0, "Malformed Status-Line"},
		/* 3.2 to 3.4: what is for layers above parses */
		{"badbranch", 400, "Malformed Via"},
		{"insuf", 400, "Missing From"},
		{"unkscm", 0, NULL},
		{"novelsc", 0, NULL},
		{"unksm2", 0, NULL},
		{"bext01", 0, NULL},
		{"invut", 0, NULL},
		{"regaut01", 0, NULL},
		{"multi01", 400, "More Than One CSeq"},
		{"mcl01", 400, "More Than One Content-Length"},
		{"bcast", 0, NULL},
		{"zeromf", 0, NULL},
		{"cparam01", 0, NULL},
		{"cparam02", 0, NULL},
		{"regescrt", 0, NULL},
		{"sdp01", 0, NULL},
		{"inv2543", 400, "Missing Contact"},
	};

	torture("rfc4475", rows, sizeof(rows) / sizeof(*rows));
}

Test(parse, rfc4475_fields)
{
	static const struct torture wsinv = {"wsinv", 0, NULL}, intmeth = {"intmeth", 0, NULL},
				    dblreq = {"dblreq", 0, NULL}, escnull = {"escnull", 0, NULL};

	torture("rfc4475", &wsinv, 1);
	eq(block()->via_host, "192.0.2.2");
	eq(block()->via_branch, "390skdjuw");
	cr_assert_eq(block()->via_count, 3);
	cr_assert_eq(block()->cseq, 9);
	cr_assert_eq(block()->max_forwards, 68);
	eq(block()->to_tag, "1918181833n");
	eq(block()->from_tag, "98asjd8");
	eq(block()->contact.whole, "sip:jdrosen@example.com");
	cr_assert_eq(block()->body.length, 150);
	torture("rfc4475", &intmeth, 1);
	eq(block()->request_uri.user, "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*");
	eq(block()->from_tag, "_token~1'+`*%!-.");
	cr_assert_eq(block()->method, METHOD_UNKNOWN);
	cr_assert_eq(block()->max_forwards, 255);
	cr_assert(str_starts(message_value(block(), HEADER_TO),
			  S("\"BEL:\\\x07 NUL:\\\0 DEL:\\\x7f\" <sip:1_")),
		"the bytes are as they came");
	torture("rfc4475", &escnull, 1);
	eq(block()->to.user, "null-%00-null");
	cr_assert_eq(block()->contact_count, 2);
	eq(block()->contact.whole, "sip:%00@host5.example.com");
	torture("rfc4475", &dblreq, 1);
	cr_assert_eq(block()->body.length, 0, "the second request is cut off");
}

Test(parse, rfc5118)
{
	static const struct torture rows[] = {
		{"ipv6-good", 0, NULL},
		{"ipv6-bad", 400, "Malformed Request-URI"},
		{"port-ambiguous", 0, NULL},
		{"port-unambiguous", 0, NULL},
		{"via-received-param-with-delim", 0, NULL},
		{"via-received-param-no-delim", 0, NULL},
		{"ipv6-in-sdp", 0, NULL},
		{"mult-ip-in-header", 0, NULL},
		{"mult-ip-in-sdp", 0, NULL},
		{"ipv4-mapped-ipv6", 0, NULL},
		{"ipv6-bug-abnf-3-colons", 0, NULL},
		{"ipv6-correct-abnf-2-colons", 0, NULL},
	};

	torture("rfc5118", rows, sizeof(rows) / sizeof(*rows));
	torture("rfc5118", &rows[2], 1);
	cr_assert_eq(block()->request_uri.port, 0);
	eq(block()->request_uri.host, "[2001:db8::10:5070]");
	torture("rfc5118", &rows[3], 1);
	cr_assert_eq(block()->request_uri.port, 5070);
}
