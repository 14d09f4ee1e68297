/* sip-subscription.c - subscriptions between two user agents (RFC 6665): a dialog on each side,
 * made by a 2xx or by a NOTIFY, refreshed, ended, and what each side is told of it. */
#include "sip-subscription.h"

#include "worker-sip/subscription/subscribe.h"
#include "worker-sip/subscription/subscription.h"

TestSuite(subscription, .init = worker_set_up_with_bob, .fini = worker_tear_down);

Test(subscription, each_side_has_a_dialog_of_its_own)
{
	struct subscribed s = subscribed_to_bob();
	const struct message *asked = s.subscribe->message, *out = s.out->message,
			     *answer = s.answer->message, *notify = s.notify->message;

	cr_assert(!str_equal(message_str(out, out->call_id), S("call-of-alice")));
	cr_assert(!str_equal(message_str(out, out->from_tag), message_str(asked, asked->from_tag)));
	cr_assert(raw_has(s.out, "Event: dialog;call-id=x"));
	cr_assert(raw_has(s.out, "Expires: 600"));
	/* alice knows one dialog, whose tag is not bob's */
	cr_assert(raw_has(s.answer, "Expires: 600"));
	cr_assert(!str_equal(message_str(answer, answer->to_tag), S("b")));
	cr_assert(str_equal(message_str(notify, notify->call_id), S("call-of-alice")));
	cr_assert(str_equal(
		message_str(notify, notify->from_tag), message_str(answer, answer->to_tag)));
	cr_assert(str_equal(message_str(notify, notify->to_tag), S("a")));
	cr_assert(str_equal(message_str(notify, notify->body), S(XML)));
	cr_assert(raw_has(s.notify, "Event: dialog;call-id=x"));
	cr_assert(raw_has(s.notify, "Subscription-State: active;expires=600"));
	cr_assert(!raw_has(s.notify, "198.51.100.11"), "bob's address");
	cr_assert(str_equal(
		message_str(notify, notify->request_uri.whole), S("sip:alice@198.51.100.1")));
}

Test(subscription, notify_before_the_2xx_makes_the_dialog)
{
	subscribe_to_bob("600");
	struct sent *out = take_request_to("SUBSCRIBE", BOB);

	callee_asks(out, "b", "NOTIFY", 1, .more = ACTIVE, .body = XML);
	struct sent *notify = notify_accepted();
	respond(out, 200, .tag = "b", .more = "Expires: 600\n");
	struct sent *answer = take_response_to(200, ALICE);
	cr_assert(str_equal(message_str(answer->message, answer->message->to_tag),
		message_str(notify->message, notify->message->from_tag)));
	cr_assert_eq(standing(), 1);
	quiet();
}

Test(subscription, refresh_and_end_by_the_subscriber)
{
	struct subscribed s = subscribed_to_bob();

	pass(500000);
	caller_asks(s.answer, "SUBSCRIBE", 2, .more = DIALOG_EVENT "Expires: 600\n");
	struct sent *refresh = take_request_to("SUBSCRIBE", BOB);
	cr_assert(str_equal(message_str(refresh->message, refresh->message->to_tag), S("b")));
	cr_assert(str_equal(message_str(refresh->message, refresh->message->request_uri.whole),
			  S("sip:peer@198.51.100.11:5060")),
		"the Contact of bob's NOTIFY");
	respond(refresh, 200, .more = "Expires: 600\n");
	take_response_to(200, ALICE);
	pass(600000); /* the first 600 s are over, and 64*T1 more are not */
	cr_assert_eq(standing(), 1);
	caller_asks(s.answer, "SUBSCRIBE", 3, .more = DIALOG_EVENT "Expires: 0\n");
	respond(take_request_to("SUBSCRIBE", BOB), 200, .more = "Expires: 0\n");
	take_response_to(200, ALICE);
	cr_assert_eq(standing(), 1, "the last NOTIFY is to come");
	callee_asks(s.out, "b", "NOTIFY", 2, .more = TERMINATED);
	struct sent *last = take_request_to("NOTIFY", ALICE);
	cr_assert(raw_has(last, "Subscription-State: terminated;reason=timeout"));
	respond(last, 200);
	take_response_to(200, BOB);
	assert_ended();
	assert_unknown_to_bob(s.out, "b", 3);
}

