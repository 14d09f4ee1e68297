/* The races of RFC 5407 (sections 3.1 to 3.3 and the appendices), and those that follow from RFC
 * 3261 section 15, each placed exactly on the virtual clock: what leaves on both legs, that nothing
 * repeats, and that nothing stands afterwards. alice calls bob; each of them is a user agent with a
 * dialog of its own, so that a race of two user agents is one of either with us. */
#include "sip-worker.h"

static void set_up(void)
{
	worker_set_up();
	register_phone("bob", "198.51.100.11:5060", NULL);
}

TestSuite(races, .init = set_up, .fini = worker_tear_down);

#define ALICE "198.51.100.1:5060"
#define BOB "198.51.100.11:5060"

/* Nothing is sent any more, and nothing is left of any call. */
static void assert_gone(void)
{
	quiet();
	cr_assert_null(worker->sip.call_list);
	cr_assert_eq(worker->sip.calls, 0);
	cr_assert_eq(dialogs_count(worker->sip.dialogs), 0);
	pass(4 * 64 * T1);
	quiet();
	cr_assert_eq(dialogs_retired(worker->sip.dialogs), 0);
	cr_assert_eq(counters_page->counter[COUNTER_TRANSACTIONS], 0);
}

/* A call that bob has answered and alice has not acknowledged. */
static struct call_scene call_unacknowledged_scene(const char *offer)
{
	struct call_scene c = {.invite = ask(.method = "INVITE", .body = offer)};

	c.out = take_request("INVITE");
	respond(c.out, 200, .tag = "b", .body = "sdp");
	c.answered = take_response(200);
	cr_assert(sent_to(c.answered, ALICE));
	quiet();
	return c;
}

static struct sent *take_request_to(const char *method, const char *endpoint)
{
	struct sent *s = take_request(method);

	cr_assert(sent_to(s, endpoint), "%s to port %u", method, s->to.peer.port);
	return s;
}

static struct sent *take_response_to(unsigned status, const char *endpoint)
{
	struct sent *s = take_response(status);

	cr_assert(sent_to(s, endpoint), "%u to port %u", status, s->to.peer.port);
	return s;
}

static bool same_branch(const struct sent *a, const struct sent *b)
{
	return str_equal(message_str(a->message, a->message->via_branch),
		message_str(b->message, b->message->via_branch));
}

/* bob's answer comes once more: the same ACK goes out, and nothing else. */
static void answer_again(struct call_scene *c, const struct sent *ack)
{
	respond(c->out, 200, .tag = "b", .body = "sdp");
	cr_assert(same_branch(take_request_to("ACK", BOB), ack));
	quiet();
}

/* ---- 3.1: what comes while the 2xx is not acknowledged ---- */

Test(races, s3_1_1_invite_is_repeated_after_the_answer)
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

Test(races, s3_1_2_cancel_crosses_the_answer)
{
	struct call_scene c = call_unacknowledged_scene("offer");

	cancel(c.invite);
	cr_assert_eq(take_response_to(200, ALICE)->message->method, METHOD_CANCEL);
	quiet(); /* it changes nothing: bob has answered */
	caller_asks(c.answered, "ACK", 1);
	struct sent *ack = take_request_to("ACK", BOB);
	caller_asks(c.answered, "BYE", 2);
	struct sent *bye = take_request_to("BYE", BOB);
	respond(bye, 200);
	take_response_to(200, ALICE);
	answer_again(&c, ack);
	assert_gone();
}

Test(races, s3_1_2_our_cancel_crosses_the_answer)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "b");
	take_response(180);
	cancel(invite);
	take_response(200);
	acknowledge_failure(invite, take_response_to(487, ALICE));
	struct sent *cancelled = take_request_to("CANCEL", BOB);
	respond(out, 200, .tag = "b");
	struct sent *ack = take_request_to("ACK", BOB), *bye = take_request_to("BYE", BOB);
	respond(cancelled, 200);
	respond(bye, 200);
	quiet();
	/* bob repeats his answer: its ACK was lost */
	respond(out, 200, .tag = "b");
	cr_assert(same_branch(take_request_to("ACK", BOB), ack));
	assert_gone();
}

Test(races, s3_1_3_bye_of_the_early_dialog_crosses_the_answer)
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
	respond(bye, 200);
	take_response_to(200, ALICE);
	quiet();
	/* alice's leg: the 200 is repeated until she has it */
	pass(T1);
	take_response_to(200, ALICE);
	caller_asks(c.answered, "ACK", 1);
	quiet();
	answer_again(&c, ack);
	assert_gone();
}

Test(races, s3_1_4_reinvite_overtakes_the_ack)
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
	caller_asks(c.answered, "BYE", 3);
	respond(take_request_to("BYE", BOB), 200);
	take_response_to(200, ALICE);
	assert_gone();
}

