/* Client transactions: RFC 3261 section 17.1, RFC 6026 section 7.2. */
#include "sip-transaction-fixture.h"

#include <criterion/criterion.h>

TestSuite(client, .init = set_up, .fini = tear_down);

static struct noted notes;

Test(client, invite_is_repeated_by_timer_a_until_timer_b)
{
	uint64_t start = loop_ms();

	send_request(&udp, METHOD_INVITE, &notes);
	cr_assert_eq(caught_count, 1);
	cr_assert(!caught[0].reserve);
	cr_assert_str_eq(sent_text(0), client_text("INVITE"));
	WAIT(notes.gone);
	cr_assert_eq(notes.failed, 1);
	cr_assert_eq(notes.status, 408);
	cr_assert_eq(notes.error, -ETIMEDOUT);
	EXACTLY(loop_ms() - start, 64 * T1);
	/* at 0, 1, 3, 7, 15, 31 and 63 T1 */
	cr_assert_eq(caught_count, 7);
	for (unsigned i = 1; i < caught_count; i++) {
		cr_assert_str_eq(sent_text(0), sent_text(i));
		EXACTLY(caught[i].at_ms - start, ((1u << i) - 1) * T1);
	}
}

Test(client, provisional_stops_timers_a_and_b)
{
	send_request(&udp, METHOD_INVITE, &notes);
	cr_assert_eq(receive_response(&udp, "INVITE", 100, "r"), 0);
	cr_assert_eq(receive_response(&udp, "INVITE", 180, "r"), 0);
	cr_assert_eq(receive_response(&udp, "INVITE", 180, "other"), 0);
	cr_assert_eq(notes.responses, 3);
	pass(80 * T1);
	cr_assert_eq(caught_count, 1);
	cr_assert_eq(notes.failed + notes.gone, 0);
}

Test(client, failure_is_acknowledged_on_the_hop)
{
	uint64_t start;
	unsigned sent;

	send_request(&udp, METHOD_INVITE, &notes);
	receive_response(&udp, "INVITE", 180, "r");
	receive_response(&udp, "INVITE", 486, "r2");
	start = loop_ms();
	cr_assert_eq(notes.responses, 2);
	cr_assert_eq(notes.status, 486);
	cr_assert_eq(caught_count, 2);
	cr_assert_str_eq(sent_text(1), "ACK sip:b@198.51.100.1;transport=udp SIP/2.0\r\nVia: "
				       "SIP/2.0/UDP 192.0.2.9:5060;branch=" OUR_BRANCH
				       ";rport\r\nRoute: <sip:r1;lr>\r\nRoute: "
				       "<sip:r2;lr>\r\nFrom: <sip:a@example.net>;tag=l\r\n"
				       "To: <sip:b@example.net>;tag=r2\r\nCall-ID: out-1\r\nCSeq: "
				       "41 ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n");
	cr_assert(endpoint_equal(&caught[1].to.peer, &udp.peer));
	/* repeated: the ACK again, and nothing for the user */
	receive_response(&udp, "INVITE", 486, "r2");
	receive_response(&udp, "INVITE", 180, "r2");
	cr_assert_eq(caught_count, 3);
	cr_assert_str_eq(sent_text(1), sent_text(2));
	cr_assert_eq(notes.responses, 2);
	sent = caught_count;
	WAIT(notes.gone);
	EXACTLY(loop_ms() - start, 64 * T1); /* timer D */
	cr_assert_eq(caught_count, sent);
	cr_assert_eq(notes.failed, 0);
	cr_assert_eq(receive_response(&udp, "INVITE", 486, "r2"), 0);
	cr_assert_eq(caught_count, sent);
}

Test(client, failure_straight_from_calling)
{
	send_request(&udp, METHOD_INVITE, &notes);
	receive_response(&udp, "INVITE", 404, "r");
	cr_assert_eq(notes.responses, 1);
	cr_assert(sent_starts(1, "ACK "));
	pass(4 * T1);
	cr_assert_eq(caught_count, 2);
}

