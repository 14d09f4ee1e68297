/* transport-repair.c - messages that break rules about octets and line ends that many devices
 * break: what is made of the bytes, and what each zone does with them. */
#include "transport-fixture.h"

#include "worker-transport/parse/repair.h"

static char out[MESSAGE_RAW_MAX];

static void lines(const char *raw, const char *expected)
{
	size_t n = repair_line_ends(str_of(raw), out, sizeof(out));

	cr_assert(str_equal((struct str){out, n}, str_of(expected)), "'%.*s' of: %s", (int)n, out,
		raw);
}

Test(repair, line_ends)
{
	lines("A\nb: c\n d\n\nbody\n", "A\r\nb: c\r\n d\r\n\r\nbody\n");
	lines("A\r\nb: c\r\n", "A\r\nb: c\r\n\r\n");
	lines("A\r\nb: c", "A\r\nb: c\r\n\r\n");
	lines("\n\r\n\nA\nb: c\n\n", "A\r\nb: c\r\n\r\n");
	/* nothing to repair, or nothing that a repair would give a sense */
	lines("A\r\nb: c\r\n\r\n\n", "");
	lines("A\r\nb: \rc\r\n", "");
	lines("A\r\r\nb: c\n\n", "");
	lines("\n\n", "");
	cr_assert_eq(repair_line_ends(S("A\n\n"), out, 4), 0);
	cr_assert_eq(repair_line_ends(S("A\n\n"), out, 5), 5);
}

static void octets(const char *raw, bool drop, const char *expected)
{
	size_t n = repair_octets(str_of(raw), drop, out, sizeof(out));

	cr_assert(str_equal((struct str){out, n}, str_of(expected)), "'%.*s' of: %s", (int)n, out,
		raw);
}

Test(repair, octets)
{
	octets("SIP/2.0 486 B\xe4\r\nf: \"J\xf6rg\" <a>;x\r\nSubject: \xc3\xbc\r\n\r\n\xe4", false,
		"SIP/2.0 486 B\xc3\xa4\r\nf: \"J\xc3\xb6rg\" <a>;x\r\nSubject: "
		"\xc3\xbc\r\n\r\n\xe4");
	octets("SIP/2.0 200 B\r\nf: \"J\xf6<,rg\" <a>;x\r\nSubject: \xe4\r\n\r\n", true,
		"SIP/2.0 200 B\r\nf: <a>;x\r\nSubject: \xe4\r\n\r\n");
	octets("A\r\nContact: J\xf6rg <a>,\r\n \"\xc3\xb6\" <b>, <c>\r\nb: c\r\n\r\n", true,
		"A\r\nContact: <a>, \"\xc3\xb6\" <b>, <c>\r\nb: c\r\n\r\n");
	octets("A\r\nTo: \"\\\"\xf6<x>\" <b>\r\n\r\n", true, "A\r\nTo: <b>\r\n\r\n");
	/* nothing that could be dropped */
	octets("A\r\nTo: \"\xf6\r\n\r\n", true, "");
	octets("A\r\nSubject: \xe4\r\n\r\n", true, "");
	cr_assert(repair_is_utf8(S("A\r\nb: \xc3\xbc\r\n\r\n\xe4")), "a body is octets");
	cr_assert_not(repair_is_utf8(S("A\r\nb: \xe4\r\n\r\n")));
	cr_assert_eq(repair_octets(S("A\xe4\r\n\r\n"), false, out, 6), 0);
}

static void response(const char *raw, const char *expected)
{
	size_t n = repair_response(str_of(raw), out, sizeof(out));

	cr_assert(str_equal((struct str){out, n}, str_of(expected)), "'%.*s' of: %s", (int)n, out,
		raw);
}

