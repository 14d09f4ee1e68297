/* Requests within a call, on their way from one leg to the other (RFC 3261 sections 12.2 and 14).
 */
#include "sip-scene.h"

TestSuite(exchange, .init = worker_set_up, .fini = worker_tear_down);

Test(exchange, passes_with_the_other_legs_sequence_numbers)
{
	struct call_scene c = call_answered();
	uint32_t last = c.out->message->cseq;

	caller_asks(c.answered, "INFO", 50, .body = "signal=5");
	struct sent *info = take_request("INFO");
	cr_assert_eq(info->message->cseq, last + 1);
	cr_assert(str_equal(message_str(info->message, info->message->body), S("signal=5")));
	cr_assert(info->reserve, "in a dialog: it may use the reserve");
	respond(info, 200, .body = "done");
	struct sent *done = take_response(200);
	cr_assert_eq(done->message->cseq, 50);
	cr_assert(str_equal(message_str(done->message, done->message->body), S("done")));
	/* numbers may jump, and each leg counts for itself */
	caller_asks(c.answered, "MESSAGE", 90);
	cr_assert_eq(take_request("MESSAGE")->message->cseq, last + 2);
	callee_asks(c.out, "b", "INFO", 3);
	cr_assert_eq(take_request("INFO")->message->cseq, 1);
	quiet();
}

Test(exchange, lower_sequence_number_is_500)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INFO", 50);
	respond(take_request("INFO"), 200);
	take_response(200);
	caller_asks(c.answered, "INFO", 49); /* RFC 3261 section 12.2.2 */
	take_response(500);
	cr_assert_eq(counted(COUNTER_DIALOG_OUT_OF_ORDER), 1);
	quiet();
}

Test(exchange, only_the_peers_of_the_dialog_are_in_it)
{
	struct call_scene c = call_answered();
	struct sent forged = *c.answered;
	static const char *const wrong[][2] = {{"From: <sip:alice@example.net>;tag=a\r\n",
						       "From: <sip:alice@example.net>;tag=x\r\n"},
		{"Call-ID: call-of-alice\r\n", "Call-ID: call-of-alicf\r\n"}};

	for (unsigned i = 0; i < 2; i++) {
		char text[4096];
		const char *raw = message_raw(c.answered->message), *at;

		snprintf(text, sizeof(text), "%.*s", (int)c.answered->message->raw_size, raw);
		at = strstr(text, wrong[i][0]);
		cr_assert_not_null(at, "%s", text);
		memcpy(text + (at - text), wrong[i][1], strlen(wrong[i][1]));
		forged.message = message_of_text(text, c.answered->message->raw_size);
		caller_asks(&forged, "BYE", 2);
		free(forged.message);
		take_response(481);
		quiet();
	}
	cr_assert_eq(worker->sip.calls, 1);
}

/* ---- re-INVITE ---- */

Test(exchange, reinvite_passes_with_its_ack)
{
	struct call_scene c = call_answered();
	struct said *again = caller_asks(c.answered, "INVITE", 2, .body = "offer");
	struct sent *out = take_request("INVITE"), *answered;

	cr_assert(str_equal(message_str(out->message, out->message->body), S("offer")));
	cr_assert(str_equal(message_str(out->message, out->message->to_tag), S("b")));
	respond(out, 180);
	take_response(180);
	respond(out, 200, .body = "answer");
	answered = take_response(200);
	cr_assert_eq(answered->message->cseq, again->message->cseq);
	caller_asks(answered, "ACK", 2, .body = "more");
	struct sent *ack = take_request("ACK");
	cr_assert_eq(ack->message->cseq, out->message->cseq);
	cr_assert(str_equal(message_str(ack->message, ack->message->body), S("more")));
	pass(64 * T1);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(exchange, refused_reinvite_leaves_the_call)
{
	struct call_scene c = call_answered();
	struct said *again = caller_asks(c.answered, "INVITE", 2);

	respond(take_request("INVITE"), 488);
	take_request("ACK");
	struct sent *refused = take_response(488);
	acknowledge_failure(again, refused);
	pass(64 * T1);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(exchange, reinvites_that_cross_are_491)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INVITE", 2);
	struct sent *out = take_request("INVITE");
	/* the callee's own was on its way (RFC 3261 section 14.2) */
	struct said *other = callee_asks(c.out, "b", "INVITE", 700);
	struct sent *refused = take_response(491);
	cr_assert(sent_to(refused, "198.51.100.11:5060"));
	cr_assert_eq(counted(COUNTER_INVITES_GLARE), 1);
	acknowledge_failure(other, refused);
	/* the callee says the same of ours, and that passes */
	respond(out, 491);
	take_request("ACK");
	cr_assert(sent_to(take_response(491), "198.51.100.1:5060"));
	quiet();
	/* after which either may try again */
	callee_asks(c.out, "b", "INVITE", 701);
	take_request("INVITE");
}

Test(exchange, reinvite_waits_for_the_ack_of_the_last)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INVITE", 2);
	respond(take_request("INVITE"), 200);
	struct sent *answered = take_response(200);
	/* the transaction has its answer, the exchange is not over */
	callee_asks(c.out, "b", "INVITE", 700);
	take_response(491);
	caller_asks(answered, "ACK", 2);
	take_request("ACK");
	callee_asks(c.out, "b", "INVITE", 701);
	take_request("INVITE");
	quiet();
}