Test(client, failure_over_tcp_is_gone_at_once)
{
	send_request(&tcp, METHOD_INVITE, &notes);
	receive_response(&tcp, "INVITE", 503, "r");
	cr_assert_eq(caught_count, 2);
	WAIT(notes.gone);
}

Test(client, ack_that_cannot_go_out_does_not_hide_the_failure)
{
	send_request(&tcp, METHOD_INVITE, &notes);
	send_error = -ENOTCONN;
	receive_response(&tcp, "INVITE", 486, "r");
	cr_assert_eq(notes.responses, 1);
	cr_assert_eq(notes.status, 486);
	pass(2);
	cr_assert_eq(notes.failed, 0);
	cr_assert_eq(notes.gone, 1);
}

Test(client, every_success_goes_up_until_timer_m)
{
	uint64_t start = loop_ms();

	send_request(&udp, METHOD_INVITE, &notes);
	receive_response(&udp, "INVITE", 180, "r");
	cr_assert_eq(receive_response(&udp, "INVITE", 200, "r"), 0);
	cr_assert_eq(receive_response(&udp, "INVITE", 200, "r"), 0);
	cr_assert_eq(receive_response(&udp, "INVITE", 200, "fork"), 0);
	cr_assert_eq(notes.responses, 4);
	/* what comes late of other kinds does not */
	receive_response(&udp, "INVITE", 180, "fork");
	receive_response(&udp, "INVITE", 486, "fork");
	cr_assert_eq(notes.responses, 4);
	cr_assert_eq(caught_count, 1);
	WAIT(notes.gone);
	EXACTLY(loop_ms() - start, 64 * T1);
	cr_assert_eq(notes.failed, 0);
	/* then it is nobody's, and the caller's to end */
	cr_assert_eq(receive_response(&udp, "INVITE", 200, "r"), 1);
	cr_assert_eq(receive_response(&udp, "INVITE", 486, "r"), 0);
}

Test(client, success_after_a_failure_is_the_callers_to_end)
{
	send_request(&udp, METHOD_INVITE, &notes);
	receive_response(&udp, "INVITE", 486, "r");
	cr_assert_eq(receive_response(&udp, "INVITE", 200, "fork"), 1);
	cr_assert_eq(notes.responses, 1);
}

Test(client, reliable_transports_repeat_nothing)
{
	const uint8_t transports[] = {TRANSPORT_TCP, TRANSPORT_TLS, TRANSPORT_WS, TRANSPORT_WSS};
	struct wire *w = wire_of(client_text("INVITE"));
	struct noted many[8] = {0};
	struct flow flow = tcp;
	struct transaction *t;

	for (unsigned i = 0; i < 8; i++) {
		flow.transport = transports[i / 2];
		cr_assert_eq(transaction_send(sip.transactions, i % 2 ? METHOD_INVITE : METHOD_BYE,
				     100 + i, 7, &flow, w, &client_notes, &many[i], &t),
			0);
	}
	wire_drop(w);
	pass(6 * T1);
	cr_assert_eq(caught_count, 8);
	/* timers B and F run all the same */
	WAIT(many[0].gone && many[1].gone && many[6].gone && many[7].gone);
	for (unsigned i = 0; i < 8; i++)
		cr_assert_eq(many[i].status, 408);
	cr_assert_eq(caught_count, 8);
}

Test(client, other_request_is_repeated_by_timer_e_up_to_t2_until_timer_f)
{
	uint64_t start = loop_ms();

	send_request(&udp, METHOD_OPTIONS, &notes);
	WAIT(notes.gone);
	cr_assert_eq(notes.status, 408);
	EXACTLY(loop_ms() - start, 64 * T1);
	/* at 0, 1, 3 and 7 T1, then each T2 = 8 T1: 11 in all */
	cr_assert_eq(caught_count, 11);
	EXACTLY(caught[1].at_ms - caught[0].at_ms, T1);
	EXACTLY(caught[2].at_ms - caught[1].at_ms, 2 * T1);
	EXACTLY(caught[3].at_ms - caught[2].at_ms, 4 * T1);
	for (unsigned i = 4; i < caught_count; i++)
		EXACTLY(caught[i].at_ms - caught[i - 1].at_ms, T2);
}

