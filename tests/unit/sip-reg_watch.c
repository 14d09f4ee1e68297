/* sip-reg_watch.c - subscriptions to the package reg (RFC 3680): who may watch bindings, and what
 * the registrar tells of them. */
#include "sip-scene.h"

#include "worker-sip/subscription/reg_watch.h"
#include "worker-sip/users_removed.h"

#define PBX "10.0.0.5:5060"
#define REG "Event: reg\n"

static void set_up(void)
{
	worker_set_up_with_bob();
	reg_watches_begin(&worker->sip);
	alice = flow_of(CORE_UDP, PBX, 0);
}

static void tear_down(void)
{
	reg_watches_free(&worker->sip);
	worker_tear_down();
}

TestSuite(reg_watch, .init = set_up, .fini = tear_down);

static uint64_t standing(void)
{
	return counted(COUNTER_SUBSCRIPTIONS_ACTIVE);
}

static struct sent *subscribed(const char *more)
{
	static unsigned number;
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "watch-of-pbx-%u", ++number);
	ask(.method = "SUBSCRIBE", .call_id = call_id, .contact = "<sip:pbx@10.0.0.5>",
		.more = more);
	return take_response_to(200, PBX);
}

/* The next NOTIFY, accepted. */
static struct sent *told(void)
{
	struct sent *notify = take_request_to("NOTIFY", PBX);

	respond(notify, 200);
	return notify;
}

static bool body_has(const struct sent *s, const char *part)
{
	struct str body = message_str(s->message, s->message->body);

	return memmem(body.p, body.n, part, strlen(part)) != NULL;
}

Test(reg_watch, all_bindings_are_told_at_once)
{
	struct sent *answer = subscribed(REG "Expires: 600\nAccept: application/reginfo+xml\n"
					     "Record-Route: <sip:10.0.0.7;lr>\n");
	struct sent *notify = take_request_to("NOTIFY", "10.0.0.7:5060");

	respond(notify, 200);
	cr_assert(raw_has(answer, "Expires: 600"));
	cr_assert(raw_has(answer, "Record-Route: <sip:10.0.0.7;lr>"));
	cr_assert(str_equal(message_str(answer->message, answer->message->to_tag),
		message_str(notify->message, notify->message->from_tag)));
	cr_assert(raw_has(notify, "Route: <sip:10.0.0.7;lr>"));
	cr_assert(raw_has(notify, "Event: reg\r\n"));
	cr_assert(raw_has(notify, "Subscription-State: active;expires=600"));
	cr_assert(raw_has(notify, "Content-Type: application/reginfo+xml"));
	cr_assert(body_has(notify, "version=\"0\" state=\"full\""));
	cr_assert(body_has(notify, "<registration aor=\"sip:bob@example.net\" id=\"r"));
	cr_assert(body_has(notify, "state=\"active\">\n<contact id=\"r"));
	cr_assert(body_has(notify, "expires=\"3599\" q=\"1.000\" callid=\"register-" BOB "\""));
	cr_assert(body_has(notify, "<uri>sip:bob@" BOB "</uri>"));
	cr_assert_eq(standing(), 1);
	quiet();
}

Test(reg_watch, changes_are_told_and_not_too_often)
{
	subscribed(REG);
	told();
	register_phone("bob", "198.51.100.12:5060", "0.5");
	quiet();
	register_phone("bob", "198.51.100.13:5060", NULL);
	register_phone("alice", "198.51.100.14:5060", NULL);
	pass(REG_WATCH_PAUSE_MS);
	struct sent *notify = told();
	cr_assert(body_has(notify, "version=\"1\""));
	cr_assert(body_has(notify, BOB));
	cr_assert(body_has(notify, "198.51.100.12"));
	cr_assert(body_has(notify, "q=\"0.500\""));
	cr_assert(body_has(notify, "198.51.100.13"));
	cr_assert(!body_has(notify, "198.51.100.14"));
	quiet();
	pass(REG_WATCH_PAUSE_MS);
	quiet();
}

Test(reg_watch, a_binding_that_runs_out_is_told_of)
{
	subscribed(REG "Expires: 7200\n");
	told();
	pass(3600 * 1000 - 100);
	quiet();
	pass(200);
	struct sent *notify = told();
	cr_assert(!body_has(notify, "<contact"));
	cr_assert(body_has(notify, "state=\"terminated\""));
	pass(3601 * 1000);
	cr_assert(raw_has(told(), "Subscription-State: terminated;reason=timeout"));
	cr_assert_eq(standing(), 0);
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS_EXPIRED), 1);
}

Test(reg_watch, refreshed_fetched_and_ended)
{
	struct sent *answer = subscribed(REG "Expires: 600\n");

	told();
	pass(500 * 1000);
	caller_asks(answer, "SUBSCRIBE", 2, .more = REG "Expires: 600\n");
	take_response_to(200, PBX);
	told();
	pass(500 * 1000);
	cr_assert_eq(standing(), 1);
	caller_asks(answer, "SUBSCRIBE", 2, .more = REG "Expires: 600\n");
	take_response_to(500, PBX); /* out of order */
	caller_asks(answer, "MESSAGE", 3, .more = REG);
	take_response_to(405, PBX);
	caller_asks(answer, "SUBSCRIBE", 4, .more = "Event: dialog\n");
	take_response_to(489, PBX);
	caller_asks(answer, "SUBSCRIBE", 5, .more = REG "Expires: 0\n");
	cr_assert(raw_has(take_response_to(200, PBX), "Expires: 0"));
	cr_assert(raw_has(told(), "Subscription-State: terminated;reason=timeout"));
	cr_assert_eq(standing(), 0);
	caller_asks(answer, "SUBSCRIBE", 6, .more = REG "Expires: 600\n");
	take_response_to(481, PBX);
	/* and who only asks once */
	ask(.method = "SUBSCRIBE", .call_id = "fetch", .more = REG "Expires: 0\n");
	take_response_to(200, PBX);
	struct sent *notify = told();
	cr_assert(raw_has(notify, "Subscription-State: terminated;reason=timeout"));
	cr_assert(body_has(notify, "<uri>sip:bob@" BOB "</uri>"));
	cr_assert_eq(standing(), 0);
	quiet();
}

