/* sip-bound.c - what a source that has not shown itself is sent for a request that was passed on
 * for it, by a zone that asks nobody (transaction_bound): at most four bytes for each of its own,
 * until it shows itself by a request in the dialog. */
#include "sip-scene.h"

#include "worker-sip/message/allowance.h"

TestSuite(bound, .init = worker_set_up_with_bob, .fini = worker_tear_down);

/* The bytes that went to alice, all of which are taken, and how many of them are of that status. */
static size_t bytes_to_alice(unsigned status, unsigned *copies)
{
	size_t bytes = 0;

	*copies = 0;
	for (unsigned i = 0; i < sent_count; i++) {
		const struct message *m = sent[i].message;

		if (!sent_to(&sent[i], ALICE))
			continue;
		sent[i].taken = true;
		bytes += m->raw_size;
		*copies += m->status == status;
	}
	return bytes;
}

/* Header lines with so many bytes more. */
static const char *long_line(unsigned bytes)
{
	static char line[4096];

	snprintf(line, sizeof(line), "X-Long: %0*d\n", (int)bytes, 0);
	return line;
}

static const struct asking call_of_alice = {
	.method = "INVITE", .branch = "z9hG4bKbound", .brief = true};

/* The same INVITE as long as those of phones are: 800 bytes. */
static struct said *usual_invite(void)
{
	struct asking a = call_of_alice;

	a.brief = false;
	a.body = "sdp";
	struct said *invite = asking_say(a);
	cr_assert_leq(invite->message->raw_size, 800, "%u", invite->message->raw_size);
	cr_assert_geq(invite->message->raw_size, 770, "%u", invite->message->raw_size);
	return invite;
}

/* bob is busy, and alice hears of it. */
static void refused(struct said *invite, struct sent *out)
{
	respond(out, 486, .tag = "b");
	take_request("ACK");
	acknowledge_failure(invite, take_response(486));
}

/* No ACK came: bob hears BYE, and alice nothing. */
static void ended_without_ack(void)
{
	take_request_to("ACK", BOB);
	respond(take_request_to("BYE", BOB), 200);
	assert_gone();
}

Test(bound, what_rings_is_told_and_leaves_room_for_the_answer)
{
	struct said *invite = usual_invite();
	struct sent *out = take_request("INVITE");
	const size_t most = ANSWER_RATIO * (size_t)invite->message->raw_size;
	unsigned copies;

	for (unsigned i = 0; i < 30; i++)
		respond(out, i % 2 ? 183 : 180, .tag = "b", .body = i % 2 ? "sdp" : "");
	cr_assert_leq(bytes_to_alice(180, &copies), most - ALLOWANCE_FOR_ANSWER);
	cr_assert_geq(copies, 2);
	cr_assert_gt(counters_page->counter[COUNTER_MESSAGES_WITHHELD], 0);
	respond(out, 200, .tag = "b", .body = "sdp", .more = long_line(820));
	struct sent *answered = take_response(200);
	cr_assert_geq(answered->message->raw_size, 1190, "%u", answered->message->raw_size);
	pass(64 * T1);
	cr_assert_leq(bytes_to_alice(200, &copies), most);
	ended_without_ack();
}

Test(bound, an_answer_is_repeated_within_the_bound)
{
	struct said *invite = asking_say(call_of_alice);
	struct sent *out = take_request("INVITE");
	unsigned copies;

	respond(out, 200, .tag = "b", .body = "sdp");
	pass(64 * T1);
	cr_assert_leq(bytes_to_alice(200, &copies), ANSWER_RATIO * invite->message->raw_size);
	cr_assert_geq(copies, 1);
	ended_without_ack();
}

/* Says a request of a stranger again and again, as clients do, until a response of that status has
 * gone. */
static void comes_again(const struct asking *request, unsigned status)
{
	const size_t in = said[said_count - 1].message->raw_size;
	unsigned copies;

	bytes_to_alice(status, &copies);
	cr_assert_eq(copies, 0);
	for (unsigned i = 2; copies == 0; i++) {
		cr_assert_leq(i, 7); /* an INVITE does not come more often */
		asking_say(*request);
		cr_assert_leq(bytes_to_alice(status, &copies), ANSWER_RATIO * i * in);
	}
	cr_assert_eq(copies, 1);
}

/* It comes again until it has an answer, and so there is room for one of any length. */
Test(bound, a_short_invite_hears_nothing_before_it_comes_again)
{
	struct said *invite = asking_say(call_of_alice);
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "b");
	comes_again(&call_of_alice, 180);
	refused(invite, out);
}

