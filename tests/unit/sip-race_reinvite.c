/* The races of an offer within a call, in an INVITE or an UPDATE, with another one and with BYE
 * (RFC 5407 sections 3.2.2, 3.2.3, 3.3.1 and 3.3.2, appendix B). */
#include "sip-scene.h"

TestSuite(race_reinvite, .init = worker_set_up_with_bob, .fini = worker_tear_down);

Test(race_reinvite, s3_2_2_reinvite_crosses_a_bye)
{
	for (unsigned after = 0; after < 2; after++) {
		struct call_scene c = call_answered();

		caller_asks(c.answered, "BYE", 2);
		struct sent *bye = take_request_to("BYE", BOB);
		if (after) {
			bye_answered(bye);
		}
		struct said *again = callee_asks(c.out, "b", "INVITE", 700);
		acknowledge_failure(again, take_response_to(481, BOB));
		if (!after) {
			bye_answered(bye);
		}
		assert_gone();
	}
}

Test(race_reinvite, s3_2_3_answer_of_a_reinvite_crosses_the_bye)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INVITE", 2, .body = "offer");
	struct sent *again = take_request_to("INVITE", BOB);
	caller_asks(c.answered, "BYE", 3);
	struct sent *bye = take_request_to("BYE", BOB);
	/* the 200 of the INVITE comes before that of the BYE: it passes, and so does its ACK */
	respond(again, 200, .body = "sdp");
	struct sent *answered = take_response_to(200, ALICE);
	cr_assert_eq(answered->message->cseq, 2);
	caller_asks(answered, "ACK", 2);
	struct sent *ack = take_request_to("ACK", BOB);
	bye_answered(bye);
	respond(again, 200, .body = "sdp");
	cr_assert(same_branch(take_request_to("ACK", BOB), ack));
	assert_gone();
}

Test(race_reinvite, s3_2_3_ack_of_a_reinvite_comes_after_the_bye)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INVITE", 2, .body = "offer");
	struct sent *again = take_request_to("INVITE", BOB);
	respond(again, 200, .body = "sdp");
	struct sent *answered = take_response_to(200, ALICE);
	caller_asks(c.answered, "BYE", 3);
	struct sent *ack = take_request_to("ACK", BOB), *bye = take_request_to("BYE", BOB);
	cr_assert_eq(ack->message->cseq, again->message->cseq);
	bye_answered(bye);
	caller_asks(answered, "ACK", 2);
	respond(again, 200, .body = "sdp");
	cr_assert(same_branch(take_request_to("ACK", BOB), ack));
	assert_gone();
}

Test(race_reinvite, s3_2_3_answer_of_a_reinvite_comes_after_the_end)
{
	struct call_scene c = call_answered();
	struct said *invite = caller_asks(c.answered, "INVITE", 2, .body = "offer");
	struct sent *again = take_request_to("INVITE", BOB);

	hang_up(&c, 3);
	/* section 15.1.2 of RFC 3261: what is pending is answered */
	acknowledge_failure(invite, take_response_to(487, ALICE));
	respond(again, 200, .body = "sdp");
	struct sent *ack = take_request_to("ACK", BOB);
	cr_assert_eq(ack->message->cseq, again->message->cseq);
	quiet();
	respond(again, 200, .body = "sdp");
	cr_assert(same_branch(take_request_to("ACK", BOB), ack));
	assert_gone();
}

Test(race_reinvite, s3_2_3_the_same_of_the_callees_reinvite)
{
	struct call_scene c = call_answered();
	struct said *invite = callee_asks(c.out, "b", "INVITE", 700, .body = "offer");
	struct sent *again = take_request_to("INVITE", ALICE);

	callee_asks(c.out, "b", "BYE", 701);
	respond(take_request_to("BYE", ALICE), 200);
	take_response_to(200, BOB);
	acknowledge_failure(invite, take_response_to(487, BOB));
	respond(again, 200, .body = "sdp");
	cr_assert_eq(take_request_to("ACK", ALICE)->message->cseq, again->message->cseq);
	assert_gone();
}

