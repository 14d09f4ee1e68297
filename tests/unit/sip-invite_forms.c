/* INVITE in all its forms between two legs (RFC 3261 sections 13 and 14, 3262, 3311, 4028, 6141,
 * 6228): where offer and answer stand, who has what to say before the answer, and that what fails
 * leaves everything as it was. */
#include "sip-scene.h"

/* alice comes by a stream: nothing that is sent to her is bounded. */
static void set_up(void)
{
	worker_set_up();
	alice_comes_by_stream();
}

TestSuite(invite_forms, .init = set_up, .fini = worker_tear_down);

static void assert_body(const struct sent *s, const char *body)
{
	cr_assert(str_equal(message_str(s->message, s->message->body), str_of(body)), "%.*s",
		STR(message_str(s->message, s->message->body)));
}

static void assert_value(const struct sent *s, enum header id, const char *value)
{
	cr_assert(str_equal(value_of(s->message, id), str_of(value)), "%.*s",
		STR(value_of(s->message, id)));
}

/* A request of alice's passes to bob, and his answer back: the call stands as it was agreed. */
static void assert_stands(const struct call_scene *c, unsigned cseq)
{
	cr_assert_eq(worker->sip.calls, 1);
	caller_asks(c->answered, "INFO", cseq);
	struct sent *info = take_request_to("INFO", BOB);
	cr_assert(str_equal(message_str(info->message, info->message->request_uri.whole),
			  message_str(c->ack->message, c->ack->message->request_uri.whole)),
		"the target is another one");
	respond(info, 200);
	take_response(200);
	quiet();
}

/* ---- before the answer ---- */

Test(invite_forms, phones_that_ring_are_told_apart)
{
	register_phone("bob", BOB, NULL);
	register_phone("bob", "198.51.100.12:5060", NULL);
	ask(.method = "INVITE");
	struct sent *desk = take_request("INVITE"), *cell = take_request("INVITE");

	respond(desk, 180, .tag = "desk");
	struct sent *first = take_response(180);
	respond(cell, 183, .tag = "cell", .body = "early media");
	struct sent *second = take_response(183);
	assert_body(second, "early media");
	cr_assert(!str_equal(message_str(first->message, first->message->to_tag),
		message_str(second->message, second->message->to_tag)));
	/* what is asked in the one early dialog goes to its phone (RFC 3311) */
	caller_asks(second, "UPDATE", 2, .body = "offer");
	struct sent *update = take_request_to("UPDATE", "198.51.100.12:5060");
	respond(update, 200, .body = "answer");
	assert_body(take_response(200), "answer");
	quiet();
}

Test(invite_forms, an_update_that_is_refused_before_the_answer)
{
	static const unsigned status[] = {491, 500, 504};

	register_phone("bob", BOB, NULL);
	ask(.method = "INVITE", .body = "offer");
	struct sent *out = take_request("INVITE");
	respond(out, 183, .tag = "b", .body = "answer");
	struct sent *early = take_response(183);

	for (unsigned i = 0; i < sizeof(status) / sizeof(*status); i++) {
		caller_asks(early, "UPDATE", 2 + i, .body = "offer");
		respond(take_request("UPDATE"), status[i], .more = "Retry-After: 7\n");
		assert_value(take_response(status[i]), HEADER_RETRY_AFTER, "7");
		callee_asks(out, "b", "UPDATE", 2 + i, .body = "offer");
		respond(take_request_to("UPDATE", ALICE), status[i]);
		take_response_to(status[i], BOB);
	}
	respond(out, 200, .tag = "b");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	take_request("ACK");
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(invite_forms, cancel_between_100_and_18x)
{
	register_phone("bob", BOB, NULL);
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 100);
	cancel(invite);
	take_response(200);
	acknowledge_failure(invite, take_response(487));
	struct sent *cancelled = take_request_to("CANCEL", BOB);
	/* it rings all the same: nobody hears of it any more */
	respond(out, 180, .tag = "b");
	respond(cancelled, 200);
	respond(out, 487, .tag = "b");
	take_request_to("ACK", BOB);
	assert_gone();
}