Test(races, s3_1_5_reinvite_overtakes_the_ack_that_has_the_answer)
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
	respond(bye, 200);
	take_response_to(200, ALICE);
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

Test(races, s3_1_6_bye_overtakes_the_ack)
{
	for (unsigned moment = 0; moment < 3; moment++)
		bye_overtakes_ack(moment);
}

Test(races, s3_1_6_the_ack_never_comes_after_the_bye)
{
	struct call_scene c = call_unacknowledged_scene("offer");
	unsigned answers = 0;

	caller_asks(c.answered, "BYE", 2);
	take_request_to("ACK", BOB);
	respond(take_request_to("BYE", BOB), 200);
	take_response_to(200, ALICE);
	pass(64 * T1);
	for (struct sent *s; (s = take(NULL, 200)); answers++)
		cr_assert(sent_to(s, ALICE));
	cr_assert_eq(answers, 10);
	assert_gone();
}

/* ---- 3.2: what comes after BYE ---- */

Test(races, s3_2_1_byes_cross)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "BYE", 2);
	struct sent *bye = take_request_to("BYE", BOB);
	callee_asks(c.out, "b", "BYE", 700);
	take_response_to(200, BOB);
	quiet();
	respond(bye, 200);
	take_response_to(200, ALICE);
	answer_again(&c, c.ack);
	assert_gone();
}

Test(races, s3_2_2_reinvite_crosses_a_bye)
{
	for (unsigned after = 0; after < 2; after++) {
		struct call_scene c = call_answered();

		caller_asks(c.answered, "BYE", 2);
		struct sent *bye = take_request_to("BYE", BOB);
		if (after) {
			respond(bye, 200);
			take_response_to(200, ALICE);
		}
		struct said *again = callee_asks(c.out, "b", "INVITE", 700);
		acknowledge_failure(again, take_response_to(481, BOB));
		if (!after) {
			respond(bye, 200);
			take_response_to(200, ALICE);
		}
		assert_gone();
	}
}

Test(races, s3_2_3_answer_of_a_reinvite_crosses_the_bye)
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
	respond(bye, 200);
	take_response_to(200, ALICE);
	respond(again, 200, .body = "sdp");
	cr_assert(same_branch(take_request_to("ACK", BOB), ack));
	assert_gone();
}

Test(races, s3_2_3_ack_of_a_reinvite_comes_after_the_bye)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INVITE", 2, .body = "offer");
	struct sent *again = take_request_to("INVITE", BOB);
	respond(again, 200, .body = "sdp");
	struct sent *answered = take_response_to(200, ALICE);
	caller_asks(c.answered, "BYE", 3);
	struct sent *ack = take_request_to("ACK", BOB), *bye = take_request_to("BYE", BOB);
	cr_assert_eq(ack->message->cseq, again->message->cseq);
	respond(bye, 200);
	take_response_to(200, ALICE);
	caller_asks(answered, "ACK", 2);
	respond(again, 200, .body = "sdp");
	cr_assert(same_branch(take_request_to("ACK", BOB), ack));
	assert_gone();
}