Test(client, other_request_goes_on_each_t2_after_a_provisional)
{
	uint64_t start;

	send_request(&udp, METHOD_OPTIONS, &notes);
	receive_response(&udp, "OPTIONS", 100, "r");
	start = loop_ms();
	cr_assert_eq(notes.responses, 1);
	WAIT(caught_count == 3);
	EXACTLY(caught[1].at_ms - start, T2);
	EXACTLY(caught[2].at_ms - caught[1].at_ms, T2);
	WAIT(notes.gone);
	cr_assert_eq(notes.status, 408);
}

Test(client, final_response_to_other_request_then_timer_k)
{
	uint64_t start;

	send_request(&udp, METHOD_OPTIONS, &notes);
	receive_response(&udp, "OPTIONS", 200, "r");
	start = loop_ms();
	receive_response(&udp, "OPTIONS", 200, "r");
	cr_assert_eq(notes.responses, 1);
	WAIT(notes.gone);
	EXACTLY(loop_ms() - start, T4);
	cr_assert_eq(caught_count, 1);
	cr_assert_eq(notes.failed, 0);
	cr_assert_eq(receive_response(&udp, "OPTIONS", 200, "r"), 0);
}

Test(client, final_response_over_tcp_is_gone_at_once)
{
	send_request(&tcp, METHOD_BYE, &notes);
	receive_response(&tcp, "BYE", 481, "r");
	cr_assert_eq(notes.gone, 0);
	WAIT(notes.gone);
	cr_assert_eq(notes.status, 481);
}

Test(client, response_of_another_method_has_failed)
{
	send_request(&udp, METHOD_OPTIONS, &notes);
	receive_response(&udp, "BYE", 200, "r");
	cr_assert_eq(notes.responses, 0);
	cr_assert_eq(notes.failed, 1);
	cr_assert_eq(notes.status, 502);
}

Test(client, response_of_a_cancel_is_nothing_else)
{
	send_request(&udp, METHOD_INVITE, &notes);
	receive_response(&udp, "CANCEL", 481, "r");
	cr_assert_eq(notes.responses, 0);
	cr_assert_eq(notes.failed, 0);
}

Test(client, in_dialog_requests_may_use_the_reserve)
{
	struct wire *w = wire_of(
		"BYE sip:b SIP/2.0\r\nVia: x\r\nt: \"tag=a\" <sip:b;tag=c>;tag=d\r\n\r\n");
	struct transaction *t;

	cr_assert_eq(
		transaction_send(sip.transactions, METHOD_BYE, 9, 7, &udp, w, NULL, NULL, &t), 0);
	cr_assert(caught[0].reserve);
	wire_drop(w);
	w = wire_of("BYE sip:b SIP/2.0\r\nVia: x\r\nTo: \"tag=a\" <sip:b;tag=c>\r\n\r\n");
	cr_assert_eq(
		transaction_send(sip.transactions, METHOD_BYE, 10, 7, &udp, w, NULL, NULL, &t), 0);
	cr_assert(!caught[1].reserve);
	wire_drop(w);
}

Test(client, send_that_fails_at_once_leaves_nothing)
{
	struct wire *w = wire_of(client_text("INVITE"));
	struct transaction *t = NULL;

	send_error = -ENOTCONN;
	cr_assert_eq(transaction_send(sip.transactions, METHOD_INVITE, 1, 7, &tcp, w, &client_notes,
			     &notes, &t),
		-ENOTCONN);
	cr_assert_null(t);
	pass(2);
	cr_assert_eq(notes.failed + notes.gone, 0);
	send_error = 0;
	cr_assert_eq(transaction_send(sip.transactions, METHOD_INVITE, 1, 7, &tcp, w, &client_notes,
			     &notes, &t),
		0);
	cr_assert_eq(transaction_send(sip.transactions, METHOD_INVITE, 1, 7, &tcp, w, &client_notes,
			     &notes, &t),
		-EEXIST);
	wire_drop(w);
}

