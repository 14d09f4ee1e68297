/* Targets of trunks that are down: what one request has learnt the next one knows, in this SIP
 * worker and in the others. */
#include "sip-targets.h"

#include "worker-sip/routing/target_listing.h"

#include <errno.h>

TestSuite(target_state, .init = worker_set_up, .fini = worker_tear_down);

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
	static const char first[] =
		"{\"trunk\":\"carrier\",\"target\":\"10.0.0.11:5060\",\"state\":\"down\","
		"\"reason\":\"no answer\",\"index\":0,\"priority\":0,\"weight\":0,\"since_s\":3,"
		"\"requests\":1,\"successes\":0,\"failures\":1,\"history\":[\"";
	cr_expect_arr_eq(listed[0], first, sizeof(first) - 1, "%s", listed[0]);
	cr_expect(strstr(listed[0], " UTC down: no answer\"],\"owner\":1}"), "%s", listed[0]);
	cr_expect(strstr(listed[1], "\"history\":[],"), "%s", listed[1]);
	cr_expect(strstr(listed[1], "\"state\":\"up\",\"reason\":\"\""), "%s", listed[1]);
	cr_expect(strstr(listed[1], "\"requests\":1,\"successes\":1,\"failures\":0"), "%s",
		listed[1]);
}
