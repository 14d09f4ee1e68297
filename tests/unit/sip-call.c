/* An answered call: the ACK of its 2xx, and every way in which it ends (RFC 3261 sections 13.2.2.4,
 * 13.3.1.4 and 15, RFC 4320, RFC 5057). */
#include "sip-scene.h"

TestSuite(call, .init = worker_set_up, .fini = worker_tear_down);

Test(call, each_leg_is_a_dialog_of_its_own)
{
	struct call_scene c = call_answered();
	const struct message *in = c.invite->message, *out = c.out->message,
			     *back = c.answered->message, *ack = c.ack->message;

	cr_assert(!str_equal(message_str(in, in->call_id), message_str(out, out->call_id)));
	cr_assert(!str_equal(message_str(in, in->from_tag), message_str(out, out->from_tag)));
	cr_assert(!str_equal(message_str(back, back->to_tag), S("b")), "the callee's tag");
	cr_assert(!has(value_of(out, HEADER_CONTACT), "198.51.100.1"), "the caller's address");
	cr_assert(!has(value_of(back, HEADER_CONTACT), "198.51.100.11"), "the callee's address");
	/* the ACK is the callee leg's: its target, its tags, the CSeq of its INVITE */
	cr_assert(sent_to(c.ack, "198.51.100.11:5060"));
	cr_assert(str_equal(
		message_str(ack, ack->request_uri.whole), S("sip:callee@198.51.100.11:5060")));
	cr_assert(str_equal(message_str(ack, ack->call_id), message_str(out, out->call_id)));
	cr_assert(str_equal(message_str(ack, ack->from_tag), message_str(out, out->from_tag)));
	cr_assert(str_equal(message_str(ack, ack->to_tag), S("b")));
	cr_assert_eq(ack->cseq, out->cseq);
	cr_assert(!str_equal(message_str(ack, ack->via_branch), message_str(out, out->via_branch)),
		"the ACK of a 2xx is a transaction of its own");
}

Test(call, success_is_repeated_until_acknowledged)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	ask(.method = "INVITE");
	struct sent *out = take_request("INVITE"), *first;
	respond(out, 200, .tag = "b");
	first = take_response(200);
	cr_assert_eq(take_all("ACK"), 0, "before the caller's");
	pass(T1 - 1);
	quiet();
	pass(1);
	struct sent *second = take_response(200);
	cr_assert_eq(second->at_ms - first->at_ms, T1);
	/* the callee repeats its own meanwhile: there is nothing to acknowledge it with */
	respond(out, 200, .tag = "b");
	quiet();
	caller_asks(first, "ACK", 1);
	struct sent *ack = take_request("ACK");
	pass(4 * T1);
	quiet();
	/* repeated, it passes as the same again */
	caller_asks(first, "ACK", 1);
	struct sent *again = take_request("ACK");
	cr_assert(str_equal(message_str(ack->message, ack->message->via_branch),
		message_str(again->message, again->message->via_branch)));
}

Test(call, repeated_success_of_the_callee_gets_its_ack_again)
{
	struct call_scene c = call_answered();

	respond(c.out, 200, .tag = "b");
	struct sent *again = take_request("ACK");
	cr_assert(str_equal(message_str(c.ack->message, c.ack->message->via_branch),
		message_str(again->message, again->message->via_branch)));
	quiet();
	/* long after its transaction is gone, too (RFC 6026 timer M) */
	pass(64 * T1 + 1);
	respond(c.out, 200, .tag = "b");
	take_request("ACK");
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(call, without_an_ack_it_ends_after_64_t1)
{
	alice_comes_by_stream();
	register_phone("bob", "198.51.100.11:5060", NULL);
	ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "b");
	uint64_t start = virtual_clock_ms();
	pass(64 * T1 - 1);
	/* at 0, 1, 3, 7 T1, then each T2 = 8 T1 */
	unsigned answers = 0;
	while (take(NULL, 200))
		answers++;
	cr_assert_eq(answers, 11);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
	pass(1);
	/* the callee's answer is acknowledged before its leg ends, both hear BYE */
	struct sent *ack = take_request("ACK"), *one = take_request("BYE"),
		    *other = take_request("BYE");
	quiet();
	cr_assert_eq(one->at_ms - start, 64 * T1);
	cr_assert(sent_to(ack, "198.51.100.11:5060"));
	cr_assert(sent_to(one, "198.51.100.1:5060") && sent_to(other, "198.51.100.11:5060"));
	assert_over();
}

