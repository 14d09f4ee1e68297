/* sip-identity.c - who a caller is, as another zone gets to know it (RFC 3323, RFC 3325). */
#include "sip-scene.h"

#define ANONYMOUS "\"Anonymous\" <sip:anonymous@anonymous.invalid>"

static struct flow phone;

static void set_up(void)
{
	worker_set_up_with_bob();
	phone = flow_of(ACCESS_UDP, "198.51.100.7:5060", 0);
	for (unsigned i = 0; i < 3; i++)
		worker->image.route[i].from |= 1u << ZONE_ACCESS;
	routes_taken();
}
TestSuite(identity, .init = set_up, .fini = worker_tear_down);

static struct str line_of(const struct sent *s, enum header id)
{
	return value_of(s->message, id);
}

/* The value of a parameter of a challenge. */
static const char *param_of(struct str challenge, const char *name, char buffer[256])
{
	char text[512], key[32];

	snprintf(text, sizeof(text), "%.*s", STR(challenge));
	snprintf(key, sizeof(key), "%s=\"", name);
	const char *at = strstr(text, key);
	cr_assert_not_null(at, "%s in %s", name, text);
	at += strlen(key);
	snprintf(buffer, 256, "%.*s", (int)strcspn(at, "\""), at);
	return buffer;
}

/* alice's call from the zone that asks for credentials, which she shows. */
static struct said *call_with_credentials(const char *uri, const char *from, const char *more)
{
	char realm[256], nonce[256], ha1[65], response[65], lines[1024];
	static unsigned calls;
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "identity-%u", ++calls);
	struct said *invite = ask(.by = &phone, .method = "INVITE", .uri = uri, .from = from,
		.more = more, .call_id = call_id);
	struct sent *refused = take_response(407);
	struct str challenge = line_of(refused, HEADER_PROXY_AUTHENTICATE);
	param_of(challenge, "realm", realm);
	param_of(challenge, "nonce", nonce);
	acknowledge_failure(invite, refused);
	const struct digest_parts parts = {.algorithm = DIGEST_SHA256,
		.ha1 = {ha1,
			digest_ha1(DIGEST_SHA256, S("alice"), str_of(realm), S("wonderland"), ha1)},
		.nonce = str_of(nonce),
		.nc = S("00000001"),
		.cnonce = S("c"),
		.qop = S("auth"),
		.method = S("INVITE"),
		.uri = str_of(uri)};
	digest_response(&parts, response);
	snprintf(lines, sizeof(lines),
		"%sProxy-Authorization: Digest username=\"alice\", realm=\"%s\", nonce=\"%s\", "
		"uri=\"%s\", response=\"%s\", algorithm=SHA-256, cnonce=\"c\", nc=00000001, "
		"qop=auth\n",
		more, realm, nonce, uri, response);
	return ask(.by = &phone, .method = "INVITE", .uri = uri, .from = from, .more = lines,
		.call_id = call_id, .cseq = 2);
}

/* What of it goes out; the call is given up then. */
static struct sent *goes_out(const char *uri, const char *from, const char *more)
{
	struct said *invite = call_with_credentials(uri, from, more);

	struct sent *out = take_request("INVITE");
	respond(out, 486, .tag = "b");
	take_request("ACK");
	acknowledge_failure(invite, take_response(486));
	return out;
}

static bool says(const struct sent *s, enum header id, const char *text)
{
	return str_equal(line_of(s, id), str_of(text));
}

Test(identity, an_anonymous_caller_is_asserted_to_who_is_trusted)
{
	struct sent *out = goes_out("sip:+4930123@example.net", ANONYMOUS, "Privacy: id\n");

	cr_assert(says(out, HEADER_P_ASSERTED_IDENTITY, "<sip:alice@example.net>"));
	cr_assert(str_starts(line_of(out, HEADER_FROM), S(ANONYMOUS ";tag=")));
	cr_assert(says(out, HEADER_PRIVACY, "id"));
	out = goes_out("sip:bob@example.net", ANONYMOUS, "Privacy: id\n");
	cr_assert(sent_to(out, BOB));
	cr_assert_eq(line_of(out, HEADER_P_ASSERTED_IDENTITY).n, 0, "a phone is not told");
	quiet();
}

Test(identity, what_a_caller_asserts_himself_does_not_count)
{
	struct sent *out = goes_out("sip:+4930123@example.net", ANONYMOUS,
		"P-Asserted-Identity: <sip:boss@example.net>\n");

	cr_assert(says(out, HEADER_P_ASSERTED_IDENTITY, "<sip:alice@example.net>"));
	cr_assert_null(message_next(
		out->message, message_first(out->message, HEADER_P_ASSERTED_IDENTITY)));
}

