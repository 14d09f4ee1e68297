/* The races of the BYE that ends a call with another one, with other requests and with further 2xx
 * of a fork behind us (RFC 5407 sections 3.2.1 and 3.3.3, appendices D and E). */
#include "sip-scene.h"

TestSuite(race_bye, .init = worker_set_up_with_bob, .fini = worker_tear_down);

Test(race_bye, s3_2_1_byes_cross)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "BYE", 2);
	struct sent *bye = take_request_to("BYE", BOB);
	callee_asks(c.out, "b", "BYE", 700);
	take_response_to(200, BOB);
	quiet();
	bye_answered(bye);
	answer_again(&c, c.ack);
	assert_gone();
}

Test(race_bye, s3_2_1_the_same_where_the_callee_was_first)
{
	struct call_scene c = call_answered();

	callee_asks(c.out, "b", "BYE", 700);
	struct sent *bye = take_request_to("BYE", ALICE);
	caller_asks(c.answered, "BYE", 2);
	take_response_to(200, ALICE);
	quiet();
	/* alice's side may have forgotten the dialog by then */
	respond(bye, 481);
	take_response_to(481, BOB);
	answer_again(&c, c.ack);
	assert_gone();
}

Test(race_bye, s3_3_3_refer_comes_after_the_bye)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "BYE", 2);
	struct sent *bye = take_request_to("BYE", BOB);
	callee_asks(c.out, "b", "REFER", 700, .more = "Refer-To: <sip:carol@example.net>\n");
	take_response_to(481, BOB);
	bye_answered(bye);
	assert_gone();
}

Test(race_bye, appendix_d_requests_after_the_bye)
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
	bye_answered(bye);
	assert_gone();
}

/* One that was under way before the BYE is answered with the end. */
Test(race_bye, appendix_d_pending_requests_are_answered)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INFO", 2);
	struct sent *info = take_request_to("INFO", BOB);
	callee_asks(c.out, "b", "INFO", 700);
	struct sent *other = take_request_to("INFO", ALICE);
	hang_up(&c, 3);
	struct sent *one = take_response(487), *two = take_response(487);
	cr_assert_neq(sent_to(one, ALICE), sent_to(two, ALICE));
	respond(info, 200);
	respond(other, 481);
	assert_gone();
}

Test(race_bye, appendix_e_each_new_to_tag_is_ended_once)
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
	hang_up(&c, 2);
	assert_gone();
}

Test(race_bye, a_bye_has_its_place_among_many_requests)
{
	struct call_scene c = call_answered();

	for (unsigned i = 0; i < 2 * EXCHANGES_MAX; i++)
		caller_asks(c.answered, "INFO", 2 + i);
	take_all("INFO");
	while (take(NULL, 500))
		;
	hang_up(&c, 100);
	while (take(NULL, 487))
		;
	pass(64 * T1);
	take_all("INFO");
	assert_gone();
}
