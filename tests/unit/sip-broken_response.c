/* sip-broken_response.c - responses of which what they need cannot be read: each ends what it
 * answers. A failure fails its branch, a 2xx is acknowledged and its call ended, and nobody waits
 * for a timer (RFC 3261 sections 8.1.3, 13.2.2.4 and 16.7). */
#include "sip-scene.h"

TestSuite(broken, .init = worker_set_up_with_bob, .fini = worker_tear_down);

/* The lines of a response; NULL: as it should be, "": not there. */
struct lines {
	const char *from, *to, *call_id, *cseq, *contact, *more;
};

static void say(char *text, size_t *used, const char *given, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static void say(char *text, size_t *used, const char *given, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (given)
		*used += (size_t)sprintf(text + *used, "%s%s", given, *given ? "\n" : "");
	else
		*used += (size_t)vsprintf(text + *used, format, arguments);
	va_end(arguments);
}

static void respond_lines(const struct sent *request, unsigned status, struct lines l)
{
	const struct message *m = request->message;
	struct flow by = way_back(&request->to);
	char text[4096];
	size_t n = (size_t)sprintf(
		text, "SIP/2.0 %u Whatever\nVia: %.*s\n", status, STR(message_str(m, m->via)));

	say(text, &n, l.from, "From: %.*s\n", STR(value_of(m, HEADER_FROM)));
	say(text, &n, l.to, "To: %.*s%s\n", STR(value_of(m, HEADER_TO)),
		m->to_tag.length ? "" : ";tag=b");
	say(text, &n, l.call_id, "Call-ID: %.*s\n", STR(message_str(m, m->call_id)));
	say(text, &n, l.cseq, "CSeq: %.*s\n", STR(value_of(m, HEADER_CSEQ)));
	say(text, &n, l.contact, "Contact: <sip:callee@198.51.100.11>\n");
	say(text, &n, l.more, "%s", "");
	receive(&by, "%s\n", text);
}
#define respond_with(request, status, ...)                                                         \
	respond_lines(request, status, (struct lines){__VA_ARGS__})

static const struct lines faults[] = {{.from = "From: \x01"}, {.from = ""}, {.to = "To: <sip:"},
	{.to = ""}, {.call_id = "Call-ID: a b"}, {.call_id = ""}, {.cseq = "CSeq: x"}, {.cseq = ""},
	{.from = "", .to = "", .call_id = "", .cseq = ""}, {.more = "Content-Length: 5"},
	{.more = "Content-Length: 0\nl: 1"}, {.more = "From: <sip:other@example.org>;tag=2"},
	{.cseq = "CSeq: 1 OPTIONS"}, {.cseq = "CSeq: 1 Invite"},
	{.more = "Via: SIP/2.0/UDP 192.0.2.77;branch=z9hG4bKanother"}};
#define FAULTS (sizeof(faults) / sizeof(*faults))

Test(broken, a_failure_fails_its_branch_at_once)
{
	char call_id[32];

	for (size_t i = 0; i < FAULTS; i++) {
		snprintf(call_id, sizeof(call_id), "failure-%zu", i);
		struct said *invite = ask(.method = "INVITE", .call_id = call_id);
		struct sent *out = take_request("INVITE");

		respond_with(out, 180);
		take_response(180);
		respond_lines(out, 486, faults[i]);
		take_request("ACK");
		acknowledge_failure(invite, take_response(502));
		/* its repetition is acknowledged again */
		respond_lines(out, 486, faults[i]);
		take_request("ACK");
		assert_over();
	}
	cr_assert_eq(counters_page->counter[COUNTER_RESPONSES_BROKEN], FAULTS);
}

Test(broken, a_trunk_has_a_next_target)
{
	ask(.method = "INVITE", .uri = "sip:+4930@example.org");
	struct sent *first = take_request("INVITE");

	respond_with(first, 500, .to = "To: \"");
	take_request("ACK");
	struct sent *second = take_request("INVITE");
	cr_assert_not(sent_to(second, "10.0.0.11:5060"));
	respond_with(second, 486);
	take_request("ACK");
	take_response(486);
	quiet();
}

/* The callee has answered: he is told that it was for nothing, and never a CANCEL. */
Test(broken, an_answer_is_acknowledged_and_ended)
{
	static const struct lines of_calls[] = {{.contact = "Contact: <sip:x"},
		{.contact = "Contact: \xfc"}, {.more = "Record-Route: sip:edge.example"},
		{.more = "Content-Type: \"\n\nbody"}};
	const size_t n = FAULTS + sizeof(of_calls) / sizeof(*of_calls);
	char call_id[32];

	for (size_t i = 0; i < n; i++) {
		const struct lines l = i < FAULTS ? faults[i] : of_calls[i - FAULTS];

		snprintf(call_id, sizeof(call_id), "answer-%zu", i);
		struct said *invite = ask(.method = "INVITE", .call_id = call_id);
		struct sent *out = take_request("INVITE");

		respond_with(out, 180);
		take_response(180);
		respond_lines(out, 200, l);
		struct sent *ack = take_request("ACK"), *bye = take_request("BYE");

		cr_assert_eq(ack->message->cseq, 1);
		cr_assert_eq(bye->message->cseq, 2);
		cr_assert(str_equal(message_str(bye->message, bye->message->call_id),
			message_str(out->message, out->message->call_id)));
		cr_assert(str_equal(message_str(bye->message, bye->message->from_tag),
			message_str(out->message, out->message->from_tag)));
		if (!l.to)
			cr_assert(
				str_equal(message_str(bye->message, bye->message->to_tag), S("b")));
		acknowledge_failure(invite, take_response(502));
		/* repeated: acknowledged again, and no second BYE */
		respond_lines(out, 200, l);
		take_request("ACK");
		respond_with(bye, 200);
		assert_over();
	}
}

static void assert_to_tag(const struct sent *request, struct str tag)
{
	cr_assert(str_equal(message_str(request->message, request->message->to_tag), tag));
}

/* Downstream proxies may have forked: two To tags are two dialogs, and each has its ACK and BYE. */
static void two_answers_of_one_branch(const struct sent *out)
{
	const struct lines other = {
		.to = "To: <sip:b@example.org>;tag=other", .contact = "Contact: <sip:x"};

	respond_lines(out, 200, other);
	assert_to_tag(take_request("ACK"), S("other"));
	assert_to_tag(take_request("BYE"), S("other"));
	/* repeated, in any order: acknowledged again, and no second BYE */
	respond_with(out, 200, .contact = "Contact: <sip:x");
	assert_to_tag(take_request("ACK"), S("b"));
	respond_lines(out, 200, other);
	assert_to_tag(take_request("ACK"), S("other"));
	respond_with(out, 200, .contact = "Contact: <sip:x");
	assert_to_tag(take_request("ACK"), S("b"));
	quiet();
}

Test(broken, two_answers_of_the_only_target)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond_with(out, 200, .contact = "Contact: <sip:x");
	assert_to_tag(take_request("ACK"), S("b"));
	assert_to_tag(take_request("BYE"), S("b"));
	acknowledge_failure(invite, take_response(502));
	two_answers_of_one_branch(out);
	cr_assert_null(worker->sip.call_list);
}

