/* An address of one side in every header there is and in some that nobody knows, in requests and
 * responses, from the untrusted side and from the trusted one: it is not in the bytes that leave.
 * Which headers arrive at all is said here once more, beside policy.def, so that a row that is
 * taken out there is missed. */
#include "sip-scene.h"

/* Of the one who sends the header; the phones are in 198.51.100.0/24, the trunk in 10.0.0.0/24. */
#define INSIDE "203.0.113.77"
#define INSIDE6 "2001:db8::77"
/* What does not pass says this word, too. */
#define SECRET "kept-back"

enum arrival {
	ARRIVES = 0, /* without the address */
	ARRIVES_TRUSTED,
	GONE,
	GONE_BACK, /* from responses; a request with it is refused */
	REPLACED,  /* by our own */
	OURS       /* not swept */
};

struct row {
	const char *name;
	enum arrival arrival;
	const char *value; /* NULL: the usual one */
};

static const struct row known[HEADER_COUNT] = {
#define HEADER(id, name, compact) [HEADER_##id] = {name, ARRIVES, NULL},
#include "ipc/headers.def"
#undef HEADER
};

#define ADDRESS "\"" INSIDE "\" <sip:" INSIDE "@" INSIDE ":5099;maddr=" INSIDE ">;at=\"" INSIDE "\""
#define KEPT "<sip:" SECRET "@" INSIDE ":5099;lr>"
#define DIGEST "Digest realm=\"example.net\", nonce=\"" SECRET "\", opaque=\"" INSIDE "\""

