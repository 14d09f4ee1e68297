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
	octets("A\r\nTo: \"\xf6\r\n\r\n", true, "A\r\nTo: \"\xf6\r\n\r\n");
	cr_assert(repair_is_utf8(S("A\r\nb: \xc3\xbc\r\n\r\n\xe4")), "a body is octets");
	cr_assert_not(repair_is_utf8(S("A\r\nb: \xe4\r\n\r\n")));
	cr_assert_eq(repair_octets(S("A\xe4\r\n\r\n"), false, out, 6), 0);
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
