/* The transaction layer as a whole: what matches what (RFC 3261 section 17.2.3), merged requests,
 * limits, what it holds. */
#include "sip-transaction-fixture.h"
#include "worker-sip/transaction/machine.h"

#include <criterion/criterion.h>

TestSuite(transaction, .init = set_up, .fini = tear_down);

static struct noted notes;

static void answer_with(struct transaction *t, unsigned status)
{
	answer(&sip, t, status, STR_NONE);
}

Test(transaction, branch_sent_by_and_method_make_the_key)
{
	struct transaction *t;

	cr_assert_eq(receive_request(REQUEST(&udp, "OPTIONS", .branch = "z9hG4bKAb",
					     .sent_by = "Host.example", .cseq = 1),
			     &t),
		REQUEST_NEW);
	cr_assert_eq(receive_request(REQUEST(&udp, "OPTIONS", .branch = "z9hG4bKAb",
					     .sent_by = "host.example:5060", .cseq = 1),
			     NULL),
		REQUEST_ABSORBED);
	cr_assert_eq(receive_request(REQUEST(&udp, "OPTIONS", .branch = "Z9HG4BKaB",
					     .sent_by = "host.EXAMPLE", .cseq = 1),
			     NULL),
		REQUEST_ABSORBED);
	cr_assert_eq(caught_count, 0); /* absorbed as retransmissions, not as merged requests */
	/* each of the three differs once */
	cr_assert_eq(receive_request(REQUEST(&udp, "OPTIONS", .branch = "z9hG4bKAc",
					     .sent_by = "host.example", .cseq = 2),
			     NULL),
		REQUEST_NEW);
	cr_assert_eq(receive_request(REQUEST(&udp, "OPTIONS", .branch = "z9hG4bKAb",
					     .sent_by = "host.example:5062", .cseq = 3),
			     NULL),
		REQUEST_NEW);
	cr_assert_eq(receive_request(REQUEST(&udp, "OPTIONS", .branch = "z9hG4bKAb",
					     .sent_by = "other.example", .cseq = 4),
			     NULL),
		REQUEST_NEW);
	cr_assert_eq(receive_request(REQUEST(&udp, "MESSAGE", .branch = "z9hG4bKAb",
					     .sent_by = "host.example", .cseq = 5),
			     NULL),
		REQUEST_NEW);
	/* unknown methods are told apart by name */
	cr_assert_eq(receive_request(REQUEST(&udp, "FOO", .branch = "z9hG4bKAb",
					     .sent_by = "host.example", .cseq = 6),
			     NULL),
		REQUEST_NEW);
	cr_assert_eq(receive_request(REQUEST(&udp, "BAR", .branch = "z9hG4bKAb",
					     .sent_by = "host.example", .cseq = 7),
			     NULL),
		REQUEST_NEW);
}

Test(transaction, secure_transports_have_another_usual_port)
{
	cr_assert_eq(
		receive_request(
			REQUEST(&tcp, "OPTIONS", .sent_by = "h.example", .transport = "TLS"), NULL),
		REQUEST_NEW);
	cr_assert_eq(receive_request(REQUEST(&tcp, "OPTIONS", .sent_by = "h.example:5061",
					     .transport = "TLS"),
			     NULL),
		REQUEST_ABSORBED);
	cr_assert_eq(receive_request(REQUEST(&tcp, "OPTIONS", .sent_by = "h.example:5060",
					     .transport = "TLS", .cseq = 2),
			     NULL),
		REQUEST_NEW);
}

