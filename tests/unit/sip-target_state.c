/* Targets of trunks that are down: what one request has learnt the next one knows, in this SIP
 * worker and in the others. */
#include "sip-worker.h"

#include "worker-sip/routing/target_listing.h"

#include <errno.h>

TestSuite(target_state, .init = worker_set_up, .fini = worker_tear_down);

#define NUMBER "sip:5551000@example.net"
#define FIRST "10.0.0.11:5060"
#define SECOND "10.0.0.12:5060"
#define THIRD "10.0.0.13:5060"

static unsigned calls;

static struct said *call(void)
{
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "call-%u", calls++);
	return ask(.method = "INVITE", .uri = NUMBER, .call_id = call_id);
}

/* The INVITE that has gone to that target last. */
static struct sent *tried(const char *target)
{
	struct sent *out = NULL;

	for (struct sent *s; (s = take("INVITE", 0));)
		if (sent_to(s, target))
			out = s;
	cr_assert_not_null(out, "%s was not tried", target);
	return out;
}

/* What goes on there is of no interest any more. */
static void forget(void)
{
	for (unsigned i = 0; i < sent_count; i++)
		sent[i].taken = true;
}

static uint64_t counted(enum counter c)
{
	return counters_page->counter[c];
}

/* Another worker says it of a target. */
static void tell(unsigned index, bool down, uint64_t found_at)
{
	struct record_target told = {
		.target = target_states_id(worker->sip.target_states, 0, index),
		.found_at = found_at,
		.error = down ? -ETIMEDOUT : 0,
		.status = down ? 0 : 200,
		.down = down};

	target_states_told(worker->sip.target_states, &told);
	settle();
}

/* The first target has said nothing to a call, which is answered by the second one. */
static void first_is_silent(void)
{
	call();
	tried(FIRST);
	pass(ANSWER);
	respond(tried(SECOND), 200, .tag = "2");
	forget();
}

Test(target_state, a_second_call_does_not_wait_for_what_the_first_has_learnt)
{
	call();
	uint64_t start = virtual_clock_ms();
	tried(FIRST);
	pass(ANSWER);
	tried(SECOND);
	pass(ANSWER);
	cr_assert_eq(tried(THIRD)->at_ms - start, 2 * ANSWER);
	forget();
	start = virtual_clock_ms();
	call();
	cr_assert_eq(tried(THIRD)->at_ms - start, 0);
	quiet();
	cr_assert_eq(counted(COUNTER_TARGETS_DOWN), 2);
}

Test(target_state, unavailable_is_down)
{
	call();
	respond(tried(FIRST), 503, .tag = "1");
	take_request("ACK");
	respond(tried(SECOND), 200, .tag = "2");
	forget();
	call();
	tried(SECOND);
	quiet();
}

Test(target_state, other_failures_are_answers)
{
	call();
	respond(tried(FIRST), 500, .tag = "1");
	forget();
	call();
	tried(FIRST);
	quiet();
	cr_assert_eq(counted(COUNTER_TARGETS_DOWN), 0);
}

Test(target_state, what_has_come_meanwhile_shows_it_alive)
{
	call();
	tried(FIRST);
	pass(1000);
	call();
	respond(tried(FIRST), 180, .tag = "1");
	forget();
	pass(ANSWER - 1000); /* of the first call: its INVITE is lost, the target is not */
	tried(SECOND);
	forget();
	call();
	tried(FIRST);
}

Test(target_state, what_waits_on_a_silent_target_goes_on_with_the_first)
{
	call();
	tried(FIRST);
	pass(ANSWER - 100);
	call();
	call();
	tried(FIRST);
	forget();
	pass(100);
	cr_assert_eq(take_all("INVITE"), 3, "all to the second");
	cr_assert_eq(counted(COUNTER_BRANCHES_GIVEN_UP), 2);
}

Test(target_state, many_that_wait_go_on_little_by_little)
{
	unsigned moved = 0;

	for (unsigned i = 0; i < 100; i++)
		call();
	take_all("INVITE");
	tell(0, true, loop_now(worker->sip.loop));
	for (unsigned i = 0; i < 4; i++) {
		unsigned now = take_all("INVITE");

		cr_assert_leq(now, TARGET_GIVE_UP_BURST);
		moved += now;
		pass(TARGET_GIVE_UP_MS);
	}
	cr_assert_eq(moved, 100);
	forget();
}