/* What is no list of anything with parameters, and what does not arrive, or not from everywhere. */
static const struct {
	uint8_t id;
	enum arrival arrival;
	const char *value;
} particular[] = {
	{HEADER_VIA, REPLACED, "SIP/2.0/UDP " INSIDE ":5099;branch=z9hG4bK" SECRET},
	{HEADER_FROM, OURS, NULL},
	{HEADER_TO, OURS, NULL},
	{HEADER_CALL_ID, OURS, NULL},
	{HEADER_CSEQ, OURS, NULL},
	{HEADER_CONTACT, OURS, NULL},
	{HEADER_MAX_FORWARDS, OURS, NULL},
	{HEADER_CONTENT_LENGTH, OURS, NULL},
	{HEADER_CONTENT_TYPE, ARRIVES, "text/plain;at=\"" INSIDE "\""},
	{HEADER_CONTENT_DISPOSITION, ARRIVES, "render;at=" INSIDE},
	{HEADER_ROUTE, GONE, NULL}, /* of a request: it would say where to send it */
	{HEADER_RECORD_ROUTE, GONE, KEPT},
	{HEADER_PATH, GONE, KEPT},
	{HEADER_SERVICE_ROUTE, GONE, KEPT},
	{HEADER_AUTHORIZATION, GONE, DIGEST},
	{HEADER_PROXY_AUTHORIZATION, GONE, DIGEST},
	{HEADER_WWW_AUTHENTICATE, GONE, DIGEST},
	{HEADER_PROXY_AUTHENTICATE, GONE, DIGEST},
	{HEADER_AUTHENTICATION_INFO, GONE, "nextnonce=\"" SECRET INSIDE "\""},
	{HEADER_PROXY_AUTHENTICATION_INFO, GONE, "nextnonce=\"" SECRET INSIDE "\""},
	{HEADER_REQUIRE, GONE_BACK, SECRET ", " INSIDE},
	{HEADER_PROXY_REQUIRE, GONE_BACK, SECRET ", " INSIDE},
	{HEADER_SUPPORTED, GONE, SECRET ", " INSIDE},
	{HEADER_UNSUPPORTED, GONE, SECRET ", " INSIDE},
	{HEADER_ALLOW, ARRIVES, "INVITE, " INSIDE},
	{HEADER_ALLOW_EVENTS, ARRIVES, "refer, " INSIDE},
	{HEADER_EXPIRES, OURS, NULL}, /* a number and nothing else, as the parser has it */
	{HEADER_MIN_EXPIRES, ARRIVES, "60;at=" INSIDE},
	{HEADER_EVENT, ARRIVES, "refer;at=" INSIDE},
	{HEADER_SUBSCRIPTION_STATE, ARRIVES, "active;at=" INSIDE},
	{HEADER_REFER_TO, ARRIVES, ADDRESS},
	{HEADER_REFERRED_BY, ARRIVES, ADDRESS},
	{HEADER_REPLACES, OURS, NULL}, /* names a dialog: sip-dialog.c */
	{HEADER_JOIN, OURS, NULL},     /* as that one */
	{HEADER_TARGET_DIALOG, GONE, SECRET "@" INSIDE ";local-tag=1;remote-tag=2"},
	{HEADER_IN_REPLY_TO, GONE, SECRET "@" INSIDE},
	{HEADER_RACK, GONE, "77 1 " SECRET},
	{HEADER_RSEQ, ARRIVES, "1;at=" INSIDE},
	{HEADER_SESSION_EXPIRES, ARRIVES, "1800;at=" INSIDE},
	{HEADER_MIN_SE, ARRIVES, "1800;at=" INSIDE},
	{HEADER_TIMESTAMP, GONE, SECRET},
	{HEADER_WARNING, ARRIVES, "399 " SECRET ".example:5099 \"at " INSIDE "\""},
	{HEADER_USER_AGENT, GONE, SECRET "/1 " INSIDE},
	{HEADER_SERVER, GONE, SECRET "/1 " INSIDE},
	{HEADER_DATE, OURS, NULL}, /* has one form */
	{HEADER_REPLY_TO, ARRIVES, ADDRESS},
	{HEADER_SECURITY_CLIENT, GONE, SECRET ";at=" INSIDE},
	{HEADER_SECURITY_SERVER, GONE, SECRET ";at=" INSIDE},
	{HEADER_SECURITY_VERIFY, GONE, SECRET ";at=" INSIDE},
	{HEADER_FLOW_TIMER, GONE, "1;at=" SECRET INSIDE},
	{HEADER_P_ASSERTED_IDENTITY, ARRIVES_TRUSTED, "<sip:" INSIDE "@" INSIDE ":5099>"},
	{HEADER_P_PREFERRED_IDENTITY, ARRIVES_TRUSTED, "<sip:" INSIDE "@" INSIDE ":5099>"},
	{HEADER_REMOTE_PARTY_ID, ARRIVES_TRUSTED, ADDRESS},
	{HEADER_DIVERSION, ARRIVES_TRUSTED, ADDRESS},
	{HEADER_HISTORY_INFO, ARRIVES_TRUSTED,
		"<sip:bob@" INSIDE "?Reason=SIP%3Btext%3D%22" INSIDE "%22>;index=1"},
	{HEADER_P_CALLED_PARTY_ID, ARRIVES_TRUSTED, ADDRESS},
	{HEADER_P_CHARGING_VECTOR, GONE, "icid-value=" SECRET ";icid-generated-at=" INSIDE},
	{HEADER_P_CHARGING_FUNCTION_ADDRESSES, GONE, "ccf=" SECRET INSIDE},
	{HEADER_P_USER_DATABASE, GONE, "<aaa://" SECRET "." INSIDE ";transport=tcp>"},
	{HEADER_P_VISITED_NETWORK_ID, GONE, SECRET ", " INSIDE},
	{HEADER_P_ACCESS_NETWORK_INFO, GONE, "3GPP-UTRAN-TDD;at=" SECRET INSIDE},
	{HEADER_P_ASSOCIATED_URI, GONE, KEPT},
	{HEADER_RESOURCE_PRIORITY, ARRIVES_TRUSTED, "ets.0, x." INSIDE " , " INSIDE},
	{HEADER_CALL_INFO, ARRIVES,
		"<http://" INSIDE "/a.jpg>;purpose=icon, <http://" INSIDE ":8080/>"},
	{HEADER_ALERT_INFO, ARRIVES, "<http://" INSIDE ":8080/ring.wav>"},
	{HEADER_ERROR_INFO, ARRIVES, "<sip:not-here@" INSIDE ">, <sip:x@[" INSIDE6 "]:5099>"},
	{HEADER_IDENTITY_INFO, ARRIVES, "<https://" INSIDE "/cert>;alg=rsa-sha1"},
	{HEADER_GEOLOCATION, ARRIVES, "<sips:loc@" INSIDE ":5099>, <cid:x@" INSIDE ">"},
	{HEADER_RETRY_AFTER, ARRIVES, "120 (" INSIDE " is full);duration=60"},
	{HEADER_SUBJECT, ARRIVES, "call " INSIDE ", or " INSIDE6 "."},
};