Test(bound, a_long_answer_waits_until_the_invite_has_come_again)
{
	asking_say(call_of_alice);
	struct sent *out = take_request("INVITE");

	respond(out, 200, .tag = "b", .more = long_line(3000));
	comes_again(&call_of_alice, 200);
	pass(64 * T1);
	ended_without_ack();
	cr_assert_eq(counters_page->counter[COUNTER_ANSWERS_NEVER_SENT], 0);
}

Test(bound, an_answer_that_never_fits_ends_the_call)
{
	asking_say(call_of_alice);
	unsigned copies;

	respond(take_request("INVITE"), 200, .tag = "b", .more = long_line(3000));
	pass(64 * T1);
	cr_assert_eq(bytes_to_alice(200, &copies), 0);
	ended_without_ack();
	cr_assert_eq(counters_page->counter[COUNTER_ANSWERS_NEVER_SENT], 1);
}

Test(bound, so_does_the_answer_of_another_request_wait)
{
	const struct asking message = {.method = "MESSAGE", .branch = "z9hG4bKbound"};

	asking_say(message);
	respond(take_request("MESSAGE"), 200, .more = long_line(3000));
	comes_again(&message, 200);
	/* once more as long as there is room */
	asking_say(message);
	pass(64 * T1);
	asking_say((struct asking){.method = "MESSAGE", .branch = "z9hG4bKother"});
	respond(take_request("MESSAGE"), 200, .more = long_line(3000));
	pass(64 * T1);
	cr_assert_eq(counters_page->counter[COUNTER_ANSWERS_NEVER_SENT], 1);
	assert_gone();
}

/* The callee does not go on without the PRACK, which shows where the caller is. */
Test(bound, what_wants_a_prack_goes_for_a_short_invite_too)
{
	struct asking a = call_of_alice;

	a.more = "Supported: 100rel\n";
	asking_say(a);
	struct sent *out = take_request("INVITE");
	respond(out, 180, .tag = "b", .more = "Require: 100rel\nRSeq: 1\n");
	struct sent *ringing = take_response(180);
	caller_asks(ringing, "PRACK", 2, .more = "RAck: 1 1 INVITE\n");
	respond(take_request("PRACK"), 200);
	take_response(200);
	for (unsigned i = 0; i < 20; i++) {
		respond(out, 180, .tag = "b");
		take_response(180);
	}
	respond(out, 486, .tag = "b");
	take_request("ACK");
	acknowledge_failure(&said[0], take_response(486));
}

Test(bound, a_cancel_is_answered_within_the_bound)
{
	struct said *invite = usual_invite();
	struct sent *out = take_request("INVITE");
	const size_t came = invite->message->raw_size;
	unsigned copies;

	for (unsigned i = 0; i < 30; i++)
		respond(out, 180, .tag = "b");
	for (unsigned i = 0; i < 20; i++)
		cancel(invite);
	size_t all = came;
	for (unsigned i = 1; i < said_count; i++)
		if (said[i].message->is_request && said[i].message->method == METHOD_CANCEL)
			all += said[i].message->raw_size;
	cr_assert_leq(bytes_to_alice(487, &copies), ANSWER_RATIO * all);
	cr_assert_eq(copies, 1);
	cr_assert_leq(all, 20 * came);
	respond(take_request("CANCEL"), 200);
	respond(out, 487, .tag = "b");
	take_request("ACK");
}

/* With an INVITE of the usual size. */
Test(bound, an_ordinary_answer_is_repeated_twice)
{
	usual_invite();
	struct sent *out = take_request("INVITE");
	unsigned copies;

	respond(out, 180, .tag = "b");
	struct sent *ringing = take_response(180);
	cr_assert_geq(ringing->message->raw_size, 300, "%u", ringing->message->raw_size);
	respond(out, 200, .tag = "b", .body = "sdp", .more = long_line(520));
	struct sent *answered = take_response(200);
	cr_assert_geq(answered->message->raw_size, 880, "%u", answered->message->raw_size);
	cr_assert_leq(answered->message->raw_size, 920, "%u", answered->message->raw_size);
	pass(32 * T1);
	bytes_to_alice(200, &copies);
	cr_assert_geq(copies, 1 + 2);
	caller_asks(answered, "ACK", 1);
	take_request_to("ACK", BOB);
	hang_up(&(struct call_scene){.answered = answered}, 2);
	assert_gone();
}

