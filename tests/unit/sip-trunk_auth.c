/* A trunk's server asks for credentials: which challenges are answered, how often, and with what
 * (RFC 3261 section 22). */
#include "sip-worker.h"

#include "worker-sip/auth/digest.h"

#define NUMBER "sip:5551000@example.net"
#define USER "acme"
#define PASSWORD "for the carrier"
#define CHALLENGE(realm, nonce)                                                                    \
	"WWW-Authenticate: Digest realm=\"" realm "\", nonce=\"" nonce                             \
	"\", qop=\"auth\", algorithm=MD5\n"
#define PROXY_CHALLENGE(realm, nonce)                                                              \
	"Proxy-Authenticate: Digest realm=\"" realm "\", nonce=\"" nonce "\", algorithm=SHA-256\n"

static void add_realm(const char *realm)
{
	char key[USER_NAME_MAX + 1] = "", ha1[65];
	size_t n = users_trunk_key(trunk_id(S("carrier")), str_of(realm), key);
	struct user_row row = {.domain = USERS_OF_TRUNKS,
		.algorithms = DIGEST_MD5 | DIGEST_SHA256,
		.name_length = (uint8_t)n,
		.hash = users_hash(USERS_OF_TRUNKS, (struct str){key, n})};
	uint32_t at = row.hash & worker->users.head.mask;

	memcpy(row.name, key, n);
	digest_ha1(DIGEST_MD5, S(USER), str_of(realm), S(PASSWORD), ha1);
	memcpy(row.ha1_md5, ha1, sizeof(row.ha1_md5));
	digest_ha1(DIGEST_SHA256, S(USER), str_of(realm), S(PASSWORD), ha1);
	memcpy(row.ha1_sha256, ha1, sizeof(row.ha1_sha256));
	while (worker->users.row[at].hash)
		at = (at + 1) & worker->users.head.mask;
	worker->users.row[at] = row;
	worker->users.head.count++;
}

static void set_up(void)
{
	worker_set_up();
	worker->image.trunk[0].username = fixture_text(&worker->image, USER);
	add_realm("carrier");
}
TestSuite(trunk_auth, .init = set_up, .fini = worker_tear_down);

/* The credentials of a request, which must be right for that realm and method. */
static struct credentials right(
	const struct sent *s, enum header id, const char *realm, const char *method)
{
	struct credentials c;
	char ha1[65];

	cr_assert_eq(credentials_parse(value_of(s->message, id), &c), 0);
	size_t n = digest_ha1(c.algorithm, S(USER), str_of(realm), S(PASSWORD), ha1);
	cr_assert(str_equal(c.username, S(USER)));
	cr_assert(str_equal(c.realm, str_of(realm)));
	if (c.qop.n) {
		cr_assert(digest_verify(&c, str_of(method), (struct str){ha1, n}));
		return c;
	}
	struct digest_parts parts = {.algorithm = c.algorithm,
		.ha1 = {ha1, n},
		.nonce = c.nonce,
		.method = str_of(method),
		.uri = c.uri};
	char response[65];

	n = digest_response(&parts, response);
	cr_assert(str_equal(c.response, (struct str){response, n}));
	return c;
}

static bool bare(const struct sent *s)
{
	return !message_first(s->message, HEADER_AUTHORIZATION) &&
	       !message_first(s->message, HEADER_PROXY_AUTHORIZATION);
}

/* An INVITE that the trunk has challenged, and that came again. */
static struct sent *challenged_invite(const char *challenge, unsigned status)
{
	ask(.method = "INVITE", .uri = NUMBER);
	struct sent *invite = take_request("INVITE");

	cr_assert(bare(invite));
	respond(invite, 100);
	respond(invite, status, .tag = "c", .more = challenge);
	take_request("ACK");
	return take_request("INVITE");
}