Test(subscription, terminated_notify_ends_it_on_both_sides)
{
	struct subscribed s = subscribed_to_bob();

	callee_asks(s.out, "b", "NOTIFY", 2, .more = TERMINATED);
	notify_accepted();
	caller_asks(s.answer, "SUBSCRIBE", 2, .more = DIALOG_EVENT);
	take_response_to(481, ALICE);
	assert_unknown_to_bob(s.out, "b", 3);
	assert_ended();
}

Test(subscription, time_ends_it)
{
	struct subscribed s = subscribed_to_bob();

	pass(600000 + 64 * T1 - 1);
	cr_assert_eq(standing(), 1);
	pass(2);
	cr_assert_eq(standing(), 0);
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS_EXPIRED), 1);
	assert_unknown_to_bob(s.out, "b", 2);
	assert_ended();
}

/* NOTIFYs that do not say for how long leave the time of the 2xx as it is, however many come. */
Test(subscription, notifies_without_expires_do_not_shorten_it)
{
	struct subscribed s = subscribed_to_bob();

	for (unsigned i = 0; i < 5; i++) {
		pass(1001);
		callee_asks(s.out, "b", "NOTIFY", i + 2,
			.more = DIALOG_EVENT "Subscription-State: active\n");
		notify_accepted();
	}
	pass(600000 - 5 * 1001 + 64 * T1 - 1);
	cr_assert_eq(standing(), 1);
	pass(2);
	cr_assert_eq(standing(), 0);
	assert_ended();
}

Test(subscription, without_a_notify_there_is_none)
{
	struct sent *out = accepted_by_bob("600");

	cr_assert_eq(standing(), 1);
	pass(64 * T1 + 1); /* timer N (RFC 6665 section 4.1.2.4) */
	cr_assert_eq(standing(), 0);
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS_UNCONFIRMED), 1);
	assert_unknown_to_bob(out, "b", 1);
	assert_ended();
}

Test(subscription, notify_after_timer_n_is_of_none)
{
	struct sent *out = accepted_by_bob("600");

	pass(64 * T1 + 1);
	assert_unknown_to_bob(out, "another", 1); /* of a fork behind bob */
	assert_ended();
}

/* A reload has made T1 shorter: timer N of one target is over before the next one is tried. */
Test(subscription, timer_n_begins_anew_with_the_next_target)
{
	register_phone("bob", "198.51.100.12:5060", "0.5");
	register_phone("bob", "198.51.100.13:5060", "0.2");
	subscribe_to_bob("600");
	worker->image.s.t1_ms = T1 / 10;
	respond(take_request_to("SUBSCRIBE", BOB), 480, .tag = "b");
	pass(64 * T1 / 10 + 1);
	cr_assert_geq(take_all("SUBSCRIBE"), 2);
	pass(64 * T1 / 10 + 1);
	take_all("SUBSCRIBE");
	take_response_to(480, ALICE);
	pass(64 * T1);
	cr_assert_null(worker->sip.subscribe_list);
	worker->image.s.t1_ms = T1;
	assert_ended();
}

Test(subscription, a_481_to_a_notify_ends_it)
{
	struct subscribed s = subscribed_to_bob();

	callee_asks(s.out, "b", "NOTIFY", 2, .more = ACTIVE);
	respond(take_request_to("NOTIFY", ALICE), 481);
	take_response_to(481, BOB);
	caller_asks(s.answer, "SUBSCRIBE", 2, .more = DIALOG_EVENT);
	take_response_to(481, ALICE);
	assert_ended();
}

Test(subscription, a_481_to_a_refresh_ends_it)
{
	struct subscribed s = subscribed_to_bob();

	caller_asks(s.answer, "SUBSCRIBE", 2, .more = DIALOG_EVENT);
	respond(take_request_to("SUBSCRIBE", BOB), 481);
	take_response_to(481, ALICE);
	assert_unknown_to_bob(s.out, "b", 2);
	assert_ended();
}

