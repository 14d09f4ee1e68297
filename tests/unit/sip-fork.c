/* Target sets: parallel and serial forking, failover of trunks, the best response (RFC 3261
 * section 16), for INVITE and for what else goes outside a dialog. */
#include "sip-worker.h"

TestSuite(fork, .init = worker_set_up, .fini = worker_tear_down);

#define NUMBER "sip:5551000@example.net"

/* ---- groups of one q ---- */

Test(fork, higher_q_comes_first_and_equal_ones_together)
{
	register_phone("bob", "198.51.100.11:5060", "0.5");
	register_phone("bob", "198.51.100.12:5060", "0.9");
	register_phone("bob", "198.51.100.13:5060", "0.9");
	ask(.method = "INVITE");
	struct sent *one = take_request("INVITE"), *two = take_request("INVITE");
	quiet(); /* the third waits (RFC 3261 section 16.6) */
	cr_assert(sent_to(one, "198.51.100.12:5060") || sent_to(two, "198.51.100.12:5060"));
	cr_assert(sent_to(one, "198.51.100.13:5060") || sent_to(two, "198.51.100.13:5060"));
	cr_assert(!str_equal(message_str(one->message, one->message->via_branch),
		message_str(two->message, two->message->via_branch)));
	cr_assert(!str_equal(message_str(one->message, one->message->call_id),
		message_str(two->message, two->message->call_id)));
	respond(one, 486, .tag = "1");
	take_request("ACK");
	quiet(); /* until all of the group have failed */
	respond(two, 480, .tag = "2");
	take_request("ACK");
	struct sent *three = take_request("INVITE");
	cr_assert(sent_to(three, "198.51.100.11:5060"));
	respond(three, 200, .tag = "3");
	take_response(200);
	quiet();
}

Test(fork, the_first_answer_wins_and_the_others_are_cancelled)
{
	alice_comes_by_stream();
	register_phone("bob", "198.51.100.11:5060", NULL);
	register_phone("bob", "198.51.100.12:5060", NULL);
	register_phone("bob", "198.51.100.13:5060", "0.1");
	ask(.method = "INVITE");
	struct sent *one = take_request("INVITE"), *two = take_request("INVITE");
	respond(one, 180, .tag = "1");
	respond(two, 180, .tag = "2");
	struct sent *first = take_response(180), *second = take_response(180);
	cr_assert(!str_equal(message_str(first->message, first->message->to_tag),
		message_str(second->message, second->message->to_tag)));
	respond(two, 200, .tag = "2");
	struct sent *answered = take_response(200), *cancelled = take_request("CANCEL");
	cr_assert(str_equal(message_str(answered->message, answered->message->to_tag),
		message_str(second->message, second->message->to_tag)));
	cr_assert(sent_to(cancelled, "198.51.100.11:5060") == sent_to(one, "198.51.100.11:5060"));
	cr_assert(has(value_of(cancelled->message, HEADER_REASON), "cause=200")); /* RFC 3326 */
	respond(cancelled, 200);
	respond(one, 487, .tag = "1");
	take_request("ACK");
	quiet(); /* neither the third nor a failure */
	cr_assert_eq(worker->sip.calls, 1);
}

Test(fork, answers_that_cross_leave_one_call)
{
	alice_comes_by_stream();
	register_phone("bob", "198.51.100.11:5060", NULL);
	register_phone("bob", "198.51.100.12:5060", NULL);
	ask(.method = "INVITE");
	struct sent *one = take_request("INVITE"), *two = take_request("INVITE");
	respond(one, 180, .tag = "1");
	respond(two, 180, .tag = "2");
	respond(one, 200, .tag = "1");
	take_request("CANCEL");
	respond(two, 200, .tag = "2"); /* before the CANCEL reached it */
	struct sent *ack = take_request("ACK"), *bye = take_request("BYE");
	cr_assert(endpoint_equal(&ack->to.peer, &two->to.peer));
	cr_assert(endpoint_equal(&bye->to.peer, &two->to.peer));
	take_response(200);
	take_response(180);
	take_response(180);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(fork, global_failure_ends_the_search)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	register_phone("bob", "198.51.100.12:5060", NULL);
	register_phone("bob", "198.51.100.13:5060", "0.1");
	ask(.method = "INVITE");
	struct sent *one = take_request("INVITE"), *two = take_request("INVITE");
	respond(two, 180, .tag = "2");
	take_response(180);
	respond(one, 603, .tag = "1"); /* RFC 3261 section 16.7 step 5 */
	take_request("ACK");
	struct sent *cancelled = take_request("CANCEL");
	cr_assert(endpoint_equal(&cancelled->to.peer, &two->to.peer));
	respond(cancelled, 200);
	respond(two, 487, .tag = "2");
	take_request("ACK");
	take_response(603);
	quiet(); /* the third is not tried */
}