Test(reg_watch, who_wants_no_more_or_is_gone)
{
	subscribed(REG);
	respond(take_request_to("NOTIFY", PBX), 481);
	pass(10);
	cr_assert_eq(standing(), 0);
	subscribed(REG);
	take_request_to("NOTIFY", PBX);
	pass(64 * T1 + 100);
	take_all("NOTIFY");
	cr_assert_eq(standing(), 0);
	cr_assert_eq(counted(COUNTER_SUBSCRIPTIONS_UNANSWERED), 1);
	/* who is only busy is told again */
	subscribed(REG);
	respond(take_request_to("NOTIFY", PBX), 503, .more = "Retry-After: 1\n");
	pass(REG_WATCH_PAUSE_MS);
	register_phone("bob", "198.51.100.12:5060", NULL);
	told();
	cr_assert_eq(standing(), 1);
}

Test(reg_watch, a_change_while_a_notify_is_on_its_way)
{
	subscribed(REG);
	struct sent *first = take_request_to("NOTIFY", PBX);

	pass(100);
	register_phone("bob", "198.51.100.12:5060", NULL);
	pass(300);
	respond(first, 200);
	pass(REG_WATCH_PAUSE_MS);
	cr_assert(body_has(told(), "198.51.100.12"));
}

/* RFC 6665 section 4.2.1.2: each SUBSCRIBE brings one. */
Test(reg_watch, refreshed_while_a_notify_is_on_its_way)
{
	struct sent *answer = subscribed(REG);
	struct sent *first = take_request_to("NOTIFY", PBX);

	caller_asks(answer, "SUBSCRIBE", 2, .more = REG "Expires: 600\n");
	take_response_to(200, PBX);
	respond(first, 200);
	pass(REG_WATCH_PAUSE_MS);
	cr_assert(raw_has(told(), "Subscription-State: active;expires=595"));
	quiet();
}

/* Our own address stands for the first domain, as where a phone registers. */
Test(reg_watch, by_our_own_address)
{
	ask(.method = "SUBSCRIBE", .uri = "sip:bob@10.0.0.1:5062", .to = "<sip:bob@10.0.0.1:5062>",
		.contact = "<sip:pbx@10.0.0.5>", .more = REG);
	take_response_to(200, PBX);
	struct sent *notify = told();
	cr_assert(body_has(notify, "<registration aor=\"sip:bob@example.net\""));
	cr_assert(body_has(notify, "<uri>sip:bob@" BOB "</uri>"));
}

Test(reg_watch, what_is_refused)
{
	static const struct {
		const char *to, *more, *contact;
		unsigned status;
	} rows[] = {
		{"<sip:nobody@example.net>", REG, NULL, 404},
		{NULL, REG "Accept: application/pidf+xml\n", NULL, 406},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		ask(.method = "SUBSCRIBE", .to = rows[i].to, .from_tag = i ? "x" : "y",
			.more = rows[i].more);
		take_response(rows[i].status);
	}
	/* a zone that asks nobody knows nobody either */
	struct flow stranger = flow_of(OPEN_UDP, ALICE, 0);
	ask(.by = &stranger, .method = "SUBSCRIBE", .more = REG);
	take_response_to(403, ALICE);
	cr_assert_eq(counted(COUNTER_REG_WATCHES_REFUSED), 3);
	cr_assert_eq(standing(), 0);
	worker->image.s.subscriptions_max = 1;
	subscribed(REG);
	told();
	ask(.method = "SUBSCRIBE", .call_id = "more", .more = REG);
	cr_assert(raw_has(take_response_to(503, PBX), "Retry-After: 30"));
	quiet();
}

Test(reg_watch, one_address_of_record_has_so_many)
{
	char call_id[32];

	for (unsigned i = 0; i < REG_WATCHES_MAX; i++) {
		snprintf(call_id, sizeof(call_id), "watch-%u", i);
		ask(.method = "SUBSCRIBE", .call_id = call_id, .more = REG);
		take_response_to(200, PBX);
		told();
	}
	ask(.method = "SUBSCRIBE", .call_id = "more", .more = REG);
	take_response_to(503, PBX);
	register_phone("bob", "198.51.100.12:5060", NULL);
	pass(REG_WATCH_PAUSE_MS);
	cr_assert_eq(take_all("NOTIFY"), REG_WATCHES_MAX);
}

Test(reg_watch, it_moves_with_its_slot)
{
	subscribed(REG);
	told();
	for (unsigned i = 0; i < SLOT_COUNT; i++)
		worker->sip.slots.next[i] = 1;
	reg_watches_sweep(&worker->sip);
	cr_assert(raw_has(told(), "Subscription-State: terminated;reason=deactivated"));
	cr_assert_eq(standing(), 0);
}

Test(reg_watch, a_listener_that_is_gone_ends_it)
{
	subscribed(REG);
	told();
	worker->image.listener[CORE_UDP].gone = 1;
	reg_watches_sweep(&worker->sip);
	worker->image.listener[CORE_UDP].gone = 0;
	cr_assert(raw_has(told(), "Subscription-State: terminated;reason=deactivated"));
	cr_assert_eq(standing(), 0);
}
