/* A worker that drains or stops: what is new is refused, what stands is served, and calls are ended
 * on both legs (RFC 3261 sections 9 and 15, RFC 3326). */
#include "sip-scene.h"
#include "worker-sip/drain.h"
#include "worker-sip/subscription/reg_watch.h"

#include <sys/socket.h>

static int lifeline[2];
static uint32_t sequence;

static void set_up(void)
{
	worker_set_up_with_bob();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, lifeline), 0);
	worker->sip.worker.lifeline = lifeline[0];
}

static void tear_down(void)
{
	drain_close(&worker->sip);
	worker_tear_down();
	close(lifeline[0]);
	close(lifeline[1]);
}

TestSuite(drain, .init = set_up, .fini = tear_down);

static void order(enum drain_mode mode)
{
	struct lifeline_drain body = {.sequence = ++sequence, .mode = (uint8_t)mode};

	drain_order(&worker->sip, &body);
	settle();
}

/* What the master was told since the last time: the last of it. False: nothing. */
static bool told(struct lifeline_drained *out)
{
	static struct lifeline_packet packet;
	bool any = false;

	while (lifeline_receive(lifeline[1], false, &packet) == 0) {
		cr_assert_eq(packet.type, LIFELINE_DRAINED);
		memcpy(out, packet.body, sizeof(*out));
		cr_assert_eq(out->sequence, sequence);
		any = true;
	}
	return any;
}

static void assert_left(uint32_t calls)
{
	struct lifeline_drained d;

	cr_assert(told(&d), "nothing was told");
	cr_assert_eq(d.calls, calls, "%u", d.calls);
	cr_assert_eq(d.done, 0);
}

static void assert_done(void)
{
	struct lifeline_drained d;

	cr_assert(told(&d), "nothing was told");
	cr_assert_eq(d.calls, 0, "%u", d.calls);
	cr_assert_eq(d.done, 1);
}

static void assert_not_done(void)
{
	struct lifeline_drained d;

	if (told(&d))
		cr_assert_eq(d.done, 0);
}

static void take_bye_to(const char *endpoint)
{
	struct sent *bye = NULL;

	for (unsigned i = 0; i < sent_count && !bye; i++)
		if (!sent[i].taken && sent_to(&sent[i], endpoint) &&
			sent[i].message->method == METHOD_BYE)
			bye = &sent[i];
	cr_assert_not_null(bye, "no BYE to %s: %s", endpoint, untaken());
	bye->taken = true;
	cr_assert(has(value_of(bye->message, HEADER_REASON), "SIP;cause=503;text="));
	respond(bye, 200);
}

static struct sent *take_refusal(const char *endpoint)
{
	struct sent *s = take_response_to(503, endpoint);

	cr_assert(str_equal(value_of(s->message, HEADER_RETRY_AFTER), S("30")));
	return s;
}

/* ---- new work ---- */

Test(drain, nothing_standing_is_told_at_once)
{
	order(DRAIN_END);
	assert_done();
	quiet();
}

Test(drain, new_requests_are_refused)
{
	static const char *const methods[] = {
		"INVITE", "REGISTER", "OPTIONS", "MESSAGE", "SUBSCRIBE"};
	struct flow core = flow_of(CORE_UDP, "10.0.0.11:5060", 0);
	uint64_t before = counters_page->counter[COUNTER_TRANSACTIONS];

	order(DRAIN_REFUSE);
	for (unsigned i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		ask(.method = methods[i], .cseq = 1 + i, .more = "Event: presence\n");
		take_refusal(ALICE);
		ask(.method = methods[i], .cseq = 1 + i, .by = &core, .more = "Event: presence\n");
		take_refusal("10.0.0.11:5060");
		quiet();
	}
	cr_assert_eq(counters_page->counter[COUNTER_DRAIN_REFUSED], 2 * 5);
	cr_assert_eq(counters_page->counter[COUNTER_TRANSACTIONS], before, "they cost no memory");
	assert_done();
}

Test(drain, a_repetition_is_refused_with_the_same_tag_and_its_ack_absorbed)
{
	order(DRAIN_REFUSE);
	struct said *invite = ask(.method = "INVITE", .branch = "z9hG4bKsame");
	struct sent *first = take_refusal(ALICE);
	ask(.method = "INVITE", .branch = "z9hG4bKsame");
	struct sent *again = take_refusal(ALICE);

	cr_assert(str_equal(
		value_of(first->message, HEADER_TO), value_of(again->message, HEADER_TO)));
	acknowledge_failure(invite, first);
	quiet();
	cr_assert_eq(counters_page->counter[COUNTER_ACKS_ABSORBED], 1);
}