Test(subscription, other_refusals_leave_it_as_it_is)
{
	struct subscribed s = subscribed_to_bob();

	caller_asks(s.answer, "SUBSCRIBE", 2, .more = DIALOG_EVENT "Expires: 10\n");
	respond(take_request_to("SUBSCRIBE", BOB), 423, .more = "Min-Expires: 60\n");
	cr_assert(raw_has(take_response_to(423, ALICE), "Min-Expires: 60"));
	callee_asks(s.out, "b", "NOTIFY", 2, .more = ACTIVE);
	respond(take_request_to("NOTIFY", ALICE), 500);
	take_response_to(500, BOB);
	cr_assert_eq(standing(), 1);
	quiet();
}

Test(subscription, a_side_that_does_not_answer_ends_it)
{
	struct subscribed s = subscribed_to_bob();

	callee_asks(s.out, "b", "NOTIFY", 2, .more = ACTIVE);
	pass(64 * T1 + 1);
	cr_assert_eq(take_all("NOTIFY"), 11);
	cr_assert_eq(standing(), 0);
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS_UNANSWERED), 1);
	assert_unknown_to_bob(s.out, "b", 3);
	assert_ended();
}

Test(subscription, refusals_pass)
{
	static const struct {
		unsigned status;
		const char *more, *seen;
	} row[] = {{489, "Allow-Events: presence\n", "Allow-Events: presence"},
		{423, "Min-Expires: 300\n", "Min-Expires: 300"}, {403, "", ""}, {404, "", ""}};

	for (unsigned i = 0; i < sizeof(row) / sizeof(*row); i++) {
		ask(.method = "SUBSCRIBE", .cseq = i + 1, .more = DIALOG_EVENT);
		respond(take_request("SUBSCRIBE"), row[i].status, .tag = "b", .more = row[i].more);
		cr_assert(raw_has(take_response_to(row[i].status, ALICE), row[i].seen));
	}
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS), 0);
	assert_ended();
}

Test(subscription, whoever_refuses_after_a_notify_has_none)
{
	subscribe_to_bob("600");
	struct sent *out = take_request_to("SUBSCRIBE", BOB);

	callee_asks(out, "b", "NOTIFY", 1, .more = ACTIVE);
	notify_accepted();
	respond(out, 403, .tag = "b");
	take_response_to(403, ALICE);
	assert_unknown_to_bob(out, "b", 2);
	assert_ended();
}

/* And alice has not answered that NOTIFY yet: bob is told of its end. */
Test(subscription, whoever_refuses_has_no_notify_on_its_way)
{
	subscribe_to_bob("600");
	struct sent *out = take_request_to("SUBSCRIBE", BOB);

	callee_asks(out, "b", "NOTIFY", 1, .more = ACTIVE);
	struct sent *notify = take_request_to("NOTIFY", ALICE);
	respond(out, 403, .tag = "b");
	take_response_to(403, ALICE);
	take_response_to(481, BOB);
	respond(notify, 200);
	quiet();
	assert_ended();
}

Test(subscription, fetch_ends_with_its_notify)
{
	struct sent *out = accepted_by_bob("0");

	callee_asks(out, "b", "NOTIFY", 1, .more = TERMINATED, .body = XML);
	notify_accepted();
	assert_ended();
}

