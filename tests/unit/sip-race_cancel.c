/* The races of an INVITE that is given up, by CANCEL or by BYE in its early dialog, with its answer
 * (RFC 5407 sections 3.1.2 and 3.1.3, appendices A, C and E). */
#include "sip-scene.h"

TestSuite(race_cancel, .init = worker_set_up_with_bob, .fini = worker_tear_down);

Test(race_cancel, s3_1_2_cancel_crosses_the_answer)
{
	struct call_scene c = call_unacknowledged_scene("offer");

	cancel(c.invite);
	cr_assert_eq(take_response_to(200, ALICE)->message->method, METHOD_CANCEL);
	quiet(); /* it changes nothing: bob has answered */
	caller_asks(c.answered, "ACK", 1);
	struct sent *ack = take_request_to("ACK", BOB);
	hang_up(&c, 2);
	answer_again(&c, ack);
	assert_gone();
}

Test(race_cancel, s3_1_2_our_cancel_crosses_the_answer)
{
	struct call_scene c = call_cancelled();

	respond(c.out, 200, .tag = "b");
	struct sent *ack = take_request_to("ACK", BOB), *bye = take_request_to("BYE", BOB);
	respond(c.cancelled, 200);
	respond(bye, 200);
	quiet();
	/* bob repeats his answer: its ACK was lost */
	respond(c.out, 200, .tag = "b");
	cr_assert(same_branch(take_request_to("ACK", BOB), ack));
	assert_gone();
}

Test(race_cancel, s3_1_3_bye_of_the_early_dialog_crosses_the_answer)
{
	struct call_scene c = {.invite = ask(.method = "INVITE", .body = "offer")};

	c.out = take_request("INVITE");
	respond(c.out, 180, .tag = "b");
	struct sent *ringing = take_response(180);
	respond(c.out, 200, .tag = "b", .body = "sdp");
	c.answered = take_response(200);
	caller_asks(ringing, "BYE", 2); /* sent before the 200 came */
	/* bob's leg: his answer is acknowledged, then it ends */
	struct sent *ack = take_request_to("ACK", BOB), *bye = take_request_to("BYE", BOB);
	cr_assert_lt(ack - sent, bye - sent);
	cr_assert_eq(ack->message->cseq, c.out->message->cseq);
	cr_assert_gt(bye->message->cseq, c.out->message->cseq);
	bye_answered(bye);
	quiet();
	/* alice's leg: the 200 is repeated until she has it */
	pass(T1);
	take_response_to(200, ALICE);
	caller_asks(c.answered, "ACK", 1);
	quiet();
	answer_again(&c, ack);
	assert_gone();
}

Test(race_cancel, appendix_a_bye_in_the_early_dialog)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "b");
	struct sent *ringing = take_response(180);
	caller_asks(ringing, "BYE", 2);
	cr_assert_eq(take_response_to(200, ALICE)->message->method, METHOD_BYE);
	acknowledge_failure(invite, take_response_to(487, ALICE));
	struct sent *cancelled = take_request_to("CANCEL", BOB);
	/* and bob answers meanwhile */
	respond(out, 200, .tag = "b");
	struct sent *ack = take_request_to("ACK", BOB);
	respond(take_request_to("BYE", BOB), 200);
	respond(cancelled, 200);
	respond(out, 200, .tag = "b");
	cr_assert(same_branch(take_request_to("ACK", BOB), ack));
	assert_gone();
}

/* bob's two phones ring, and alice has a dialog with each. */
struct two_rings {
	struct said *invite;
	struct sent *out[2], *ringing[2];
};

#define CELL "198.51.100.12:5060"

static struct two_rings both_ring(void)
{
	alice_comes_by_stream();
	struct two_rings r = {0};

	register_phone("bob", CELL, NULL);
	r.invite = ask(.method = "INVITE");
	for (unsigned i = 0; i < 2; i++) {
		struct sent *out = take_request("INVITE");

		r.out[sent_to(out, CELL)] = out;
	}
	for (unsigned i = 0; i < 2; i++) {
		respond(r.out[i], 180, .tag = i ? "cell" : "desk");
		r.ringing[i] = take_response(180);
	}
	caller_asks(r.ringing[0], "BYE", 2);
	cr_assert_eq(take_response_to(200, ALICE)->message->method, METHOD_BYE);
	respond(take_request_to("CANCEL", BOB), 200);
	quiet();
	return r;
}

Test(race_cancel, appendix_a_bye_ends_one_of_two_early_dialogs)
{
	struct two_rings r = both_ring();

	respond(r.out[0], 487, .tag = "desk");
	take_request_to("ACK", BOB);
	quiet();
	caller_asks(r.ringing[0], "INFO", 3); /* it is over, and the other is not */
	take_response(481);
	caller_asks(r.ringing[1], "UPDATE", 2);
	respond(take_request_to("UPDATE", CELL), 200);
	take_response(200);
	respond(r.out[1], 200, .tag = "cell");
	struct call_scene c = {.answered = take_response_to(200, ALICE)};
	caller_asks(c.answered, "ACK", 1);
	take_request_to("ACK", CELL);
	caller_asks(c.answered, "BYE", 3);
	bye_answered(take_request_to("BYE", CELL));
	assert_gone();
}