static const struct row unknown[] = {
	{"X-Original-Contact", ARRIVES, "<sip:100@" INSIDE ":5099>"},
	{"X-Real-IP", ARRIVES, INSIDE},
	{"X-Asterisk-HangupCause", ARRIVES, "Normal at " INSIDE ":5099"},
	{"X-Escaped", ARRIVES, "sip:a@b?Route=%3Csip%3A" INSIDE "%3Blr%3E&x=%40" INSIDE},
	{"X-Six", ARRIVES, "[" INSIDE6 "]:5099, received=" INSIDE6},
	{"X-Mapped", ARRIVES, "::ffff:" INSIDE},
	{"X-Folded", ARRIVES, "one\n " INSIDE "\n\ttwo"},
	{"X-" INSIDE, GONE, SECRET},
	{"Carrier-Trace", ARRIVES, "hop=" INSIDE ";hop=\"" INSIDE "\""},
	{"Remote-Address", ARRIVES, "1=" INSIDE "-2=" INSIDE},
	{"PX-Not-Private", ARRIVES, "at." INSIDE6 "(" INSIDE ")"},
	{"P-Nobody-Knows", GONE, SECRET INSIDE},
	{"P-Early-Media", GONE, SECRET},
	{"Via-Trace", ARRIVES, "SIP/2.0/UDP " INSIDE ":5099;received=" INSIDE},
};

static struct flow core;

static void set_up(void)
{
	worker_set_up_with_bob();
	core = flow_of(CORE_UDP, "10.0.0.11:5060", 0);
	worker->image.zone[ZONE_CORE].network_headers = LEAVING_DROP;
	worker->image.zone[ZONE_OPEN].network_headers = LEAVING_DROP;
}

TestSuite(sweep, .init = set_up, .fini = worker_tear_down);

static struct row row_of(uint8_t id)
{
	struct row r = known[id];

	r.value = "token;at=" INSIDE ";port=\"" INSIDE ":5099\"";
	for (size_t i = 0; i < sizeof(particular) / sizeof(particular[0]); i++)
		if (particular[i].id == id) {
			r.arrival = particular[i].arrival;
			r.value = particular[i].value;
		}
	return r;
}

/* Whether a line of that name is in the message. */
static bool named(const struct message *m, const char *name)
{
	const struct message_header *h = message_headers(m);

	for (unsigned i = 0; i < m->header_count; i++)
		if (str_equal_nocase(message_header_name(m, h + i), str_of(name)))
			return true;
	return false;
}

static void look(const struct sent *s, const struct row *r, bool trusted, const char *where)
{
	struct str raw = {message_raw(s->message), s->message->raw_size};
	bool arrives = r->arrival == ARRIVES || (r->arrival == ARRIVES_TRUSTED && trusted);

	cr_expect(!has(raw, INSIDE) && !has(raw, INSIDE6) && !has(raw, ":5099"), "%s in %s:\n%.*s",
		r->name, where, STR(raw));
	cr_expect(!has(raw, SECRET), "%s in %s:\n%.*s", r->name, where, STR(raw));
	if (r->arrival != REPLACED)
		cr_expect_eq(named(s->message, r->name), arrives, "%s is %s in %s:\n%.*s", r->name,
			arrives ? "missing" : "there", where, STR(raw));
}

