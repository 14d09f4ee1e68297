/* Server transactions: RFC 3261 section 17.2, RFC 6026 section 7.1, RFC 4320. */
#include "sip-transaction-fixture.h"

#include <criterion/criterion.h>

TestSuite(server, .init = set_up, .fini = tear_down);

static void answer_with(struct transaction *t, unsigned status)
{
	answer(&sip, t, status, STR_NONE);
}

Test(server, invite_gets_100_at_once_and_again_for_each_retransmission)
{
	struct noted notes = {0};

	serve(REQUEST(&udp, "INVITE"), &notes);
	cr_assert_eq(caught_count, 0);
	turn();
	cr_assert_eq(caught_count, 1);
	cr_assert_eq(sent_status(0), 100);
	cr_assert(sent_to_tag(0).n == 0);
	cr_assert(caught[0].reserve && caught[0].cookie != 0);
	cr_assert(endpoint_equal(&caught[0].to.peer, &udp.peer));
	cr_assert_eq(receive_request(REQUEST(&udp, "INVITE"), NULL), REQUEST_ABSORBED);
	cr_assert_eq(caught_count, 2);
	cr_assert_str_eq(sent_text(0), sent_text(1));
	pass(3 * T1);
	cr_assert_eq(caught_count, 2);
}

Test(server, no_100_before_an_answer_of_the_same_turn)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);

	answer_with(t, 407);
	cr_assert(transaction_answered(t));
	turn();
	cr_assert_eq(caught_count, 1);
	cr_assert_eq(sent_status(0), 407);
}

Test(server, last_provisional_answers_retransmissions)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);

	turn();
	answer_with(t, 180);
	receive_request(REQUEST(&udp, "INVITE"), NULL);
	cr_assert_eq(caught_count, 3);
	cr_assert_eq(sent_status(1), 180);
	cr_assert_str_eq(sent_text(1), sent_text(2));
	cr_assert(!transaction_answered(t));
}

Test(server, failure_is_repeated_by_timer_g_until_its_ack_then_timer_i)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);
	uint64_t acked;
	unsigned sent;

	answer_with(t, 486);
	WAIT(caught_count >= 6);
	for (unsigned i = 1; i < 6; i++)
		cr_assert_str_eq(sent_text(0), sent_text(i));
	/* T1, 2 T1, 4 T1, 8 T1 = T2, T2 */
	EXACTLY(caught[1].at_ms - caught[0].at_ms, T1);
	EXACTLY(caught[2].at_ms - caught[1].at_ms, 2 * T1);
	EXACTLY(caught[3].at_ms - caught[2].at_ms, 4 * T1);
	EXACTLY(caught[4].at_ms - caught[3].at_ms, T2);
	EXACTLY(caught[5].at_ms - caught[4].at_ms, T2);
	/* a repeated INVITE gets it too */
	sent = caught_count;
	receive_request(REQUEST(&udp, "INVITE"), NULL);
	cr_assert_eq(caught_count, sent + 1);
	cr_assert_eq(receive_request(REQUEST(&udp, "ACK", .to_tag = "x"), NULL), REQUEST_ABSORBED);
	acked = loop_ms();
	sent = caught_count;
	receive_request(REQUEST(&udp, "INVITE"), NULL);
	cr_assert_eq(receive_request(REQUEST(&udp, "ACK", .to_tag = "x"), NULL), REQUEST_ABSORBED);
	WAIT(notes.gone);
	EXACTLY(loop_ms() - acked, T4);
	cr_assert_eq(caught_count, sent);
	cr_assert_eq(notes.failed + notes.unacknowledged, 0);
	/* then nobody knows it any more */
	cr_assert_eq(receive_request(REQUEST(&udp, "ACK", .to_tag = "x"), NULL), REQUEST_ACK);
}

Test(server, failure_without_ack_ends_with_timer_h)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);
	uint64_t start = loop_ms();

	answer_with(t, 603);
	WAIT(notes.gone);
	EXACTLY(loop_ms() - start, 64 * T1);
	/* at 0, 1, 3 and 7 T1, then each T2 = 8 T1: 11 in all */
	cr_assert_eq(caught_count, 11);
	cr_assert_eq(notes.failed + notes.unacknowledged, 0);
}

