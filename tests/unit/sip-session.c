/* Session timers (RFC 4028): they pass, are kept for a callee who has none, and a session that
 * nobody refreshes ends on both legs. */
#include "sip-scene.h"

static void set_up(void)
{
	worker_set_up_with_bob();
	alice_comes_by_stream();
}

TestSuite(session, .init = set_up, .fini = worker_tear_down);

#define INTERVAL 600000u /* ms */
#define WITH_TIMER "Supported: timer\nSession-Expires: 600\n"

/* A call whose INVITE and whose 200 have these lines. */
static struct call_scene call_with(const char *asked, const char *answers)
{
	struct call_scene c = {.invite = ask(.method = "INVITE", .more = asked, .body = "offer")};

	c.out = take_request("INVITE");
	respond(c.out, 200, .tag = "b", .more = answers, .body = "answer");
	c.answered = take_response(200);
	caller_asks(c.answered, "ACK", 1);
	c.ack = take_request("ACK");
	quiet();
	return c;
}

static void assert_value(const struct sent *s, enum header id, const char *value)
{
	cr_assert(str_equal(value_of(s->message, id), str_of(value)), "%.*s",
		STR(value_of(s->message, id)));
}

/* The session ends after so long, and not before. */
static void expires_after(unsigned ms)
{
	pass(ms - 1);
	quiet();
	pass(1);
	for (unsigned i = 0; i < 2; i++) {
		struct sent *bye = take_request("BYE");

		assert_value(bye, HEADER_REASON, "SIP;cause=408;text=\"Session expired\"");
		respond(bye, 200);
	}
	cr_assert_eq(counters_page->counter[COUNTER_SESSIONS_EXPIRED], 1);
	assert_over();
}

static void never_expires(void)
{
	pass(10 * INTERVAL);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(session, expires_on_both_legs)
{
	struct call_scene c = call_with(WITH_TIMER, "Session-Expires: 600;refresher=uas\n");

	assert_value(c.answered, HEADER_SESSION_EXPIRES, "600;refresher=uas");
	assert_value(c.answered, HEADER_REQUIRE, "");
	expires_after(INTERVAL);
}

Test(session, either_side_refreshes_it)
{
	struct call_scene c = call_with(
		WITH_TIMER, "Session-Expires: 600;refresher=uac\nRequire: timer\n");

	assert_value(c.answered, HEADER_SESSION_EXPIRES, "600;refresher=uac");
	pass(INTERVAL / 2);
	caller_asks(c.answered, "UPDATE", 2,
		.more = "Supported: timer\nSession-Expires: 600;refresher=uac\n");
	struct sent *update = take_request_to("UPDATE", BOB);
	assert_value(update, HEADER_SESSION_EXPIRES, "600;refresher=uac");
	respond(update, 200, .more = "Session-Expires: 600;refresher=uac\nRequire: timer\n");
	take_response(200);
	pass(INTERVAL - 1);
	quiet();
	callee_asks(c.out, "b", "INVITE", 7, .more = WITH_TIMER);
	struct sent *again = take_request_to("INVITE", ALICE);
	respond(again, 200, .more = "Session-Expires: 300;refresher=uac\nRequire: timer\n");
	struct sent *answered = take_response_to(200, BOB);
	callee_asks(c.out, "b", "ACK", 7);
	take_request("ACK");
	assert_value(answered, HEADER_SESSION_EXPIRES, "300;refresher=uac");
	expires_after(INTERVAL / 2);
}

Test(session, a_refresh_that_is_refused_refreshes_nothing)
{
	struct call_scene c = call_with(WITH_TIMER, "Session-Expires: 600;refresher=uas\n");

	pass(INTERVAL / 2);
	caller_asks(c.answered, "UPDATE", 2, .more = WITH_TIMER);
	respond(take_request("UPDATE"), 500);
	take_response(500);
	expires_after(INTERVAL / 2);
}

Test(session, a_refresh_that_came_in_time_is_waited_for)
{
	struct call_scene c = call_with(WITH_TIMER, "Session-Expires: 600;refresher=uac\n");

	pass(INTERVAL - 1);
	caller_asks(c.answered, "UPDATE", 2, .more = WITH_TIMER);
	struct sent *update = take_request("UPDATE");
	pass(1);
	respond(update, 200, .more = "Session-Expires: 600;refresher=uac\n");
	take_response(200);
	pass(INTERVAL - 1);
	quiet();
	expires_after(1);
}

Test(session, without_an_interval_there_is_no_end)
{
	call_with("", "");
	never_expires();
}

Test(session, an_answer_to_a_refresh_without_an_interval_ends_the_timer)
{
	struct call_scene c = call_with(WITH_TIMER, "Session-Expires: 600;refresher=uac\n");

	caller_asks(c.answered, "UPDATE", 2);
	respond(take_request("UPDATE"), 200);
	take_response(200);
	never_expires();
}

/* RFC 4028 section 8.2: the caller keeps it for both. */
Test(session, is_kept_for_a_callee_without_timers)
{
	struct call_scene c = call_with(WITH_TIMER, "");

	assert_value(c.answered, HEADER_SESSION_EXPIRES, "600;refresher=uac");
	assert_value(c.answered, HEADER_REQUIRE, "timer");
	pass(INTERVAL / 2);
	caller_asks(c.answered, "INVITE", 2, .more = WITH_TIMER, .body = "offer");
	struct sent *out = take_request_to("INVITE", BOB);
	respond(out, 200, .body = "answer");
	struct sent *again = take_response(200);
	assert_value(again, HEADER_SESSION_EXPIRES, "600;refresher=uac");
	caller_asks(again, "ACK", 2);
	take_request("ACK");
	expires_after(INTERVAL);
}

Test(session, a_caller_without_timers_is_asked_for_none)
{
	struct call_scene c = call_with("Session-Expires: 600\n", "");

	assert_value(c.answered, HEADER_SESSION_EXPIRES, "");
	never_expires();
}

Test(session, a_failure_has_no_timer)
{
	ask(.method = "INVITE", .more = WITH_TIMER);
	respond(take_request("INVITE"), 486, .tag = "b");
	take_request("ACK");
	assert_value(take_response(486), HEADER_SESSION_EXPIRES, "");
}

Test(session, intervals_are_bounded)
{
	/* RFC 4028 section 4: nobody may want less than 90 seconds */
	call_with(WITH_TIMER, "Session-Expires: 1;refresher=uas\n");
	expires_after(90000);
}

Test(session, what_cannot_be_read_is_no_timer_of_the_callee)
{
	struct call_scene c = call_with(WITH_TIMER, "Session-Expires: soon;refresher=uas\n");

	assert_value(c.answered, HEADER_SESSION_EXPIRES, "600;refresher=uac");
	expires_after(INTERVAL);
}

Test(session, a_call_that_has_ended_has_none)
{
	struct call_scene c = call_with(WITH_TIMER, "Session-Expires: 600;refresher=uas\n");

	hang_up(&c, 2);
	pass(INTERVAL);
	assert_gone();
}