Test(drain, a_listener_may_ignore_them)
{
	worker->image.listener[OPEN_UDP].when_draining = WHEN_DRAINING_IGNORE;
	order(DRAIN_REFUSE);
	ask(.method = "INVITE");
	ask(.method = "OPTIONS", .cseq = 2);
	quiet();
	pass(64 * T1);
	quiet();
	cr_assert_eq(trying_count, 0);
	cr_assert_eq(counters_page->counter[COUNTER_DRAIN_IGNORED], 2);
	cr_assert_eq(counters_page->counter[COUNTER_DRAIN_REFUSED], 0);
}

Test(drain, undrained_it_serves_again)
{
	order(DRAIN_REFUSE);
	order(DRAIN_OFF);
	struct call_scene c = call_answered();
	hang_up(&c, 2);
	assert_over();
}

/* ---- what stands goes on ---- */

Test(drain, calls_go_on)
{
	struct call_scene c = call_answered();

	order(DRAIN_REFUSE);
	assert_left(1);
	caller_asks(c.answered, "INFO", 2);
	respond(take_request("INFO"), 200);
	take_response(200);
	callee_asks(c.out, "b", "INVITE", 700, .body = "offer");
	struct sent *reinvite = take_request("INVITE");
	respond(reinvite, 200, .body = "answer");
	callee_asks(c.out, "b", "ACK", 700);
	take_response_to(200, BOB);
	take_request_to("ACK", ALICE);
	pass(3600 * 1000);
	quiet();
	hang_up(&c, 3);
	pass(DRAIN_LOOK_MS + DRAIN_SETTLE_MS + DRAIN_LOOK_MS);
	assert_done();
	assert_over();
}

Test(drain, an_invite_under_way_becomes_a_call)
{
	ask(.method = "INVITE", .branch = "z9hG4bKsame");
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "b");
	take_response(180);
	order(DRAIN_REFUSE);
	assert_left(1);
	ask(.method = "INVITE", .branch = "z9hG4bKsame");
	take_response_to(180, ALICE); /* again, and no 503 */
	respond(out, 200, .tag = "b", .body = "answer");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	take_request("ACK");
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

/* ---- calls are ended ---- */

Test(drain, both_legs_of_a_call_get_a_bye_with_the_reason)
{
	call_answered();
	order(DRAIN_END);
	assert_left(0);
	take_bye_to(ALICE);
	pass(DRAIN_ANSWER_MS / 2);
	assert_not_done(); /* bob has not answered */
	take_bye_to(BOB);
	cr_assert_gt(take_all("BYE"), 0);
	pass(DRAIN_SETTLE_MS + DRAIN_END_LOOK_MS);
	assert_done();
	cr_assert_eq(counters_page->counter[COUNTER_CALLS_STOPPED], 1);
	assert_over();
}

Test(drain, a_bye_that_nobody_answers_is_waited_for_so_long)
{
	call_answered();
	order(DRAIN_END);
	take_bye_to(ALICE);
	pass(DRAIN_ANSWER_MS - DRAIN_END_LOOK_MS);
	assert_not_done();
	cr_assert_eq(take_all("BYE"), 4); /* at 0, 1, 3 and 7 T1 */
	pass(2 * DRAIN_END_LOOK_MS);
	assert_done();
}

Test(drain, a_call_that_rings_is_cancelled_and_refused)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "b");
	take_response(180);
	order(DRAIN_END);
	assert_left(0);
	struct sent *refusal = take_refusal(ALICE), *cancelled = take_request_to("CANCEL", BOB);
	cr_assert(has(value_of(cancelled->message, HEADER_REASON), "SIP;cause=503;text="));
	respond(cancelled, 200);
	respond(out, 487, .tag = "b");
	take_request_to("ACK", BOB);
	pass(DRAIN_SETTLE_MS + DRAIN_END_LOOK_MS);
	assert_not_done(); /* alice may not have got her 503 */
	take_all("ACK");
	while (take(NULL, 503))
		;
	acknowledge_failure(invite, refusal);
	pass(DRAIN_SETTLE_MS + DRAIN_END_LOOK_MS);
	assert_done();
	assert_over();
}