Test(race_reinvite, s3_2_3_the_bye_comes_from_who_answers)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INVITE", 2, .body = "offer");
	struct sent *again = take_request_to("INVITE", BOB);
	respond(again, 200, .body = "sdp");
	struct sent *answered = take_response_to(200, ALICE);
	callee_asks(c.out, "b", "BYE", 700);
	struct sent *ack = take_request_to("ACK", BOB), *bye = take_request_to("BYE", ALICE);
	caller_asks(answered, "ACK", 2);
	quiet();
	respond(bye, 200);
	take_response_to(200, BOB);
	respond(again, 200, .body = "sdp");
	cr_assert(same_branch(take_request_to("ACK", BOB), ack));
	assert_gone();
}

Test(race_reinvite, s3_3_1_reinvites_cross)
{
	struct call_scene c = call_answered();
	struct said *first = caller_asks(c.answered, "INVITE", 2, .body = "offer");
	struct sent *out = take_request_to("INVITE", BOB);
	struct said *second = callee_asks(c.out, "b", "INVITE", 700, .body = "offer");

	acknowledge_failure(second, take_response_to(491, BOB));
	respond(out, 491);
	take_request_to("ACK", BOB);
	acknowledge_failure(first, take_response_to(491, ALICE));
	/* RFC 3261 section 14.1: the owner of the Call-ID waits longer than the other one. Of the
	 * call with alice she is that, of the one with bob we are, in her place. */
	pass(1000);
	callee_asks(c.out, "b", "INVITE", 701, .body = "offer");
	respond(take_request_to("INVITE", ALICE), 200, .body = "sdp");
	take_response_to(200, BOB);
	callee_asks(c.out, "b", "ACK", 701);
	take_request_to("ACK", ALICE);
	pass(2000);
	caller_asks(c.answered, "INVITE", 3, .body = "offer");
	respond(take_request_to("INVITE", BOB), 200, .body = "sdp");
	struct sent *answered = take_response_to(200, ALICE);
	caller_asks(answered, "ACK", 3);
	take_request_to("ACK", BOB);
	pass(64 * T1);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(race_reinvite, s3_3_2_update_crosses_a_reinvite)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "UPDATE", 2, .body = "offer");
	struct sent *update = take_request_to("UPDATE", BOB);
	struct said *second = callee_asks(c.out, "b", "INVITE", 700, .body = "offer");
	/* each of them sees both offers, and refuses the other one's */
	struct sent *invite = take_request_to("INVITE", ALICE);
	respond(update, 491);
	take_response_to(491, ALICE);
	respond(invite, 491);
	take_request_to("ACK", ALICE);
	acknowledge_failure(second, take_response_to(491, BOB));
	pass(64 * T1);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(race_reinvite, s3_3_2_the_same_the_other_way_round)
{
	struct call_scene c = call_answered();
	struct said *first = caller_asks(c.answered, "INVITE", 2, .body = "offer");
	struct sent *invite = take_request_to("INVITE", BOB);

	callee_asks(c.out, "b", "UPDATE", 700, .body = "offer");
	struct sent *update = take_request_to("UPDATE", ALICE);
	respond(invite, 491);
	take_request_to("ACK", BOB);
	acknowledge_failure(first, take_response_to(491, ALICE));
	respond(update, 491);
	take_response_to(491, BOB);
	pass(64 * T1);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(race_reinvite, appendix_b_bye_overlaps_a_reinvite_of_the_other_side)
{
	struct call_scene c = call_answered();
	struct said *invite = caller_asks(c.answered, "INVITE", 2, .body = "offer");
	struct sent *again = take_request_to("INVITE", BOB);

	callee_asks(c.out, "b", "BYE", 700); /* sent before the INVITE came */
	struct sent *bye = take_request_to("BYE", ALICE);
	respond(again, 481);
	take_request_to("ACK", BOB);
	acknowledge_failure(invite, take_response_to(481, ALICE));
	take_response_to(200, BOB);
	quiet(); /* no second BYE while one is on its way */
	respond(bye, 200);
	assert_gone();
}

Test(race_reinvite, appendix_b_bye_follows_a_reinvite_that_is_never_answered)
{
	struct call_scene c = call_answered();
	struct said *invite = caller_asks(c.answered, "INVITE", 2, .body = "offer");
	struct sent *again = take_request_to("INVITE", BOB);

	respond(again, 180);
	take_response_to(180, ALICE);
	hang_up(&c, 3);
	acknowledge_failure(invite, take_response_to(487, ALICE));
	quiet();
	pass(32 * T1);
	respond(take_request_to("CANCEL", BOB), 481);
	assert_gone();
}
