/* The INVITE that makes a call: early dialogs, CANCEL and its races, timer C, limits (RFC 3261
 * sections 9, 13, 16.6 to 16.8, RFC 3262). Forking has its own tests. */
#include "sip-scene.h"

TestSuite(invite, .init = worker_set_up_with_bob, .fini = worker_tear_down);

Test(invite, goes_to_the_binding_with_our_own_headers)
{
	alice_comes_by_stream();
	ask(.method = "INVITE", .body = "offer",
		.more = "Subject: hi\nRecord-Route: <sip:edge.example;lr>\n");
	struct sent *out = take_request("INVITE");
	const struct message *m = out->message;

	cr_assert(sent_to(out, "198.51.100.11:5060"));
	cr_assert_eq(out->to.listener, OPEN_UDP);
	cr_assert(str_equal(message_str(m, m->request_uri.whole), S("sip:bob@198.51.100.11:5060")));
	cr_assert_eq(m->via_count, 1);
	cr_assert_eq(m->max_forwards, 69, "RFC 3261 section 16.6 step 3");
	cr_assert(str_equal(message_str(m, m->body), S("offer")));
	cr_assert(str_equal(value_of(m, HEADER_SUBJECT), S("hi")));
	cr_assert_null(message_first(m, HEADER_RECORD_ROUTE));
	cr_assert_eq(m->to_tag.length, 0);
	cr_assert_eq(trying_count, 1);
	quiet();
}

Test(invite, without_hops_left_is_483)
{
	ask(.method = "INVITE", .last_hop = true);
	take_response(483);
	assert_over();
}

Test(invite, provisional_makes_an_early_dialog)
{
	ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");
	respond(out, 183, .tag = "b", .body = "media");
	struct sent *early = take_response(183);
	const struct message *m = early->message;

	cr_assert(m->to_tag.length != 0);
	cr_assert(str_equal(message_str(m, m->body), S("media")));
	cr_assert(m->contact.whole.length != 0);
	/* the answer is of the same dialog */
	respond(out, 200, .tag = "b");
	struct sent *answered = take_response(200);
	cr_assert(str_equal(message_str(m, m->to_tag),
		message_str(answered->message, answered->message->to_tag)));
	quiet();
}

Test(invite, early_dialogs_of_a_fork_behind_stay_several)
{
	alice_comes_by_stream();
	ask(.method = "INVITE", .more = "Supported: 100rel\n", .cseq = 5);
	struct sent *out = take_request("INVITE");
	respond(out, 183, .tag = "one", .more = "Require: 100rel\nRSeq: 11\n");
	respond(out, 183, .tag = "two", .more = "Require: 100rel\nRSeq: 21\n");
	struct sent *one = take_response(183), *two = take_response(183);
	struct str one_tag = message_str(one->message, one->message->to_tag),
		   two_tag = message_str(two->message, two->message->to_tag);

	cr_assert(!str_equal(one_tag, two_tag));
	cr_assert(str_equal(value_of(two->message, HEADER_RSEQ), S("21")));
	/* each PRACK finds its own (RFC 3262 section 7.2: RAck names the INVITE of this leg) */
	caller_asks(two, "PRACK", 6, .more = "RAck: 21 5 INVITE\n");
	struct sent *prack = take_request("PRACK");
	char rack[64];
	snprintf(rack, sizeof(rack), "21 %u INVITE", out->message->cseq);
	cr_assert(str_equal(message_str(prack->message, prack->message->to_tag), S("two")));
	cr_assert(str_equal(value_of(prack->message, HEADER_RACK), str_of(rack)));
	respond(prack, 200);
	take_response(200);
	/* one of them answers; the caller then has one call */
	respond(out, 200, .tag = "two");
	struct sent *answered = take_response(200);
	cr_assert(str_equal(two_tag, message_str(answered->message, answered->message->to_tag)));
	cr_assert_eq(worker->sip.calls, 1);
	caller_asks(one, "PRACK", 7, .more = "RAck: 11 5 INVITE\n");
	take_response(481);
	quiet();
}