Test(target_state, what_has_not_gone_on_yet_stays_with_a_target_that_answers)
{
	struct sent *last = NULL;

	for (unsigned i = 0; i < 2 * TARGET_GIVE_UP_BURST; i++) {
		call();
		last = tried(FIRST);
	}
	tell(0, true, loop_now(worker->sip.loop));
	unsigned moved = take_all("INVITE");
	respond(last, 180, .tag = "1");
	pass(10 * TARGET_GIVE_UP_MS);
	cr_assert_eq(take_all("INVITE") + moved, TARGET_GIVE_UP_BURST);
	forget();
}

Test(target_state, what_rings_is_left_alone)
{
	call();
	tried(FIRST);
	pass(10);
	call();
	struct sent *rings = tried(FIRST);
	respond(rings, 180, .tag = "r");
	take_response(180);
	pass(ANSWER + 10);
	forget();
	call(); /* now nothing has been heard for long enough */
	tried(FIRST);
	pass(ANSWER);
	tried(SECOND);
	forget();
	respond(rings, 200, .tag = "r");
	take_response(200);
}

Test(target_state, a_refused_connection_is_down_at_once)
{
	worker->image.target[0].transport = TRANSPORT_TCP;
	worker->image.target[0].listener = CORE_TCP;
	worker->image.target[0].explicit_transport = 1;
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	call();
	call();
	struct sent *first = take_request("INVITE");
	take_request("INVITE");
	quiet();
	transactions_send_failed(worker->sip.transactions, 0, first->cookie, -ECONNREFUSED);
	settle();
	cr_assert_eq(take_all("INVITE"), 2, "both go on");
	call();
	tried(SECOND);
	quiet();
}

/* ---- ICMP ---- */

/* An ICMP error that quotes the request: to is where it says that it went. */
static void unreachable(const struct sent *request, const char *to, int error)
{
	struct str branch = message_str(request->message, request->message->via_branch);
	struct record_unreachable r = {.to = fixture_endpoint(to), .error = error};

	cr_assert_eq(branch.n, sizeof(r.branch));
	memcpy(r.branch, branch.p, branch.n);
	core_unreachable(&worker->sip, &r);
	settle();
}

Test(target_state, an_icmp_error_is_down_at_once)
{
	call();
	call();
	struct sent *first = take_request("INVITE");
	take_request("INVITE");
	unreachable(first, FIRST, -ECONNREFUSED);
	cr_assert_eq(take_all("INVITE"), 2, "both go on");
	call();
	tried(SECOND);
	quiet();
}

Test(target_state, an_icmp_error_of_another_request_is_nothing)
{
	call();
	struct sent *first = tried(FIRST);
	struct record_unreachable forged = {
		.to = fixture_endpoint(FIRST), .error = -ECONNREFUSED, .branch = "z9hG4bKsw"};

	core_unreachable(&worker->sip, &forged);
	settle();
	unreachable(first, SECOND, -ECONNREFUSED);
	unreachable(first, FIRST, 0);
	quiet();
	respond(first, 180, .tag = "1"); /* and so is one that comes after an answer */
	take_response(180);
	unreachable(first, FIRST, -ECONNREFUSED);
	quiet();
	cr_assert_eq(counted(COUNTER_TARGETS_DOWN), 0);
	cr_assert_eq(counted(COUNTER_TRANSACTIONS_UNREACHABLE), 0);
}

Test(target_state, an_icmp_error_of_the_only_target_left_ends_the_call)
{
	worker->image.trunk[0].targets.count = 1;
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	call();
	unreachable(tried(FIRST), FIRST, -ECONNREFUSED);
	take_response(500);
	quiet();
}

Test(target_state, a_full_queue_of_ours_says_nothing)
{
	call();
	struct sent *out = tried(FIRST);
	transactions_send_failed(worker->sip.transactions, 0, out->cookie, -EMSGSIZE);
	settle();
	tried(SECOND);
	call();
	tried(FIRST);
	cr_assert_eq(counted(COUNTER_TARGETS_DOWN), 0);
}