Test(bound, trying_waits_for_an_invite_that_comes_again)
{
	struct said *invite = asking_say(call_of_alice);
	struct sent *out = take_request("INVITE");

	pass(4 * T1);
	cr_assert_eq(trying_count, 0);
	asking_say(call_of_alice);
	cr_assert_eq(trying_count, 1);
	refused(invite, out);
}

Test(bound, failures_are_no_longer_than_what_is_left)
{
	struct said *invite = asking_say(call_of_alice);
	struct sent *out = take_request("INVITE");
	unsigned copies;

	respond(out, 180, .tag = "b");
	respond(out, 486, .tag = "b", .more = long_line(900));
	take_request("ACK");
	struct sent *failure = take_response(486);
	cr_assert_leq(bytes_to_alice(486, &copies), ANSWER_RATIO * invite->message->raw_size);
	cr_assert_eq(copies, 1);
	acknowledge_failure(invite, failure);
}

/* Brings a call whose caller is bound to where bob has answered. */
static struct call_scene answered_to_a_stranger(void)
{
	struct call_scene c = {.invite = asking_say(call_of_alice)};

	c.out = take_request("INVITE");
	respond(c.out, 200, .tag = "b");
	c.answered = take_response_to(200, ALICE);
	return c;
}

Test(bound, a_request_in_the_early_dialog_lifts_it)
{
	ask(.method = "INVITE", .more = "Supported: 100rel\n");
	struct sent *out = take_request("INVITE");
	unsigned copies;

	respond(out, 180, .tag = "b", .more = "Require: 100rel\nRSeq: 1\n");
	struct sent *ringing = take_response(180);
	caller_asks(ringing, "PRACK", 2, .more = "RAck: 1 1 INVITE\n");
	respond(take_request("PRACK"), 200);
	take_response(200);
	for (unsigned i = 0; i < 20; i++)
		respond(out, 180, .tag = "b");
	bytes_to_alice(180, &copies);
	cr_assert_eq(copies, 1 + 20);
	respond(out, 200, .tag = "b");
	pass(64 * T1 - 1);
	bytes_to_alice(200, &copies);
	cr_assert_eq(copies, 1 + 11, "with that of PRACK");
	pass(1);
	take_request_to("ACK", BOB);
	respond(take_request_to("BYE", ALICE), 200);
	respond(take_request_to("BYE", BOB), 200);
	assert_gone();
}

Test(bound, so_does_the_ack)
{
	struct call_scene c = answered_to_a_stranger();

	caller_asks(c.answered, "ACK", 1);
	take_request_to("ACK", BOB);
	callee_asks(c.out, "b", "INFO", 1);
	take_request_to("INFO", ALICE);
	pass(T1);
	respond(take_request_to("INFO", ALICE), 200);
	take_response_to(200, BOB);
	hang_up(&c, 2);
	assert_gone();
}

Test(bound, what_the_callee_asks_before_is_not_repeated)
{
	struct call_scene c = {.invite = usual_invite()};
	unsigned copies, passed = 0;

	c.out = take_request("INVITE");
	respond(c.out, 200, .tag = "b");
	c.answered = take_response_to(200, ALICE);
	for (unsigned i = 0; i < 8; i++) {
		callee_asks(c.out, "b", "INFO", 1 + i);
		passed += !take("", 500);
	}
	cr_assert_leq(bytes_to_alice(0, &copies),
		ANSWER_RATIO * c.invite->message->raw_size - ALLOWANCE_FOR_ANSWER);
	cr_assert_gt(passed, 0);
	cr_assert_lt(passed, 8);
	for (unsigned i = 0; i < 8; i++) {
		pass(T1);
		cr_assert_null(take("INFO", 0));
	}
	bytes_to_alice(0, &copies);
	caller_asks(c.answered, "ACK", 1);
	take_request_to("ACK", BOB);
	hang_up(&c, 2);
	for (unsigned i = 0; i < passed; i++)
		take_response_to(487, BOB); /* they ended with the call */
}

/* ---- other requests ---- */

/* A REGISTER of bob's from alice's address, with a Contact of so many octets, or none. */
static struct said *register_again(unsigned n, unsigned length, bool asks)
{
	char contact[600], call_id[16], branch[32];