Test(repair, responses)
{
	response("\r\n\nsip/2.0 200 OK\nt: a\r\nAllow: x\nContact : b\n c\nl: 4\n\nbody",
		"SIP/2.0 200\r\nt: a\r\nContact : b\r\n c\r\n\r\n");
	/* its status, however it is set off */
	response("SIP/2.0  486 Busy\r\nt: a\r\n\r\n", "SIP/2.0 486\r\nt: a\r\n\r\n");
	response("SIP/2.0\t486\tBusy\r\nt: a\r\n\r\n", "SIP/2.0 486\r\nt: a\r\n\r\n");
	response(" SIP/2.0 486Busy\r\nt: a\r\n\r\n", "SIP/2.0 486\r\nt: a\r\n\r\n");
	response("SIP/2.0 4860 x\r\nt: a\r\n\r\n", "");
	response("SIP/2.0486 x\r\nt: a\r\n\r\n", "");
	response("SIP/2.0 48 x\r\nt: a\r\n\r\n", "");
	response("SIP/2.0 099 x\r\nt: a\r\n\r\n", "");
	response("SIP/2.0 700 x\r\nt: a\r\n\r\n", "");
	response("SIP/3.0 200 x\r\nt: a\r\n\r\n", "");
	/* of its Vias what names the request that it answers */
	response("SIP/2.0 200\r\nv: SIP/2.0/UDP a:1 ; x=\"\\\"\n\t; Branch =b;received=:\r\nv: "
		 "c\r\n\r\n",
		"SIP/2.0 200\r\nVia: SIP/2.0/UDP a:1;branch=b\r\n\r\n");
	response("SIP/2.0 200\r\nVia: SIP/2.0/UDP a;branch=b, x;branch=c\r\n\r\n",
		"SIP/2.0 200\r\nVia: SIP/2.0/UDP a;branch=b\r\n\r\n");
	response("SIP/2.0 200\r\nVia: SIP/2.0/UDP a, x;branch=c\r\n\r\n",
		"SIP/2.0 200\r\nVia: SIP/2.0/UDP a\r\n\r\n");
	response("SIP/2.0 200\nv: SIP/2.0/UDP\n a;branch\n =\n b\n c\nt: a\n\n",
		"SIP/2.0 200\r\nVia: SIP/2.0/UDP  a;branch=b  c\r\nt: a\r\n\r\n");
	/* what ends before its sign does not go on behind it */
	response("SIP/2.0 200\r\nVia: SIP/2.0/UDP a;b\r\nt: a\r\n\r\n",
		"SIP/2.0 200\r\nVia: SIP/2.0/UDP a\r\nt: a\r\n\r\n");
	response("SIP/2.0 200\r\nVia: SIP/2.0/UDP a;branch\r\nt: a\r\n\r\n",
		"SIP/2.0 200\r\nVia: SIP/2.0/UDP a;branch=\r\nt: a\r\n\r\n");
	response("SIP/2.0 200\r\nVia\r\nt\r\ni: =;,\r\n\r\n",
		"SIP/2.0 200\r\nVia: \r\nt\r\ni: =;,\r\n\r\n");
	/* a CR by itself: not even the lines that such a one is folded into */
	response("SIP/2.0 200 OK\r\nt: a\r\n b\rc\r\n d\r\ni: \r1\r\nCSeq: 1 A",
		"SIP/2.0 200\r\nCSeq: 1 A\r\n\r\n");
	response("SIP/2.0 200 O\rK\r\nt: a\r\n\r\n", "SIP/2.0 200\r\nt: a\r\n\r\n");
	response("OPTIONS sip:a SIP/2.0\r\nt: a\r\n\r\n", "");
	response("SIP/2.0", "");
	response("", "");
	cr_assert_eq(repair_response(S("SIP/2.0 200\r\n\r\n"), out, 14), 0);
	cr_assert_eq(repair_response(S("SIP/2.0 200\r\n\r\n"), out, 15), 15);
}

/* ---- in a worker ---- */

static struct fixture *worker;
static int client;

static void begin(void (*adjust)(struct image *image))
{
	worker = fixture_new(adjust);
	client = bound("127.0.0.1", SOCK_DGRAM, NULL);
}

static void end(void)
{
	close(client);
	fixture_free(worker);
}

static void throw_text(const char *text)
{
	throw_at(client, "127.0.0.1", worker->port[ACCESS_UDP], text, strlen(text));
}

static const char *answer(void)
{
	static char text[4096];
	ssize_t n;

	UNTIL(worker, (n = hear(client, text, sizeof(text))) > 0);
	return text;
}

#define HEAD                                                                                       \
	"OPTIONS sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP "                                 \
	"192.0.2.9;branch=z9hG4bK1;rport\r\nFrom: \"J\xf6rg\" <sip:alice@example.net>;tag=1\r\n"   \
	"To: <sip:bob@example.net>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nSubject: \xe4\r\n"

static void pass_octets(struct image *image)
{
	image->zone[ZONE_ACCESS].not_utf8 = NOT_UTF8_PASS;
}