Test(race_cancel, appendix_a_the_dialog_that_was_ended_is_answered)
{
	struct two_rings r = both_ring();

	for (unsigned i = 0; i < 2; i++) {
		respond(r.out[0], 200, .tag = "desk");
		take_request_to("ACK", BOB);
		if (!i)
			respond(take_request_to("BYE", BOB), 200);
		quiet();
	}
	/* what the other one says is the answer */
	respond(r.out[1], 486, .tag = "cell");
	take_request_to("ACK", CELL);
	acknowledge_failure(r.invite, take_response_to(486, ALICE));
	assert_gone();
}

Test(race_cancel, appendix_a_bye_ends_the_second_dialog_too)
{
	struct two_rings r = both_ring();

	caller_asks(r.ringing[1], "BYE", 2);
	cr_assert_eq(take_response_to(200, ALICE)->message->method, METHOD_BYE);
	acknowledge_failure(r.invite, take_response_to(487, ALICE));
	respond(take_request_to("CANCEL", CELL), 200);
	for (unsigned i = 0; i < 2; i++) {
		respond(r.out[i], 487, .tag = i ? "cell" : "desk");
		take_request("ACK");
	}
	assert_gone();
}

/* A proxy behind us has forked: one branch has two early dialogs. */
Test(race_cancel, appendix_a_bye_ends_one_early_dialog_of_a_branch)
{
	alice_comes_by_stream();
	ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "one");
	struct sent *ringing = take_response(180);
	respond(out, 180, .tag = "two");
	take_response(180);
	caller_asks(ringing, "BYE", 2);
	cr_assert_eq(take_response_to(200, ALICE)->message->method, METHOD_BYE);
	struct sent *bye = take_request_to("BYE", BOB);
	cr_assert(str_equal(message_str(bye->message, bye->message->to_tag), S("one")));
	respond(bye, 200);
	quiet();
	respond(out, 200, .tag = "two");
	struct call_scene c = {.answered = take_response_to(200, ALICE)};
	caller_asks(c.answered, "ACK", 1);
	take_request_to("ACK", BOB);
	hang_up(&c, 2);
	assert_gone();
}

Test(race_cancel, appendix_c_cancel_before_any_response_and_an_answer)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	cancel(invite);
	take_response(200);
	acknowledge_failure(invite, take_response_to(487, ALICE));
	quiet();
	respond(out, 200, .tag = "b");
	take_request_to("ACK", BOB);
	respond(take_request_to("BYE", BOB), 200);
	respond(out, 200, .tag = "b");
	take_request_to("ACK", BOB);
	cr_assert_eq(take_all("CANCEL"), 0);
	assert_gone();
}

Test(race_cancel, appendix_c_cancel_overtakes_its_invite)
{
	/* nobody knows of the INVITE yet (RFC 3261 section 9.2) */
	receive(&alice,
		"CANCEL sip:bob@example.net SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.1:5060;"
		"branch=z9hG4bKlate;rport\nMax-Forwards: 70\nFrom: <sip:alice@example.net>;tag=a\n"
		"To: <sip:bob@example.net>\nCall-ID: call-of-alice\nCSeq: 1 CANCEL\n\n");
	take_response_to(481, ALICE);
	struct said *invite = ask(.method = "INVITE", .branch = "z9hG4bKlate");
	struct sent *out = take_request("INVITE");
	respond(out, 180, .tag = "b");
	take_response(180);
	quiet();
	/* it rings until the CANCEL comes again */
	cancel(invite);
	take_response(200);
	acknowledge_failure(invite, take_response_to(487, ALICE));
	respond(take_request_to("CANCEL", BOB), 200);
	respond(out, 487, .tag = "b");
	take_request_to("ACK", BOB);
	assert_gone();
}

Test(race_cancel, appendix_e_after_the_invite_was_given_up)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE"), *ack;

	respond(out, 180, .tag = "b");
	struct sent *ringing = take_response(180);
	caller_asks(ringing, "UPDATE", 2);
	struct sent *update = take_request("UPDATE");
	respond(update, 200);
	take_response(200);
	cancel(invite);
	take_response(200);
	acknowledge_failure(invite, take_response(487));
	respond(take_request("CANCEL"), 200);
	respond(out, 487, .tag = "b");
	take_request("ACK");
	/* a fork behind has answered all the same, and repeats it */
	respond(out, 200, .tag = "c");
	ack = take_request_to("ACK", BOB);
	struct sent *bye = take_request_to("BYE", BOB);
	cr_assert_gt(bye->message->cseq, update->message->cseq, "RFC 3261 section 12.2.1.1");
	respond(bye, 200);
	respond(out, 200, .tag = "c");
	cr_assert(same_branch(take_request_to("ACK", BOB), ack));
	assert_gone();
}