Test(trunk_auth, a_call_is_proved_to_the_trunk_and_ends_with_proof)
{
	struct sent *invite = challenged_invite(CHALLENGE("carrier", "n1"), 401);
	struct credentials c = right(invite, HEADER_AUTHORIZATION, "carrier", "INVITE");

	cr_assert(str_equal(c.nc, S("00000001")));
	cr_assert(
		str_equal(c.uri, message_str(invite->message, invite->message->request_uri.whole)));
	cr_assert_eq(invite->message->cseq, 2);
	respond(invite, 200, .tag = "b", .body = "v=0\n");
	struct sent *ok = take_response(200);
	caller_asks(ok, "ACK", 1);
	struct sent *ack = take_request("ACK");
	cr_assert_eq(ack->message->cseq, 2);
	/* RFC 3261 section 22.1: as the INVITE */
	right(ack, HEADER_AUTHORIZATION, "carrier", "INVITE");
	caller_asks(ok, "BYE", 2);
	struct sent *bye = take_request("BYE");
	cr_assert_eq(bye->message->cseq, 3);
	c = right(bye, HEADER_AUTHORIZATION, "carrier", "BYE");
	cr_assert(str_equal(c.nc, S("00000003")));
	respond(bye, 200);
	take_response(200);
	quiet();
}

Test(trunk_auth, a_nonce_serves_the_next_call)
{
	respond(challenged_invite(CHALLENGE("carrier", "n1"), 401), 486, .tag = "b");
	take_request("ACK");
	take_response(486);
	ask(.method = "INVITE", .uri = NUMBER, .call_id = "second");
	struct credentials c = right(
		take_request("INVITE"), HEADER_AUTHORIZATION, "carrier", "INVITE");
	cr_assert(str_equal(c.nc, S("00000002")));
	cr_assert_eq(counted(COUNTER_TRUNK_CHALLENGES), 1);
}

Test(trunk_auth, a_proxy_is_answered_as_one_and_without_qop)
{
	struct sent *invite = challenged_invite(PROXY_CHALLENGE("carrier", "n1"), 407);
	struct credentials c = right(invite, HEADER_PROXY_AUTHORIZATION, "carrier", "INVITE");

	cr_assert_eq(c.algorithm, DIGEST_SHA256);
	cr_assert_not(c.qop.n);
}

Test(trunk_auth, a_server_behind_a_proxy_asks_for_its_own)
{
	add_realm("inner");
	struct sent *invite = challenged_invite(PROXY_CHALLENGE("carrier", "n1"), 407);

	respond(invite, 401, .tag = "d", .more = CHALLENGE("inner", "n2"));
	take_request("ACK");
	invite = take_request("INVITE");
	right(invite, HEADER_PROXY_AUTHORIZATION, "carrier", "INVITE");
	right(invite, HEADER_AUTHORIZATION, "inner", "INVITE");
	cr_assert_eq(invite->message->cseq, 3);
}

Test(trunk_auth, another_realm_gets_nothing)
{
	ask(.method = "INVITE", .uri = NUMBER);
	respond(take_request("INVITE"), 401, .tag = "c", .more = CHALLENGE("thief", "n1"));
	take_request("ACK");
	take_response(401);
	quiet();
	cr_assert_eq(counted(COUNTER_TRUNK_CHALLENGES_FOREIGN), 1);
	cr_assert_eq(counted(COUNTER_TRUNK_CHALLENGES), 0);
}

Test(trunk_auth, of_several_challenges_the_first_that_can_be_answered_is)
{
	struct sent *invite = challenged_invite(
		"WWW-Authenticate: Digest realm=\"carrier\", nonce=\"a\", "
		"algorithm=SHA-512-256\n" CHALLENGE("thief", "b") CHALLENGE("carrier", "c"),
		401);

	cr_assert(
		str_equal(right(invite, HEADER_AUTHORIZATION, "carrier", "INVITE").nonce, S("c")));
}

Test(trunk_auth, a_second_challenge_ends_it)
{
	struct sent *invite = challenged_invite(CHALLENGE("carrier", "n1"), 401);

	respond(invite, 401, .tag = "d", .more = CHALLENGE("carrier", "n2"));
	take_request("ACK");
	take_response(401);
	quiet();
	cr_assert_eq(counted(COUNTER_TRUNK_CREDENTIALS_REFUSED), 1);
	/* and what was refused is not sent again unasked */
	ask(.method = "INVITE", .uri = NUMBER, .call_id = "second");
	cr_assert(bare(take_request("INVITE")));
}

Test(trunk_auth, a_stale_nonce_is_replaced_once)
{
	struct sent *invite = challenged_invite(CHALLENGE("carrier", "n1"), 401);

	respond(invite, 401, .tag = "d",
		.more = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n2\", stale=true\n");
	take_request("ACK");
	invite = take_request("INVITE");
	cr_assert_eq(invite->message->cseq, 3);
	cr_assert(
		str_equal(right(invite, HEADER_AUTHORIZATION, "carrier", "INVITE").nonce, S("n2")));
	respond(invite, 401, .tag = "e",
		.more = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n3\", stale=true\n");
	take_request("ACK");
	take_response(401);
	quiet();
}

