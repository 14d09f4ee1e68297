/* sip-subscription_limits.c - how long subscriptions may stand, and how many there may be. */
#include "sip-subscription.h"

static void set_up(void)
{
	worker_set_up_with_bob();
	alice_comes_by_stream();
}

TestSuite(subscription_limits, .init = set_up, .fini = worker_tear_down);

/* Both sides are told of the shorter time, and it is what holds. */
Test(subscription_limits, of_its_time)
{
	worker->image.s.subscription_expires = 300;
	subscribe_to_bob("600");
	struct sent *out = take_request_to("SUBSCRIBE", BOB);
	cr_assert(raw_has(out, "\r\nExpires: 300\r\n"));
	respond(out, 200, .tag = "b", .more = "Expires: 600\n");
	struct sent *answer = take_response_to(200, ALICE);
	cr_assert(raw_has(answer, "\r\nExpires: 300\r\n"));
	callee_asks(out, "b", "NOTIFY", 1, .more = ACTIVE);
	notify_accepted();
	caller_asks(answer, "SUBSCRIBE", 2, .more = DIALOG_EVENT "Expires: 86400\n");
	struct sent *refresh = take_request_to("SUBSCRIBE", BOB);
	cr_assert(raw_has(refresh, "\r\nExpires: 300\r\n"));
	respond(refresh, 200, .more = "Expires: 299\n");
	cr_assert(raw_has(take_response_to(200, ALICE), "\r\nExpires: 299\r\n"));
	pass(299000 + 64 * T1 - 1);
	cr_assert_eq(standing(), 1);
	pass(1);
	cr_assert_eq(standing(), 0);
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS_EXPIRED), 1);
}

/* RFC 6665 section 4.2.1.1. What asks for the state once, or ends it, is not too brief. */
Test(subscription_limits, of_the_least_time)
{
	worker->image.s.subscription_expires_least = 60;
	subscribe_to_bob("59");
	cr_assert(raw_has(take_response_to(423, ALICE), "\r\nMin-Expires: 60\r\n"));
	quiet();
	struct subscribed s = subscribed_to_bob();
	caller_asks(s.answer, "SUBSCRIBE", 2, .more = DIALOG_EVENT "Expires: 1\n");
	cr_assert(raw_has(take_response_to(423, ALICE), "\r\nMin-Expires: 60\r\n"));
	cr_assert_eq(standing(), 1, "a refresh that is refused so ends nothing");
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS_TOO_BRIEF), 2);
	caller_asks(s.answer, "SUBSCRIBE", 3, .more = DIALOG_EVENT "Expires: 0\n");
	respond(take_request_to("SUBSCRIBE", BOB), 200, .more = "Expires: 0\n");
	take_response_to(200, ALICE);
	quiet();
}