/* A SUBSCRIBE that two phones of bob get makes two subscriptions, each with its tag upstream. */
Test(subscription, each_fork_makes_its_own)
{
	static const char *const second = "198.51.100.12:5060";

	register_phone("bob", second, NULL);
	subscribe_to_bob("600");
	struct sent *one = take_request("SUBSCRIBE"), *two = take_request("SUBSCRIBE");
	respond(one, 200, .tag = "one", .more = "Expires: 600\n");
	struct sent *answer = take_response_to(200, ALICE);
	respond(two, 200, .tag = "two", .more = "Expires: 600\n");
	quiet(); /* a SUBSCRIBE has one final answer */
	callee_asks(one, "one", "NOTIFY", 1, .more = ACTIVE);
	struct sent *first = take_request_to("NOTIFY", ALICE);
	respond(first, 200);
	take_response(200);
	callee_asks(two, "two", "NOTIFY", 1, .more = ACTIVE);
	struct sent *other = take_request_to("NOTIFY", ALICE);
	cr_assert(str_equal(message_str(first->message, first->message->from_tag),
		message_str(answer->message, answer->message->to_tag)));
	cr_assert(!str_equal(message_str(first->message, first->message->from_tag),
		message_str(other->message, other->message->from_tag)));
	cr_assert_eq(standing(), 2);
	/* alice wants but one: she refuses the second, which ends it there alone (section 4.1.4) */
	respond(other, 481);
	take_response(481);
	cr_assert_eq(standing(), 1);
	caller_asks(answer, "NOTIFY", 2, .more = ACTIVE);
	take_response(405);
	quiet();
}

Test(subscription, only_the_asked_zone_may_notify)
{
	subscribe_to_bob("600");
	struct sent *out = take_request_to("SUBSCRIBE", BOB);
	struct flow stranger = flow_of(CORE_UDP, "10.0.0.11:5060", 0);

	callee_asks(out, "b", "NOTIFY", 1, .more = ACTIVE, .by = &stranger);
	take_response(481);
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS), 0);
}

/* Where nobody is asked who he is, a datagram's source may be forged: it gets the first NOTIFY
 * once, and no second one before it has answered. */
Test(subscription, a_stranger_gets_one_notify)
{
	struct sent *out = accepted_by_bob("600");

	callee_asks(out, "b", "NOTIFY", 1, .more = ACTIVE);
	struct sent *first = take_request_to("NOTIFY", ALICE);
	callee_asks(out, "b", "NOTIFY", 2, .more = ACTIVE);
	cr_assert(message_first(take_response_to(500, BOB)->message, HEADER_RETRY_AFTER));
	pass(10 * T1);
	cr_assert_eq(take_all("NOTIFY"), 0);
	respond(first, 200);
	take_response_to(200, BOB);
	callee_asks(out, "b", "NOTIFY", 3, .more = ACTIVE);
	pass(2 * T1);
	cr_assert_eq(take_all("NOTIFY"), 2);
}

Test(subscription, only_what_its_dialogs_are_for_passes)
{
	struct subscribed s = subscribed_to_bob();

	caller_asks(s.answer, "INVITE", 2);
	acknowledge_failure(&said[said_count - 1], take_response_to(405, ALICE));
	caller_asks(s.answer, "BYE", 3);
	take_response_to(405, ALICE);
	callee_asks(s.out, "b", "SUBSCRIBE", 2, .more = DIALOG_EVENT);
	cr_assert(raw_has(take_response_to(405, BOB), "Allow: NOTIFY"));
	callee_asks(s.out, "b", "NOTIFY", 2, .more = ACTIVE); /* an older number is out of order */
	take_response_to(500, BOB);
	cr_assert_eq(standing(), 1);
	quiet();
}

/* What whoever is asked answers is not always for whoever asked: neither may be challenged by the
 * other, nor turned away from us by a 503. */
Test(subscription, some_refusals_of_a_notify_are_told_as_others)
{
	static const unsigned row[][2] = {{401, 403}, {407, 403}, {503, 500}};
	struct subscribed s = subscribed_to_bob();

	for (unsigned i = 0; i < sizeof(row) / sizeof(*row); i++) {
		callee_asks(s.out, "b", "NOTIFY", i + 2, .more = ACTIVE);
		respond(take_request_to("NOTIFY", ALICE), row[i][0]);
		take_response_to(row[i][1], BOB);
	}
	cr_assert_eq(standing(), 1);
	quiet();
}