Test(broken, two_answers_while_the_next_target_is_asked)
{
	ask(.method = "INVITE", .uri = "sip:+4930@example.org");
	struct sent *out = take_request("INVITE");

	respond_with(out, 200, .contact = "Contact: <sip:x");
	assert_to_tag(take_request("ACK"), S("b"));
	assert_to_tag(take_request("BYE"), S("b"));
	struct sent *second = take_request("INVITE");
	two_answers_of_one_branch(out);
	respond_with(second, 486);
	take_request("ACK");
	take_response(486);
	quiet();
}

/* A branch of which nothing was cancelled has one transaction: its CSeq is known. */
Test(broken, a_second_answer_whose_cseq_cannot_be_read_is_ended)
{
	struct call_scene c = call_answered();
	const struct lines other = {.to = "To: <sip:b@example.org>;tag=other"},
			   unreadable = {.to = other.to, .cseq = "CSeq: x"};

	respond_lines(c.out, 200, unreadable);
	struct sent *ack = take_request("ACK"), *bye = take_request("BYE");
	assert_to_tag(ack, S("other"));
	cr_assert_eq(ack->message->cseq, 1);
	assert_to_tag(bye, S("other"));
	respond(bye, 200);
	respond_lines(c.out, 200, other);
	cr_assert(same_branch(take_request("ACK"), ack));
	respond_lines(c.out, 200, unreadable);
	cr_assert(same_branch(take_request("ACK"), ack));
	quiet();
	respond_lines(c.out, 200, (struct lines){.to = "To: ;"});
	quiet();
	cr_assert_eq(counters_page->counter[COUNTER_ANSWERS_UNREADABLE], 1);
}