Test(fork, at_most_so_many_targets)
{
	worker->image.domain[0].bindings_max = 10;
	worker->image.s.forks_max = 3;
	for (unsigned i = 1; i <= 5; i++) {
		char address[32];

		snprintf(address, sizeof(address), "198.51.100.%u:5060", 10 + i);
		register_phone("bob", address, NULL);
	}
	ask(.method = "INVITE");
	cr_assert_eq(take_all("INVITE"), 3);
}

/* ---- the best response (RFC 3261 section 16.7 step 6) ---- */

/* The status that the caller gets of two phones that fail so. */
static unsigned best_of(const char *method, unsigned first, unsigned second)
{
	unsigned status = 0;

	register_phone("bob", "198.51.100.11:5060", NULL);
	register_phone("bob", "198.51.100.12:5060", NULL);
	ask(.method = method);
	struct sent *one = take_request(method), *two = take_request(method);
	respond(one, first, .tag = "1");
	respond(two, second, .tag = "2");
	take_all("ACK");
	take_all("CANCEL");
	for (unsigned i = 0; i < sent_count; i++)
		if (!sent[i].taken) {
			cr_assert_eq(status, 0, "several answers: %s", untaken());
			status = sent[i].message->status;
			sent[i].taken = true;
		}
	worker_tear_down();
	worker_set_up();
	return status;
}

Test(fork, best_response)
{
	/* 6xx before all; else the lowest class; within 4xx what says how to try again; last what
	 * says least */
	static const unsigned row[][3] = {{486, 603, 603}, {603, 486, 603}, {404, 500, 404},
		{500, 404, 404}, {486, 480, 486}, {480, 486, 486}, {484, 404, 484}, {404, 415, 415},
		{408, 404, 404}, {480, 503, 480}, {503, 502, 502}, {503, 486, 486},
		{420, 500, 420}};

	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		unsigned status = best_of("INVITE", row[i][0], row[i][1]);

		cr_expect_eq(status, row[i][2], "INVITE: %u and %u made %u", row[i][0], row[i][1],
			status);
		if (row[i][0] == 408)
			continue;
		status = best_of("MESSAGE", row[i][0], row[i][1]);
		cr_expect_eq(status, row[i][2], "MESSAGE: %u and %u made %u", row[i][0], row[i][1],
			status);
	}
}

Test(fork, unavailable_does_not_pass)
{
	/* RFC 3261 section 16.7 step 6: 503 would turn the caller from the whole gateway */
	cr_assert_eq(best_of("INVITE", 503, 503), 500);
	cr_assert_eq(best_of("MESSAGE", 503, 503), 500);
}

/* ---- trunks ---- */

static void assert_tried(const char *target, struct sent **out)
{
	*out = take_request("INVITE");
	cr_assert(sent_to(*out, target), "%s was not tried", target);
	quiet();
}

Test(fork, trunk_targets_are_tried_one_by_one)
{
	struct sent *out;

	ask(.method = "INVITE", .uri = NUMBER);
	assert_tried("10.0.0.11:5060", &out);
	cr_assert(str_equal(message_str(out->message, out->message->request_uri.whole),
		S("sip:5551000@10.0.0.11:5060")));
	respond(out, 503, .tag = "1");
	take_request("ACK");
	assert_tried("10.0.0.12:5060", &out);
	respond(out, 408, .tag = "2");
	take_request("ACK");
	assert_tried("10.0.0.13:5060", &out);
	respond(out, 183, .tag = "3");
	take_response(183);
	respond(out, 200, .tag = "3");
	take_response(200);
	quiet();
}

Test(fork, other_failures_of_a_trunk_are_final)
{
	static const unsigned status[] = {404, 486, 480, 500, 603};

	for (unsigned i = 0; i < sizeof(status) / sizeof(status[0]); i++) {
		char call_id[16];

		snprintf(call_id, sizeof(call_id), "call-%u", i);
		ask(.method = "INVITE", .uri = NUMBER, .call_id = call_id);
		respond(take_request("INVITE"), status[i], .tag = "1");
		take_request("ACK");
		take_response(status[i]);
		quiet();
	}
}