static void sweep_request(const struct row *r, bool trusted, const char *line)
{
	static unsigned calls;
	char call_id[64];

	snprintf(call_id, sizeof(call_id), "sweep-%u@" INSIDE, ++calls);
	ask(.by = trusted ? &core : NULL, .method = "MESSAGE", .call_id = call_id,
		.uri = trusted ? "sip:bob@example.net" : "sip:+4930123456@example.net",
		.from = "\"" INSIDE "\" <sip:100@" INSIDE ":5099>;at=" INSIDE,
		.to = "\"" INSIDE "\" <sip:bob@" INSIDE ":5099;x=" INSIDE ">;at=" INSIDE,
		.contact = "<sip:100@" INSIDE ":5099>", .more = line, .max_forwards = 7,
		.body = strcmp(r->name, "Content-Type") == 0 ? NULL : "x");
	struct sent *out = take_request("MESSAGE");

	look(out, r, trusted, trusted ? "a request of the trunk" : "a request of a phone");
	cr_expect_eq(out->message->max_forwards, 6);
	respond(out, 200);
	take_response(200);
	quiet();
}

static void sweep_response(const struct row *r, bool trusted, const char *line)
{
	static unsigned calls;
	char call_id[64];
	struct row back = *r;

	snprintf(call_id, sizeof(call_id), "sweep-back-%u", ++calls);
	ask(.by = trusted ? NULL : &core, .method = "MESSAGE", .call_id = call_id,
		.uri = trusted ? "sip:+4930123456@example.net" : "sip:bob@example.net");
	respond(take_request("MESSAGE"), 488, .tag = SECRET, .contact = "<sip:100@" INSIDE ":5099>",
		.more = line, .body = strcmp(r->name, "Content-Type") == 0 ? NULL : "x");
	/* a response names no dialog of the other leg */
	if (strcmp(r->name, "Refer-To") == 0 || strcmp(r->name, "Referred-By") == 0)
		back.arrival = GONE;
	struct sent *answer = take(NULL, 488);

	cr_assert_not_null(answer, "%s stopped a response", r->name);
	look(answer, &back, trusted, trusted ? "a response of the trunk" : "a response of a phone");
	quiet();
}

/* A request with the line and a response with it, both ways. */
static void sweep(const struct row *r)
{
	char line[1024];

	snprintf(line, sizeof(line), "%s: %s\n", r->name, r->value);
	for (unsigned trusted = 0; trusted < 2; trusted++) {
		if (r->arrival != GONE_BACK)
			sweep_request(r, trusted, line);
		if (r->arrival != REPLACED) /* a response has our Via alone */
			sweep_response(r, trusted, line);
	}
}

Test(sweep, every_known_header)
{
	for (unsigned id = 0; id < HEADER_COUNT; id++) {
		struct row r = row_of((uint8_t)id);

		if (r.arrival != OURS && r.value)
			sweep(&r);
	}
}

Test(sweep, headers_that_nobody_knows)
{
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		sweep(&unknown[i]);
}

Test(sweep, reason_phrases)
{
	ask(.method = "MESSAGE", .uri = "sip:+4930123456@example.net");
	struct sent *out = take_request("MESSAGE");
	const struct message *m = out->message;
	struct flow by = way_back(&out->to);

	receive(&by,
		"SIP/2.0 404 Nobody at " INSIDE "\nVia: %.*s\nFrom: %.*s\nTo: %.*s;tag=b\n"
		"Call-ID: %.*s\nCSeq: 1 MESSAGE\nContent-Length: 0\n\n",
		STR(message_str(m, m->via)), STR(value_of(m, HEADER_FROM)),
		STR(value_of(m, HEADER_TO)), STR(message_str(m, m->call_id)));
	m = take_response(404)->message;
	cr_assert(str_equal(message_str(m, m->reason), S("Not Found")), "%.*s",
		STR(message_str(m, m->reason)));
}