Test(invite, prack_of_no_provisional_is_481)
{
	ask(.method = "INVITE", .more = "Supported: 100rel\n");
	struct sent *out = take_request("INVITE");
	respond(out, 183, .tag = "b", .more = "Require: 100rel\nRSeq: 11\n");
	struct sent *early = take_response(183);

	caller_asks(early, "PRACK", 2, .more = "RAck: 11 7 INVITE\n");
	take_response(481); /* RFC 3262 section 3 */
	quiet();
}

Test(invite, second_answer_of_a_fork_behind_is_ended)
{
	ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "one");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	take_request("ACK");
	/* RFC 3261 section 13.2.2.4: each 2xx is acknowledged; what nobody wants is ended */
	respond(out, 200, .tag = "two", .contact = "<sip:second@198.51.100.11:5060>");
	struct sent *ack = take_request("ACK"), *bye = take_request("BYE");
	cr_assert(str_equal(message_str(ack->message, ack->message->to_tag), S("two")));
	cr_assert(str_equal(message_str(bye->message, bye->message->to_tag), S("two")));
	cr_assert(str_equal(message_str(bye->message, bye->message->request_uri.whole),
		S("sip:second@198.51.100.11:5060")));
	cr_assert_eq(ack->message->cseq, out->message->cseq);
	cr_assert_gt(bye->message->cseq, out->message->cseq);
	/* repeated, it gets its ACK again, and no second BYE */
	respond(out, 200, .tag = "two", .contact = "<sip:second@198.51.100.11:5060>");
	take_request("ACK");
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

/* ---- CANCEL ---- */

/* RFC 3261 section 9.2: the answer to CANCEL has the tag of the answer to the INVITE. Returns the
 * second. */
static struct sent *take_same_tags(unsigned first_status, unsigned second_status)
{
	struct sent *first = take_response(first_status), *second = take_response(second_status);
	struct str tag = message_str(first->message, first->message->to_tag);

	cr_assert_neq(tag.n, 0);
	cr_assert(str_equal(tag, message_str(second->message, second->message->to_tag)));
	return second;
}

Test(invite, failure_after_ringing_is_of_the_dialog_that_rang)
{
	ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "b");
	respond(out, 486, .tag = "b");
	take_request("ACK");
	take_same_tags(180, 486); /* RFC 3261 section 8.2.6.2: one tag in all answers */
}

Test(invite, cancel_before_a_provisional_waits_for_one)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	cancel(invite);
	struct sent *over = take_same_tags(200, 487);
	acknowledge_failure(invite, over);
	quiet(); /* RFC 3261 section 9.1: no CANCEL before a provisional */
	respond(out, 100);
	struct sent *cancelled = take_request("CANCEL");
	const struct message *m = cancelled->message, *i = out->message;
	cr_assert(str_equal(message_str(m, m->via_branch), message_str(i, i->via_branch)));
	cr_assert(str_equal(
		message_str(m, m->request_uri.whole), message_str(i, i->request_uri.whole)));
	cr_assert(str_equal(value_of(m, HEADER_TO), value_of(i, HEADER_TO)));
	cr_assert_eq(m->cseq, i->cseq);
	respond(cancelled, 200);
	respond(out, 487, .tag = "b");
	take_request("ACK");
	pass(64 * T1);
	assert_over();
}

Test(invite, cancel_after_a_provisional_goes_out_at_once)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "b");
	struct sent *ringing = take_response(180);
	cancel(invite);
	take_same_tags(200, 487);
	take_request("CANCEL");
	/* the early dialog is over for both */
	caller_asks(ringing, "UPDATE", 2);
	take_response(481);
	callee_asks(out, "b", "UPDATE", 2);
	take_response(481);
	quiet();
}

Test(invite, cancel_that_crosses_an_answer_ends_the_call)
{
	struct call_scene c = call_cancelled();

	respond(c.out, 200, .tag = "b"); /* sent before the CANCEL reached it */
	struct sent *ack = take_request("ACK"), *bye = take_request("BYE");
	cr_assert(str_equal(message_str(ack->message, ack->message->to_tag), S("b")));
	cr_assert(sent_to(bye, "198.51.100.11:5060"));
	respond(bye, 200);
	pass(64 * T1);
	take_all("CANCEL");
	quiet(); /* the caller hears nothing of it, and the callee no second BYE */
	assert_over();
}