Test(fork, failures_that_a_trunk_names_go_on)
{
	struct sent *out;

	failover_add(worker->image.trunk[0].failover, 500);
	failover_add(worker->image.trunk[0].failover, 603);
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	ask(.method = "INVITE", .uri = NUMBER);
	assert_tried("10.0.0.11:5060", &out);
	respond(out, 500, .tag = "1");
	take_request("ACK");
	assert_tried("10.0.0.12:5060", &out);
	respond(out, 603, .tag = "2");
	take_request("ACK");
	assert_tried("10.0.0.13:5060", &out);
	respond(out, 404, .tag = "3");
	take_request("ACK");
	take_response(603); /* still the best of them (RFC 3261 section 16.7) */
	quiet();
}

Test(fork, a_failure_that_a_trunk_does_not_name_is_final)
{
	memset(worker->image.trunk[0].failover, 0, sizeof(worker->image.trunk[0].failover));
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	ask(.method = "INVITE", .uri = NUMBER);
	respond(take_request("INVITE"), 503, .tag = "1");
	take_request("ACK");
	take_response(500);
	quiet();
}

Test(fork, silent_trunk_target_gives_way_to_the_next)
{
	struct sent *first, *second;

	ask(.method = "INVITE", .uri = NUMBER);
	uint64_t start = virtual_clock_ms();
	first = take_request("INVITE");
	pass(ANSWER - 1);
	cr_assert_eq(take_all("INVITE"), 3, "at 1, 3 and 7 T1");
	pass(1);
	assert_tried("10.0.0.12:5060", &second);
	cr_assert_eq(second->at_ms - start, ANSWER);
	/* the first wakes up: it is cancelled, and what it says is of no interest */
	respond(first, 180, .tag = "1");
	struct sent *cancelled = take_request("CANCEL");
	cr_assert(sent_to(cancelled, "10.0.0.11:5060"));
	respond(cancelled, 200);
	respond(first, 487, .tag = "1");
	take_request("ACK");
	quiet();
	respond(second, 180, .tag = "2");
	take_response(180);
	pass(2 * ANSWER);
	quiet(); /* a provisional response is an answer */
}