/* Reason is all that passes of a CANCEL (RFC 3326), as it passes of any request. */
static void assert_reasons(const char *lines, const char *first, const char *second)
{
	static unsigned calls;
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "cancel-%u", ++calls);
	struct said *invite = ask(.method = "INVITE", .by = &core, .call_id = call_id);
	struct sent *out = take_request("INVITE");
	const struct message *m = invite->message;

	respond(out, 180, .tag = "b");
	take_response(180);
	receive(&core,
		"CANCEL sip:bob@example.net SIP/2.0\nVia: %.*s\nMax-Forwards: 70\nFrom: %.*s\n"
		"To: %.*s\nCall-ID: %.*s\nCSeq: 1 CANCEL\n%sContent-Length: 0\n\n",
		STR(message_str(m, m->via)), STR(value_of(m, HEADER_FROM)),
		STR(value_of(m, HEADER_TO)), STR(message_str(m, m->call_id)), lines);
	const struct message *cancelled = take_request("CANCEL")->message;
	const struct message_header *h = message_first(cancelled, HEADER_REASON);

	for (const char *const *value = (const char *[]){first, second, NULL}; *value; value++) {
		cr_assert_not_null(h, "%s", lines);
		cr_assert(str_equal(message_header_value(cancelled, h), str_of(*value)), "%.*s",
			STR(message_header_value(cancelled, h)));
		h = message_next(cancelled, h);
	}
	cr_assert_null(h, "%s", lines);
	take_response(200);
	take_response(487);
	respond(out, 487, .tag = "b");
	take_request("ACK");
}

#define BUSY_AT(host) "SIP;cause=600;text=\"Busy at " host "\""

Test(sweep, reasons_of_cancel)
{
	static const char two[] = "Reason: ,Q.850;cause=16,, X,\nReason: " BUSY_AT(INSIDE) ",,\n";
	uint64_t *kept = &counters_page->counter[COUNTER_HEADERS_KEPT_BACK];

	assert_reasons("", NULL, NULL);
	assert_reasons("Reason: ,\nReason: \x01\n", NULL, NULL);
	cr_assert_eq(*kept, 0);
	assert_reasons("Reason: " BUSY_AT(INSIDE) "\n", BUSY_AT("192.0.2.1"), NULL);
	cr_assert_eq(*kept, 1);
	assert_reasons(two, "Q.850;cause=16, X", BUSY_AT("192.0.2.1"));
	cr_assert_eq(*kept, 2);
	worker->image.zone[ZONE_OPEN].hosts = LEAVING_DROP;
	assert_reasons(two, "Q.850;cause=16, X", NULL);
	cr_assert_eq(*kept, 3);
	worker->image.zone[ZONE_OPEN].hosts = LEAVING_PASS;
	assert_reasons(two, "Q.850;cause=16, X", BUSY_AT(INSIDE));
	cr_assert_eq(*kept, 3);
}

/* One that does not fit is left out, and the others pass. */
Test(sweep, a_reason_that_is_too_long)
{
	static char lines[16384], spaces[6000];

	memset(spaces, ' ', sizeof(spaces) - 1);
	snprintf(lines, sizeof(lines), "Reason: SIP;text=\"%s\"\nReason: Q.850;cause=16\n", spaces);
	assert_reasons(lines, "Q.850;cause=16", NULL);
}

/* ---- the options of the zone ---- */

static struct sent *relayed(const char *more)
{
	static unsigned calls;
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "option-%u", ++calls);
	ask(.by = &core, .method = "MESSAGE", .call_id = call_id, .more = more);
	return take_request("MESSAGE");
}

/* Both faults of a list are mended in the one line. */
Test(sweep, empty_elements_beside_hosts)
{
	static const struct {
		const char *line, *value;
		enum header id;
	} rows[] = {
		{"Call-Info: ,<http://" INSIDE "/a>;purpose=icon,, ,<http://x>,",
			"<http://192.0.2.1/a>;purpose=icon, <http://x>", HEADER_CALL_INFO},
		{"Alert-Info: <http://x>,, <http://" INSIDE ">", "<http://x>, <http://192.0.2.1>",
			HEADER_ALERT_INFO},
		{"P-Asserted-Identity: \"a,, b\" <sip:a@" INSIDE ">,,tel:+1",
			"\"a,, b\" <sip:a@192.0.2.1>, tel:+1", HEADER_P_ASSERTED_IDENTITY},
	};
	char line[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(line, sizeof(line), "%s\n", rows[i].line);
		struct sent *s = relayed(line);

		cr_assert(str_equal(value_of(s->message, rows[i].id), str_of(rows[i].value)),
			"%.*s", STR(value_of(s->message, rows[i].id)));
	}
}