Test(subscription, what_nobody_knows_is_not_required_within_it)
{
	struct subscribed s = subscribed_to_bob();

	callee_asks(s.out, "b", "NOTIFY", 2, .more = ACTIVE "Require: nonsense\n");
	cr_assert(raw_has(take_response_to(420, BOB), "Unsupported: nonsense"));
	cr_assert_eq(standing(), 1);
	quiet();
}

Test(subscription, requests_on_their_way_are_bounded)
{
	struct subscribed s = subscribed_to_bob();
	struct sent *first = NULL;

	for (unsigned i = 0; i < SUBSCRIPTION_REQUESTS_MAX; i++) {
		callee_asks(s.out, "b", "NOTIFY", i + 2, .more = ACTIVE);
		struct sent *notify = take_request_to("NOTIFY", ALICE);
		first = first ? first : notify;
	}
	callee_asks(s.out, "b", "NOTIFY", SUBSCRIPTION_REQUESTS_MAX + 2, .more = ACTIVE);
	cr_assert(message_first(take_response_to(500, BOB)->message, HEADER_RETRY_AFTER));
	quiet();
	respond(first, 200);
	take_response_to(200, BOB);
	callee_asks(s.out, "b", "NOTIFY", SUBSCRIPTION_REQUESTS_MAX + 3, .more = ACTIVE);
	take_request_to("NOTIFY", ALICE);
}

/* Whoever is behind bob's phone may have forked the SUBSCRIBE without end. */
Test(subscription, forks_behind_a_target_are_bounded)
{
	subscribe_to_bob("600");
	struct sent *out = take_request_to("SUBSCRIBE", BOB);
	char tag[16];

	for (unsigned i = 0; i < SUBSCRIBE_FORKED_MAX; i++) {
		snprintf(tag, sizeof(tag), "fork-%u", i);
		callee_asks(out, tag, "NOTIFY", 1, .more = ACTIVE);
		notify_accepted();
	}
	cr_assert_eq(standing(), SUBSCRIBE_FORKED_MAX);
	assert_unknown_to_bob(out, "one-more", 1);
	cr_assert_eq(standing(), SUBSCRIBE_FORKED_MAX);
}

Test(subscription, limit)
{
	worker->image.s.subscriptions_max = 1;
	subscribed_to_bob();
	ask(.method = "SUBSCRIBE", .call_id = "another", .more = DIALOG_EVENT);
	cr_assert(message_first(take_response_to(503, ALICE)->message, HEADER_RETRY_AFTER));
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS_LIMIT), 1);
	quiet();
}

Test(subscription, what_a_subscribe_needs)
{
	ask(.method = "SUBSCRIBE");
	cr_assert(message_first(take_response(489)->message, HEADER_ALLOW_EVENTS));
	/* without Contact nobody knows where a NOTIFY would go */
	receive(&alice, "SUBSCRIBE sip:bob@example.net SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.1:5060;"
			"branch=z9hG4bKx\nMax-Forwards: 70\nFrom: <sip:alice@example.net>;tag=a\n"
			"To: <sip:bob@example.net>\nCall-ID: x\nCSeq: 1 SUBSCRIBE\n" DIALOG_EVENT
			"Content-Length: 0\n\n");
	take_response(400);
	quiet();
}

/* ---- what rules have made of it ---- */

/* The one that a NOTIFY makes after the SUBSCRIBE has its answer has the same From as the first. */
Test(subscription, rules_of_the_caller_hold_in_each_fork)
{
	static const char *const second = "198.51.100.12:5060";

	zone_rules("from user ^alice$ 4930100");
	register_phone("bob", second, NULL);
	subscribe_to_bob("600");
	struct sent *one = take_request("SUBSCRIBE"), *two = take_request("SUBSCRIBE");
	cr_assert(raw_has(two, "From: <sip:4930100@example.net>;tag="));
	respond(one, 200, .tag = "one", .more = "Expires: 600\n");
	take_response_to(200, ALICE);
	respond(two, 200, .tag = "two", .more = "Expires: 600\n");
	callee_asks(two, "two", "NOTIFY", 1, .more = ACTIVE);
	struct sent *notify = take_request_to("NOTIFY", ALICE);
	respond(notify, 200);
	take_response(200);
	in_dialog_say(alice, notify->message, value_of(notify->message, HEADER_TO), "",
		value_of(notify->message, HEADER_FROM), "SUBSCRIBE", 2,
		(struct in_dialog){.more = DIALOG_EVENT "Expires: 600\n"});
	struct sent *refresh = take_request("SUBSCRIBE");
	cr_assert(raw_has(refresh, "From: <sip:4930100@example.net>;tag="), "%.*s",
		(int)refresh->message->raw_size, message_raw(refresh->message));
}