Test(invite_forms, an_early_dialog_that_is_over_is_told_by_199)
{
	register_phone("bob", BOB, NULL);
	ask(.method = "INVITE", .more = "Supported: 199\n");
	struct sent *out = take_request("INVITE");
	cr_assert(has(value_of(out->message, HEADER_SUPPORTED), "199"));
	respond(out, 180, .tag = "one");
	struct sent *one = take_response(180);
	respond(out, 180, .tag = "two");
	take_response(180);

	respond(out, 199, .tag = "one", .more = "Reason: SIP;cause=486\n");
	struct sent *told = take_response(199);
	cr_assert(str_equal(message_str(one->message, one->message->to_tag),
		message_str(told->message, told->message->to_tag)));
	assert_value(told, HEADER_REASON, "SIP;cause=486");
	respond(out, 200, .tag = "two");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	take_request("ACK");
	quiet();
}

Test(invite_forms, the_caller_tries_again_with_the_interval_that_is_wanted)
{
	register_phone("bob", BOB, NULL);
	struct said *invite = ask(.method = "INVITE",
		.more = "Supported: timer\nSession-Expires: 90\nMin-SE: 90\n");

	respond(take_request("INVITE"), 422, .tag = "b", .more = "Min-SE: 600\n");
	take_request("ACK");
	struct sent *refused = take_response(422);
	assert_value(refused, HEADER_MIN_SE, "600");
	acknowledge_failure(invite, refused);
	/* RFC 4028 section 7.3: the same Call-ID and From, a higher number */
	ask(.method = "INVITE", .cseq = 2,
		.more = "Supported: timer\nSession-Expires: 600\nMin-SE: 600\n");
	struct sent *out = take_request("INVITE");
	assert_value(out, HEADER_SESSION_EXPIRES, "600");
	assert_value(out, HEADER_MIN_SE, "600");
	respond(out, 200, .tag = "b", .more = "Session-Expires: 600;refresher=uas\n");
	struct sent *answered = take_response(200);
	assert_value(answered, HEADER_SESSION_EXPIRES, "600;refresher=uas");
	caller_asks(answered, "ACK", 2);
	take_request("ACK");
	quiet();
}

/* ---- offers and answers ---- */

Test(invite_forms, an_offer_in_the_2xx_has_its_answer_in_the_ack)
{
	struct call_scene c = {0};

	register_phone("bob", BOB, NULL);
	c.invite = ask(.method = "INVITE");
	c.out = take_request("INVITE");
	assert_body(c.out, "");
	respond(c.out, 200, .tag = "b", .body = "offer");
	c.answered = take_response(200);
	assert_body(c.answered, "offer");
	/* bob repeats it: no ACK of ours could have the answer */
	respond(c.out, 200, .tag = "b", .body = "offer");
	quiet();
	caller_asks(c.answered, "ACK", 1, .body = "answer");
	c.ack = take_request_to("ACK", BOB);
	assert_body(c.ack, "answer");
	/* it was lost: the same one goes again, with the answer */
	respond(c.out, 200, .tag = "b", .body = "offer");
	struct sent *again = take_request_to("ACK", BOB);
	cr_assert(same_branch(again, c.ack));
	assert_body(again, "answer");
	quiet();
}

Test(invite_forms, a_reinvite_without_an_offer)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INVITE", 2);
	struct sent *out = take_request("INVITE");
	assert_body(out, "");
	respond(out, 200, .body = "offer");
	struct sent *answered = take_response(200);
	assert_body(answered, "offer");
	caller_asks(answered, "ACK", 2, .body = "answer");
	assert_body(take_request("ACK"), "answer");
	assert_stands(&c, 3);
}

/* RFC 3261 section 14.1, RFC 6141 section 3.4: the session is as it was before. */
Test(invite_forms, what_a_reinvite_is_refused_with_passes_and_changes_nothing)
{
	static const struct {
		unsigned status;
		const char *more;
		enum header id;
		const char *value;
	} row[] = {
		{422, "Min-SE: 600\n", HEADER_MIN_SE, "600"},
		{488, "Warning: 304 bob \"no such media\"\n", HEADER_WARNING,
			"304 sipward \"no such media\""},
		{491, "", HEADER_MIN_SE, ""},
		{500, "Retry-After: 7\n", HEADER_RETRY_AFTER, "7"},
		{603, "", HEADER_MIN_SE, ""},
	};
	struct call_scene c = call_answered();
	unsigned cseq = 2;

	for (unsigned i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct said *again = caller_asks(c.answered, "INVITE", cseq++, .body = "offer");
		respond(take_request("INVITE"), row[i].status, .more = row[i].more);
		take_request("ACK");
		struct sent *refused = take_response(row[i].status);
		assert_value(refused, row[i].id, row[i].value);
		acknowledge_failure(again, refused);
		assert_stands(&c, cseq++);
	}
	pass(64 * T1);
	quiet();
	assert_stands(&c, cseq);
}

