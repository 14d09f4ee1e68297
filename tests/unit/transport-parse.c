/* transport-parse.c - the strict parser: what must pass, and what must be refused and why. */
#include "transport-parse.h"

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
	broken(RESPONSE("Content-Length: 5\r\n"), "Body Shorter Than Content-Length");
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
	refused(LINE("OPTIONS sip:a\xe4@b SIP/2.0"), 400, "Malformed Request-URI");
	refused(LINE("OPTIONS sip:b\x01 SIP/2.0"), 400, "Malformed Request-URI");
	refused(LINE("OPTIONS sip:b SIP/2.0\x7f"), 400, "Malformed Request-Line");
	refused(LINE("OPTIONS\x01 sip:b SIP/2.0"), 0, "Not SIP");
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
	left_out(REQUEST("Subject x\r\n"), "Subject x");
	left_out(REQUEST(": x\r\n"), ": x");
	left_out(REQUEST("Sub ject: x\r\n"), "Sub ject: x");
	left_out(REQUEST("x\r\n"), "x");
	left_out(REQUEST("\"\r\n y\r\n"), "\"\r\n y");
	refused(REQUEST("Require x\r\n"), 400, "Malformed Header Line");
	refused(REQUEST("Via x\r\n"), 400, "Malformed Header Line");
	refused(REQUEST("Subject: a\nEvil: b\r\n"), 0, "Line End Other Than CRLF");
	refused(REQUEST("Subject: a\rEvil: b\r\n"), 0, "Line End Other Than CRLF");
	refused("OPTIONS sip:bob@example.net SIP/2.0\r\n" FIELDS "CSeq: 1 OPTIONS\r\n", 0,
		"Headers Without End");
	left_out("OPTIONS sip:bob@example.net SIP/2.0\r\n folded: x\r\n" FIELDS
		 "CSeq: 1 OPTIONS\r\n\r\n",
		" folded: x");
	left_out(REQUEST("Subject: a\x01\r\n"), "Subject: a\x01");
	left_out(REQUEST("Subject: a\x7f\r\n"), "Subject: a\x7f");
	refused(REQUEST("Require: a\x01\r\n"), 400, "Control Byte in Headers");
	cr_assert_eq(parse(REQUEST("Reply-To: \"a\\\x01\\\x7f\" <sip:a@b>\r\n")), 0, "quoted-pair");
	cr_assert_eq(parse(REQUEST("Subject: \xe5\xa4\xa7\r\n")), 0, "UTF-8");
	static const char *const bad[] = {"\x80", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
		"\xf4\x90\x80\x80", "\xff", "\xc3", "\xe5\xa4", "\xf0\x80\x80\x80"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char text[1024];

		snprintf(text, sizeof(text), REQUEST("Subject: %s\r\n"), bad[i]);
		left_out(text, "Subject: ");
		snprintf(text, sizeof(text), REQUEST("Require: %s\r\n"), bad[i]);
		refused(text, 400, "Headers Not in UTF-8");
	}
	/* a name of 255 octets fits, one of 256 does not */
	char name[257], text[2048];
	memset(name, 'x', sizeof(name));
	snprintf(text, sizeof(text), REQUEST("%.255s: v\r\n"), name);
	cr_assert_eq(parse(text), 0);
	snprintf(text, sizeof(text), REQUEST("%.256s: v\r\n"), name);
	left_out(text, "xxx");
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
		const bool needed = !fits &&
		                    (str_starts(line, S("Route")) || str_starts(line, S("Via")) ||
					    str_starts(line, S("Call-ID")));

		cr_assert_eq(parse_bytes(text, (size_t)(at - text)), needed ? -EBADMSG : 0,
			"%zu: %s", i, failure.reason);
		if (!needed) {
			cr_assert_eq(block()->unreadable, !fits, "%zu", i);
			continue;
		}
		cr_assert_str_eq(failure.reason, "NUL in Headers", "%zu: %s", i, failure.reason);
		cr_assert_eq(failure.status, 400);
		cr_assert_eq(failure.counter, COUNTER_PARSE_CONTROL);
	}
	static const struct str lines[] = {
		OF("OPTIONS sip:b\0 SIP/2.0"), OF("OPTIONS\0 sip:b SIP/2.0"), OF("\0")};
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		memcpy(text, lines[i].p, lines[i].n);
		at = stpcpy(text + lines[i].n, "\r\n" FIELDS "CSeq: 1 OPTIONS\r\n\r\n");
		cr_assert_eq(parse_bytes(text, (size_t)(at - text)), -EBADMSG);
		cr_assert_str_eq(failure.reason, i ? "Not SIP" : "Malformed Request-URI");
	}
	left_out(REQUEST("Reply-To: \"a\\\x01 <sip:a@b>\r\n"), "Reply-To: ");
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
	refused(REQUEST("Max-Forwards: 1\r\nMax-Forwards: 2\r\n"), 400,
		"More Than One Max-Forwards");
	refused(REQUEST("l: 0\r\nContent-Length: 1\r\n") "x", 400, "More Than One Content-Length");
	refused(REQUEST("c: a/b\r\nContent-Type: a/c\r\n") "x", 400, "More Than One Content-Type");
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
		{"Route: sip:a@b", "Malformed Route"},
		{"Route:", "Malformed Route"},
		{"Route: <a>", "Malformed Route"},
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
		{"Require: a b", "Malformed Require"},
		{"Proxy-Require: <a>", "Malformed Proxy-Require"},
	};
	/* an OPTIONS needs none of them */
	static const char *const spared[] = {
		"Contact: <sip:a@b> x",
		"Contact:",
		"Contact: *",
		"Contact: <sip:a@b",
		"Contact: \"x <sip:a@b>",
		"Contact: sip:a@b?x=y",
		"Contact: <sip:a@b>;=x",
		"Contact: <sip:a@b>;x=",
		"Record-Route: <sip:a@b>;",
		"Path: <a>",
		"Refer-To: <sip:a@b>, <sip:c@d>",
		"Refer-To: <sip:a@b>,",
		"r: x",
		"Referred-By: <sip:%0@b>",
		"Content-Type: text",
		"Content-Type: text/",
		"Content-Type: text/plain;",
		"Supported: a b",
		"Allow: INVITE, \"ACK",
		"Event: ;x",
		"Session-Expires: x",
		"RAck: 1 INVITE",
		"RAck: 1 2",
		"RSeq: x",
		"Date: yesterday",
		"Warning: 399 a \"b",
		"Proxy-Authenticate: Digest",
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
		"Allow: INVITE,",
		"Require: a,,b",
		"Supported: ,x",
		"Contact: <sip:a@b>,",
		"Call-Info: ,<http://a/x,,y>,",
		"Authorization: Digest username=\"a\\\"b,c\", nc=00000001 ,qop=auth",
		"Authorization: Other abc==",
		/* whoever asked for credentials says what is wrong with them */
		"Authorization: Digest",
		"Authorization: Digest a",
		"Authorization: Digest a=\"b",
		"Authorization:",
		"Proxy-Authorization: Digest a=b c=d",
		"Proxy-Authorization: Digest a=b, Digest a=b",
		"Contact: <sip:*55#@b>",
		"Contact: sip:a@b:0;expires=5",
		"Contact: <sip:a@b>, <tel:+1234>",
		"Contact: <tel:+1234>\r\nContact: <sip:a@b>, <mailto:a@b>",
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
		if (!strncmp(bad[i].line, "Via", 3))
			refused(text, 0, bad[i].reason);
		else if (!strncmp(bad[i].line, "Content-Length", 14))
			broken(text, bad[i].reason);
		else
			left_out(text, bad[i].line);
	}
	for (size_t i = 0; i < sizeof(spared) / sizeof(*spared); i++) {
		char text[1024];

		snprintf(text, sizeof(text), REQUEST("%s\r\n"), spared[i]);
		left_out(text, spared[i]);
		snprintf(text, sizeof(text), RESPONSE("%s\r\n"), spared[i]);
		left_out(text, spared[i]);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		char text[1024];

		snprintf(text, sizeof(text), REQUEST("%s\r\n"), good[i]);
		cr_assert_eq(parse(text), 0, "'%s' for %s", failure.reason, good[i]);
		cr_assert_eq(block()->unreadable, 0, "%s", good[i]);
		cr_assert_eq(block()->empty_elements,
			!strstr(good[i], "X-Any") && !strstr(good[i], "Contact") &&
				(strstr(good[i], ",,") || good[i][strlen(good[i]) - 1] == ',' ||
					strstr(good[i], ": ,")),
			"%s", good[i]);
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

/* A response ends what its Via names, whatever else of it cannot be read. */
Test(parse, broken_responses)
{
#define START "SIP/2.0 486 Busy\r\n"
#define I "CSeq: 1 INVITE\r\n"
	broken(START V F T I "\r\n", "Missing Call-ID");
	cr_assert_eq(block()->call_id.length, 0);
	cr_assert_eq(block()->method, METHOD_INVITE);
	broken(START V F T I "Call-ID;x: 1\r\n\r\n", "Malformed Header Line");
	cr_assert_eq(block()->call_id.length, 0);
	broken(START V F T C "\r\n", "Missing CSeq");
	cr_assert_eq(block()->method, METHOD_UNKNOWN);
	broken(START V "\r\n", "Missing From");
	broken(START V F T C "CSeq: 1\r\n\r\n", "Malformed CSeq");
	cr_assert_eq(block()->method_name.length, 0);
	broken(START V "From: <sip:\r\n" T C I "\r\n", "Malformed From");
	cr_assert_eq(block()->from.whole.length, 0);
	cr_assert_eq(block()->status, 486);
	eq(block()->via_branch, "z9hG4bK1");
	broken(START V F "From: <sip:x@y>\r\n" T C I "\r\n", "More Than One From");
	eq(block()->from_tag, "1");
	broken(START V F T C I "To \x01\r\n\r\n", "Control Byte in Headers");
	broken(START V "From: \xfc <sip:a@b>;tag=1\r\n" T C I "\r\n", "Headers Not in UTF-8");
	cr_assert_eq(block()->from.whole.length, 0);
	broken("SIP/2.0 200 OK\r\n" V F T C I "Contact: x\r\n\r\n", "Malformed Contact");
	broken("SIP/2.0 183 P\r\n" V F T C I "Record-Route: x\r\n\r\n", "Malformed Record-Route");
	refused(START F T C I "\r\n", 0, "Missing Via");
	refused(START "Via: x\r\n" F T C I "\r\n", 0, "Malformed Via");
	refused("SIP/2.0 486 Busy\r\n" V F T C I "Subject: \r", 0, "Headers Without End");
	/* a repetition is none */
	cr_assert_eq(parse(START V F F T C I "\r\n"), 0);
	cr_assert_eq(block()->broken, 0);
}

/* A reason phrase is for people. */
Test(parse, reason_phrase_that_cannot_be_read)
{
	static const struct str lines[] = {
		OF("SIP/2.0 486 Besetzt \xfc"), OF("SIP/2.0 486 \x01"), OF("SIP/2.0 486 a\0b")};
	char text[1024], *at;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		memcpy(text, lines[i].p, lines[i].n);
		at = stpcpy(text + lines[i].n, "\r\n" FIELDS "CSeq: 1 INVITE\r\n\r\n");
		cr_assert_eq(parse_bytes(text, (size_t)(at - text)), 0, "%zu", i);
		cr_assert_eq(block()->status, 486);
		cr_assert_eq(block()->reason.length, 0);
	}
	refused("SIP/2.0 48\x01 Busy\r\n" FIELDS "CSeq: 1 INVITE\r\n\r\n", 0,
		"Malformed Status-Line");
}