Test(invite, cancel_that_waits_and_meets_an_answer_is_never_sent)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	cancel(invite);
	take_response(200);
	take_response(487);
	respond(out, 200, .tag = "b");
	take_request("ACK");
	take_request("BYE");
	cr_assert_eq(take_all("CANCEL"), 0);
	assert_over();
}

Test(invite, cancel_after_the_answer_changes_nothing)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 200, .tag = "b");
	struct sent *answered = take_response(200);
	cancel(invite);
	cr_assert_eq(take_response(200)->message->method, METHOD_CANCEL);
	caller_asks(answered, "ACK", 1);
	take_request("ACK");
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(invite, cancelled_callee_that_never_answers_is_given_up)
{
	struct call_scene c = call_cancelled();

	pass(64 * T1 + 5000 + 1);
	take_all("CANCEL");
	assert_over();
	/* what comes after that is a stray answer, and is ended (RFC 3261 section 9.1) */
	respond(c.out, 200, .tag = "b");
	take_request("ACK");
	take_request("BYE");
}

Test(invite, cancel_passes_its_reason)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "b");
	take_response(180);
	receive(&invite->flow,
		"CANCEL sip:bob@example.net SIP/2.0\nVia: %.*s\nMax-Forwards: 70\nFrom: %.*s\n"
		"To: %.*s\nCall-ID: call-of-alice\nCSeq: 1 CANCEL\n"
		"Reason: SIP;cause=200;text=\"Call completed elsewhere\"\nContent-Length: 0\n\n",
		STR(message_str(invite->message, invite->message->via)),
		STR(value_of(invite->message, HEADER_FROM)),
		STR(value_of(invite->message, HEADER_TO)));
	cr_assert(has(value_of(take_request("CANCEL")->message, HEADER_REASON),
		"Call completed elsewhere")); /* RFC 3326 */
}

Test(invite, bye_in_an_early_dialog_gives_it_up)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "b");
	struct sent *ringing = take_response(180);
	caller_asks(ringing, "BYE", 2); /* RFC 3261 section 15: a caller may */
	cr_assert_eq(take_response(200)->message->method, METHOD_BYE);
	acknowledge_failure(invite, take_response(487));
	take_request("CANCEL");
	quiet();
}

Test(invite, the_callee_may_not_end_an_early_dialog_with_bye)
{
	ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "b");
	take_response(180);
	callee_asks(out, "b", "BYE", 5);
	cr_assert(sent_to(take_response(481), "198.51.100.11:5060"));
	quiet();
	respond(out, 200, .tag = "b");
	take_response(200);
}

/* ---- time ---- */

Test(invite, timer_c_ends_what_rings_for_ever)
{
	alice_comes_by_stream();
	ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "b");
	take_response(180);
	/* RFC 3261 section 16.6 step 11: larger than 3 minutes; 16.7 step 2: each 101 to 199
	 * starts it again */
	pass(180000);
	quiet();
	respond(out, 180, .tag = "b");
	take_response(180);
	pass(180000);
	quiet();
	pass(TIMER_C - 180000);
	struct sent *cancelled = take_request("CANCEL");
	respond(cancelled, 200);
	quiet();
	respond(out, 487, .tag = "b");
	take_request("ACK");
	struct sent *over = take(NULL, 487);
	if (!over)
		over = take_response(408);
	assert_over();
}

Test(invite, a_phone_that_says_nothing_times_out)
{
	ask(.method = "INVITE");
	pass(64 * T1 - 1);
	cr_assert_eq(take_all("INVITE"), 7);
	quiet();
	pass(1);
	struct sent *over = take(NULL, 408);
	if (!over)
		over = take_response(480);
	quiet();
	cr_assert(sent_to(over, "198.51.100.1:5060"));
	assert_over();
}