static void drop_octets(struct image *image)
{
	image->zone[ZONE_ACCESS].not_utf8 = NOT_UTF8_DROP;
}

static void serve_lines(struct image *image)
{
	image->zone[ZONE_ACCESS].line_ends = LINE_ENDS_SERVE;
}

static void assert_from(const char *from, const char *subject)
{
	UNTIL(worker, worker->count == 1);
	const struct message *m = message_at(worker, 0);

	cr_assert(str_equal(message_value(m, HEADER_FROM), str_of(from)));
	cr_assert(str_equal(message_value(m, HEADER_SUBJECT), str_of(subject)));
	cr_assert_eq(m->unreadable, *subject == 0);
	cr_assert_eq(COUNTED(REPAIRED_OCTETS), 1);
}

Test(repair, octets_are_converted)
{
	begin(NULL);
	throw_text(HEAD "\r\n");
	assert_from("\"J\xc3\xb6rg\" <sip:alice@example.net>;tag=1", "\xc3\xa4");
	end();
}

Test(repair, octets_cost_the_display_name)
{
	begin(drop_octets);
	throw_text(HEAD "\r\n");
	assert_from("<sip:alice@example.net>;tag=1", "");
	end();
}

Test(repair, octets_pass)
{
	begin(pass_octets);
	throw_text(HEAD "\r\n");
	assert_from("\"J\xf6rg\" <sip:alice@example.net>;tag=1", "\xe4");
	end();
}

Test(repair, a_reason_phrase_is_converted)
{
	begin(NULL);
	throw_text("SIP/2.0 486 Bes\xe4tzt\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n"
		   "From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: 1\r\n"
		   "CSeq: 1 INVITE\r\n\r\n");
	UNTIL(worker, worker->count == 1);
	const struct message *m = message_at(worker, 0);

	cr_assert(str_equal(message_str(m, m->reason), S("Bes\xc3\xa4tzt")));
	end();
}

#define LINES(end)                                                                                 \
	"OPTIONS sip:bob@example.net SIP/2.0" end "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1;"    \
	"rport" end "From: <sip:a@b>;tag=1" end "To: <sip:a@b>" end "Call-ID: 1" end               \
	"CSeq: 1 OPTIONS" end

Test(repair, other_line_ends_are_answered)
{
	begin(NULL);
	throw_text(LINES("\n") "\n");
	cr_assert(str_starts(str_of(answer()), S("SIP/2.0 400 Line End Other Than CRLF\r\n")));
	throw_text(LINES("\r\n"));
	cr_assert(str_starts(str_of(answer()), S("SIP/2.0 400 Headers Without End\r\n")));
	cr_assert_eq(worker->count, 0);
	cr_assert_eq(COUNTED(PARSE_LINE), 2);
	/* nobody can be told */
	throw_text("OPTIONS sip:b SIP/2.0\n\n");
	throw_text("junk\n\n");
	UNTIL(worker, COUNTED(PARSE_NOT_SIP) == 2);
	cr_assert_eq(COUNTED(REFUSED), 2);
	end();
}

Test(repair, other_line_ends_are_served)
{
	begin(serve_lines);
	throw_text(LINES("\n") "\n");
	throw_text(LINES("\r\n"));
	UNTIL(worker, worker->count == 2);
	cr_assert_eq(message_at(worker, 0)->method, METHOD_OPTIONS);
	cr_assert_eq(COUNTED(REPAIRED_LINE_ENDS), 2);
	end();
}

#define BOTH LINES("\n") "Contact: \"J\xf6rg\" <sip:a@b>\nSubject: \xe4\n\n"

Test(repair, line_ends_and_octets)
{
	begin(serve_lines);
	throw_text(BOTH);
	/* the first fault that is found is not the first that is repaired */
	throw_text(HEAD "Priority: urgent\n\n");
	UNTIL(worker, worker->count == 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct message *m = message_at(worker, i);

		cr_assert(str_equal(message_value(m, HEADER_SUBJECT), S("\xc3\xa4")));
		cr_assert_eq(m->unreadable, 0);
	}
	cr_assert(str_equal(message_value(message_at(worker, 0), HEADER_CONTACT),
		S("\"J\xc3\xb6rg\" <sip:a@b>")));
	cr_assert_eq(COUNTED(REPAIRED_LINE_ENDS), 2);
	cr_assert_eq(COUNTED(REPAIRED_OCTETS), 2);
	end();
}