/* RFC 6141 section 4.4: the one who asked has the target that he had before, too. */
Test(invite_forms, what_is_refused_moves_no_target)
{
	static const char *const method[] = {"INVITE", "UPDATE"};
	struct call_scene c = call_answered();
	struct str target = message_str(c.out->message, c.out->message->request_uri.whole);
	unsigned cseq = 2;

	for (unsigned i = 0; i < 2; i++) {
		callee_asks(c.out, "b", method[i], 900 + i,
			.contact = "<sip:bob@198.51.100.11:5060;line=2>", .body = "offer");
		struct sent *out = take_request(method[i]);
		respond(out, 488);
		take_response(488);
		take_all("ACK");
		caller_asks(c.answered, "INFO", cseq++);
		struct sent *info = take_request_to("INFO", BOB);
		cr_assert(!raw_has(info, "line=2"), "%s: %.*s, and not %.*s", method[i],
			STR(message_str(info->message, info->message->request_uri.whole)),
			STR(target));
		respond(info, 200);
		take_response(200);
	}
	/* nor one that meets another INVITE */
	caller_asks(c.answered, "INVITE", cseq++, .body = "offer");
	take_request("INVITE");
	callee_asks(c.out, "b", "INVITE", 910, .contact = "<sip:bob@198.51.100.11:5060;line=2>");
	take_response(491);
	caller_asks(c.answered, "INFO", cseq++);
	struct sent *info = take_request_to("INFO", BOB);
	cr_assert(!raw_has(info, "line=2"));
}

/* A reliable provisional response updates it, whatever becomes of the re-INVITE (section 4.6). */
Test(invite_forms, a_reliable_provisional_moves_the_target)
{
	struct call_scene c = call_answered();

	callee_asks(c.out, "b", "INVITE", 900, .contact = "<sip:bob@198.51.100.11:5060;line=2>",
		.more = "Supported: 100rel\n");
	struct sent *out = take_request("INVITE");
	respond(out, 180);
	take_response(180);
	caller_asks(c.answered, "INFO", 2);
	cr_assert(!raw_has(take_request("INFO"), "line=2"));
	respond(out, 183, .more = "Require: 100rel\nRSeq: 5\n");
	take_response(183);
	caller_asks(c.answered, "INFO", 3);
	cr_assert(raw_has(take_request("INFO"), "line=2"));
}

/* A reliable provisional response in a re-INVITE that fails: what was agreed before it stands for
 * the two; the gateway has nothing of its own to take back (RFC 6141 section 3.4). */
Test(invite_forms, a_reinvite_that_fails_after_a_reliable_provisional)
{
	struct call_scene c = call_answered();
	struct said *again = caller_asks(
		c.answered, "INVITE", 2, .body = "offer", .more = "Supported: 100rel\n");
	struct sent *out = take_request("INVITE");

	respond(out, 183, .more = "Require: 100rel\nRSeq: 31\n", .body = "answer");
	struct sent *progress = take_response(183);
	assert_body(progress, "answer");
	caller_asks(progress, "PRACK", 3, .more = "RAck: 31 2 INVITE\n");
	struct sent *prack = take_request("PRACK");
	respond(prack, 200);
	take_response(200);
	respond(out, 488);
	take_request("ACK");
	acknowledge_failure(again, take_response(488));
	assert_stands(&c, 4);
}

/* ---- what names another dialog, or why ---- */

Test(invite_forms, why_a_call_ends_is_told_on_the_other_leg)
{
	struct call_scene c = call_answered();

	callee_asks(c.out, "b", "BYE", 900, .more = "Reason: Q.850;cause=16;text=\"Cleared\"\n");
	struct sent *bye = take_request_to("BYE", ALICE);
	assert_value(bye, HEADER_REASON, "Q.850;cause=16;text=\"Cleared\"");
	respond(bye, 200);
	take_response_to(200, BOB);
	assert_gone();
}

Test(invite_forms, why_it_is_refused_is_told)
{
	register_phone("bob", BOB, NULL);
	struct said *invite = ask(.method = "INVITE");
	respond(take_request("INVITE"), 480, .tag = "b", .more = "Reason: Q.850;cause=18\n");
	take_request("ACK");
	struct sent *refused = take_response(480);
	assert_value(refused, HEADER_REASON, "Q.850;cause=18");
	acknowledge_failure(invite, refused);
	assert_gone();
}