Test(trunk_auth, a_trunk_without_credentials_answers_none)
{
	worker->image.trunk[0].username = (struct text){0};
	ask(.method = "INVITE", .uri = NUMBER);
	respond(take_request("INVITE"), 401, .tag = "c", .more = CHALLENGE("carrier", "n1"));
	take_request("ACK");
	take_response(401);
	quiet();
}

Test(trunk_auth, what_was_cancelled_is_not_sent_again)
{
	struct said *asked = ask(.method = "INVITE", .uri = NUMBER);
	struct sent *invite = take_request("INVITE");

	respond(invite, 100);
	cancel(asked);
	take_request("CANCEL");
	respond(invite, 401, .tag = "c", .more = CHALLENGE("carrier", "n1"));
	take_request("ACK");
	cr_assert_null(take("INVITE", 0));
}

Test(trunk_auth, requests_within_the_call_are_proved_when_asked)
{
	ask(.method = "INVITE", .uri = NUMBER, .body = "v=0\n");
	respond(take_request("INVITE"), 200, .tag = "b", .body = "v=0\n");
	struct sent *ok = take_response(200);

	caller_asks(ok, "ACK", 1);
	cr_assert(bare(take_request("ACK")));
	caller_asks(ok, "INVITE", 2, .body = "v=0\n");
	respond(take_request("INVITE"), 401, .more = CHALLENGE("carrier", "n1"));
	take_request("ACK");
	struct sent *again = take_request("INVITE");
	right(again, HEADER_AUTHORIZATION, "carrier", "INVITE");
	cr_assert_eq(again->message->cseq, 3);
	respond(again, 200, .body = "v=0\n");
	take_response(200);
	caller_asks(ok, "ACK", 2);
	cr_assert_eq(take_request("ACK")->message->cseq, 3);
	caller_asks(ok, "BYE", 3);
	struct sent *bye = take_request("BYE");
	/* the nonce is not known there any more */
	respond(bye, 401,
		.more = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n2\", stale=true\n");
	bye = take_request("BYE");
	cr_assert(str_equal(right(bye, HEADER_AUTHORIZATION, "carrier", "BYE").nonce, S("n2")));
	respond(bye, 200);
	take_response(200);
	quiet();
}

Test(trunk_auth, a_bye_that_is_refused_goes_back)
{
	ask(.method = "INVITE", .uri = NUMBER, .body = "v=0\n");
	respond(take_request("INVITE"), 200, .tag = "b", .body = "v=0\n");
	struct sent *ok = take_response(200);

	caller_asks(ok, "ACK", 1);
	take_request("ACK");
	caller_asks(ok, "BYE", 2);
	respond(take_request("BYE"), 401, .more = CHALLENGE("carrier", "n1"));
	respond(take_request("BYE"), 401, .more = CHALLENGE("carrier", "n2"));
	take_response(401);
	quiet();
}

/* RFC 3261 section 22.3: the caller's credentials for others pass, those for us are consumed. Where
 * we have shown our own we are the user agent, and no second one stands beside us. */
Test(trunk_auth, the_caller_s_credentials_do_not_stand_beside_ours)
{
	static const char theirs[] =
		"Authorization: Digest username=\"x\", realm=\"carrier\", nonce=\"n\", "
		"uri=\"sip:a\", response=\"00000000000000000000000000000000\"\n"
		"Proxy-Authorization: Digest username=\"x\", realm=\"example.net\", nonce=\"n\", "
		"uri=\"sip:a\", response=\"00000000000000000000000000000000\"\n";

	ask(.method = "INVITE", .uri = NUMBER, .more = theirs);
	struct sent *invite = take_request("INVITE");
	cr_assert(has(value_of(invite->message, HEADER_AUTHORIZATION), "username=\"x\""));
	cr_assert_null(message_first(invite->message, HEADER_PROXY_AUTHORIZATION));
	respond(invite, 401, .tag = "b", .more = CHALLENGE("carrier", "n1"));
	struct sent *again = take_request("INVITE");
	const struct message_header *h = message_first(again->message, HEADER_AUTHORIZATION);
	cr_assert(has(message_header_value(again->message, h), "username=\"" USER "\""));
	cr_assert_null(message_next(again->message, h));
}