Test(server, failure_over_tcp_is_sent_once_and_its_ack_ends_it)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&tcp, "INVITE", .transport = "TCP"), &notes);

	answer_with(t, 486);
	pass(6 * T1);
	cr_assert_eq(caught_count, 1);
	cr_assert_eq(notes.gone, 0);
	cr_assert_eq(receive_request(REQUEST(&tcp, "ACK", .to_tag = "x"), NULL), REQUEST_ABSORBED);
	WAIT(notes.gone);
}

Test(server, reliable_transports_are_all_but_udp)
{
	const uint8_t transports[] = {TRANSPORT_TCP, TRANSPORT_TLS, TRANSPORT_WS, TRANSPORT_WSS};
	const char *const branch[] = {"z9hG4bK1", "z9hG4bK2", "z9hG4bK3", "z9hG4bK4"};
	struct noted notes[4] = {0};
	struct flow flow = tcp;

	for (int i = 0; i < 4; i++) {
		flow.transport = transports[i];
		answer_with(
			serve(REQUEST(&flow, "INVITE", .branch = branch[i], .call_id = branch[i],
				      .transport = transport_name(transports[i])),
				&notes[i]),
			486);
	}
	pass(6 * T1);
	cr_assert_eq(caught_count, 4);
}

Test(server, success_is_repeated_until_acknowledged)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);
	uint64_t start = loop_ms();
	unsigned sent;

	answer_with(t, 200);
	/* RFC 6026: a repeated INVITE is absorbed in silence */
	receive_request(REQUEST(&udp, "INVITE"), NULL);
	cr_assert_eq(caught_count, 1);
	WAIT(caught_count >= 5);
	EXACTLY(caught[1].at_ms - caught[0].at_ms, T1);
	EXACTLY(caught[2].at_ms - caught[1].at_ms, 2 * T1);
	EXACTLY(caught[3].at_ms - caught[2].at_ms, 4 * T1);
	EXACTLY(caught[4].at_ms - caught[3].at_ms, T2);
	cr_assert_str_eq(sent_text(0), sent_text(4));
	/* its ACK is the dialog's, even with the branch of the INVITE */
	cr_assert_eq(
		receive_request(REQUEST(&udp, "ACK", .branch = "z9hG4bKtwo", .to_tag = "x"), NULL),
		REQUEST_ACK);
	cr_assert_eq(receive_request(REQUEST(&udp, "ACK", .to_tag = "x"), NULL), REQUEST_ACK);
	transaction_acknowledged(t);
	sent = caught_count;
	WAIT(notes.gone);
	EXACTLY(loop_ms() - start, 64 * T1);
	cr_assert_eq(caught_count, sent);
	cr_assert_eq(notes.unacknowledged, 0);
}

Test(server, success_over_tcp_is_repeated_too)
{
	struct noted notes = {0};

	answer_with(serve(REQUEST(&tcp, "INVITE", .transport = "TCP"), &notes), 200);
	WAIT(caught_count >= 3);
}

Test(server, success_never_acknowledged_is_told_after_64_t1)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);
	uint64_t start = loop_ms();

	answer_with(t, 200);
	WAIT(notes.gone);
	cr_assert_eq(notes.unacknowledged, 1);
	cr_assert_eq(notes.failed, 0);
	EXACTLY(loop_ms() - start, 64 * T1);
}

Test(server, only_one_final_answer)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);
	struct wire *w = wire_of("SIP/2.0 200 OK\r\n\r\n");

	cr_assert_not_null(transaction_request(t));
	cr_assert_eq(transaction_answer(t, 200, w), 0);
	cr_assert_eq(transaction_answer(t, 200, w), -EALREADY);
	cr_assert_eq(transaction_answer(t, 486, w), -EALREADY);
	cr_assert_null(transaction_request(t));
	answer_with(t, 500);
	cr_assert_eq(caught_count, 1);
	wire_drop(w);
}