Test(sweep, the_receivers_zone_says_what_passes)
{
	struct zone_settings *zone = &worker->image.zone[ZONE_OPEN];
	static const struct {
		size_t option;
		const char *line, *rewritten;
	} rows[] = {
		{offsetof(struct zone_settings, hosts), "Reply-To: <sip:a@" INSIDE ":5099>",
			"Reply-To: <sip:a@192.0.2.1>"},
		{offsetof(struct zone_settings, identities), "Diversion: <sip:a@" INSIDE ">;x",
			"Diversion: <sip:a@192.0.2.1>;x"},
		{offsetof(struct zone_settings, network_headers), "P-Charging-Vector: a=" INSIDE,
			"P-Charging-Vector: a=192.0.2.1"},
		{offsetof(struct zone_settings, network_headers), "P-Unknown: " INSIDE,
			"P-Unknown: 192.0.2.1"},
		{offsetof(struct zone_settings, unknown_headers), "X-Unknown: " INSIDE,
			"X-Unknown: 192.0.2.1"},
		{offsetof(struct zone_settings, software), "Server: a", "Server: edge"},
		{offsetof(struct zone_settings, software), "User-Agent: a", "User-Agent: edge"},
	};

	worker->image.s.server = fixture_text(&worker->image, "edge");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t *option = (uint32_t *)(void *)((char *)zone + rows[i].option),
			 before = *option;
		char line[256], name[64];

		snprintf(line, sizeof(line), "%s\n", rows[i].line);
		snprintf(name, sizeof(name), "\r\n%.*s", (int)strcspn(line, ":"), line);
		*option = LEAVING_REWRITE;
		cr_expect(raw_has(relayed(line), rows[i].rewritten), "%s", line);
		*option = LEAVING_DROP;
		cr_expect(!raw_has(relayed(line), name), "%s", line);
		*option = LEAVING_PASS;
		cr_expect(raw_has(relayed(line), rows[i].line), "%s", line);
		*option = before;
	}
}

/* What looks like an address and is none, and what is ours, passes in its bytes. */
Test(sweep, what_is_no_host_stays)
{
	static const char *const values[] = {"+49.30.12.34", "tel:49.30.12.34",
		"<sip:+1.202.55.12@d>;user=phone", "v1.2.3.4", "1.2.3.4.5", "1.2.3", "256.1.1.1",
		"12:34:56", "::", "AB:CD:EF:01:23:45:67:89:AB:CD", "Foo::Bar", "q=0.8, x=1.5",
		"192.0.2.1:5064", "1.2.3.4th", "1..2.3.4", "std::min", "049.30.12.34",
		"49.30.012.34", "49.030.12.34", "49.30.12.00", "49.30.12.340", "49.300.12.34",
		"tel:49.30.12.34;phone-context=+49", "<sip:49.30.12.34@d;user=phone>",
		"sip:49.30.12.34@d;x=y;User=Phone;z",
		"<sips:0-49.30.12.34;ext=1@d:5061;user=phone>",
		"<sip:49.30.12.34;phone-context=d@d;user=phone>;x"};

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char line[128];

		snprintf(line, sizeof(line), "X-Value: %s\n", values[i]);
		struct sent *out = relayed(line);
		snprintf(line, sizeof(line), "\r\nX-Value: %s\r\n", values[i]);
		cr_expect(raw_has(out, line), "%s", values[i]);
	}
}

/* Sends each first value in a header of its own; what passes is the second. */
static void values_pass(const char *const rows[][2], size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char line[128];

		snprintf(line, sizeof(line), "X-Value: %s\n", rows[i][0]);
		struct sent *out = relayed(line);
		snprintf(line, sizeof(line), "\r\nX-Value: %s\r\n", rows[i][1]);
		cr_expect(raw_has(out, line), "%s: %.*s", rows[i][0], (int)out->message->raw_size,
			message_raw(out->message));
	}
}