Test(client, full_queue_is_a_lost_datagram_but_an_error_on_a_stream)
{
	struct wire *w = wire_of(client_text("INVITE"));
	struct transaction *t;

	send_error = -EAGAIN;
	cr_assert_eq(transaction_send(sip.transactions, METHOD_INVITE, 2, 7, &tcp, w, &client_notes,
			     &notes, &t),
		-EAGAIN);
	send_request(&udp, METHOD_INVITE, &notes);
	send_error = 0;
	WAIT(caught_count);
	cr_assert_eq(notes.failed, 0);
	wire_drop(w);
}

Test(client, send_that_fails_later)
{
	send_request(&udp, METHOD_INVITE, &notes);
	send_error = -ENOTCONN;
	WAIT(notes.gone);
	cr_assert_eq(notes.failed, 1);
	cr_assert_eq(notes.status, 503);
	cr_assert_eq(notes.error, -ENOTCONN);
}

Test(client, reported_failure_is_503)
{
	send_request(&tcp, METHOD_INVITE, &notes);
	transactions_send_failed(
		sip.transactions, FLOW_WORKER(tcp.id), caught[0].cookie, -ECONNREFUSED);
	cr_assert_eq(notes.failed, 1);
	cr_assert_eq(notes.gone, 1);
	cr_assert_eq(notes.status, 503);
	cr_assert_eq(notes.error, -ECONNREFUSED);
}

Test(client, report_after_the_final_response_changes_nothing)
{
	send_request(&udp, METHOD_INVITE, &notes);
	receive_response(&udp, "INVITE", 200, "r");
	transactions_send_failed(
		sip.transactions, FLOW_WORKER(tcp.id), caught[0].cookie, -ECONNREFUSED);
	cr_assert_eq(notes.failed + notes.gone, 0);
}

Test(client, detached_invite_is_cancelled_and_its_success_is_the_callers_to_end)
{
	struct transaction *t = send_request(&udp, METHOD_INVITE, &notes);

	receive_response(&udp, "INVITE", 180, "r");
	transaction_detach(t);
	cr_assert(sent_starts(1, "CANCEL "));
	cr_assert_eq(receive_response(&udp, "INVITE", 200, "r"), 1);
	cr_assert_eq(receive_response(&udp, "INVITE", 200, "r"), 1);
	cr_assert_eq(notes.responses, 1);
}

static void cancel_in_response(void *user, struct transaction *t, const struct message *m)
{
	on_client_response(user, t, m);
	transaction_cancel(t, STR_NONE);
	transaction_detach(t);
}

Test(client, user_may_cancel_and_detach_within_its_callback)
{
	static const struct client_user ops = {
		.response = cancel_in_response, .failed = on_client_failed, .gone = on_gone};
	struct wire *w = wire_of(client_text("INVITE"));
	struct transaction *t;

	cr_assert_eq(
		transaction_send(sip.transactions, METHOD_INVITE, 1, 7, &udp, w, &ops, &notes, &t),
		0);
	wire_drop(w);
	receive_response(&udp, "INVITE", 180, "r");
	cr_assert(sent_starts(1, "CANCEL "));
	receive_response(&udp, "INVITE", 487, "r");
	cr_assert(sent_starts(2, "ACK "));
	cr_assert_eq(notes.responses, 1);
	cr_assert_eq(notes.gone, 0);
}

Test(client, accessors)
{
	struct transaction *t = send_request(&tcp, METHOD_INVITE, &notes);

	cr_assert_eq(transaction_method(t), METHOD_INVITE);
	cr_assert_eq(transaction_branch(t), 1);
	cr_assert_eq(transaction_slot(t), 7);
	cr_assert_eq(transaction_flow(t)->id, tcp.id);
}
