/* Requests outside dialogs other than INVITE and REGISTER: passed on statefully, answered in time
 * or not at all (RFC 3261 sections 11 and 16, RFC 4320). */
#include "sip-scene.h"

TestSuite(relay, .init = worker_set_up_with_bob, .fini = worker_tear_down);

Test(relay, passes_and_its_answer_comes_back)
{
	struct said *message = ask(.method = "MESSAGE", .body = "hi", .cseq = 7);
	struct sent *out = take_request("MESSAGE");
	const struct message *m = out->message;

	cr_assert(sent_to(out, "198.51.100.11:5060"));
	cr_assert(str_equal(message_str(m, m->request_uri.whole), S("sip:bob@198.51.100.11:5060")));
	cr_assert(str_equal(message_str(m, m->body), S("hi")));
	cr_assert_eq(m->max_forwards, 69);
	cr_assert_eq(m->via_count, 1);
	cr_assert(!str_equal(message_str(m, m->call_id), S("call-of-alice")));
	cr_assert(!str_equal(message_str(m, m->from_tag), S("a")));
	respond(out, 200, .tag = "b", .body = "thanks");
	struct sent *done = take_response(200);
	cr_assert(sent_to(done, "198.51.100.1:5060"));
	cr_assert_eq(done->message->cseq, message->message->cseq);
	cr_assert(str_equal(message_str(done->message, done->message->body), S("thanks")));
	cr_assert(!str_equal(message_str(done->message, done->message->to_tag), S("b")));
	quiet();
}

Test(relay, methods_that_nobody_knows_pass)
{
	ask(.method = "INFO");
	respond(take_request("INFO"), 200, .tag = "b");
	take_response(200);
	ask(.method = "FROBNICATE", .cseq = 2);
	respond(take_request("FROBNICATE"), 200, .tag = "b");
	take_response(200);
	quiet();
}

Test(relay, provisional_responses_stay_on_their_hop)
{
	ask(.method = "MESSAGE");
	struct sent *out = take_request("MESSAGE");
	respond(out, 100);
	respond(out, 180, .tag = "b");
	quiet(); /* RFC 4320 section 4.1 */
	respond(out, 200, .tag = "b");
	take_response(200);
}

Test(relay, a_time_out_has_no_answer_or_one_in_time)
{
	ask(.method = "MESSAGE");
	uint64_t start = virtual_clock_ms();
	pass(200 * T1);
	cr_assert_eq(take_all("MESSAGE"), 11);
	for (unsigned i = 0; i < sent_count; i++) {
		if (sent[i].taken)
			continue;
		/* RFC 4320 section 4.2: no 408, and nothing after timer F */
		cr_assert_neq(sent[i].message->status, 408);
		cr_assert_lt(sent[i].at_ms - start, 64 * T1);
	}
}

Test(relay, the_408_of_a_hop_behind_does_not_pass)
{
	ask(.method = "MESSAGE");
	respond(take_request("MESSAGE"), 408, .tag = "b");
	cr_assert_null(take(NULL, 408)); /* RFC 4320 section 4.2 */
}

Test(relay, redirection_and_challenge_of_a_phone_do_not_pass)
{
	ask(.method = "MESSAGE");
	respond(take_request("MESSAGE"), 302, .tag = "b", .contact = "<sip:x@198.51.100.99>");
	struct sent *refused = take_response(480);
	cr_assert_null(message_first(refused->message, HEADER_CONTACT));
	ask(.method = "MESSAGE", .cseq = 2);
	respond(take_request("MESSAGE"), 401, .tag = "b",
		.more = "WWW-Authenticate: Digest realm=\"x\", nonce=\"n\"\n");
	refused = take_response(403);
	cr_assert_null(message_first(refused->message, HEADER_WWW_AUTHENTICATE));
	quiet();
}

Test(relay, challenge_of_a_trunk_passes)
{
	ask(.method = "MESSAGE", .uri = "sip:5551000@example.net");
	respond(take_request("MESSAGE"), 401, .tag = "t",
		.more = "WWW-Authenticate: Digest realm=\"carrier\", nonce=\"n\"\n");
	cr_assert(has(value_of(take_response(401)->message, HEADER_WWW_AUTHENTICATE), "carrier"));
	/* but not one that would have alice sign for our own realm */
	ask(.method = "MESSAGE", .uri = "sip:5551000@example.net", .cseq = 2);
	respond(take_request("MESSAGE"), 401, .tag = "t",
		.more = "WWW-Authenticate: Digest realm=\"example.net\", nonce=\"n\"\n");
	cr_assert_null(message_first(take_response(401)->message, HEADER_WWW_AUTHENTICATE));
}

Test(relay, a_phone_whose_flow_is_gone_is_480)
{
	ask(.method = "MESSAGE");
	struct sent *out = take_request("MESSAGE");
	transactions_send_failed(worker->sip.transactions, 0, out->cookie, -ENOTCONN);
	settle();
	take_response(480);
	quiet();
}

Test(relay, without_hops_left)
{
	ask(.method = "MESSAGE", .last_hop = true);
	take_response(483);
	/* RFC 3261 section 11: OPTIONS may be answered as if it were for us */
	ask(.method = "OPTIONS", .last_hop = true, .cseq = 2);
	struct sent *s = take(NULL, 200);
	cr_assert(s || (s = take(NULL, 483)));
	quiet();
}

Test(relay, options_to_the_gateway_itself)
{
	ask(.method = "OPTIONS", .uri = "sip:example.net", .to = "<sip:example.net>");
	struct sent *s = take_response(200);
	cr_assert(has(value_of(s->message, HEADER_ALLOW), "INVITE"));
	cr_assert(message_first(s->message, HEADER_ACCEPT));
	cr_assert(message_first(s->message, HEADER_SUPPORTED));
	/* by our address, too */
	ask(.method = "OPTIONS", .uri = "sip:192.0.2.1:5064", .to = "<sip:192.0.2.1>", .cseq = 2);
	take_response(200);
	/* nobody lives here */
	ask(.method = "MESSAGE", .uri = "sip:example.net", .cseq = 3);
	take_response(404);
	ask(.method = "INVITE", .uri = "sip:example.net", .cseq = 4);
	take_response(404);
	ask(.method = "FROBNICATE", .uri = "sip:example.net", .cseq = 5);
	take_response(501);
	ask(.method = "PUBLISH", .uri = "sip:example.net", .cseq = 6, .more = "Event: presence\n");
	cr_assert(message_first(take_response(405)->message, HEADER_ALLOW));
	quiet();
}

Test(relay, late_answers_are_of_no_interest)
{
	ask(.method = "MESSAGE");
	struct sent *out = take_request("MESSAGE");
	respond(out, 200, .tag = "b");
	take_response(200);
	respond(out, 200, .tag = "b");
	respond(out, 500, .tag = "b");
	pass(64 * T1);
	respond(out, 200, .tag = "b");
	quiet();
}