Test(call, bye_of_the_caller_passes)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "BYE", 2, .more = "Reason: Q.850;cause=16\n");
	struct sent *bye = take_request("BYE");
	cr_assert(sent_to(bye, "198.51.100.11:5060"));
	cr_assert(has(value_of(bye->message, HEADER_REASON), "cause=16"));
	cr_assert_gt(bye->message->cseq, c.out->message->cseq);
	quiet(); /* its answer is the callee's */
	respond(bye, 200);
	struct sent *done = take_response(200);
	cr_assert(sent_to(done, "198.51.100.1:5060"));
	cr_assert_eq(done->message->cseq, 2);
	assert_over();
}

Test(call, bye_of_the_callee_passes)
{
	struct call_scene c = call_answered();

	callee_asks(c.out, "b", "BYE", 700);
	struct sent *bye = take_request("BYE");
	const struct message *m = bye->message, *back = c.answered->message;
	cr_assert(sent_to(bye, "198.51.100.1:5060"));
	cr_assert(str_equal(message_str(m, m->request_uri.whole), S("sip:alice@198.51.100.1")));
	cr_assert(str_equal(message_str(m, m->call_id), S("call-of-alice")));
	cr_assert(str_equal(message_str(m, m->from_tag), message_str(back, back->to_tag)));
	cr_assert(str_equal(message_str(m, m->to_tag), S("a")));
	respond(bye, 200);
	cr_assert(sent_to(take_response(200), "198.51.100.11:5060"));
	assert_over();
}

Test(call, byes_that_cross_get_their_200_each)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "BYE", 2);
	struct sent *out = take_request("BYE");
	callee_asks(c.out, "b", "BYE", 700);
	struct sent *first = take_response(200);
	cr_assert(sent_to(first, "198.51.100.11:5060"));
	quiet(); /* no second BYE to the caller */
	respond(out, 481);
	struct sent *second = take(NULL, 200);
	if (!second)
		second = take_response(481);
	cr_assert(sent_to(second, "198.51.100.1:5060"));
	assert_over();
}

Test(call, bye_that_the_other_leg_does_not_answer_is_answered_in_time)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "BYE", 2);
	uint64_t start = virtual_clock_ms();
	pass(64 * T1 - 1);
	struct sent *done = take_response(200);
	cr_assert(sent_to(done, "198.51.100.1:5060"));
	cr_assert_lt(done->at_ms - start, 64 * T1, "after timer F nobody listens (RFC 4320)");
	cr_assert_gt(take_all("BYE"), 5, "and the other leg's is repeated");
	pass(64 * T1);
	cr_assert_null(take(NULL, 408));
	assert_over();
}

Test(call, request_after_its_end_is_481)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "BYE", 2);
	respond(take_request("BYE"), 200);
	take_response(200);
	caller_asks(c.answered, "INFO", 3);
	take_response(481);
	caller_asks(c.answered, "BYE", 4);
	take_response(481);
	caller_asks(c.answered, "ACK", 1);
	quiet();
}

Test(call, a_leg_that_does_not_know_it_ends_it)
{
	static const unsigned status[] = {481, 408};

	for (unsigned i = 0; i < 2; i++) {
		struct call_scene c = call_answered();

		caller_asks(c.answered, "INFO", 2);
		respond(take_request("INFO"), status[i]);
		/* RFC 3261 section 12.2.1.2, RFC 5057 section 5.1 */
		cr_assert(sent_to(take_request("BYE"), "198.51.100.1:5060"));
		cr_assert(sent_to(take_request("BYE"), "198.51.100.11:5060"));
		if (status[i] == 481)
			take_response(481);
		assert_over();
		worker_tear_down();
		worker_set_up();
	}
}

Test(call, other_failures_leave_it_alone)
{
	static const unsigned status[] = {400, 404, 488, 500, 501, 603};
	struct call_scene c = call_answered();

	for (unsigned i = 0; i < 6; i++) {
		caller_asks(c.answered, "INFO", 2 + i);
		respond(take_request("INFO"), status[i]);
		take_response(status[i]);
		quiet();
	}
	/* RFC 5057 section 5.3: 481 to NOTIFY ends a subscription, not the call */
	caller_asks(c.answered, "NOTIFY", 10,
		.more = "Event: refer\nSubscription-State: terminated;reason=noresource\n");
	respond(take_request("NOTIFY"), 481);
	take_response(481);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(call, a_leg_that_is_silent_ends_it)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INFO", 2);
	pass(64 * T1);
	cr_assert_eq(take_all("INFO"), 11);
	cr_assert_eq(take_all("BYE"), 2);
	cr_assert_null(take(NULL, 408), "RFC 4320 section 4.2");
	assert_over();
}

