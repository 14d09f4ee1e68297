/* sip-subscription_sweep.c - subscriptions that the gateway ends by itself, for a drain, a slot
 * that moves, a listener, user or connection that is gone, and what each side is told. */
#include "sip-subscription.h"

#include "worker-sip/drain.h"
#include "worker-sip/subscription/subscription_sweep.h"

TestSuite(subscription_sweep, .init = worker_set_up_with_bob, .fini = worker_tear_down);

/* Both sides are told that the gateway has ended the subscription. */
static void assert_told(const struct subscribed *s, const char *state)
{
	struct sent *notify = take_request_to("NOTIFY", ALICE),
		    *subscribe = take_request_to("SUBSCRIBE", BOB);

	cr_assert(raw_has(notify, state), "%.*s", (int)notify->message->raw_size,
		message_raw(notify->message));
	cr_assert(raw_has(notify, "Event: dialog;call-id=x"));
	cr_assert(message_first(notify->message, HEADER_CONTACT));
	cr_assert(raw_has(subscribe, "Expires: 0"));
	respond(notify, 200);
	respond(subscribe, 200, .more = "Expires: 0\n");
	/* his last NOTIFY is expected */
	callee_asks(s->out, "b", "NOTIFY", 2, .more = TERMINATED);
	take_response_to(200, BOB);
	assert_ended();
}

Test(subscription_sweep, a_stop_ends_it)
{
	struct subscribed s = subscribed_to_bob();
	struct lifeline_drain order = {.sequence = 1, .mode = DRAIN_END};

	drain_order(&worker->sip, &order);
	pass(100);
	assert_told(&s, "Subscription-State: terminated;reason=probation;retry-after=30");
	drain_close(&worker->sip);
	worker->sip.drain.mode = DRAIN_OFF;
}

Test(subscription_sweep, a_slot_that_moves_ends_it)
{
	struct subscribed s = subscribed_to_bob();

	memset(worker->sip.slots.next, 1, sizeof(worker->sip.slots.next));
	subscriptions_sweep(&worker->sip);
	pass(100);
	assert_told(&s, "Subscription-State: terminated;reason=deactivated");
}

Test(subscription_sweep, a_listener_that_is_gone_ends_it)
{
	struct subscribed s = subscribed_to_bob();

	worker->image.listener[OPEN_UDP].gone = 1;
	subscriptions_sweep(&worker->sip);
	pass(100);
	worker->image.listener[OPEN_UDP].gone = 0;
	assert_told(&s, "Subscription-State: terminated;reason=deactivated");
}

/* bob is called by a name that is no user's: a rule, or the digits of a number, lead to him. It
 * ends with him. */
Test(subscription_sweep, of_a_user_under_another_name)
{
	zone_rules("request-uri user ^100$ bob");
	ask(.method = "SUBSCRIBE", .uri = "sip:100@example.net", .more = DIALOG_EVENT);
	respond(take_request_to("SUBSCRIBE", BOB), 200, .tag = "b", .more = "Expires: 600\n");
	take_response_to(200, ALICE);
	subscriptions_sweep(&worker->sip);
	pass(100);
	quiet();
	cr_assert_eq(standing(), 1);
	memset(worker->users.row, 0, sizeof(worker->users.row));
	worker->users.head.count = 0;
	subscriptions_sweep(&worker->sip);
	pass(100);
	cr_assert(raw_has(take_request_to("SUBSCRIBE", BOB), "Expires: 0"));
	cr_assert_eq(standing(), 0);
	quiet();
}

Test(subscription_sweep, a_removed_user_ends_it)
{
	struct subscribed s = subscribed_to_bob();

	subscriptions_sweep(&worker->sip);
	pass(100);
	quiet();
	memset(worker->users.row, 0, sizeof(worker->users.row));
	worker->users.head.count = 0;
	subscriptions_sweep(&worker->sip);
	pass(100);
	assert_told(&s, "Subscription-State: terminated;reason=noresource");
}

Test(subscription_sweep, a_connection_that_does_not_come_back_ends_it)
{
	struct flow stream = flow_of(OPEN_TCP, "198.51.100.3:40000", FLOW_ID(0, 1, 3));

	ask(.by = &stream, .method = "SUBSCRIBE", .more = DIALOG_EVENT);
	struct sent *out = take_request_to("SUBSCRIBE", BOB);
	respond(out, 200, .tag = "b", .more = "Expires: 600\n");
	take_response(200);
	callee_asks(out, "b", "NOTIFY", 1, .more = ACTIVE);
	respond(take_request("NOTIFY"), 200);
	take_response_to(200, BOB);
	call_flow_closed(&worker->sip, stream.id);
	callee_asks(out, "b", "NOTIFY", 2, .more = ACTIVE);
	cr_assert(message_first(take_response_to(500, BOB)->message, HEADER_RETRY_AFTER));
	pass(SUBSCRIPTION_GRACE_MS + 1);
	cr_assert(raw_has(take_request_to("SUBSCRIBE", BOB), "Expires: 0"));
	cr_assert_eq(standing(), 0);
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS_LEG_LOST), 1);
}