Test(target_state, any_response_brings_it_back)
{
	first_is_silent();
	call();
	respond(tried(SECOND), 503, .tag = "1");
	take_request("ACK");
	respond(tried(THIRD), 503, .tag = "1");
	take_request("ACK");
	respond(tried(FIRST), 486, .tag = "1"); /* the last one left */
	forget();
	cr_assert_eq(counted(COUNTER_TARGETS_UP), 1);
	call();
	tried(FIRST);
	quiet();
}

Test(target_state, trying_does_not_take_back_503)
{
	struct sent *out;

	for (unsigned i = 0; i < 2; i++) {
		call();
		for (unsigned k = 0; k < CARRIER_TARGETS; k++) {
			out = take_request("INVITE");
			respond(out, 100);
			respond(out, 503, .tag = "1");
			take_request("ACK");
		}
		take_response(500);
	}
	cr_assert_eq(counted(COUNTER_TARGETS_DOWN), 3);
	cr_assert_eq(counted(COUNTER_TARGETS_UP), 0);
}

/* ---- pings ---- */

static void ping_every(unsigned seconds)
{
	pings_heeded = true;
	worker->image.trunk[0].ping = seconds;
	target_states_schedule(worker->sip.target_states);
}

/* The ping that has gone to that target last. */
static struct sent *pinged(const char *target)
{
	struct sent *out = NULL;

	for (struct sent *s; (s = take("OPTIONS", 0));)
		if (sent_to(s, target))
			out = s;
	cr_assert_not_null(out, "%s was not pinged", target);
	return out;
}

static void answer_pings(unsigned status)
{
	for (struct sent *s; (s = take("OPTIONS", 0));)
		respond(s, status, .tag = "p");
}

Test(target_state, nobody_is_pinged_by_default)
{
	pings_heeded = true;
	pass(100000);
	quiet();
}

Test(target_state, each_target_is_pinged_so_often)
{
	unsigned pings = 0;

	ping_every(10);
	for (unsigned i = 0; i < 50; i++) {
		pass(100);
		for (struct sent *s; (s = take("OPTIONS", 0)); pings++)
			respond(s, 200, .tag = "p");
	}
	cr_assert_eq(pings, CARRIER_TARGETS);
	for (unsigned i = 0; i < 100; i++) {
		pass(100);
		for (struct sent *s; (s = take("OPTIONS", 0)); pings++)
			respond(s, 200, .tag = "p");
	}
	cr_assert_eq(pings, 2 * CARRIER_TARGETS);
}

Test(target_state, a_ping_is_a_request)
{
	ping_every(10);
	pass(5000);
	struct sent *out = pinged(FIRST);
	const struct message *m = out->message;

	cr_assert(str_equal(message_str(m, m->request_uri.whole), S("sip:10.0.0.11:5060")));
	cr_assert_eq((uint32_t)m->max_forwards, worker->image.s.max_forwards);
	cr_assert_eq(m->from.user.length, 0);
	cr_assert_neq(m->from_tag.length, 0);
}

Test(target_state, pings_find_out_without_a_call)
{
	ping_every(10);
	for (unsigned i = 0; i < 8; i++) {
		pass(1000);
		for (struct sent *s; (s = take("OPTIONS", 0));)
			if (!sent_to(s, FIRST))
				respond(s, 200, .tag = "p");
	}
	call();
	respond(tried(FIRST), 486, .tag = "1"); /* one that is lost says nothing yet */
	forget();
	for (unsigned i = 0; i < 30; i++) {
		pass(1000);
		for (struct sent *s; (s = take("OPTIONS", 0));)
			if (!sent_to(s, FIRST))
				respond(s, 404, .tag = "p"); /* any answer */
	}
	forget();
	call();
	tried(SECOND);
	quiet();
	for (unsigned i = 0; i < 30; i++) {
		pass(1000);
		answer_pings(200);
	}
	forget();
	call();
	tried(FIRST);
}

