/* Calls that go on to somebody else, as it is kept for the user who is called: always, busy, no
 * answer, away; with the rights of that user, in chains, and without loops. */
#include "sip-scene.h"

#include "ipc/forwards.h"

#define CAROL "198.51.100.12:5060"
#define DAVE "198.51.100.13:5060"
#define FIRST "10.0.0.11:5060"
#define RINGS 10u /* seconds */

static struct {
	_Alignas(8) struct forwards head;
	struct forward_row row[16];
} table;

/* A user of example.net has his calls forwarded so. */
static void forward(const char *user, enum forward_when when, const char *to)
{
	struct forward_row row = {.hash = forward_hash(0, str_of(user), when),
		.when = (uint8_t)when,
		.name_length = (uint8_t)strlen(user),
		.seconds = when == FORWARD_NO_ANSWER ? RINGS : 0};
	char uri[FORWARD_TO_MAX + 1];
	long n = forward_uri(str_of(to), S("example.net"), uri);
	uint32_t i = row.hash & table.head.mask;

	cr_assert_gt(n, 0);
	row.to_length = (uint16_t)n;
	memcpy(row.name, user, strlen(user));
	memcpy(row.to, uri, (size_t)n);
	while (table.row[i].hash)
		i = (i + 1) & table.head.mask;
	table.row[i] = row;
	table.head.count++;
	cr_assert_eq(forwards_check(&table, sizeof(table)), 0);
}

static void set_up(void)
{
	worker_set_up();
	table.head = (struct forwards){.magic = FORWARDS_MAGIC, .size = sizeof(table), .mask = 15};
	worker->sip.forwards = &table.head;
	/* phones are in zone open here: its users have no other home */
	worker->image.zone[ZONE_ACCESS].auth = ZONE_AUTH_NONE;
	worker->image.zone[ZONE_OPEN].auth = ZONE_AUTH_NONE;
	worker->image.route[0].from |= 1u << ZONE_ACCESS;
	worker->image.route[1].from |= 1u << ZONE_ACCESS;
	fixture_user(worker, 0, "carol", "christmas", DIGEST_MD5);
	fixture_user(worker, 0, "dave", "data", DIGEST_MD5);
	alice_comes_by_stream();
	register_phone("bob", BOB, NULL);
	register_phone("carol", CAROL, NULL);
	register_phone("dave", DAVE, NULL);
}

TestSuite(user_forward, .init = set_up, .fini = worker_tear_down);

/* The call goes to that phone, and is answered there. */
static struct sent *answered_at(const char *phone)
{
	struct sent *out = take_request_to("INVITE", phone);

	respond(out, 180, .tag = "x");
	take_response_to(180, ALICE);
	respond(out, 200, .tag = "x");
	take_response_to(200, ALICE);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
	return out;
}

static void phone_says(const char *phone, unsigned status)
{
	respond(take_request_to("INVITE", phone), status, .tag = "p");
	take_request_to("ACK", phone);
}

/* ---- always ---- */

Test(user_forward, always)
{
	forward("bob", FORWARD_ALWAYS, "carol");
	ask(.method = "INVITE");
	struct sent *out = answered_at(CAROL); /* and bob's phone is not asked */
	cr_assert(raw_has(out, "Diversion: <sip:bob@example.net>;reason=unconditional;counter=1"));
	cr_assert(raw_has(out, "<sip:bob@example.net?Reason=SIP%3Bcause%3D302>;index=1\r\n"));
}

Test(user_forward, always_to_a_number)
{
	forward("bob", FORWARD_ALWAYS, "5551000");
	ask(.method = "INVITE");
	cr_assert(raw_has(answered_at(FIRST), "INVITE sip:5551000@10.0.0.11"));
}

Test(user_forward, always_of_a_user_without_a_phone)
{
	fixture_user(worker, 0, "erin", "e", DIGEST_MD5);
	forward("erin", FORWARD_ALWAYS, "carol");
	ask(.method = "INVITE", .uri = "sip:erin@example.net");
	answered_at(CAROL);
}

Test(user_forward, other_requests_go_to_the_phone)
{
	forward("bob", FORWARD_ALWAYS, "carol");
	ask(.method = "MESSAGE", .body = "hello");
	respond(take_request_to("MESSAGE", BOB), 200);
	take_response_to(200, ALICE);
	quiet();
}