	snprintf(contact, sizeof(contact), "<sip:%0*u@198.51.100.1>;expires=600", (int)length, n);
	snprintf(call_id, sizeof(call_id), "reg%u", n);
	snprintf(branch, sizeof(branch), "z9hG4bKreg%u", n);
	struct said *s = receive(&alice,
		"REGISTER sip:example.net SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.1;branch=%s\n"
		"From: <sip:bob@example.net>;tag=r\nTo: <sip:bob@example.net>\nCall-ID: %s\n"
		"CSeq: 1 REGISTER\n%s%s%sContent-Length: 0\n\n",
		branch, call_id, asks ? "" : "Contact: ", asks ? "" : contact, asks ? "" : "\n");
	pass(10);
	return s;
}

Test(bound, a_register_is_told_its_own_binding_where_all_do_not_fit)
{
	struct said *s;

	worker->image.domain[0].bindings_max = 4;
	for (unsigned i = 1; i <= 2; i++) {
		register_again(i, 450, false);
		cr_assert(raw_has(take_response(200), "198.51.100.11"), "the phone of the set-up");
	}
	cr_assert_eq(counters_page->counter[COUNTER_BINDINGS_NOT_TOLD], 0);
	s = register_again(3, 3, false);
	struct sent *told = take_response(200);
	cr_assert(raw_has(told, "Contact: <sip:003@198.51.100.1>;expires=600"));
	cr_assert_not(raw_has(told, "198.51.100.11"));
	cr_assert_leq(told->message->raw_size, ANSWER_RATIO * s->message->raw_size);
	cr_assert_eq(counters_page->counter[COUNTER_BINDINGS_NOT_TOLD], 1);
}

/* Whoever only asks for the bindings is told all of them, when the request has come again. */
Test(bound, the_answer_to_a_question_for_bindings_waits)
{
	unsigned copies = 0, times = 0;
	size_t came = 0;

	for (unsigned i = 1; i <= 2; i++)
		register_again(i, 450, false);
	bytes_to_alice(200, &copies);
	const unsigned before = copies;
	const size_t went = bytes_to_alice(200, &copies);
	for (; copies == before; times++) {
		cr_assert_lt(times, 7);
		came += register_again(9, 0, true)->message->raw_size;
		cr_assert_leq(bytes_to_alice(200, &copies) - went, ANSWER_RATIO * came);
	}
	cr_assert_gt(times, 1);
	cr_assert(raw_has(&sent[sent_count - 1], "198.51.100.11"));
}

/* Each fork has a dialog and its NOTIFY; all of them are of one request. */
Test(bound, notifies_of_forks_share_what_their_subscribe_may_have)
{
	struct said *s = ask(.method = "SUBSCRIBE", .more = "Event: dialog\nExpires: 600\n");
	struct sent *out = take_request("SUBSCRIBE");
	unsigned copies, withheld = 0;

	respond(out, 200, .tag = "f0", .more = "Expires: 600\n");
	for (unsigned i = 0; i < 8; i++) {
		char tag[8];

		snprintf(tag, sizeof(tag), "f%u", i);
		callee_asks(out, tag, "NOTIFY", 1,
			.more = "Event: dialog\nSubscription-State: active;expires=600\n",
			.body = "sdp");
		withheld += take(NULL, 500) != NULL;
	}
	pass(8 * T1);
	cr_assert_leq(bytes_to_alice(200, &copies), ANSWER_RATIO * s->message->raw_size);
	cr_assert_eq(copies, 1);
	cr_assert_gt(withheld, 0);
	cr_assert_lt(withheld, 8);
}

/* A challenge without its headers would be none. */
Test(bound, a_long_challenge_waits_too)
{
	static const char *const methods[] = {"MESSAGE", "INVITE"};
	char challenge[2048];

	snprintf(challenge, sizeof(challenge),
		"Proxy-Authenticate: Digest realm=\"x\", nonce=\"%01500d\"\n", 0);
	for (unsigned i = 0; i < 2; i++) {
		const struct asking a = {.method = methods[i],
			.branch = "z9hG4bKbound",
			.uri = "sip:+4930123@x",
			.brief = true};

		struct said *asked = asking_say(a);
		respond(take_request(methods[i]), 407, .tag = "t", .more = challenge);
		comes_again(&a, 407);
		struct sent *failure = &sent[sent_count - 1];
		cr_assert(raw_has(failure, "nonce="));
		acknowledge_failure(asked, failure);
		pass(64 * T1);
		for (unsigned k = 0; k < sent_count; k++)
			free(sent[k].message);
		sent_count = 0;
	}
	cr_assert_eq(counters_page->counter[COUNTER_ANSWERS_NEVER_SENT], 0);
}