Test(fork, late_answer_of_a_silent_target_is_ended)
{
	struct sent *first, *second;

	ask(.method = "INVITE", .uri = NUMBER);
	first = take_request("INVITE");
	pass(ANSWER);
	second = NULL;
	for (struct sent *s; (s = take("INVITE", 0));)
		second = s;
	cr_assert(sent_to(second, "10.0.0.12:5060"));
	respond(second, 200, .tag = "2");
	take_response(200);
	respond(first, 200, .tag = "1");
	struct sent *ack = take_request("ACK"), *bye = take_request("BYE");
	cr_assert(sent_to(ack, "10.0.0.11:5060") && sent_to(bye, "10.0.0.11:5060"));
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(fork, trunk_without_a_target_that_works_is_500)
{
	struct sent *out;

	ask(.method = "INVITE", .uri = NUMBER);
	for (unsigned i = 0; i < CARRIER_TARGETS; i++) {
		out = take_request("INVITE");
		respond(out, 503, .tag = "1");
		take_request("ACK");
	}
	take_response(500);
	quiet();
}

/* A call whose first target is reached over TCP; returns the INVITE to it. */
static struct sent *tried_over_tcp(void)
{
	struct sent *out;

	worker->image.target[0].transport = TRANSPORT_TCP;
	worker->image.target[0].listener = CORE_TCP;
	worker->image.target[0].explicit_transport = 1;
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	ask(.method = "INVITE", .uri = NUMBER);
	assert_tried("10.0.0.11:5060", &out);
	return out;
}

Test(fork, refused_connection_gives_way_to_the_next)
{
	struct sent *out = tried_over_tcp();

	cr_assert_eq(out->to.transport, TRANSPORT_TCP);
	transactions_send_failed(worker->sip.transactions, 0, out->cookie, -ECONNREFUSED);
	settle();
	assert_tried("10.0.0.12:5060", &out);
}

Test(fork, a_connection_that_ends_before_an_answer_gives_way_to_the_next)
{
	struct sent *out = tried_over_tcp();

	transactions_send_failed(worker->sip.transactions, 0, out->cookie, -ECONNRESET);
	settle();
	assert_tried("10.0.0.12:5060", &out);
	respond(out, 486, .tag = "2");
	take_request("ACK");
	take_response(486);
	quiet();
}

/* Whether one INVITE to the trunk has that class of response, 0: none. */
static bool counted_for_trunk(unsigned class)
{
	unsigned label = worker->image.trunk[0].label;

	return counters_page->labelled.trunk_responses[label][METHOD_INVITE][class] == 1;
}

Test(fork, a_connection_that_ends_after_100_is_no_response)
{
	struct sent *out = tried_over_tcp();

	respond(out, 100);
	cr_assert(counted_for_trunk(1));
	call_flow_closed(&worker->sip, way_back(&out->to).id);
	settle();
	cr_assert(counted_for_trunk(0));
	assert_tried("10.0.0.12:5060", &out);
	respond(out, 486, .tag = "2");
	take_request("ACK");
	take_response(486);
	cr_assert(counted_for_trunk(4) && counted_for_trunk(0));
}

Test(fork, a_connection_that_ends_after_the_answer_is_nothing)
{
	struct sent *out = tried_over_tcp();

	respond(out, 200, .tag = "1");
	take_response(200);
	transactions_send_failed(worker->sip.transactions, 0, out->cookie, -ECONNRESET);
	settle();
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(fork, cancel_ends_the_search)
{
	struct said *invite = ask(.method = "INVITE", .uri = NUMBER);
	struct sent *out;

	assert_tried("10.0.0.11:5060", &out);
	respond(out, 100);
	cancel(invite);
	take_response(200);
	acknowledge_failure(invite, take_response(487));
	take_request("CANCEL");
	respond(out, 503, .tag = "1");
	take_request("ACK");
	pass(64 * T1);
	take_all("CANCEL");
	quiet(); /* no next target */
}

/* Something that makes a message of more than 1,300 bytes. */
static const char *long_header(void)
{
	static char line[1600];

	snprintf(line, sizeof(line), "X-Long: %01400u\n", 0);
	return line;
}

Test(fork, large_request_goes_over_tcp_and_back_to_udp_where_there_is_none)
{
	struct sent *out;

	/* RFC 3261 section 18.1.1 */
	ask(.method = "INVITE", .uri = NUMBER, .more = long_header());
	assert_tried("10.0.0.11:5060", &out);
	cr_assert_eq(out->to.transport, TRANSPORT_TCP);
	cr_assert(has(value_of(out->message, HEADER_VIA), "SIP/2.0/TCP"));
	transactions_send_failed(worker->sip.transactions, 0, out->cookie, -ECONNREFUSED);
	settle();
	assert_tried("10.0.0.11:5060", &out);
	cr_assert_eq(out->to.transport, TRANSPORT_UDP);
	cr_assert(has(value_of(out->message, HEADER_VIA), "SIP/2.0/UDP"));
	respond(out, 200, .tag = "1");
	take_response(200);
}

Test(fork, large_request_that_may_have_been_seen_does_not_go_again)
{
	struct sent *out;

	ask(.method = "INVITE", .uri = NUMBER, .more = long_header());
	assert_tried("10.0.0.11:5060", &out);
	transactions_send_failed(worker->sip.transactions, 0, out->cookie, -ECONNRESET);
	settle();
	assert_tried("10.0.0.12:5060", &out);
}

Test(fork, small_request_stays_on_udp)
{
	struct sent *out;

	ask(.method = "INVITE", .uri = NUMBER);
	assert_tried("10.0.0.11:5060", &out);
	cr_assert_eq(out->to.transport, TRANSPORT_UDP);
}

/* ---- other requests ---- */

Test(fork, message_goes_to_a_group_and_the_first_success_back)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	register_phone("bob", "198.51.100.12:5060", NULL);
	register_phone("bob", "198.51.100.13:5060", "0.1");
	ask(.method = "MESSAGE", .body = "hi");
	struct sent *one = take_request("MESSAGE"), *two = take_request("MESSAGE");
	quiet();
	respond(one, 480, .tag = "1");
	respond(two, 200, .tag = "2");
	take_response(200);
	quiet();
	pass(64 * T1);
	quiet();
}

Test(fork, message_fails_over_as_a_call_does)
{
	ask(.method = "MESSAGE", .uri = NUMBER);
	struct sent *out = take_request("MESSAGE");
	cr_assert(sent_to(out, "10.0.0.11:5060"));
	respond(out, 503, .tag = "1");
	out = take_request("MESSAGE");
	cr_assert(sent_to(out, "10.0.0.12:5060"));
	respond(out, 404, .tag = "2");
	take_response(404);
	quiet();
}