Test(drain, a_call_that_does_not_ring_yet_is_cancelled_when_it_does)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	order(DRAIN_END);
	acknowledge_failure(invite, take_refusal(ALICE));
	quiet();
	respond(out, 180, .tag = "b");
	take_request_to("CANCEL", BOB);
	respond(out, 487, .tag = "b");
	take_request_to("ACK", BOB);
	pass(DRAIN_SETTLE_MS + DRAIN_END_LOOK_MS);
	assert_done();
}

Test(drain, an_answer_that_crosses_the_cancel_is_ended)
{
	struct said *invite = ask(.method = "INVITE");
	struct sent *out = take_request("INVITE");

	respond(out, 180, .tag = "b");
	take_response(180);
	order(DRAIN_END);
	acknowledge_failure(invite, take_refusal(ALICE));
	take_request_to("CANCEL", BOB);
	respond(out, 200, .tag = "b", .body = "answer");
	take_request_to("ACK", BOB);
	pass(DRAIN_SETTLE_MS + DRAIN_END_LOOK_MS);
	assert_not_done();
	struct sent *bye = take_request_to("BYE", BOB);
	respond(bye, 200);
	pass(DRAIN_SETTLE_MS + DRAIN_END_LOOK_MS);
	assert_done();
	take_all("ACK");
	assert_over();
}

Test(drain, the_caller_of_an_answer_without_ack_gets_his_bye_after_it)
{
	struct call_scene c = call_unacknowledged_scene("offer");

	order(DRAIN_END);
	take_request_to("ACK", BOB);
	take_bye_to(BOB);
	pass(DRAIN_SETTLE_MS + DRAIN_END_LOOK_MS);
	assert_not_done();
	caller_asks(c.answered, "ACK", 1);
	take_bye_to(ALICE);
	pass(DRAIN_SETTLE_MS + DRAIN_END_LOOK_MS);
	assert_done();
}

Test(drain, a_bye_on_its_way_is_answered)
{
	struct call_scene c = call_answered();

	caller_asks(c.answered, "BYE", 2);
	struct sent *bye = take_request_to("BYE", BOB);
	order(DRAIN_END);
	take_response_to(200, ALICE);
	pass(DRAIN_SETTLE_MS + DRAIN_END_LOOK_MS);
	assert_not_done();
	respond(bye, 200);
	pass(DRAIN_SETTLE_MS + DRAIN_END_LOOK_MS);
	assert_done();
	assert_over();
}

Test(drain, many_calls_are_ended_some_at_a_time)
{
	const unsigned calls = DRAIN_CALLS_PER_LOOK + 10;

	for (unsigned i = 0; i < calls; i++) {
		char call_id[16];

		snprintf(call_id, sizeof(call_id), "call-%u", i);
		ask(.method = "INVITE", .call_id = call_id);
		respond(take_request("INVITE"), 200, .tag = "b", .body = "answer");
		struct sent *answered = take_response(200);
		caller_asks(answered, "ACK", 1);
		take_request("ACK");
	}
	quiet();
	order(DRAIN_END);
	cr_assert_eq(take_all("BYE"), 2 * DRAIN_CALLS_PER_LOOK);
	assert_left(10);
	pass(DRAIN_END_LOOK_MS);
	cr_assert_eq(take_all("BYE"), 2 * 10);
	assert_left(0);
}

Test(drain, grace_ends_in_the_end_of_calls)
{
	call_answered();
	order(DRAIN_REFUSE);
	pass(60000);
	quiet();
	assert_left(1);
	order(DRAIN_END);
	take_bye_to(ALICE);
	take_bye_to(BOB);
	pass(DRAIN_SETTLE_MS + DRAIN_END_LOOK_MS);
	assert_done();
}

/* ---- subscriptions are ended ---- */

/* What the registrar tells of bindings: its last NOTIFY is on its way when the worker ends. */
Test(drain, a_watch_of_bindings_is_ended)
{
	struct flow pbx = flow_of(CORE_UDP, "10.0.0.5:5060", 0);

	reg_watches_begin(&worker->sip);
	ask(.by = &pbx, .method = "SUBSCRIBE", .contact = "<sip:pbx@10.0.0.5>",
		.more = "Event: reg\n");
	take_response(200);
	respond(take_request("NOTIFY"), 200);
	order(DRAIN_END);
	cr_assert(raw_has(take_request("NOTIFY"), "Subscription-State: terminated"));
	assert_not_done();
	pass(DRAIN_SETTLE_MS + DRAIN_END_LOOK_MS);
	assert_done();
	reg_watches_free(&worker->sip);
}