Test(repair, line_ends_and_octets_that_pass)
{
	begin(serve_lines);
	worker->image.zone[ZONE_ACCESS].not_utf8 = NOT_UTF8_PASS;
	throw_text(BOTH);
	UNTIL(worker, worker->count == 1);
	cr_assert(str_equal(message_value(message_at(worker, 0), HEADER_SUBJECT), S("\xe4")));
	end();
}

Test(repair, line_ends_are_refused_whatever_the_octets)
{
	begin(NULL);
	throw_text(HEAD "\n");
	const char *text = answer();

	cr_assert(str_starts(str_of(text), S("SIP/2.0 400 Line End Other Than CRLF\r\n")));
	cr_assert_not_null(strstr(text, "\r\nFrom: \"J\xc3\xb6rg\" <sip:alice@example.net>"));
	end();
}

/* The Via says whom to tell. */
Test(repair, octets_of_a_request_uri_are_answered)
{
	static const char whole[] = LINES("\r\n");
	static void (*const rules[])(struct image * image) = {NULL, pass_octets, drop_octets};
	static const char *const lines[] = {
		"OPTIONS sip:J\xf6rg@b SIP/2.0", "OPTIONS sip:b\x01 SIP/2.0"};

	for (size_t i = 0; i < 6; i++) {
		char text[1024];

		begin(rules[i / 2]);
		snprintf(text, sizeof(text), "%s%s\r\n", lines[i % 2],
			&whole[strlen("OPTIONS sip:bob@example.net SIP/2.0")]);
		throw_text(text);
		cr_assert(str_starts(str_of(answer()), S("SIP/2.0 400 Malformed Request-URI\r\n")));
		cr_assert_eq(COUNTED(PARSE_URI), i + 1);
		cr_assert_eq(COUNTED(REFUSED), i + 1);
		end();
	}
}

/* Nothing that can be dropped is no repair. */
Test(repair, octets_of_lines_that_are_left_out)
{
	begin(drop_octets);
	throw_text(LINES("\r\n") "Subject: \xe4\r\n\r\n");
	UNTIL(worker, worker->count == 1);
	cr_assert_eq(message_at(worker, 0)->unreadable, 1);
	cr_assert_eq(COUNTED(REPAIRED_OCTETS), 0);
	end();
}

/* ---- responses ---- */

#define ANSWER(end)                                                                                \
	"SIP/2.0 200 OK" end "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1" end                      \
	"From: <sip:a@b>;tag=1" end "To: <sip:a@b>;tag=2" end "Call-ID: 1" end                     \
	"CSeq: 1 INVITE" end "Contact: <sip:c@d>" end

/* Whoever waits for it is not left waiting: it comes, as a broken one. */
static void broken_response(const char *text, uint64_t *counter)
{
	begin(NULL);
	*counter = 0;
	throw_text(text);
	UNTIL(worker, worker->count == 1);
	const struct message *m = message_at(worker, 0);

	cr_assert_eq(m->broken, 1);
	cr_assert_eq(m->status, 200);
	cr_assert(str_equal(message_str(m, m->via_branch), S("z9hG4bK1")));
	cr_assert(str_equal(message_str(m, m->to_tag), S("2")));
	cr_assert(str_equal(message_str(m, m->contact.whole), S("sip:c@d")));
	cr_assert_eq(m->method, METHOD_INVITE);
	cr_assert_eq(m->body.length, 0);
	cr_assert_eq(*counter, 1);
	end();
}

/* Writes lines lines, then text. */
static char *with_lines(const char *before, unsigned lines, const char *line, const char *after)
{
	static char text[16384];
	char *at = stpcpy(text, before);

	while (lines--)
		at = stpcpy(at, line);
	strcpy(at, after);
	return text;
}

Test(repair, a_response_with_too_many_headers)
{
	static const char whole[] = ANSWER("\r\n") "\r\nbody";

	broken_response(with_lines("SIP/2.0 200 OK\r\n", 300, "X: y\r\n",
				&whole[strlen("SIP/2.0 200 OK\r\n")]),
		&COUNTED(PARSE_LIMIT));
	broken_response(with_lines(ANSWER("\r\n"), 300, "Contact: <sip:e@f>\r\n", "\r\n"),
		&COUNTED(PARSE_LIMIT));
	broken_response(with_lines(ANSWER("\r\n"), 300, "Record-Route: <sip:a;lr>\r\n", "\r\n"),
		&COUNTED(PARSE_LIMIT));
}