Test(transaction, without_the_cookie_rfc_2543_matches)
{
	struct transaction *t;

	cr_assert_eq(receive_request(REQUEST(&udp, "INVITE", .branch = "1"), &t), REQUEST_NEW);
	turn();
	cr_assert_eq(
		receive_request(REQUEST(&udp, "INVITE", .branch = "1"), NULL), REQUEST_ABSORBED);
	cr_assert_eq(caught_count, 2);
	/* the same branch means nothing by itself */
	cr_assert_eq(
		receive_request(REQUEST(&udp, "INVITE", .branch = "1", .call_id = "call-2"), NULL),
		REQUEST_NEW);
	cr_assert_eq(receive_request(REQUEST(&udp, "INVITE", .branch = "1", .cseq = 2), NULL),
		REQUEST_NEW);
	cr_assert_eq(
		receive_request(
			REQUEST(&udp, "INVITE", .branch = "1", .uri = "sip:c@example.net"), NULL),
		REQUEST_NEW);
	cr_assert_eq(
		receive_request(REQUEST(&udp, "INVITE", .branch = "1", .from_tag = "other"), NULL),
		REQUEST_NEW);
	transaction_serve(t, &server_notes, &notes);
	cr_assert_eq(
		receive_request(REQUEST(&udp, "CANCEL", .branch = "1"), NULL), REQUEST_ABSORBED);
	cr_assert_eq(notes.cancelled, 1);
	answer_with(t, 487);
	cr_assert_eq(
		receive_request(REQUEST(&udp, "ACK", .branch = "1", .to_tag = "whatever"), NULL),
		REQUEST_ABSORBED);
	WAIT(notes.gone);
}

Test(transaction, merged_request_is_482)
{
	struct transaction *t;

	cr_assert_eq(receive_request(REQUEST(&udp, "INVITE"), &t), REQUEST_NEW);
	turn();
	cr_assert_eq(receive_request(REQUEST(&udp, "INVITE", .branch = "z9hG4bKtwo"), NULL),
		REQUEST_ABSORBED);
	cr_assert_eq(sent_status(1), 482);
	/* another target of the same fork is no copy; nor is the next try */
	cr_assert_eq(receive_request(REQUEST(&udp, "INVITE", .branch = "z9hG4bKthree",
					     .uri = "sip:c@example.net"),
			     NULL),
		REQUEST_NEW);
	cr_assert_eq(
		receive_request(REQUEST(&udp, "INVITE", .branch = "z9hG4bKfour", .cseq = 2), NULL),
		REQUEST_NEW);
	/* in a dialog the dialog's sequence number decides */
	cr_assert_eq(receive_request(
			     REQUEST(&udp, "INVITE", .branch = "z9hG4bKfive", .to_tag = "x"), NULL),
		REQUEST_NEW);
	/* as long as the transaction lasts */
	answer_with(t, 486);
	cr_assert_eq(receive_request(REQUEST(&udp, "INVITE", .branch = "z9hG4bKsix"), NULL),
		REQUEST_ABSORBED);
	receive_request(REQUEST(&udp, "ACK", .to_tag = "y"), NULL);
	transaction_serve(t, &server_notes, &notes);
	WAIT(notes.gone);
	cr_assert_eq(receive_request(REQUEST(&udp, "INVITE", .branch = "z9hG4bKseven"), NULL),
		REQUEST_NEW);
}

Test(transaction, over_the_limit_is_503_with_retry_after)
{
	char branch[32], call_id[32];

	settings.transactions_max = 16;
	for (int i = 0; i < 16; i++) {
		snprintf(branch, sizeof(branch), "z9hG4bK%d", i);
		snprintf(call_id, sizeof(call_id), "call-%d", i);
		cr_assert_eq(receive_request(
				     REQUEST(&udp, "MESSAGE", .branch = branch, .call_id = call_id),
				     NULL),
			REQUEST_NEW);
	}
	cr_assert_eq(
		receive_request(
			REQUEST(&udp, "MESSAGE", .branch = "z9hG4bKmore", .call_id = "more"), NULL),
		REQUEST_ABSORBED);
	cr_assert_eq(caught_count, 1);
	cr_assert_eq(sent_status(0), 503);
	cr_assert(sent_has(0, "\r\nRetry-After: "));
	cr_assert_eq(caught[0].cookie, 0);
	/* an eighth more for dialogs */
	cr_assert_eq(
		receive_request(REQUEST(&udp, "BYE", .branch = "z9hG4bKb1", .to_tag = "x"), NULL),
		REQUEST_NEW);
	cr_assert_eq(
		receive_request(REQUEST(&udp, "BYE", .branch = "z9hG4bKb2", .to_tag = "x"), NULL),
		REQUEST_NEW);
	cr_assert_eq(
		receive_request(REQUEST(&udp, "BYE", .branch = "z9hG4bKb3", .to_tag = "x"), NULL),
		REQUEST_ABSORBED);
	/* retransmissions meet their transaction before the limit, and ACK is never answered */
	receive_request(REQUEST(&udp, "MESSAGE", .branch = "z9hG4bK3", .call_id = "call-3"), NULL);
	cr_assert_eq(
		receive_request(REQUEST(&udp, "ACK", .branch = "z9hG4bKack", .to_tag = "x"), NULL),
		REQUEST_ACK);
	cr_assert_eq(caught_count, 2);
}