Test(user_forward, a_chain)
{
	forward("bob", FORWARD_ALWAYS, "carol");
	forward("carol", FORWARD_ALWAYS, "dave");
	ask(.method = "INVITE");
	struct sent *out = answered_at(DAVE);
	cr_assert(raw_has(out, "Diversion: <sip:carol@example.net>;reason=unconditional;counter=1"
			       "\r\nDiversion: <sip:bob@example.net>;reason=unconditional"));
	cr_assert(raw_has(out, "History-Info: <sip:dave@example.net>;index=1.1.1;mp=1.1\r\n"));
	cr_assert_eq(counted(COUNTER_CALLS_FORWARDED), 2);
}

Test(user_forward, a_circle_is_refused)
{
	forward("bob", FORWARD_ALWAYS, "carol");
	forward("carol", FORWARD_ALWAYS, "bob");
	ask(.method = "INVITE");
	take_response_to(482, ALICE);
	assert_over();
	cr_assert_eq(counted(COUNTER_FORWARD_LOOPS), 1);
}

Test(user_forward, a_long_chain_is_refused)
{
	worker->image.s.forwards_max = 1;
	forward("bob", FORWARD_ALWAYS, "carol");
	forward("carol", FORWARD_ALWAYS, "dave");
	ask(.method = "INVITE");
	take_response_to(483, ALICE);
	assert_over();
}

/* ---- busy ---- */

Test(user_forward, busy)
{
	forward("bob", FORWARD_BUSY, "carol");
	ask(.method = "INVITE");
	phone_says(BOB, 486);
	cr_assert(raw_has(answered_at(CAROL), "reason=user-busy"));
}

Test(user_forward, busy_and_the_other_is_too)
{
	forward("bob", FORWARD_BUSY, "carol");
	ask(.method = "INVITE");
	phone_says(BOB, 486);
	phone_says(CAROL, 486);
	take_response_to(486, ALICE);
	assert_over();
}

Test(user_forward, busy_is_not_declined)
{
	forward("bob", FORWARD_BUSY, "carol");
	forward("bob", FORWARD_NO_ANSWER, "carol");
	ask(.method = "INVITE");
	phone_says(BOB, 603);
	take_response_to(603, ALICE);
	assert_over();
}

Test(user_forward, declined_at_one_phone_is_declined)
{
	const char *second = "198.51.100.21:5060";

	register_phone("bob", second, NULL);
	forward("bob", FORWARD_NO_ANSWER, "carol");
	forward("bob", FORWARD_AWAY, "carol");
	ask(.method = "INVITE");
	struct sent *one = take_request("INVITE"), *two = take_request("INVITE");
	respond(one, 180, .tag = "b");
	take_response_to(180, ALICE);
	respond(two, 603, .tag = "p");
	take_request("ACK");
	respond(take_request("CANCEL"), 200);
	respond(one, 487, .tag = "b");
	take_request("ACK");
	take_response_to(603, ALICE);
	assert_over();
}

Test(user_forward, busy_back_to_the_caller_of_a_chain_is_a_loop)
{
	forward("bob", FORWARD_BUSY, "carol");
	forward("carol", FORWARD_BUSY, "bob");
	ask(.method = "INVITE");
	phone_says(BOB, 486);
	phone_says(CAROL, 486);
	take_response_to(486, ALICE);
	assert_over();
	cr_assert_eq(counted(COUNTER_FORWARD_LOOPS), 1);
}

/* ---- no answer ---- */

Test(user_forward, no_answer)
{
	forward("bob", FORWARD_NO_ANSWER, "carol");
	ask(.method = "INVITE");
	struct sent *out = take_request_to("INVITE", BOB);
	respond(out, 180, .tag = "b");
	take_response_to(180, ALICE);
	pass(RINGS * 1000 - 1);
	quiet();
	pass(1);
	struct sent *cancelled = take_request_to("CANCEL", BOB);
	respond(cancelled, 200);
	respond(out, 487, .tag = "b");
	take_request_to("ACK", BOB);
	cr_assert(raw_has(answered_at(CAROL), "reason=no-answer"));
}