Test(races, s3_2_3_answer_of_a_reinvite_comes_after_the_end)
{
	struct call_scene c = call_answered();
	struct said *invite = caller_asks(c.answered, "INVITE", 2, .body = "offer");
	struct sent *again = take_request_to("INVITE", BOB);

	caller_asks(c.answered, "BYE", 3);
	respond(take_request_to("BYE", BOB), 200);
	take_response_to(200, ALICE);
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

Test(races, s3_2_3_the_same_of_the_callees_reinvite)
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

Test(races, s3_2_3_the_bye_comes_from_who_answers)
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

Test(races, s3_2_4_ack_comes_after_the_bye_of_the_other_side)
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

Test(races, bye_of_the_callee_waits_no_longer_than_for_the_ack)
{
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

Test(races, bye_of_the_caller_meets_one_that_waits_for_his_ack)
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

Test(races, our_own_bye_waits_for_the_ack_too)
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

/* ---- 3.3: others ---- */

Test(races, s3_3_1_reinvites_cross)
{
	struct call_scene c = call_answered();
	struct said *first = caller_asks(c.answered, "INVITE", 2, .body = "offer");
	struct sent *out = take_request_to("INVITE", BOB);
	struct said *second = callee_asks(c.out, "b", "INVITE", 700, .body = "offer");

	acknowledge_failure(second, take_response_to(491, BOB));
	respond(out, 491);
	take_request_to("ACK", BOB);
	acknowledge_failure(first, take_response_to(491, ALICE));
	pass(64 * T1);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(races, s3_3_2_update_crosses_a_reinvite)
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

Test(races, s3_3_3_refer_comes_after_the_bye)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "BYE", 2);
	struct sent *bye = take_request_to("BYE", BOB);
	callee_asks(c.out, "b", "REFER", 700, .more = "Refer-To: <sip:carol@example.net>\n");
	take_response_to(481, BOB);
	respond(bye, 200);
	take_response_to(200, ALICE);
	assert_gone();
}

/* ---- the appendices ---- */

Test(races, appendix_a_bye_in_the_early_dialog)
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

Test(races, appendix_b_bye_overlaps_a_reinvite_of_the_other_side)
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

Test(races, appendix_b_bye_follows_a_reinvite_that_is_never_answered)
{
	struct call_scene c = call_answered();
	struct said *invite = caller_asks(c.answered, "INVITE", 2, .body = "offer");
	struct sent *again = take_request_to("INVITE", BOB);

	respond(again, 180);
	take_response_to(180, ALICE);
	caller_asks(c.answered, "BYE", 3);
	respond(take_request_to("BYE", BOB), 200);
	take_response_to(200, ALICE);
	acknowledge_failure(invite, take_response_to(487, ALICE));
	quiet();
	pass(32 * T1);
	respond(take_request_to("CANCEL", BOB), 481);
	assert_gone();
}

Test(races, appendix_c_cancel_before_any_response_and_an_answer)
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

Test(races, appendix_d_requests_after_the_bye)
{
	static const char *const methods[] = {
		"INFO", "UPDATE", "MESSAGE", "NOTIFY", "OPTIONS", "PRACK", "SUBSCRIBE"};
	struct call_scene c = call_answered();

	caller_asks(c.answered, "BYE", 2);
	struct sent *bye = take_request_to("BYE", BOB);
	for (unsigned i = 0; i < 7; i++) {
		callee_asks(c.out, "b", methods[i], 700 + i);
		take_response_to(481, BOB);
		caller_asks(c.answered, methods[i], 3 + i);
		take_response_to(481, ALICE);
	}
	respond(bye, 200);
	take_response_to(200, ALICE);
	/* one that was under way before it is answered with the end */
	assert_gone();
}

Test(races, appendix_d_pending_requests_are_answered)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INFO", 2);
	struct sent *info = take_request_to("INFO", BOB);
	callee_asks(c.out, "b", "INFO", 700);
	struct sent *other = take_request_to("INFO", ALICE);
	caller_asks(c.answered, "BYE", 3);
	respond(take_request_to("BYE", BOB), 200);
	take_response_to(200, ALICE);
	struct sent *one = take_response(487), *two = take_response(487);
	cr_assert_neq(sent_to(one, ALICE), sent_to(two, ALICE));
	respond(info, 200);
	respond(other, 481);
	assert_gone();
}

Test(races, appendix_e_each_new_to_tag_is_ended_once)
{
	static const char *const tags[] = {"two", "three", "four"};
	struct call_scene c = call_answered();
	struct sent *acks[3];

	for (unsigned i = 0; i < 3; i++) {
		respond(c.out, 200, .tag = tags[i]);
		acks[i] = take_request_to("ACK", BOB);
		cr_assert(str_equal(
			message_str(acks[i]->message, acks[i]->message->to_tag), str_of(tags[i])));
		struct sent *bye = take_request_to("BYE", BOB);
		cr_assert(str_equal(
			message_str(bye->message, bye->message->to_tag), str_of(tags[i])));
		respond(bye, 200);
	}
	for (unsigned i = 0; i < 3; i++) {
		respond(c.out, 200, .tag = tags[i]);
		cr_assert(same_branch(take_request_to("ACK", BOB), acks[i]));
		quiet();
	}
	answer_again(&c, c.ack);
	cr_assert_eq(worker->sip.calls, 1);
	caller_asks(c.answered, "BYE", 2);
	respond(take_request_to("BYE", BOB), 200);
	take_response_to(200, ALICE);
	assert_gone();
}

Test(races, appendix_e_after_the_invite_was_given_up)
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

/* ---- who is believed, and where nothing can go ---- */

Test(races, an_ack_from_another_zone_acknowledges_nothing)
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
	respond(take_request_to("BYE", BOB), 200);
	take_response_to(200, ALICE);
	caller_asks(c.answered, "ACK", 1, .by = &core);
	pass(2 * T1);
	take_response_to(200, ALICE);
	caller_asks(c.answered, "ACK", 1);
	assert_gone();
}

Test(races, a_bye_has_its_place_among_many_requests)
{
	struct call_scene c = call_answered();

	for (unsigned i = 0; i < 2 * EXCHANGES_MAX; i++)
		caller_asks(c.answered, "INFO", 2 + i);
	take_all("INFO");
	while (take(NULL, 500))
		;
	caller_asks(c.answered, "BYE", 100);
	respond(take_request_to("BYE", BOB), 200);
	take_response_to(200, ALICE);
	while (take(NULL, 487))
		;
	pass(64 * T1);
	take_all("INFO");
	assert_gone();
}