#define REQUEST(method)                                                                            \
	method " sip:b@c SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n"                \
	       "From: <sip:a@b>;tag=1\r\nCall-ID: 1\r\nCSeq: 1 " method "\r\n"
#define LATE(tag) "To: <sip:a@b>" tag "\r\nSubject: late\r\nAny: late\r\nl: 4\r\n\r\nbodybody"

/* A request that ends or confirms something, or stands in a dialog, is served without those of its
 * lines that nobody needs. */
static void crowded_request(
	const char *before, const char *after, const char *method, unsigned others)
{
	const char *text = with_lines(before, 300, "Any: y\r\n", after);

	begin(NULL);
	COUNTED(LEFT_OUT_CROWD) = 0;
	throw_text(text);
	UNTIL(worker, worker->count == 1);
	int stream = dial("127.0.0.1", worker->port[ACCESS_TCP]);
	tell(stream, text, strlen(text) - 4);
	UNTIL(worker, worker->count == 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct message *m = message_at(worker, i);

		cr_assert_eq(m->method, method_of(str_of(method)));
		cr_assert_eq(m->header_count, MESSAGE_HEADERS_MAX);
		cr_assert(str_equal(message_value(m, HEADER_SUBJECT), S("late")));
		cr_assert(str_equal(message_str(m, m->body), S("body")));
		cr_assert_neq(m->first[HEADER_TO], 0xff);
		cr_assert_eq(message_check(m, m->size), 0);
	}
	/* 301 of one name, and the others */
	cr_assert_eq(COUNTED(LEFT_OUT_CROWD), 2 * (301 + others - MESSAGE_HEADERS_MAX));
	cr_assert_eq(COUNTED(PARSE_LIMIT), 0);
	close(stream);
	end();
}

Test(repair, a_request_with_too_many_headers)
{
	crowded_request(REQUEST("BYE"), LATE(";tag=2"), "BYE", 7);
	crowded_request(REQUEST("CANCEL"), LATE(""), "CANCEL", 7);
	crowded_request(REQUEST("ACK"), LATE(";tag=2"), "ACK", 7);
	crowded_request(REQUEST("INFO"), "c: a/b\r\n" LATE(";tag=2"), "INFO", 8);
}

/* What begins something new is refused, and so is what needs as many. */
Test(repair, a_request_that_is_too_crowded)
{
	begin(NULL);
	throw_text(with_lines(REQUEST("OPTIONS"), 300, "Any: y\r\n", LATE("")));
	cr_assert_not_null(strstr(answer(), "400 Too Many Headers"));
	/* its Via stands among the lines that are too many */
	throw_text(with_lines("OPTIONS sip:b@c SIP/2.0\r\nVi: x\r\n", 300, "Any: y\r\n",
		strstr(REQUEST("OPTIONS") LATE(""), "Via:")));
	cr_assert_not_null(strstr(answer(), "SIP/2.0 400 Too Many Headers"));
	throw_text(with_lines(REQUEST("INFO"), 300, "Route: <sip:a;lr>\r\n", LATE(";tag=2")));
	UNTIL(worker, COUNTED(PARSE_LIMIT) == 3);
	cr_assert_eq(COUNTED(LEFT_OUT_CROWD), 0);
	cr_assert_eq(worker->count, 0);
	end();
}

Test(repair, a_response_with_other_line_ends)
{
	broken_response(ANSWER("\n") "\n", &COUNTED(PARSE_LINE));
	broken_response(ANSWER("\r\n") "Contact: ", &COUNTED(PARSE_LINE));
	broken_response(ANSWER("\r\n") "Subject: a\rb\r\n\r\n", &COUNTED(PARSE_LINE));
}

/* ANSWER with other bytes in the place of its status line and its Via. */
static const char *answer_that_begins(const char *text)
{
	static char whole[1024];
	const char *rest = strstr(ANSWER("\r\n"), "From:");

	snprintf(whole, sizeof(whole), "%s%s\r\n", text, rest);
	return whole;
}

Test(repair, a_response_with_an_odd_status_line)
{
	static const char *const lines[] = {"SIP/2.0  200 OK", "SIP/2.0\t200 OK", "SIP/2.0 200\tOK",
		"SIP/2.0 200OK", "SIP/2.0 200-OK"};
	char text[256];

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		snprintf(text, sizeof(text), "%s\r\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bK1\r\n",
			lines[i]);
		broken_response(answer_that_begins(text), &COUNTED(PARSE_START_LINE));
	}
}