Test(user_forward, no_answer_and_then_it_is_answered_after_all)
{
	forward("bob", FORWARD_NO_ANSWER, "carol");
	ask(.method = "INVITE");
	struct sent *out = take_request_to("INVITE", BOB);
	respond(out, 180, .tag = "b");
	take_response_to(180, ALICE);
	pass(RINGS * 1000);
	take_request_to("CANCEL", BOB);
	struct sent *carol = take_request_to("INVITE", CAROL);
	respond(carol, 180, .tag = "c");
	take_response_to(180, ALICE);
	respond(out, 200, .tag = "b"); /* it has crossed the CANCEL */
	take_response_to(200, ALICE);
	take_request_to("CANCEL", CAROL);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(user_forward, no_answer_of_all_his_phones)
{
	const char *second = "198.51.100.21:5060";

	register_phone("bob", second, "0.5");
	forward("bob", FORWARD_NO_ANSWER, "carol");
	ask(.method = "INVITE");
	respond(take_request_to("INVITE", BOB), 180, .tag = "b");
	take_response_to(180, ALICE);
	pass(RINGS * 1000);
	take_request_to("CANCEL", BOB);
	answered_at(CAROL); /* the phone of a lower q has no time of its own */
}

Test(user_forward, no_answer_of_a_phone_that_gives_up_itself)
{
	forward("bob", FORWARD_NO_ANSWER, "carol");
	ask(.method = "INVITE");
	struct sent *out = take_request_to("INVITE", BOB);
	respond(out, 180, .tag = "b");
	take_response_to(180, ALICE);
	respond(out, 480, .tag = "b");
	take_request_to("ACK", BOB);
	answered_at(CAROL);
}

Test(user_forward, the_caller_gives_up_before)
{
	forward("bob", FORWARD_NO_ANSWER, "carol");
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request_to("INVITE", BOB);
	respond(out, 180, .tag = "b");
	take_response_to(180, ALICE);
	cancel(invite);
	take_response_to(200, ALICE);
	acknowledge_failure(invite, take_response_to(487, ALICE));
	respond(take_request_to("CANCEL", BOB), 200);
	respond(out, 487, .tag = "b");
	take_request_to("ACK", BOB);
	pass(RINGS * 1000);
	assert_over();
}

Test(user_forward, an_answered_call_is_not_forwarded)
{
	forward("bob", FORWARD_NO_ANSWER, "carol");
	ask(.method = "INVITE");
	struct sent *out = take_request_to("INVITE", BOB);
	respond(out, 200, .tag = "b");
	struct sent *answered = take_response_to(200, ALICE);
	caller_asks(answered, "ACK", 1);
	take_request_to("ACK", BOB);
	pass(2 * RINGS * 1000);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

/* ---- away ---- */

Test(user_forward, away_without_a_phone)
{
	fixture_user(worker, 0, "erin", "e", DIGEST_MD5);
	forward("erin", FORWARD_AWAY, "5551000");
	ask(.method = "INVITE", .uri = "sip:erin@example.net");
	cr_assert(raw_has(answered_at(FIRST), "reason=unavailable"));
}

Test(user_forward, away_with_a_phone_that_is_silent)
{
	forward("bob", FORWARD_AWAY, "carol");
	forward("bob", FORWARD_NO_ANSWER, "dave");
	ask(.method = "INVITE");
	pass(RINGS * 1000);
	struct sent *out = take_request("INVITE");
	while (sent_to(out, BOB))
		out = take_request("INVITE");
	cr_assert(sent_to(out, CAROL));
	respond(out, 486, .tag = "c");
	take_request_to("ACK", CAROL);
	take_response_to(486, ALICE);
	quiet();
}

Test(user_forward, a_phone_that_is_silent_has_not_answered)
{
	forward("bob", FORWARD_NO_ANSWER, "carol");
	ask(.method = "INVITE");
	pass(RINGS * 1000);
	struct sent *out = take_request("INVITE");
	while (sent_to(out, BOB))
		out = take_request("INVITE");
	cr_assert(sent_to(out, CAROL));
}

Test(user_forward, away_does_not_hold_for_one_that_is_there)
{
	forward("bob", FORWARD_AWAY, "carol");
	ask(.method = "INVITE");
	phone_says(BOB, 486);
	take_response_to(486, ALICE);
	assert_over();
}

/* ---- what it may not do ---- */

Test(user_forward, to_where_he_may_not_call)
{
	worker->image.route[1].from = 1u << ZONE_CORE; /* no phone may call numbers */
	forward("bob", FORWARD_BUSY, "5551000");
	ask(.method = "INVITE");
	phone_says(BOB, 486);
	take_response_to(486, ALICE);
	assert_over();
	cr_assert_eq(counted(COUNTER_FORWARDS_REFUSED), 1);
	forward("carol", FORWARD_ALWAYS, "5551000");
	ask(.method = "INVITE", .uri = "sip:carol@example.net", .call_id = "two");
	take_response_to(404, ALICE);
	assert_over();
}

/* A call that came from the trunk goes out by it, by the routes of who forwards it. */
Test(user_forward, a_call_from_outside_goes_outside)
{
	struct flow carrier = flow_of(CORE_UDP, "10.0.0.12:5060", 0);

	forward("bob", FORWARD_ALWAYS, "5551000");
	ask(.by = &carrier, .method = "INVITE",
		.more = "History-Info: <sip:x@y.example>;index=1\n");
	struct sent *out = take_request_to("INVITE", FIRST);
	cr_assert(raw_has(out, "index=1.1;mp=1\r\n"));
	respond(out, 486, .tag = "t");
	take_request_to("ACK", FIRST);
	take_response(486);
	quiet();
}

/* ---- the table ---- */

Test(user_forward, what_a_text_names)
{
	char uri[FORWARD_TO_MAX + 1], text[FORWARD_TO_MAX + 2];

	cr_assert_gt(forward_uri(S("carol"), S("example.net"), uri), 0);
	cr_assert_str_eq(uri, "sip:carol@example.net");
	cr_assert_gt(forward_uri(S("+4930123"), S("example.net"), uri), 0);
	cr_assert_str_eq(uri, "sip:+4930123@example.net");
	cr_assert_gt(forward_uri(S("carol@other.example"), S("example.net"), uri), 0);
	cr_assert_str_eq(uri, "sip:carol@other.example");
	cr_assert_gt(forward_uri(S("tel:+4930123"), S("example.net"), uri), 0);
	cr_assert_str_eq(uri, "tel:+4930123");
	cr_assert_lt(forward_uri(S(""), S("example.net"), uri), 0);
	cr_assert_lt(forward_uri(S("a b"), S("example.net"), uri), 0);
	cr_assert_lt(forward_uri(S("sip:example.net"), S("example.net"), uri), 0);
	cr_assert_lt(forward_uri(S("http://example.net/"), S("example.net"), uri), 0);
	cr_assert_lt(forward_uri(S("sip:"), S("example.net"), uri), 0);
	cr_assert_lt(forward_uri(S("mailto:carol"), S("example.net"), uri), 0);
	cr_assert_lt(forward_uri(S("carol:secret"), S("example.net"), uri), 0);
	cr_assert_gt(forward_uri(S("carol@other.example:5070"), S("example.net"), uri), 0);
	memset(text, 'a', sizeof(text));
	cr_assert_lt(forward_uri((struct str){text, sizeof(text)}, S("example.net"), uri), 0);
}

Test(user_forward, a_table_that_is_not_sane_is_refused)
{
	forward("bob", FORWARD_NO_ANSWER, "carol");
	struct forward_row *row = (struct forward_row *)forwards_find(
		&table.head, 0, S("bob"), FORWARD_NO_ANSWER);
	cr_assert_not_null(row);
	row->seconds = 0;
	cr_assert_eq(forwards_check(&table, sizeof(table)), -EBADMSG);
	row->seconds = RINGS;
	row->to[0] = 'x';
	cr_assert_eq(forwards_check(&table, sizeof(table)), -EBADMSG);
	row->to[0] = 's';
	table.head.count++;
	cr_assert_eq(forwards_check(&table, sizeof(table)), -EBADMSG);
	table.head.count--;
	cr_assert_eq(forwards_check(&table, sizeof(table)), 0);
	cr_assert_eq(forwards_check(&table, sizeof(table) - 8), -EBADMSG);
}