/* Of a caller who has shown himself: sip-refusal.c has the others. */
Test(invite, failure_is_repeated_until_its_ack)
{
	const struct flow carrier = flow_of(CORE_UDP, "10.0.0.11:5060", 0);
	struct said *invite = ask(.by = &carrier, .method = "INVITE");

	respond(take_request("INVITE"), 486, .tag = "b");
	take_request("ACK");
	struct sent *busy = take_response(486);
	pass(T1);
	take_response(486);
	acknowledge_failure(invite, busy);
	pass(64 * T1);
	assert_over();
}

/* ---- flows and limits ---- */

Test(invite, nobody_rings_for_a_caller_whose_flow_has_closed)
{
	alice = flow_of(OPEN_TCP, "198.51.100.1:40000", FLOW_ID(0, 1, 5));
	ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");
	respond(out, 180, .tag = "b");
	take_response(180);
	call_flow_closed(&worker->sip, alice.id);
	settle();
	take_request("CANCEL");
	respond(out, 487, .tag = "b");
	take_request("ACK");
	take_response(487); /* the transport worker says that it goes nowhere */
	assert_over();
}

Test(invite, a_phone_whose_flow_has_closed_is_not_there)
{
	struct flow stream = flow_of(OPEN_TCP, "198.51.100.12:40000", FLOW_ID(0, 1, 6));

	ask(.by = &stream, .method = "REGISTER", .uri = "sip:example.net",
		.from = "<sip:carol@example.net>", .to = "<sip:alice@example.net>",
		.contact = "<sip:alice@198.51.100.12:5060;transport=tcp>;expires=600",
		.call_id = "register-stream");
	pass(10);
	take_response(200);
	ask(.method = "INVITE", .uri = "sip:alice@example.net");
	struct sent *out = take_request("INVITE");
	cr_assert_eq(out->to.id, stream.id);
	respond(out, 180, .tag = "c");
	take_response(180);
	call_flow_closed(&worker->sip, stream.id);
	settle();
	take_response(480);
	quiet(); /* no CANCEL either: there is no way to it */
	assert_over();
}

Test(invite, calls_have_a_limit)
{
	worker->image.s.calls_max = 2;
	ask(.method = "INVITE", .call_id = "1", .branch = "z9hG4bKa1");
	ask(.method = "INVITE", .call_id = "2", .branch = "z9hG4bKa2");
	struct sent *first = take_request("INVITE");
	take_request("INVITE");
	ask(.method = "INVITE", .call_id = "3", .branch = "z9hG4bKa3");
	struct sent *refused = take_response(503);
	cr_assert(message_first(refused->message, HEADER_RETRY_AFTER));
	quiet();
	/* one that has ended makes room */
	respond(first, 486, .tag = "b");
	take_request("ACK");
	take_response(486);
	ask(.method = "INVITE", .call_id = "4", .branch = "z9hG4bKa4");
	take_request("INVITE");
}

Test(invite, a_retransmission_calls_nobody_twice)
{
	ask(.method = "INVITE", .branch = "z9hG4bKsame");
	ask(.method = "INVITE", .branch = "z9hG4bKsame");
	take_request("INVITE");
	quiet();
	/* merged: the same by another way (RFC 3261 section 8.2.2.2) */
	ask(.method = "INVITE", .branch = "z9hG4bKother");
	take_response(482);
	quiet();
}

Test(invite, challenge_of_an_untrusted_callee_does_not_pass)
{
	ask(.method = "INVITE");
	respond(take_request("INVITE"), 407, .tag = "b",
		.more = "Proxy-Authenticate: Digest realm=\"example.net\", nonce=\"1\"\n");
	take_request("ACK");
	struct sent *refused = take_response(403);
	cr_assert_null(message_first(refused->message, HEADER_PROXY_AUTHENTICATE));
}

Test(invite, redirection_does_not_pass_a_contact)
{
	ask(.method = "INVITE");
	respond(take_request("INVITE"), 302, .tag = "b",
		.contact = "<sip:elsewhere@198.51.100.99>");
	take_request("ACK");
	for (unsigned i = 0; i < sent_count; i++)
		if (!sent[i].taken)
			cr_assert(!has(value_of(sent[i].message, HEADER_CONTACT), "198.51.100.99"));
	pass(T1);
	cr_assert_null(take(NULL, 302));
}