/* ---- flows ---- */

static struct call_scene call_by_streams(void)
{
	struct call_scene c;

	alice = flow_of(OPEN_TCP, "198.51.100.1:40000", FLOW_ID(0, 1, 5));
	register_phone("bob", "198.51.100.11:5060", NULL);
	c.invite = ask(.method = "INVITE");
	c.out = take_request("INVITE");
	respond(c.out, 200, .tag = "b");
	c.answered = take_response(200);
	caller_asks(c.answered, "ACK", 1);
	c.ack = take_request("ACK");
	return c;
}

Test(call, ends_when_a_flow_has_closed_and_does_not_come_back)
{
	call_by_streams();
	pass(64 * T1 + 1);
	call_flow_closed(&worker->sip, FLOW_ID(0, 1, 6));
	call_flow_closed(&worker->sip, alice.id);
	pass(LEG_GRACE_MS - 1);
	quiet();
	pass(1);
	/* the leg that is gone cannot be told */
	respond(take_request_to("BYE", BOB), 200);
	assert_over();
}

Test(call, both_of_its_flows_have_closed)
{
	struct flow bob = flow_of(OPEN_TCP, BOB, FLOW_ID(0, 1, 8)),
		    again = flow_of(OPEN_TCP, "198.51.100.1:40001", FLOW_ID(0, 1, 9));

	for (unsigned back = 0; back < 2; back++) {
		struct call_scene c = call_by_streams();

		/* bob is on a stream, too */
		callee_asks(c.out, "b", "UPDATE", 5, .by = &bob);
		respond(take_request("UPDATE"), 200);
		take_response(200);
		call_flow_closed(&worker->sip, alice.id);
		pass(LEG_GRACE_MS / 2);
		call_flow_closed(&worker->sip, bob.id);
		if (back) {
			/* alice alone comes back: bob's grace goes on */
			caller_asks(c.answered, "UPDATE", 2, .by = &again);
			take_request("UPDATE");
			pass(LEG_GRACE_MS - 1);
			quiet();
			pass(1);
			cr_assert_eq(take_request("BYE")->to.id, again.id);
			take_response(487);
		} else {
			pass(LEG_GRACE_MS / 2);
		}
		assert_over();
		pass(2 * 64 * T1);
		take_all("BYE");
	}
}

Test(call, goes_on_when_its_flow_comes_back_as_another)
{
	struct call_scene c = call_by_streams();
	struct flow again = flow_of(OPEN_TCP, "198.51.100.1:40001", FLOW_ID(0, 1, 9));

	call_flow_closed(&worker->sip, alice.id);
	pass(LEG_GRACE_MS - 1);
	caller_asks(c.answered, "UPDATE", 2, .by = &again);
	respond(take_request("UPDATE"), 200);
	take_response(200);
	pass(LEG_GRACE_MS);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
	/* and is reached by the new one */
	callee_asks(c.out, "b", "BYE", 5);
	cr_assert_eq(take_request("BYE")->to.id, again.id);
	/* whose end is watched as the first one's was */
}

Test(call, goes_on_when_a_trunk_closes_its_connection)
{
	worker->image.target[0].transport = TRANSPORT_TCP;
	worker->image.target[0].listener = CORE_TCP;
	worker->image.target[0].explicit_transport = 1;
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	ask(.method = "INVITE", .uri = "sip:5551000@example.net",
		.to = "<sip:5551000@example.net>");
	struct sent *out = take_request("INVITE"), *answered;
	cr_assert_eq(out->to.transport, TRANSPORT_TCP);
	respond(out, 200, .tag = "t", .contact = "<sip:gw@10.0.0.11:5060;transport=tcp>");
	answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	cr_assert_eq(take_request("ACK")->to.id, way_back(&out->to).id);
	call_flow_closed(&worker->sip, way_back(&out->to).id);
	pass(2 * LEG_GRACE_MS);
	quiet();
	/* the next request opens another */
	caller_asks(answered, "BYE", 2);
	struct sent *bye = take_request("BYE");
	cr_assert_eq(bye->to.id, 0);
	cr_assert_eq(bye->to.transport, TRANSPORT_TCP);
	cr_assert(sent_to(bye, "10.0.0.11:5060"));
}