Test(exchange, second_reinvite_of_one_side_is_500_with_retry_after)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INVITE", 2);
	take_request("INVITE");
	caller_asks(c.answered, "INVITE", 3);
	struct sent *refused = take_response(500);
	uint64_t seconds;
	cr_assert_eq(str_number(value_of(refused->message, HEADER_RETRY_AFTER), 10, &seconds), 0,
		"RFC 3261 section 14.2: between 0 and 10");
	quiet();
}

Test(exchange, reinvite_is_cancelled)
{
	struct call_scene c = call_answered();
	struct said *again = caller_asks(c.answered, "INVITE", 2);
	struct sent *out = take_request("INVITE");

	respond(out, 180);
	take_response(180);
	cancel(again);
	take_response(200);
	struct sent *cancelled = take_request("CANCEL");
	cr_assert(str_equal(message_str(cancelled->message, cancelled->message->via_branch),
		message_str(out->message, out->message->via_branch)));
	respond(cancelled, 200);
	respond(out, 487);
	take_request("ACK");
	take_response(487);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(exchange, unacknowledged_reinvite_ends_the_call)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INVITE", 2);
	respond(take_request("INVITE"), 200);
	pass(64 * T1);
	cr_assert_eq(take_all("BYE"), 2); /* RFC 3261 section 13.3.1.4 */
	cr_assert_eq(worker->sip.calls, 0);
}

Test(exchange, bye_during_a_reinvite_ends_both)
{
	struct call_scene c = call_answered();
	struct said *again = caller_asks(c.answered, "INVITE", 2);
	struct sent *out = take_request("INVITE");

	respond(out, 180);
	take_response(180);
	caller_asks(c.answered, "BYE", 3);
	struct sent *bye = take_request("BYE");
	respond(bye, 200);
	take_response(200);
	respond(out, 487);
	take_request("ACK");
	struct sent *over = take_response(487);
	acknowledge_failure(again, over);
	pass(128 * T1);
	quiet();
	cr_assert_eq(worker->sip.calls, 0);
}

/* ---- targets ---- */

Test(exchange, target_refresh_moves_the_remote_target)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "UPDATE", 2, .contact = "<sip:alice@198.51.100.1;line=2>");
	struct sent *out = take_request("UPDATE");
	cr_assert(!has(value_of(out->message, HEADER_CONTACT), "line=2"));
	respond(out, 200, .contact = "<sip:bob-moved@198.51.100.11:5060>");
	take_response(200);
	callee_asks(c.out, "b", "INFO", 3);
	struct sent *info = take_request("INFO");
	cr_assert(str_equal(message_str(info->message, info->message->request_uri.whole),
		S("sip:alice@198.51.100.1;line=2")));
	caller_asks(c.answered, "INFO", 3);
	info = take_request("INFO");
	cr_assert(str_equal(message_str(info->message, info->message->request_uri.whole),
		S("sip:bob-moved@198.51.100.11:5060")));
	/* INFO is no target refresh request */
	caller_asks(c.answered, "INFO", 4, .contact = "<sip:elsewhere@198.51.100.1>");
	callee_asks(c.out, "b", "BYE", 5);
	struct sent *bye = take_request("BYE");
	cr_assert(str_equal(message_str(bye->message, bye->message->request_uri.whole),
		S("sip:alice@198.51.100.1;line=2")));
}

/* ---- failures ---- */

Test(exchange, unavailable_is_said_of_this_request_only)
{
	struct call_scene c = call_answered();

	/* 503 would have the peer turn from the whole gateway (RFC 3261 section 16.7 step 6) */
	caller_asks(c.answered, "INFO", 2);
	respond(take_request("INFO"), 503);
	take_response(500);
	/* nor may an untrusted peer have the other one sign for it */
	caller_asks(c.answered, "INFO", 3);
	respond(take_request("INFO"), 401,
		.more = "WWW-Authenticate: Digest realm=\"x\", nonce=\"y\"\n");
	struct sent *refused = take_response(403);
	cr_assert_null(message_first(refused->message, HEADER_WWW_AUTHENTICATE));
	quiet();
}