/* The caller hears that it rings, in no dialog: nobody could say where requests of it go. */
Test(broken, a_provisional_reaches_the_caller)
{
	static const struct lines of_provisionals[] = {{.more = "Record-Route: x"},
		{.more = "Record-Route: <sip:a;lr>, x"}, {.more = "Content-Type: \"\n\nbody"}};
	const size_t n = FAULTS + sizeof(of_provisionals) / sizeof(*of_provisionals);
	char call_id[32];

	for (size_t i = 0; i < n; i++) {
		snprintf(call_id, sizeof(call_id), "ringing-%zu", i);
		struct said *invite = ask(.method = "INVITE", .call_id = call_id);
		struct sent *out = take_request("INVITE");

		respond_lines(out, 180, i < FAULTS ? faults[i] : of_provisionals[i - FAULTS]);
		struct sent *ringing = take_response(180);

		cr_assert_gt(ringing->message->to_tag.length, 0);
		cr_assert_eq(ringing->message->contact_count, 0);
		cr_assert_eq(ringing->message->body.length, 0);
		quiet();
		respond_with(out, 486);
		take_request("ACK");
		acknowledge_failure(invite, take_response(486));
		assert_over();
	}
}

Test(broken, a_provisional_says_that_the_branch_lives)
{
	ask(.method = "INVITE", .uri = "sip:+4930@example.org", .body = "offer");
	struct sent *out = take_request("INVITE");

	respond_with(out, 183,
		.more = "Record-Route: x\nContent-Type: application/sdp\nContent-Length: "
			"5\n\nmedia");
	struct sent *progress = take_response(183);
	cr_assert(str_equal(message_str(progress->message, progress->message->body), S("media")));
	pass(2 * ANSWER);
	quiet();
	respond_with(out, 200);
	take_response(200);
	quiet();
}

/* No PRACK could find its way (RFC 3262 section 4): the caller is asked for none. */
static void reliable_in_no_dialog(const char *call_id, const char *offer)
{
	struct said *invite = ask(.method = "INVITE", .call_id = call_id, .body = offer);
	struct sent *out = take_request("INVITE");

	respond_with(out, 183,
		.more = "Record-Route: x\nRequire: 100rel\nRSeq: 1\n"
			"Content-Type: application/sdp\nContent-Length: 5\n\nmedia");
	struct sent *progress = take_response(183);
	cr_assert_null(message_first(progress->message, HEADER_REQUIRE));
	cr_assert_null(message_first(progress->message, HEADER_RSEQ));
	/* an offer in it would need a PRACK with the answer */
	cr_assert_eq(progress->message->body.length, offer ? 5 : 0);
	quiet();
	respond_with(out, 504);
	take_request("ACK");
	acknowledge_failure(invite, take_response(504));
	assert_over();
}

Test(broken, a_reliable_provisional_of_no_dialog)
{
	reliable_in_no_dialog("offered", "offer");
	reliable_in_no_dialog("without", NULL);
	cr_assert_eq(counters_page->counter[COUNTER_PROVISIONALS_UNRELIABLE], 2);
}

/* The route set of an early dialog is known from its first response (RFC 3261 section 12.1.2). */
Test(broken, a_provisional_of_an_early_dialog_that_stands)
{
	alice_comes_by_stream();
	ask(.method = "INVITE", .body = "offer");
	struct sent *out = take_request("INVITE");

	respond_with(out, 180, .more = "Record-Route: <sip:edge.example;lr>");
	struct sent *ringing = take_response(180);
	respond_with(out, 183, .more = "Record-Route: x\nRequire: 100rel\nRSeq: 1");
	struct sent *progress = take_response(183);
	cr_assert(str_equal(
		value_of(ringing->message, HEADER_TO), value_of(progress->message, HEADER_TO)));
	cr_assert(has(value_of(progress->message, HEADER_REQUIRE), "100rel"));
	caller_asks(progress, "PRACK", 2, .more = "RAck: 1 1 INVITE\n");
	struct sent *prack = take_request("PRACK");
	cr_assert(has(value_of(prack->message, HEADER_ROUTE), "edge.example"));
	/* its body cannot be read: whoever acknowledges it would have seen it */
	respond_with(out, 183, .more = "Require: 100rel\nRSeq: 2\nContent-Type: \"\n\nbody");
	cr_assert_null(message_first(take_response(183)->message, HEADER_REQUIRE));
	quiet();
}

Test(broken, a_provisional_within_a_call)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INVITE", 2, .body = "hold");
	struct sent *again = take_request("INVITE");
	respond_with(again, 180, .more = "Record-Route: x");
	take_response(180);
	respond_with(again, 180, .from = "");
	take_response(180);
	respond_with(again, 200);
	take_response(200);
	caller_asks(c.answered, "ACK", 2);
	take_request("ACK");
	quiet();
}