Test(identity, the_zone_says_who_is_asserted)
{
	const char *uri = "sip:+4930123@example.net", *named = "<sip:alice@example.net>";
	struct zone_settings *core = &worker->image.zone[ZONE_CORE];

	cr_assert_eq(line_of(goes_out(uri, named, ""), HEADER_P_ASSERTED_IDENTITY).n, 0);
	core->assert_identity = ASSERT_ALWAYS;
	cr_assert(says(goes_out(uri, named, ""), HEADER_P_ASSERTED_IDENTITY, named));
	core->assert_identity = ASSERT_NEVER;
	cr_assert_eq(line_of(goes_out(uri, ANONYMOUS, ""), HEADER_P_ASSERTED_IDENTITY).n, 0);
	core->assert_identity = ASSERT_ALWAYS;
	core->identities = LEAVING_DROP;
	cr_assert_eq(line_of(goes_out(uri, ANONYMOUS, ""), HEADER_P_ASSERTED_IDENTITY).n, 0);
}

Test(identity, nobody_is_anonymous_without_credentials)
{
	struct said *invite = ask(.by = &phone, .method = "INVITE", .from = ANONYMOUS);

	acknowledge_failure(invite, take_response(407));
	quiet();
}

/* ---- Privacy, of calls from the zone that asks nobody ---- */

static void ends_here(const struct said *invite, const struct sent *out)
{
	respond(out, 486, .tag = "b");
	take_request("ACK");
	acknowledge_failure(invite, take_response(486));
}

#define TELLING                                                                                    \
	"Subject: of alice\nOrganization: alice's\nReply-To: <sip:alice@example.net>\n"            \
	"Call-Info: <http://alice.example/me.jpg>\nUser-Agent: alice's phone\nX-Other: stays\n"

Test(identity, a_user_who_asks_for_it_is_not_shown_to_who_is_not_trusted)
{
	struct said *invite = ask(.method = "INVITE",
		.more = "Privacy: header; USER ;critical\n" TELLING);
	struct sent *out = take_request_to("INVITE", BOB);

	cr_assert(str_starts(line_of(out, HEADER_FROM), S(ANONYMOUS ";tag=")));
	struct str raw = {message_raw(out->message), out->message->raw_size};
	cr_assert_null(memmem(raw.p, raw.n, "alice", 5), "%.*s", STR(raw));
	cr_assert_not_null(memmem(raw.p, raw.n, "X-Other: stays", 14));
	respond(out, 200, .tag = "b");
	struct sent *answered = take_response(200);
	cr_assert(str_starts(line_of(answered, HEADER_FROM), S("<sip:alice@example.net>;tag=a")));
	caller_asks(answered, "ACK", 1);
	take_request("ACK");
	caller_asks(answered, "BYE", 2);
	struct sent *bye = take_request("BYE");
	cr_assert(str_equal(line_of(bye, HEADER_FROM), line_of(out, HEADER_FROM)),
		"the same in the dialog");
	respond(bye, 200);
	take_response(200);
	quiet();
	(void)invite;
}

Test(identity, a_trusted_zone_gets_all_of_it_and_privacy)
{
	struct said *invite = ask(.method = "INVITE", .uri = "sip:+4930123@example.net",
		.more = "Privacy: user\n" TELLING);
	struct sent *out = take_request("INVITE");

	cr_assert(str_starts(line_of(out, HEADER_FROM), S("<sip:alice@example.net>;tag=")));
	cr_assert(says(out, HEADER_SUBJECT, "of alice"));
	cr_assert(says(out, HEADER_PRIVACY, "user"));
	ends_here(invite, out);
}

Test(identity, what_privacy_asks_for_in_vain)
{
	static const struct {
		const char *value;
		bool refused;
	} row[] = {{"session;critical", true}, {"critical; something", true}, {"session", false},
		{"id;header;critical", false}, {"none", false}};

	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char more[64], call_id[16];

		snprintf(more, sizeof(more), "Privacy: %s\n", row[i].value);
		snprintf(call_id, sizeof(call_id), "vain-%u", i);
		struct said *invite = ask(.method = "INVITE", .more = more, .call_id = call_id);
		if (row[i].refused)
			acknowledge_failure(invite, take_response(500));
		else
			ends_here(invite, take_request("INVITE"));
	}
	cr_assert_eq(counted(COUNTER_PRIVACY_REFUSED), 2);
	quiet();
}

