/* The races of an ACK of a 2xx with what comes before it (RFC 5407 sections 3.1.1, 3.1.4 to 3.1.6
 * and 3.2.4), and of the BYE that waits for it (RFC 3261 section 15). */
#include "sip-scene.h"

TestSuite(race_ack, .init = worker_set_up_with_bob, .fini = worker_tear_down);

Test(race_ack, s3_1_1_invite_is_repeated_after_the_answer)
{
	ask(.method = "INVITE", .branch = "z9hG4bKagain");
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "b");
	struct sent *answered = take_response(200);

	ask(.method = "INVITE", .branch = "z9hG4bKagain"); /* sent before it got the 200 */
	quiet();
	pass(T1);
	take_response(200);
	caller_asks(answered, "ACK", 1);
	take_request_to("ACK", BOB);
	pass(64 * T1);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(race_ack, s3_1_4_reinvite_overtakes_the_ack)
{
	struct call_scene c = call_unacknowledged_scene("offer");

	/* the ACK is lost; offer and answer are complete without it */
	caller_asks(c.answered, "INVITE", 2, .body = "second offer");
	struct sent *ack = take_request_to("ACK", BOB), *again = take_request_to("INVITE", BOB);
	cr_assert_lt(ack - sent, again - sent);
	cr_assert_eq(ack->message->cseq, c.out->message->cseq);
	quiet();
	respond(again, 200, .body = "second answer");
	struct sent *answered = take_response_to(200, ALICE);
	caller_asks(answered, "ACK", 2);
	cr_assert_eq(take_request_to("ACK", BOB)->message->cseq, again->message->cseq);
	/* the first 200 comes again, and so does its ACK */
	pass(T1);
	cr_assert_eq(take_response_to(200, ALICE)->message->cseq, 1);
	caller_asks(c.answered, "ACK", 1);
	pass(64 * T1);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
	hang_up(&c, 3);
	assert_gone();
}

Test(race_ack, s3_1_5_reinvite_overtakes_the_ack_that_has_the_answer)
{
	struct call_scene c = call_unacknowledged_scene(NULL);
	struct said *again = caller_asks(c.answered, "INVITE", 2, .body = "offer");

	acknowledge_failure(again, take_response_to(491, ALICE));
	quiet(); /* bob's offer still waits for its answer */
	pass(T1);
	take_response_to(200, ALICE);
	caller_asks(c.answered, "ACK", 1, .body = "answer");
	struct sent *ack = take_request_to("ACK", BOB);
	cr_assert(str_equal(message_str(ack->message, ack->message->body), S("answer")));
	caller_asks(c.answered, "INVITE", 3, .body = "offer");
	respond(take_request_to("INVITE", BOB), 488);
	take_request_to("ACK", BOB);
	take_response_to(488, ALICE);
}

/* The three moments at which the ACK that a BYE overtook may come: after the BYE, after its answer,
 * after the next repetition of the 200. */
static void bye_overtakes_ack(unsigned moment)
{
	struct call_scene c = call_unacknowledged_scene("offer");

	caller_asks(c.answered, "BYE", 2);
	struct sent *ack = take_request_to("ACK", BOB), *bye = take_request_to("BYE", BOB);
	cr_assert_lt(ack - sent, bye - sent);
	quiet();
	if (moment == 0)
		caller_asks(c.answered, "ACK", 1);
	answer_again(&c, ack);
	bye_answered(bye);
	if (moment == 1)
		caller_asks(c.answered, "ACK", 1);
	quiet();
	if (moment == 2) {
		pass(T1);
		take_response_to(200, ALICE);
		caller_asks(c.answered, "ACK", 1);
	}
	/* s3.2.4: bob's 200, sent before the ACK reached him, gets it again and no BYE */
	answer_again(&c, ack);
	assert_gone();
}

Test(race_ack, s3_1_6_bye_overtakes_the_ack)
{
	for (unsigned moment = 0; moment < 3; moment++)
		bye_overtakes_ack(moment);
}

