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