Test(exchange, unknown_extension_is_420)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INFO", 2, .more = "Require: 100rel, x-unheard-of\n");
	struct sent *refused = take_response(420);
	cr_assert(str_equal(value_of(refused->message, HEADER_UNSUPPORTED), S("x-unheard-of")));
	quiet();
}

Test(exchange, so_many_at_once_and_no_more)
{
	struct call_scene c = call_answered();

	for (unsigned i = 0; i < 40; i++)
		caller_asks(c.answered, "INFO", 2 + i);
	unsigned passed = take_all("INFO"), refused = 0;
	for (struct sent *s; (s = take(NULL, 500)); refused++)
		cr_assert(message_first(s->message, HEADER_RETRY_AFTER));
	cr_assert_geq(passed, 8);
	cr_assert_leq(passed, 16);
	cr_assert_eq(passed + refused, 40);
}

Test(exchange, a_send_that_fails_is_an_answer)
{
	struct call_scene c = call_answered();

	send_error = -ENOTCONN;
	caller_asks(c.answered, "INFO", 2);
	send_error = 0;
	pass(64 * T1);
	quiet(); /* the answer could not go out either; nothing is repeated */
	caller_asks(c.answered, "INFO", 3);
	take_request("INFO");
}

/* ---- a re-INVITE that rings for ever: timer C's bound (RFC 3261 sections 14.1 and 16.8) ---- */

/* The other leg says again and again that it rings, for as long as it may. */
static struct sent *ring(struct said *(*ask_again)(const struct call_scene *c),
	const struct call_scene *c, struct said **invite)
{
	*invite = ask_again(c);
	struct sent *out = take_request("INVITE");

	for (unsigned i = 0; i < 3; i++) {
		respond(out, 180);
		take_response(180);
		pass(60000); /* RFC 3261 section 13.3.1.1 */
	}
	quiet();
	pass(TIMER_C - 3 * 60000 - 1);
	quiet();
	pass(1);
	return out;
}

static struct said *caller_asks_again(const struct call_scene *c)
{
	return caller_asks(c->answered, "INVITE", 2, .body = "offer");
}

static struct said *callee_asks_again(const struct call_scene *c)
{
	return callee_asks(c->out, "b", "INVITE", 700, .body = "offer");
}

/* The session is what it was. */
static void assert_stands(const struct call_scene *c)
{
	quiet();
	pass(64 * T1);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
	caller_asks(c->answered, "INFO", 3);
	respond(take_request_to("INFO", BOB), 200);
	take_response_to(200, ALICE);
	hang_up(c, 4);
	assert_over();
}

Test(exchange, a_reinvite_that_rings_is_given_up)
{
	struct said *(*const sides[])(const struct call_scene *) = {
		caller_asks_again, callee_asks_again};
	struct said *invite;

	for (unsigned i = 0; i < 2; i++) {
		struct call_scene c = call_answered();
		struct sent *out = ring(sides[i], &c, &invite);

		respond(take_request_to("CANCEL", i ? ALICE : BOB), 200);
		respond(out, 487);
		take_request_to("ACK", i ? ALICE : BOB);
		acknowledge_failure(invite, take_response_to(408, i ? BOB : ALICE));
		assert_stands(&c);
	}
	cr_assert_eq(counters_page->counter[COUNTER_REINVITES_GIVEN_UP], 2);
}

Test(exchange, a_reinvite_whose_cancel_is_not_answered)
{
	struct call_scene c = call_answered();
	struct said *invite;

	ring(caller_asks_again, &c, &invite);
	cr_assert_eq(take_all("CANCEL"), 1);
	pass(64 * T1);
	take_all("CANCEL");
	acknowledge_failure(invite, take_response_to(408, ALICE));
	assert_stands(&c);
}

Test(exchange, the_answer_of_a_reinvite_crosses_its_cancel)
{
	struct call_scene c = call_answered();
	struct said *invite;
	struct sent *out = ring(caller_asks_again, &c, &invite);

	respond(out, 200, .body = "answer");
	respond(take_request_to("CANCEL", BOB), 200);
	struct sent *answered = take_response_to(200, ALICE);
	caller_asks(answered, "ACK", 2);
	take_request_to("ACK", BOB);
	assert_stands(&c);
}

Test(exchange, a_reinvite_that_is_answered_in_time_has_no_timer)
{
	struct call_scene c = call_answered();

	caller_asks_again(&c);
	struct sent *out = take_request("INVITE");
	respond(out, 180);
	take_response(180);
	respond(out, 488);
	take_request("ACK");
	take_response(488);
	pass(2 * TIMER_C);
	while (take(NULL, 488))
		;
	assert_stands(&c);
}