Test(parse, expires)
{
	/* the registrar knows how to read it; to nobody else it is there */
	static const char *const values[] = {"Expires: soon\r\n", "Expires:\r\n"};
	char text[1024];

	for (size_t i = 0; i < 2; i++) {
		snprintf(text, sizeof(text),
			"REGISTER sip:b SIP/2.0\r\n" FIELDS "CSeq: 1 REGISTER\r\n%s\r\n",
			values[i]);
		cr_assert_eq(parse(text), 0);
		cr_assert_eq(block()->expires, 3600);
		snprintf(text, sizeof(text), L FIELDS Q "%s\r\n", values[i]);
		left_out(text, "Expires");
		cr_assert_eq(block()->expires, -1);
	}
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
	/* a failure's body is nothing that anybody needs; nor is one that ends a call */
	cr_assert_eq(parse("SIP/2.0 486 Busy\r\n" V F T C "CSeq: 1 INVITE\r\n\r\nrest"), 0);
	cr_assert_eq(parse("BYE sip:b SIP/2.0\r\n" V F T C "CSeq: 1 BYE\r\n\r\nrest"), 0);
	broken("SIP/2.0 200 OK\r\n" V F T C "CSeq: 1 INVITE\r\nContent-Type: a\r\n\r\nrest",
		"Malformed Content-Type");
	cr_assert_eq(parse(REQUEST("Content-Length: 0\r\n") "rest"), 0);
	cr_assert_eq(block()->body.length, 0);
	static const char nul[] = "OPTIONS sip:b SIP/2.0\r\n" V F T C Q
				  "Content-Type: a/b\r\n\r\na\0b";
	cr_assert_eq(parse_bytes(nul, sizeof(nul) - 1), 0, "a body is octets");
	cr_assert_eq(block()->body.length, 3);
}