Test(transaction, long_last_states_hold_no_machine)
{
	struct transaction *t = serve(REQUEST(&udp, "OPTIONS"), &notes), *invite, *failed;

	cr_assert_not_null(t->machine);
	answer_with(t, 200);
	cr_assert_null(t->machine);
	invite = serve(REQUEST(&udp, "INVITE", .branch = "z9hG4bK2", .cseq = 2), &notes);
	answer_with(invite, 200);
	cr_assert_null(invite->machine);
	failed = serve(REQUEST(&udp, "INVITE", .branch = "z9hG4bK3", .cseq = 3), &notes);
	answer_with(failed, 486);
	cr_assert_not_null(failed->machine);
	receive_request(REQUEST(&udp, "ACK", .branch = "z9hG4bK3", .cseq = 3), NULL);
	cr_assert_null(failed->machine);
	t = send_request(&udp, METHOD_INVITE, &notes);
	cr_assert_not_null(t->machine);
	receive_response(&udp, "INVITE", 486, "r");
	cr_assert_null(t->machine);
}

/* Many calls, some of each end, with all that waits thrown away at the end: for the sanitizers. */
Test(transaction, many)
{
	static struct noted many[600];
	char branch[32], call_id[32];
	struct transaction *t;

	settings.transactions_max = 10000;
	for (unsigned i = 0; i < 600; i++) {
		struct flow *flow = i & 1 ? &tcp : &udp;
		const char *method = i & 2 ? "INVITE" : "MESSAGE";
		struct wire *w;

		snprintf(branch, sizeof(branch), "z9hG4bK%u", i);
		snprintf(call_id, sizeof(call_id), "call-%u", i);
		t = serve(REQUEST(flow, method, .branch = branch, .call_id = call_id), &many[i]);
		if (i % 3 == 0)
			receive_request(
				REQUEST(flow, method, .branch = branch, .call_id = call_id), NULL);
		if (i % 5 == 0)
			receive_request(
				REQUEST(flow, "CANCEL", .branch = branch, .call_id = call_id),
				NULL);
		if (i % 4 == 0)
			turn();
		answer_with(t, i % 7 == 0 ? 200 : i % 7 == 1 ? 180 : i % 7 == 2 ? 408 : 404);
		if (i % 11 == 0)
			receive_request(REQUEST(flow, "ACK", .branch = branch, .call_id = call_id,
						.to_tag = "x"),
				NULL);
		if (i % 13 == 0)
			transaction_detach(t);
		w = wire_of(client_text(method));
		cr_assert_eq(
			transaction_send(sip.transactions, i & 2 ? METHOD_INVITE : METHOD_MESSAGE,
				i / 3 * 2 + 1000 + i, 7, flow, w, &client_notes, &many[i], &t),
			0);
		wire_drop(w);
		if (i & 2 && i % 9 == 0)
			transaction_cancel(t, STR_NONE);
		forget_sends();
	}
	send_error = -ENOTCONN; /* what is repeated from here on fails */
	pass(4 * T1);
	send_error = 0;
	forget_sends();
}