/* ---- REFER outside of dialogs ---- */

static struct sent *refer_bob(const char *more)
{
	char text[256];

	snprintf(text, sizeof(text), "Refer-To: <sip:carol@example.net>\n%s", more);
	ask(.method = "REFER", .cseq = 7, .more = text);
	return take_request_to("REFER", BOB);
}

Test(subscription, implicit_of_a_refer)
{
	struct sent *out = refer_bob("");
	char notify[128];

	respond(out, 202, .tag = "b");
	struct sent *answer = take_response_to(202, ALICE);
	/* the id is the REFER's CSeq, which is another on each side (RFC 3515 section 2.4.6) */
	snprintf(notify, sizeof(notify),
		"Event: refer;id=%u\nSubscription-State: active;expires=60\n", out->message->cseq);
	callee_asks(out, "b", "NOTIFY", 1, .more = notify, .body = "SIP/2.0 100 Trying");
	struct sent *told = take_request_to("NOTIFY", ALICE);
	cr_assert(raw_has(told, "Event: refer;id=7\r\n"));
	cr_assert(str_equal(message_str(told->message, told->message->from_tag),
		message_str(answer->message, answer->message->to_tag)));
	respond(told, 200);
	take_response_to(200, BOB);
	cr_assert_eq(standing(), 1);
	callee_asks(out, "b", "NOTIFY", 2,
		.more = "Event: refer\nSubscription-State: terminated;reason=noresource\n",
		.body = "SIP/2.0 200 OK");
	notify_accepted();
	assert_ended();
}

/* Neither the REFER nor its answer says for how long: a NOTIFY may leave it open, too. */
Test(subscription, of_a_refer_has_an_end)
{
	struct sent *out = refer_bob("");

	respond(out, 202, .tag = "b");
	take_response_to(202, ALICE);
	callee_asks(out, "b", "NOTIFY", 1, .more = "Event: refer\nSubscription-State: active\n");
	notify_accepted();
	pass(SUBSCRIPTION_EXPIRES * 1000 + 64 * T1 - 1);
	cr_assert_eq(standing(), 1);
	pass(2);
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS_EXPIRED), 1);
	assert_ended();
}

Test(subscription, none_of_a_refer_that_is_declined)
{
	struct sent *out = refer_bob("Refer-Sub: false\nSupported: norefersub\n");

	cr_assert(raw_has(out, "Refer-Sub: false"));
	respond(out, 200, .tag = "b", .more = "Refer-Sub: false\n");
	cr_assert(raw_has(take_response_to(200, ALICE), "Refer-Sub: false"));
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS), 0);
	pass(64 * T1 + 1);
	assert_ended();
}

Test(subscription, kept_where_refer_sub_is_not_heeded)
{
	struct sent *out = refer_bob("Refer-Sub: false\n");

	respond(out, 202, .tag = "b"); /* RFC 4488 section 4: without it there is one */
	take_response_to(202, ALICE);
	cr_assert_eq(standing(), 1);
	quiet();
}

static void refer_makes_none(const char *more)
{
	respond(refer_bob(more), 200, .tag = "b");
	take_response_to(200, ALICE);
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS), 0);
	quiet();
}

Test(subscription, none_of_a_refer_that_forbids_it)
{
	refer_makes_none("Require: nosub\n"); /* RFC 7614 section 4 */
}

Test(subscription, none_of_a_refer_that_leaves_it_to_a_subscribe)
{
	refer_makes_none("Require: explicitsub\n"); /* RFC 7614 section 5 */
}