Test(target_state, a_target_that_is_down_is_pinged_until_it_answers)
{
	pings_heeded = true;
	first_is_silent();
	uint64_t down = virtual_clock_ms();
	pass(TARGET_PROBE_FIRST_MS);
	cr_assert_eq(pinged(FIRST)->at_ms - down, TARGET_PROBE_FIRST_MS);
	pass(ANSWER);
	forget();
	down = virtual_clock_ms();
	pass(2 * TARGET_PROBE_FIRST_MS);
	struct sent *out = pinged(FIRST);
	cr_assert_eq(out->at_ms - down, 2 * TARGET_PROBE_FIRST_MS);
	respond(out, 503, .tag = "p"); /* it is there, and wants nothing */
	forget();
	call();
	respond(tried(SECOND), 180, .tag = "2");
	pass(4 * TARGET_PROBE_FIRST_MS);
	respond(pinged(FIRST), 200, .tag = "p");
	forget();
	cr_assert_eq(counted(COUNTER_TARGETS_UP), 1);
	call();
	respond(tried(FIRST), 180, .tag = "1");
	forget();
	pass(100000);
	cr_assert_eq(take_all("OPTIONS"), 0, "it is up");
}

Test(target_state, so_many_answers_are_wanted)
{
	pings_heeded = true;
	worker->image.trunk[0].ping_up = 3;
	first_is_silent();
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(counted(COUNTER_TARGETS_UP), 0);
		pass(TARGET_PROBE_FIRST_MS);
		respond(pinged(FIRST), 200, .tag = "p");
	}
	cr_assert_eq(counted(COUNTER_TARGETS_UP), 1);
}

Test(target_state, only_the_owner_of_a_trunk_pings)
{
	memset(worker->sip.slots.next, 1, sizeof(worker->sip.slots.next));
	worker->sip.index = 0;
	ping_every(10);
	pass(100000);
	cr_assert_eq(take_all("OPTIONS"), 0);
	memset(worker->sip.slots.next, 0, sizeof(worker->sip.slots.next));
	target_states_schedule(worker->sip.target_states);
	pass(10000);
	cr_assert_gt(take_all("OPTIONS"), 0);
}

Test(target_state, one_that_answers_pings_needs_no_trial)
{
	ping_every(10);
	for (unsigned i = 0; i < 50; i++) {
		pass(100);
		answer_pings(200);
	}
	ping_every(0);
	first_is_silent();
	forget();
	pass(10 * TARGET_TRIAL_FIRST_MS);
	forget();
	call();
	tried(SECOND);
}

Test(target_state, a_call_tries_it_now_and_then)
{
	first_is_silent();
	pass(TARGET_TRIAL_FIRST_MS - 1);
	forget();
	call();
	tried(SECOND);
	forget();
	pass(1);
	call();
	tried(FIRST);
	forget();
	call(); /* one at a time */
	tried(SECOND);
	pass(ANSWER);
	forget();
	pass(2 * TARGET_TRIAL_FIRST_MS - ANSWER - 1);
	forget();
	call();
	tried(SECOND);
	pass(1);
	call(); /* twice the time */
	respond(tried(FIRST), 180, .tag = "1");
	forget();
	call();
	tried(FIRST);
}

/* ---- siblings ---- */

Test(target_state, what_another_worker_has_learnt_counts)
{
	uint64_t now = loop_now(worker->sip.loop);

	call();
	tried(FIRST);
	tell(0, true, now);
	tried(SECOND); /* what waits goes on, too */
	forget();
	call();
	tried(SECOND);
	quiet();
	tell(0, false, now - 1); /* older than what is known */
	call();
	tried(SECOND);
	quiet();
	tell(0, false, now + 1);
	call();
	tried(FIRST);
	quiet();
}

Test(target_state, a_target_that_goes_down_while_a_call_waits_is_passed_over)
{
	call();
	tried(FIRST);
	pass(100);
	tell(1, true, loop_now(worker->sip.loop));
	pass(ANSWER - 100);
	struct sent *out = tried(THIRD);
	respond(out, 503, .tag = "3");
	take_request("ACK");
	tried(SECOND); /* last, but tried */
}

Test(target_state, what_cannot_be_is_not_believed)
{
	struct record_target unknown = {
		.target = 1, .found_at = loop_now(worker->sip.loop), .down = 1};

	target_states_told(worker->sip.target_states, &unknown);
	tell(0, true, loop_now(worker->sip.loop) + 2 * TARGET_CLOCK_MS);
	call();
	tried(FIRST);
	quiet();
}

