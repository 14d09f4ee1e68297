/* sip-bound.c - what a source that has not shown itself is sent for a request that was passed on
 * for it, by a zone that asks nobody (transaction_bound): at most four bytes for each of its own,
 * until it shows itself by a request in the dialog. */
#include "sip-scene.h"

#include "worker-sip/transaction/transaction.h"

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

static const struct asking call_of_alice = {.method = "INVITE", .branch = "z9hG4bKbound"};

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

Test(bound, what_rings_is_told_as_long_as_there_is_room)
{
	struct said *invite = asking_say(call_of_alice);
	struct sent *out = take_request("INVITE");
	const size_t in = invite->message->raw_size;
	unsigned copies;

	for (unsigned i = 0; i < 30; i++)
		respond(out, i % 2 ? 183 : 180, .tag = "b", .body = i % 2 ? "sdp" : "");
	cr_assert_leq(bytes_to_alice(180, &copies), PROVISIONAL_RATIO * in);
	cr_assert_geq(copies, 1);
	cr_assert_gt(counters_page->counter[COUNTER_MESSAGES_WITHHELD], 0);
	/* the request comes again, and with it room */
	asking_say(call_of_alice);
	respond(out, 180, .tag = "b");
	bytes_to_alice(180, &copies);
	cr_assert_geq(copies, 1);
	refused(invite, out);
}

Test(bound, an_answer_always_goes_and_is_repeated_within_the_bound)
{
	struct said *invite = asking_say(call_of_alice);
	struct sent *out = take_request("INVITE");
	unsigned copies;

	respond(out, 180, .tag = "b");
	respond(out, 200, .tag = "b", .body = "sdp");
	pass(64 * T1);
	cr_assert_leq(bytes_to_alice(200, &copies), ANSWER_RATIO * invite->message->raw_size);
	cr_assert_geq(copies, 1);
	ended_without_ack();
}

Test(bound, a_long_answer_goes_once)
{
	struct said *invite = asking_say(call_of_alice);
	unsigned copies;

	respond(take_request("INVITE"), 200, .tag = "b", .more = long_line(3000));
	pass(64 * T1);
	cr_assert_gt(bytes_to_alice(200, &copies), ANSWER_RATIO * invite->message->raw_size);
	cr_assert_eq(copies, 1);
	ended_without_ack();
}

/* With an INVITE of the usual size. */
Test(bound, an_ordinary_answer_is_repeated_twice)
{
	struct said *invite = ask(.method = "INVITE", .body = "sdp", .more = long_line(480));
	struct sent *out = take_request("INVITE");
	unsigned copies;

	cr_assert_leq(invite->message->raw_size, 800, "%u", invite->message->raw_size);
	cr_assert_geq(invite->message->raw_size, 780, "%u", invite->message->raw_size);
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
	struct call_scene c = answered_to_a_stranger();
	unsigned copies;

	callee_asks(c.out, "b", "INFO", 1);
	take_request_to("INFO", ALICE);
	bytes_to_alice(0, &copies);
	for (unsigned i = 0; i < 8; i++) {
		pass(T1);
		cr_assert_null(take("INFO", 0));
	}
	bytes_to_alice(0, &copies);
	caller_asks(c.answered, "ACK", 1);
	take_request_to("ACK", BOB);
	hang_up(&c, 2);
	take_response_to(487, BOB); /* it ended with the call */
}