Test(server, other_request_is_answered_again_from_the_bytes_until_timer_j)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "OPTIONS"), &notes);
	uint64_t start = loop_ms();

	answer_with(t, 200);
	cr_assert_eq(receive_request(REQUEST(&udp, "OPTIONS"), NULL), REQUEST_ABSORBED);
	cr_assert_eq(caught_count, 2);
	cr_assert_str_eq(sent_text(0), sent_text(1));
	pass(4 * T1);
	cr_assert_eq(caught_count, 2);
	WAIT(notes.gone);
	EXACTLY(loop_ms() - start, 64 * T1);
	cr_assert_eq(receive_request(REQUEST(&udp, "OPTIONS"), &t), REQUEST_NEW);
}

Test(server, other_request_over_tcp_is_gone_at_once)
{
	struct noted notes = {0};

	answer_with(serve(REQUEST(&tcp, "BYE", .transport = "TCP", .to_tag = "x"), &notes), 200);
	cr_assert_eq(notes.gone, 0);
	WAIT(notes.gone);
}

Test(server, other_request_gets_100_only_when_the_client_is_at_t2)
{
	struct noted notes = {0};
	uint64_t start = loop_ms();

	serve(REQUEST(&udp, "MESSAGE"), &notes);
	receive_request(REQUEST(&udp, "MESSAGE"), NULL); /* Trying: absorbed in silence */
	turn();
	cr_assert_eq(caught_count, 0);
	WAIT(caught_count);
	cr_assert_eq(sent_status(0), 100);
	EXACTLY(caught[0].at_ms - start, T1 + 2 * T1 + 4 * T1);
	receive_request(REQUEST(&udp, "MESSAGE"), NULL);
	cr_assert_eq(caught_count, 2);
}

Test(server, other_request_has_no_provisionals_of_the_user)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "MESSAGE"), &notes);

	answer_with(t, 100);
	answer_with(t, 183);
	cr_assert_eq(caught_count, 0);
	answer_with(t, 200);
	cr_assert_eq(caught_count, 1);
}

Test(server, other_request_is_never_answered_408)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "MESSAGE"), &notes);

	answer_with(t, 408);
	cr_assert(transaction_answered(t));
	cr_assert_eq(receive_request(REQUEST(&udp, "MESSAGE"), NULL), REQUEST_ABSORBED);
	WAIT(notes.gone);
	cr_assert_eq(caught_count, 0);
	cr_assert_eq(notes.failed, 0);
}

Test(server, invite_may_be_answered_408)
{
	struct noted notes = {0};

	answer_with(serve(REQUEST(&udp, "INVITE"), &notes), 408);
	cr_assert_eq(sent_status(0), 408);
}

Test(server, other_request_left_unanswered_fails_after_64_t1)
{
	struct noted notes = {0};
	uint64_t start = loop_ms();

	serve(REQUEST(&udp, "MESSAGE"), &notes);
	WAIT(notes.gone);
	cr_assert_eq(notes.failed, 1);
	cr_assert_eq(notes.error, -ETIMEDOUT);
	EXACTLY(loop_ms() - start, 64 * T1);
	cr_assert_eq(caught_count, 1); /* the 100 */
}

Test(server, send_that_fails_at_once_is_told_from_the_loop)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&tcp, "INVITE", .transport = "TCP"), &notes);

	send_error = -ENOTCONN;
	answer_with(t, 200);
	cr_assert_eq(notes.failed, 0);
	cr_assert(transaction_answered(t));
	pass(2);
	cr_assert_eq(notes.failed, 1);
	cr_assert_eq(notes.error, -ENOTCONN);
	cr_assert_eq(notes.gone, 1);
}

Test(server, full_queue_is_a_lost_datagram)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);

	send_error = -EAGAIN;
	answer_with(t, 486);
	pass(2);
	cr_assert_eq(notes.failed, 0);
	send_error = 0;
	WAIT(caught_count);
	cr_assert_eq(sent_status(0), 486);
}