Test(target_state, a_reload_keeps_what_is_known)
{
	first_is_silent();
	worker->image.target[3] = worker->image.target[0];
	worker->image.target[0] = worker->image.target[2];
	worker->image.target[2] = worker->image.target[3];
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	call();
	tried(THIRD);
	quiet();
	forget();
	worker->image.target[0] = worker->image.target[3]; /* the first is first again, and down */
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	call();
	tried(SECOND);
	quiet();
}

/* ---- what operators do ---- */

static void disable(unsigned count)
{
	struct lifeline_trunks disabled = {
		.count = count, .trunk = {trunk_id(S("other")), trunk_id(S("carrier"))}};

	target_states_disable(worker->sip.target_states, &disabled);
}

Test(target_state, a_disabled_trunk_gets_no_new_calls)
{
	call();
	struct sent *rings = tried(FIRST);
	respond(rings, 180, .tag = "r");
	take_response(180);
	disable(1);
	cr_assert_eq(counted(COUNTER_TRUNKS_UP), 1);
	disable(2);
	cr_assert_eq(counted(COUNTER_TRUNKS_UP), 0);
	cr_assert_eq(counted(COUNTER_TRUNKS_DISABLED), 1);
	call();
	take_response(480);
	respond(rings, 200, .tag = "r"); /* what there is goes on */
	take_response(200);
	disable(0);
	call();
	tried(FIRST);
	cr_assert_eq(counted(COUNTER_TRUNKS_PASSED_OVER), 1);
}

Test(target_state, trunks_up_and_down_are_counted)
{
	cr_assert_eq(counted(COUNTER_TRUNKS_UP), 1);
	for (unsigned i = 0; i < CARRIER_TARGETS; i++) {
		cr_assert_eq(counted(COUNTER_TRUNKS_DOWN), 0);
		tell(i, true, loop_now(worker->sip.loop));
	}
	cr_assert_eq(counted(COUNTER_TRUNKS_DOWN), 1);
	cr_assert_eq(counted(COUNTER_TRUNKS_UP), 0);
	tell(1, false, loop_now(worker->sip.loop) + 1);
	cr_assert_eq(counted(COUNTER_TRUNKS_UP), 1);
}

Test(target_state, a_ping_can_be_asked_for)
{
	pings_heeded = true;
	cr_assert_eq(target_states_ping(worker->sip.target_states, S("other")), 0);
	cr_assert_eq(target_states_ping(worker->sip.target_states, S("carrier")), 3);
	for (unsigned i = 0; i < CARRIER_TARGETS; i++) {
		struct sent *out = take_request("OPTIONS");

		if (!sent_to(out, FIRST))
			respond(out, 200, .tag = "p");
	}
	pass(ANSWER);
	forget();
	pass(100000);
	cr_assert_eq(take_all("OPTIONS"), 0, "once");
	call();
	tried(FIRST); /* one that is lost says nothing yet */
}

static char listed[8][512];
static unsigned listed_count;

static void note_row(void *arg, struct str json)
{
	(void)arg;
	cr_assert_lt(listed_count, 8);
	cr_assert_lt(json.n, sizeof(listed[0]));
	memcpy(listed[listed_count], json.p, json.n);
	listed[listed_count++][json.n] = 0;
}

Test(target_state, targets_are_listed)
{
	first_is_silent();
	pass(3500);
	target_listing(worker->sip.target_states, S("other"), note_row, NULL);
	cr_assert_eq(listed_count, 0);
	target_listing(worker->sip.target_states, STR_EMPTY, note_row, NULL);
	cr_assert_eq(listed_count, 3);
	cr_expect_str_eq(listed[0],
		"{\"trunk\":\"carrier\",\"target\":\"10.0.0.11:5060\",\"state\":\"down\","
		"\"reason\":\"no answer\",\"index\":0,\"priority\":0,\"weight\":0,\"since_s\":3,"
		"\"requests\":1,\"successes\":0,\"failures\":1,\"owner\":1}");
	cr_expect(strstr(listed[1], "\"state\":\"up\",\"reason\":\"\""), "%s", listed[1]);
	cr_expect(strstr(listed[1], "\"requests\":1,\"successes\":1,\"failures\":0"), "%s",
		listed[1]);
}