Test(repair, a_response_with_more_than_our_via)
{
	static const char *const lines[] = {"branch=z9hG4bK1\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK2",
		"branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2", "branch=z9hG4bK1, nonsense",
		"branch=z9hG4bK1,", "branch=z9hG4bK1;received=:::", "x=\"a;branch=z9hG4bK1",
		"branch=z9hG4bK1\r\nv: nonsense", "received=a_b/;branch=z9hG4bK1;rport=x"};
	char text[256];

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.9;%s\r\n",
			lines[i]);
		broken_response(answer_that_begins(text), &COUNTED(PARSE_VALUE));
	}
}

static void small_messages(struct image *image)
{
	image->s.message_max = 1024;
}

Test(repair, a_response_that_is_too_large)
{
	char *text = with_lines(ANSWER("\r\n"), 100, "X: 1234567\r\n", "\r\n");

	begin(small_messages);
	throw_text(text);
	UNTIL(worker, worker->count == 1);
	cr_assert_eq(message_at(worker, 0)->broken, 1);
	memcpy(text, "OPTION ", 7);
	throw_text(text);
	UNTIL(worker, COUNTED(DROP_TOO_LARGE) == 2);
	cr_assert_eq(worker->count, 1);
	end();
}

Test(repair, a_response_over_a_stream)
{
	const char *text = with_lines(ANSWER("\r\n"), 200, "X: y\r\n", "l: 0\r\n\r\n");

	begin(NULL);
	int stream = dial("127.0.0.1", worker->port[ACCESS_TCP]);

	tell(stream, text, strlen(text));
	UNTIL(worker, worker->count == 1);
	cr_assert_eq(message_at(worker, 0)->broken, 1);
	close(stream);
	end();
}

Test(repair, a_response_whose_via_cannot_be_read_is_dropped)
{
	begin(NULL);
	throw_text("SIP/2.0 200 OK\r\nVia: \r\r\nFrom: <sip:a@b>\r\n\r\n");
	throw_text("SIP/2.0 2000 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\n\r\n");
	UNTIL(worker, COUNTED(PARSE_LINE) + COUNTED(PARSE_START_LINE) == 2);
	cr_assert_eq(worker->count, 0);
	end();
}

/* What a repair adds to the empty lines before a start line would not be in the block, and a SIP
 * worker takes one that is said to have grown by more than it holds for a lie. */
Test(repair, empty_lines_before_a_start_line_are_no_part_of_it)
{
	char text[1024];

	begin(serve_lines);
	memset(text, '\n', 400);
	snprintf(text + 400, sizeof(text) - 400, "%s", LINES("\n") "\n");
	throw_text(text);
	UNTIL(worker, worker->count == 1);
	const struct message *m = message_at(worker, 0);

	cr_assert_eq(m->method, METHOD_OPTIONS);
	cr_assert(str_equal((struct str){message_raw(m), m->raw_size}, S(LINES("\r\n") "\r\n")));
	end();
}

static uint32_t server_length;

static void name_server(struct image *image)
{
	image->s.server = (struct text){
		.at = (uint32_t)(offsetof(struct image, pool) + sizeof(image->pool) - 160),
		.length = server_length};
	memset(image->pool + sizeof(image->pool) - 160, 'x', server_length);
	cr_assert_eq(settings_check(image, sizeof(*image)), 0);
}

/* The length of the 400 to text where the name of our own has that many octets. */
static size_t answer_length(const char *text, size_t server)
{
	server_length = (uint32_t)server;
	begin(name_server);
	throw_text(text);
	const size_t n = strlen(answer());

	end();
	return n;
}

Test(repair, an_answer_is_bounded_by_what_came)
{
	static const char text[] =
		"A a: SIP/2.0\nv:SIP/2.0/UDP h;rport\nf:a:b\nt:a:b\ni:1\nCSeq:1 A\n\n";
	const size_t most = ANSWER_RATIO * strlen(text), bare = answer_length(text, 0),
		     server = most - bare - strlen("Server: \r\n");

	cr_assert_leq(server, 127);
	cr_assert_eq(answer_length(text, server), most);
	cr_assert_eq(answer_length(text, server + 1), bare);
}