Test(identity, a_zone_may_refuse_calls_without_a_name)
{
	static const struct {
		const char *from, *more;
		unsigned status;
	} row[] = {{ANONYMOUS, "", 433}, {NULL, "Privacy: id\n", 433},
		{NULL, "Privacy: user\n", 433}, {NULL, "Privacy: none\n", 0}, {NULL, "", 0}};

	worker->image.zone[ZONE_OPEN].anonymous = ANONYMOUS_REFUSE;
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char call_id[16];

		snprintf(call_id, sizeof(call_id), "nameless-%u", i);
		struct said *invite = ask(.method = "INVITE", .from = row[i].from,
			.more = row[i].more, .call_id = call_id);
		if (row[i].status)
			acknowledge_failure(invite, take_response(row[i].status));
		else
			ends_here(invite, take_request("INVITE"));
	}
	cr_assert_eq(counted(COUNTER_ANONYMOUS_REFUSED), 3);
	cr_assert_eq(counted(COUNTER_ANSWERED_433), 3);
	ask(.method = "MESSAGE", .from = ANONYMOUS, .call_id = "no-call");
	respond(take_request("MESSAGE"), 200, .tag = "b");
	take_response(200);
	fixture_emergency(&worker->image, "112", "");
	struct said *help = ask(.method = "INVITE", .from = ANONYMOUS, .uri = "sip:112@example.net",
		.call_id = "help");
	ends_here(help, take_request("INVITE"));
	quiet();
}

/* ---- what trusted zones say ---- */

/* A call of the PBX to a trunk, as that gets it. */
static struct sent *pbx_calls(const char *from, const char *more)
{
	struct flow pbx = flow_of(CORE_UDP, "10.0.0.77:5060", 0);
	static unsigned calls;
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "pbx-%u", ++calls);
	struct said *invite = ask(.by = &pbx, .method = "INVITE", .uri = "sip:+4930123@example.net",
		.from = from, .more = more, .call_id = call_id);
	struct sent *out = take_request("INVITE");
	ends_here(invite, out);
	return out;
}

#define RPID "Remote-Party-ID: \"Front desk\" <sip:+49301@10.0.0.77>;party=calling\n"
#define PPI "P-Preferred-Identity: <sip:+49302@pbx.example>\n"

Test(identity, what_is_believed_of_a_trusted_zone)
{
	struct zone_settings *core = &worker->image.zone[ZONE_CORE];
	const char *from = "<sip:+49303@pbx.example>";

	worker->image.route[1].from |= 1u << ZONE_CORE;
	routes_taken();
	core->assert_identity = ASSERT_ALWAYS;
	cr_assert_eq(line_of(pbx_calls(from, RPID PPI), HEADER_P_ASSERTED_IDENTITY).n, 0);
	core->believed = BELIEVED_REMOTE_PARTY;
	struct sent *out = pbx_calls(from, RPID PPI);
	cr_assert(str_starts(line_of(out, HEADER_P_ASSERTED_IDENTITY),
			  S("\"Front desk\" <sip:+49301@")),
		"%.*s", STR(line_of(out, HEADER_P_ASSERTED_IDENTITY)));
	cr_assert_eq(line_of(pbx_calls(from, PPI), HEADER_P_ASSERTED_IDENTITY).n, 0);
	core->believed = BELIEVED_PREFERRED;
	cr_assert(
		says(pbx_calls(from, PPI), HEADER_P_ASSERTED_IDENTITY, "<sip:+49302@pbx.example>"));
	core->believed = BELIEVED_FROM;
	cr_assert(says(pbx_calls(from, ""), HEADER_P_ASSERTED_IDENTITY, from));
	cr_assert_eq(line_of(pbx_calls(ANONYMOUS, ""), HEADER_P_ASSERTED_IDENTITY).n, 0);
	out = pbx_calls(from, "P-Asserted-Identity: <tel:+49304>\n" RPID);
	cr_assert(says(out, HEADER_P_ASSERTED_IDENTITY, "<tel:+49304>"));
	cr_assert_null(message_next(
		out->message, message_first(out->message, HEADER_P_ASSERTED_IDENTITY)));
}

Test(identity, the_header_that_a_zone_is_told_in)
{
	struct zone_settings *core = &worker->image.zone[ZONE_CORE];
	const char *uri = "sip:+4930123@example.net";

	core->assert_as = ASSERT_AS_REMOTE_PARTY;
	struct sent *out = goes_out(uri, ANONYMOUS, "Privacy: id\n" RPID);
	cr_assert_eq(line_of(out, HEADER_P_ASSERTED_IDENTITY).n, 0);
	cr_assert(says(out, HEADER_REMOTE_PARTY_ID,
		"<sip:alice@example.net>;party=calling;screen=yes;privacy=full"));
	core->assert_as = ASSERT_AS_BOTH;
	core->assert_identity = ASSERT_ALWAYS;
	out = goes_out(uri, "<sip:alice@example.net>", "");
	cr_assert(says(out, HEADER_P_ASSERTED_IDENTITY, "<sip:alice@example.net>"));
	cr_assert(says(out, HEADER_REMOTE_PARTY_ID,
		"<sip:alice@example.net>;party=calling;screen=yes;privacy=off"));
}