/* What stands where a number may, and is not said to be one. */
Test(sweep, an_address_beside_a_number_is_one)
{
	static const char *const rows[][2] = {
		{"<sip:49.30.12.34@" INSIDE ";user=phone>",
			"<sip:49.30.12.34@192.0.2.1;user=phone>"},
		{"<sip:49.30.12.34;a@[2001:db8::1]:1;user=phone>;x",
			"<sip:49.30.12.34;a@192.0.2.1;user=phone>;x"},
		{"<sip:" INSIDE "@d>;user=phone", "<sip:192.0.2.1@d>;user=phone"},
		{"<sip:" INSIDE "@d;user=phones>", "<sip:192.0.2.1@d;user=phones>"},
		{"<sip:" INSIDE "@d?user=phone>", "<sip:192.0.2.1@d?user=phone>"},
		{"<sip:" INSIDE ";user=phone>", "<sip:192.0.2.1;user=phone>"},
		{"<sip:a@" INSIDE ";user=phone>", "<sip:a@192.0.2.1;user=phone>"},
		{"<xip:" INSIDE "@d;user=phone>", "<xip:192.0.2.1@d;user=phone>"},
		{"0.10.0.0, " INSIDE, "192.0.2.1, 192.0.2.1"},
	};

	values_pass(rows, sizeof(rows) / sizeof(rows[0]));
}

/* A bracketed address ends at its bracket: what is glued to it would make our own host another. */
Test(sweep, a_word_behind_a_bracketed_address_goes_with_it)
{
	static const char *const rows[][2] = {
		{"index=[2001:db8::1]1", "index=192.0.2.1"},
		{"index=[2001:db8::1].7.x, y", "index=192.0.2.1.x, y"},
		{"[::ffff:" INSIDE "]_a;b", "192.0.2.1;b"},
		{"[2001:db8::1]1.example:5060", "192.0.2.1.example:5060"},
		{"[2001:db8::1]:5060x", "192.0.2.1:5060x"},
	};

	values_pass(rows, sizeof(rows) / sizeof(rows[0]));
}

Test(sweep, an_address_whose_colons_are_escaped)
{
	static const char *const rows[][2] = {
		{"<sip:a@d?Route=%3Csip%3A%5B2001%3Adb8%3A%3A77%5D%3E>",
			"<sip:a@d?Route=%3Csip%3A192.0.2.1%3E>"},
		{"<sip:a@d?X=u%40%5b2001%3adb8%3a%3a77%5d&Y=1>", "<sip:a@d?X=u%40192.0.2.1&Y=1>"},
		{"2001%3ADB8%3A0%3A0%3A0%3A0%3A0%3A77", "192.0.2.1"},
		{"%3A%3Affff%3A" INSIDE " x", "192.0.2.1 x"},
		{"sip%3A" INSIDE, "sip%3A192.0.2.1"},
		{"std%3A%3Aabc, a%3", "std%3A%3Aabc, a%3"},
		{"2001%3Adb8%3A%3A77x", "2001%3Adb8%3A%3A77x"},
	};

	values_pass(rows, sizeof(rows) / sizeof(rows[0]));
}

/* A digest is over the value as it is: rewritten it would be worth nothing. */
Test(sweep, credentials_of_others_pass_whole_or_not_at_all)
{
	struct sent *out = relayed("Authorization: Digest username=\"a\", realm=\"else.example\", "
				   "nonce=\"n\", uri=\"sip:b@" INSIDE "\", response=\"0\"\n"
				   "Authorization: Digest username=\"a\", realm=\"else.example\", "
				   "nonce=\"m\", uri=\"sip:b@192.0.2.1:5064\", response=\"0\"\n");

	cr_assert(!raw_has(out, INSIDE));
	cr_assert(!raw_has(out, "nonce=\"n\""));
	cr_assert(raw_has(out, "nonce=\"m\", uri=\"sip:b@192.0.2.1:5064\""));
	/* a phone asks for an address of ours, which is no secret */
	ask(.method = "MESSAGE", .uri = "sip:+4930123456@example.net", .call_id = "digest",
		.more = "Authorization: Digest username=\"a\", realm=\"else.example\", "
			"nonce=\"o\", uri=\"sip:b@192.0.2.1:5064\", response=\"0\"\n");
	cr_assert(raw_has(take_request("MESSAGE"), "uri=\"sip:b@192.0.2.1:5064\""));
}