Test(server, reported_failure_ends_it)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&tcp, "INVITE", .transport = "TCP"), &notes);
	uint64_t cookie;

	answer_with(t, 180);
	cookie = caught[0].cookie;
	transactions_send_failed(
		sip.transactions, FLOW_WORKER(tcp.id), cookie ^ UINT64_C(1) << 40, -ENOTCONN);
	transactions_send_failed(sip.transactions, FLOW_WORKER(tcp.id), 0, -ENOTCONN);
	transactions_send_failed(sip.transactions, FLOW_WORKER(tcp.id), UINT64_MAX, -ENOTCONN);
	transactions_send_failed(sip.transactions, FLOW_WORKER(tcp.id) + 1, cookie,
		-ENOTCONN); /* another worker's connection */
	transactions_send_failed(sip.transactions, FLOW_WORKER(tcp.id), cookie, 0);
	cr_assert_eq(notes.failed, 0);
	transactions_send_failed(sip.transactions, FLOW_WORKER(tcp.id), cookie, -ENOTCONN);
	cr_assert_eq(notes.failed, 1);
	cr_assert_eq(notes.gone, 1);
	/* a second report, and one for a successor at the same place */
	serve(REQUEST(&tcp, "INVITE", .branch = "z9hG4bKtwo", .cseq = 2, .transport = "TCP"),
		&notes);
	transactions_send_failed(sip.transactions, FLOW_WORKER(tcp.id), cookie, -ENOTCONN);
	cr_assert_eq(notes.failed, 1);
}

Test(server, detached_invite_without_an_answer_gets_500)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);

	turn();
	transaction_detach(t);
	turn();
	cr_assert_eq(caught_count, 2);
	cr_assert_eq(sent_status(1), 500);
	receive_request(REQUEST(&udp, "ACK", .to_tag = "x"), NULL);
	pass(2 * T4);
	cr_assert_eq(notes.gone, 0);
}

Test(server, detached_invite_may_be_answered_in_the_same_turn)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);

	transaction_detach(t);
	answer_with(t, 486);
	turn();
	cr_assert_eq(caught_count, 1);
	cr_assert_eq(sent_status(0), 486);
}

Test(server, local_answers_share_one_tag_with_our_slot)
{
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);
	struct str first, second;
	uint8_t slot;
	uint64_t id;

	answer_with(t, 180);
	answer_with(t, 486);
	first = sent_to_tag(0);
	second = sent_to_tag(1);
	cr_assert(first.n && str_equal(first, second));
	cr_assert_eq(token_prove(&sip.keys.minting, TOKEN_TAG, first, &slot, &id), 0);
	cr_assert_eq(slot, 7);
}

Test(server, one_branch_of_two_addresses_is_two_clients)
{
	struct flow other = udp, port = udp;
	struct noted notes[3] = {0};
	struct transaction *t;

	/* RFC 3261 section 17.2.3: private addresses and poor branches are not unique */
	answer_with(serve(REQUEST(&udp, "MESSAGE"), &notes[0]), 200);
	other.peer.address[3] = 77;
	t = serve(REQUEST(&other, "MESSAGE", .call_id = "call-2"), &notes[1]);
	answer_with(t, 404);
	cr_assert_eq(sent_status(1), 404);
	cr_assert(endpoint_equal(&caught[1].to.peer, &other.peer));
	receive_request(REQUEST(&udp, "MESSAGE"), NULL);
	receive_request(REQUEST(&other, "MESSAGE", .call_id = "call-2"), NULL);
	cr_assert_eq(sent_status(2), 200);
	cr_assert_eq(sent_status(3), 404);
	/* without the cookie, too (RFC 2543) */
	answer_with(serve(REQUEST(&udp, "MESSAGE", .branch = "1", .call_id = "call-3"), &notes[2]),
		200);
	cr_assert_eq(receive_request(REQUEST(&other, "MESSAGE", .branch = "1", .call_id = "call-3",
					     .uri = "sip:c@example.net"),
			     &t),
		REQUEST_NEW);
	/* another port is the same one: a NAT may have moved it */
	port.peer.port++;
	cr_assert_eq(receive_request(REQUEST(&port, "MESSAGE"), NULL), REQUEST_ABSORBED);
}