Test(broken, within_a_call)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INFO", 2);
	respond_with(take_request("INFO"), 200, .call_id = "");
	take_response(502);
	caller_asks(c.answered, "INFO", 3);
	respond_with(take_request("INFO"), 200, .cseq = "CSeq: 2 INVITE");
	take_response(502);
	/* a known target and route set need not be said again */
	caller_asks(c.answered, "INVITE", 4, .body = "hold");
	struct sent *again = take_request("INVITE");
	respond_with(again, 200, .contact = "Contact: <sip:x");
	take_response(200);
	caller_asks(c.answered, "ACK", 4);
	take_request("ACK");
	quiet();
	cr_assert_not_null(worker->sip.call_list);
	/* a BYE is answered whatever becomes of its answer */
	caller_asks(c.answered, "BYE", 5);
	respond_with(take_request("BYE"), 200, .from = "");
	take_response(200);
	assert_over();
}

Test(broken, the_answer_to_a_reinvite_ends_the_call)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "INVITE", 2, .body = "hold");
	respond_with(take_request("INVITE"), 200, .to = "To: ;");
	take_request("ACK");
	take_response(502);
	cr_assert_eq(take_all("BYE"), 2);
	assert_over();
}

/* The 200 to a CANCEL has the INVITE's branch. */
Test(broken, an_answer_to_nobody_knows_what_is_no_answer_to_a_cancelled_invite)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond_with(out, 180);
	take_response(180);
	cancel(invite);
	take_response(200);
	take_response(487);
	take_request("CANCEL");
	respond_with(out, 200, .cseq = "");
	quiet();
	respond_with(out, 200, .cseq = "CSeq: 1 OPTIONS");
	quiet();
	respond_with(out, 487, .cseq = "");
	take_request("ACK");
	assert_over();
}

/* A 2xx that crosses our CANCEL, or comes after the 487 to it (late): what of it cannot be read our
 * INVITE says. */
static void answer_after_cancel(struct lines l, bool late)
{
	const uint64_t *unreadable = &counters_page->counter[COUNTER_ANSWERS_UNREADABLE];
	const uint64_t before = *unreadable;

	register_phone("bob", BOB, NULL);
	struct call_scene c = call_cancelled();

	respond(c.cancelled, 200);
	if (late) {
		respond(c.out, 487, .tag = "c");
		take_request("ACK");
	}
	respond_lines(c.out, 200, l);
	if (l.to || l.cseq) {
		quiet(); /* without them nothing can be made */
		cr_assert_eq(*unreadable, before + 1);
	} else {
		struct sent *ack = take_request_to("ACK", BOB), *bye = take_request_to("BYE", BOB);

		cr_assert_eq(ack->message->cseq, 1);
		cr_assert(str_equal(message_str(bye->message, bye->message->call_id),
			message_str(c.out->message, c.out->message->call_id)));
		cr_assert(str_equal(value_of(bye->message, HEADER_FROM),
			value_of(c.out->message, HEADER_FROM)));
		assert_to_tag(bye, S("b"));
		respond_lines(c.out, 200, l);
		cr_assert(same_branch(take_request_to("ACK", BOB), ack));
		respond(bye, 200);
		cr_assert_eq(*unreadable, before);
	}
	assert_gone();
}

Test(broken, an_answer_after_the_cancel_is_ended)
{
	for (size_t i = 0; i < FAULTS; i++) {
		answer_after_cancel(faults[i], false);
		answer_after_cancel(faults[i], true);
	}
}

/* The call stands, and a fork behind has answered as well. */
Test(broken, a_second_answer_is_ended_with_what_is_known)
{
	struct call_scene c = call_answered();
	static const struct lines second[] = {{.to = "To: <sip:b@example.org>;tag=two", .from = ""},
		{.to = "To: <sip:b@example.org>;tag=three", .call_id = "Call-ID: a b"}};

	for (size_t i = 0; i < 2; i++) {
		respond_lines(c.out, 200, second[i]);
		assert_to_tag(take_request("ACK"), i ? S("three") : S("two"));
		struct sent *bye = take_request("BYE");
		cr_assert(str_equal(value_of(bye->message, HEADER_FROM),
			value_of(c.out->message, HEADER_FROM)));
		respond(bye, 200);
		quiet();
	}
	cr_assert_eq(worker->sip.calls, 1);
}

/* RFC 2543 knew no To tag; RFC 3261 section 12.1.2 makes a dialog with a null tag of it. */
Test(broken, an_answer_without_a_tag_is_a_call)
{
	ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 200, .body = "answer");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	struct sent *ack = take_request("ACK");
	cr_assert_eq(ack->message->to_tag.length, 0);
	respond(out, 200, .body = "answer");
	take_request("ACK");
	callee_asks(out, "", "INFO", 1);
	respond(take_request("INFO"), 200);
	take_response(200);
	caller_asks(answered, "BYE", 2);
	struct sent *bye = take_request("BYE");
	cr_assert_eq(bye->message->to_tag.length, 0);
	respond(bye, 200);
	take_response(200);
	assert_over();
}