Test(sweep, a_refer_goes_through_us)
{
	struct sent *out = relayed(
		"Refer-To: <sip:carol@" INSIDE ":5099;x=y?Subject=" INSIDE ">\n");

	cr_assert(raw_has(out, "Refer-To: <sip:carol@192.0.2.1:5064;x=y?Subject=192.0.2.1>\r\n"));
}

/* ---- listed names ---- */

static void hide_names_of_core(void)
{
	struct image *i = &worker->image;

	i->hidden_name[0] = fixture_text(i, "corp.example");
	i->hidden_name[1] = fixture_text(i, "pbx");
	i->zone[ZONE_CORE].hidden_names = (struct array){offsetof(struct image, hidden_name), 2};
	cr_assert_eq(settings_check(i, sizeof(*i)), 0);
}

Test(sweep, names_that_the_senders_zone_lists)
{
	static const char *const rows[][2] = {
		{"Reply-To: <sip:a@corp.example>", "Reply-To: <sip:a@192.0.2.1>"},
		{"Reply-To: <sip:a@SIP7.Corp.Example:5099;x>", "Reply-To: <sip:a@192.0.2.1;x>"},
		{"X-At: pbx", "X-At: 192.0.2.1"},
		{"X-At: <sip:a@b?Route=%3Csip%3Aa%40pbx%3E>",
			"X-At: <sip:a@b?Route=%3Csip%3Aa%40192.0.2.1%3E>"},
		{"Diversion: <sip:a@in.corp.example.>", "Diversion: <sip:a@192.0.2.1.>"},
		{"Warning: 399 a \"pbx:5060 is full\"",
			"Warning: 399 sipward \"192.0.2.1 is full\""},
		{"Refer-To: <sip:a@corp.example>", "Refer-To: <sip:a@192.0.2.1:5064>"},
		/* what follows only looks like a port */
		{"X-At: pbx:3.corp.example", "X-At: 192.0.2.1192.0.2.1"},
		/* what only looks like them */
		{"X-At: mycorp.example", "X-At: mycorp.example"},
		{"X-At: corp.example.net", "X-At: corp.example.net"},
		{"X-At: pbx-2, a_pbx", "X-At: pbx-2, a_pbx"},
	};

	hide_names_of_core();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char line[256];

		snprintf(line, sizeof(line), "%s\n", rows[i][0]);
		struct sent *out = relayed(line);
		snprintf(line, sizeof(line), "\r\n%s\r\n", rows[i][1]);
		cr_expect(raw_has(out, line), "%s:\n%.*s", rows[i][0], (int)out->message->raw_size,
			message_raw(out->message));
	}
	ask(.by = &core, .method = "MESSAGE", .call_id = "parties",
		.from = "\"At pbx\" <sip:a@pbx.corp.example:5099>", .to = "<sip:bob@corp.example>");
	struct sent *out = take_request("MESSAGE");
	cr_assert(has(value_of(out->message, HEADER_FROM), "\"At 192.0.2.1\" <sip:a@192.0.2.1>"));
	cr_assert(str_equal(value_of(out->message, HEADER_TO), S("<sip:bob@192.0.2.1>")));
}

/* They are the names of one zone: another one may have a host that is called the same. */
Test(sweep, names_of_the_receivers_zone_stay)
{
	hide_names_of_core();
	ask(.method = "MESSAGE", .uri = "sip:+4930123456@example.net", .call_id = "to-core",
		.more = "X-At: corp.example\n");
	cr_assert(raw_has(take_request("MESSAGE"), "\r\nX-At: corp.example\r\n"));
}

/* Where others are dropped, what the message means is rewritten. */
Test(sweep, what_cannot_be_missed_is_not_dropped)
{
	static const char *const names[] = {
		"Content-Disposition", "Event", "Subscription-State", "Info-Package"};
	char line[128], wanted[128];

	worker->image.zone[ZONE_OPEN].hosts = LEAVING_DROP;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(line, sizeof(line), "%s: a;x=" INSIDE "\n", names[i]);
		snprintf(wanted, sizeof(wanted), "\r\n%s: a;x=192.0.2.1\r\n", names[i]);
		cr_expect(raw_has(relayed(line), wanted), "%s", line);
	}
}