Test(race_ack, s3_1_6_the_ack_never_comes_after_the_bye)
{
	struct call_scene c = call_unacknowledged_scene("offer");
	unsigned answers = 0;

	caller_asks(c.answered, "BYE", 2);
	take_request_to("ACK", BOB);
	bye_answered(take_request_to("BYE", BOB));
	pass(64 * T1);
	for (struct sent *s; (s = take(NULL, 200)); answers++)
		cr_assert(sent_to(s, ALICE));
	cr_assert_eq(answers, 10);
	assert_gone();
}

Test(race_ack, s3_2_4_ack_comes_after_the_bye_of_the_other_side)
{
	/* bob hangs up before alice's ACK has come: RFC 3261 section 15 forbids it him, and us to
	 * pass it on before */
	struct call_scene c = call_unacknowledged_scene("offer");

	callee_asks(c.out, "b", "BYE", 700, .more = "Reason: Q.850;cause=16\n");
	struct sent *ack = take_request_to("ACK", BOB);
	quiet();
	caller_asks(c.answered, "ACK", 1);
	struct sent *bye = take_request_to("BYE", ALICE);
	cr_assert(has(value_of(bye->message, HEADER_REASON), "cause=16"));
	quiet();
	respond(bye, 200);
	take_response_to(200, BOB);
	answer_again(&c, ack);
	assert_gone();
}

Test(race_ack, bye_of_the_callee_waits_no_longer_than_for_the_ack)
{
	alice_comes_by_stream();
	struct call_scene c = call_unacknowledged_scene("offer");
	unsigned answers = 0;

	callee_asks(c.out, "b", "BYE", 700);
	take_request_to("ACK", BOB);
	/* its sender has an answer while his timer F runs */
	pass(64 * T1 - 1);
	for (struct sent *s; (s = take(NULL, 200)); answers++)
		;
	cr_assert_eq(answers, 10 + 1);
	quiet();
	pass(1);
	respond(take_request_to("BYE", ALICE), 200);
	assert_gone();
}

Test(race_ack, bye_of_the_caller_meets_one_that_waits_for_his_ack)
{
	/* at once, and after bob has got his answer */
	for (unsigned late = 0; late < 2; late++) {
		struct call_scene c = call_unacknowledged_scene("offer");

		callee_asks(c.out, "b", "BYE", 700);
		take_request_to("ACK", BOB);
		if (late) {
			pass(32 * T1);
			while (take(NULL, 200))
				;
		}
		caller_asks(c.answered, "BYE", 2);
		take_response_to(200, ALICE);
		if (!late)
			take_response_to(200, BOB);
		quiet();
		caller_asks(c.answered, "ACK", 1);
		assert_gone();
	}
}

Test(race_ack, our_own_bye_waits_for_the_ack_too)
{
	struct call_scene c = call_unacknowledged_scene("offer");

	callee_asks(c.out, "b", "INFO", 700);
	respond(take_request_to("INFO", ALICE), 481); /* which ends the call */
	take_response_to(481, BOB);
	take_request_to("ACK", BOB);
	respond(take_request_to("BYE", BOB), 200);
	quiet();
	caller_asks(c.answered, "ACK", 1);
	respond(take_request_to("BYE", ALICE), 200);
	assert_gone();
}

Test(race_ack, an_ack_from_another_zone_acknowledges_nothing)
{
	struct call_scene c = call_unacknowledged_scene("offer");
	struct flow core = flow_of(CORE_UDP, "10.0.0.50:5060", 0);

	caller_asks(c.answered, "ACK", 1, .by = &core);
	quiet();
	pass(T1);
	take_response_to(200, ALICE);
	/* nor after the end */
	caller_asks(c.answered, "BYE", 2);
	take_request_to("ACK", BOB);
	bye_answered(take_request_to("BYE", BOB));
	caller_asks(c.answered, "ACK", 1, .by = &core);
	pass(2 * T1);
	take_response_to(200, ALICE);
	caller_asks(c.answered, "ACK", 1);
	assert_gone();
}
