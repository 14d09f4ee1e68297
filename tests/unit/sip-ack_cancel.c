/* CANCEL: RFC 3261 section 9, on both sides. */
#include "sip-transaction-fixture.h"

#include <criterion/criterion.h>

TestSuite(ack_cancel, .init = set_up, .fini = tear_down);

static struct noted notes;

/* ---- received ---- */

Test(ack_cancel, answered_with_the_tag_of_the_invite)
{
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);

	turn();
	answer(&sip, t, 180, STR_NONE);
	cr_assert_eq(receive_request(REQUEST(&udp, "CANCEL"), NULL), REQUEST_ABSORBED);
	cr_assert_eq(notes.cancelled, 1);
	cr_assert_eq(caught_count, 3);
	cr_assert_eq(sent_status(2), 200);
	cr_assert(sent_has(2, "CSeq: 1 CANCEL\r\n"));
	cr_assert(str_equal(sent_to_tag(1), sent_to_tag(2)));
	/* repeated: the same bytes, told once */
	receive_request(REQUEST(&udp, "CANCEL"), NULL);
	cr_assert_eq(notes.cancelled, 1);
	cr_assert_str_eq(sent_text(2), sent_text(3));
	cr_assert(!transaction_answered(t));
	answer(&sip, t, 487, STR_NONE);
	cr_assert(str_equal(sent_to_tag(4), sent_to_tag(2)));
}

Test(ack_cancel, before_any_answer_the_tag_is_that_of_the_487)
{
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);

	receive_request(REQUEST(&udp, "CANCEL"), NULL);
	cr_assert_eq(notes.cancelled, 1);
	answer(&sip, t, 487, STR_NONE);
	cr_assert_eq(sent_status(0), 200);
	cr_assert_eq(sent_status(1), 487);
	cr_assert(sent_to_tag(0).n);
	cr_assert(str_equal(sent_to_tag(0), sent_to_tag(1)));
}

Test(ack_cancel, after_a_final_answer_it_changes_nothing)
{
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);

	answer(&sip, t, 200, STR_NONE);
	receive_request(REQUEST(&udp, "CANCEL"), NULL);
	cr_assert_eq(notes.cancelled, 0);
	cr_assert_eq(sent_status(1), 200);
	cr_assert(sent_has(1, "CSeq: 1 CANCEL\r\n"));
	cr_assert(str_equal(sent_to_tag(0), sent_to_tag(1)));
}

Test(ack_cancel, without_its_invite_is_481)
{
	struct str first;

	cr_assert_eq(receive_request(REQUEST(&udp, "CANCEL"), NULL), REQUEST_ABSORBED);
	cr_assert_eq(sent_status(0), 481);
	/* without a transaction the tag has to be the same each time (RFC 3261 section 8.2.7) */
	receive_request(REQUEST(&udp, "CANCEL"), NULL);
	first = sent_to_tag(0);
	cr_assert(first.n && str_equal(first, sent_to_tag(1)));
	serve(REQUEST(&udp, "INVITE"), &notes);
	receive_request(REQUEST(&udp, "CANCEL", .branch = "z9hG4bKtwo"), NULL);
	cr_assert_eq(sent_status(2), 481);
	cr_assert_eq(notes.cancelled, 0);
}

Test(ack_cancel, a_nat_that_changes_the_sent_by)
{
	struct flow port = udp, listener = udp;
	struct transaction *t = serve(REQUEST(&udp, "INVITE"), &notes);
#define MOVED .sent_by = "203.0.113.9:61000"
	struct message *other[] = {
		REQUEST(&udp, "CANCEL", MOVED, .branch = "z9hG4bKtwo"),
		REQUEST(&udp, "CANCEL", MOVED, .call_id = "call-2"),
		REQUEST(&udp, "CANCEL", MOVED, .from_tag = "other"),
		REQUEST(&udp, "CANCEL", MOVED, .cseq = 2),
		REQUEST((port.peer.port++, &port), "CANCEL", MOVED),
		REQUEST((listener.listener++, &listener), "CANCEL", MOVED),
		REQUEST(&tcp, "CANCEL", MOVED, .transport = "TCP"),
	};
	unsigned n = sizeof(other) / sizeof(*other);

	for (unsigned i = 0; i < n; i++) {
		receive_request(other[i], NULL);
		cr_expect_eq(sent_status(i), 481, "%u", i);
	}
	cr_assert_eq(notes.cancelled, 0);
	receive_request(REQUEST(&udp, "CANCEL", MOVED), NULL);
	cr_assert_eq(sent_status(n), 200);
	cr_assert_eq(notes.cancelled, 1);
	answer(&sip, t, 487, STR_NONE);
	cr_assert(str_equal(sent_to_tag(n), sent_to_tag(n + 1)));
	/* another Request-URI takes nothing from it, and once is enough */
	receive_request(REQUEST(&udp, "CANCEL", .sent_by = "203.0.113.8", .uri = "sip:x"), NULL);
	cr_assert_eq(sent_status(n + 2), 200);
	cr_assert_eq(notes.cancelled, 1);
	/* the ACK of the failure ends its repetition */
	cr_assert_eq(receive_request(REQUEST(&udp, "ACK", MOVED, .to_tag = "x"), NULL),
		REQUEST_ABSORBED);
	n = caught_count;
	pass(2 * T4);
	cr_assert_eq(caught_count, n);
	cr_assert_eq(counters_page->counter[COUNTER_REQUESTS_MATCHED_BY_FLOW], 3);
}

Test(ack_cancel, a_nat_that_changes_the_sent_by_within_a_dialog)
{
	struct transaction *t = serve(
		REQUEST(&tcp, "INVITE", .transport = "TCP", .to_tag = "x"), &notes);
	struct flow other = tcp;

	receive_request(REQUEST((other.id++, &other), "CANCEL", .transport = "TCP", .to_tag = "x",
				.sent_by = "h.invalid"),
		NULL);
	cr_assert_eq(sent_status(0), 481, "by another connection");
	receive_request(
		REQUEST(&tcp, "CANCEL", .transport = "TCP", .to_tag = "x", .sent_by = "h.invalid"),
		NULL);
	cr_assert_eq(sent_status(1), 200);
	cr_assert_eq(notes.cancelled, 1);
	answer(&sip, t, 487, STR_NONE);
}

Test(ack_cancel, of_another_request_is_481)
{
	serve(REQUEST(&udp, "MESSAGE"), &notes);
	receive_request(REQUEST(&udp, "CANCEL"), NULL);
	cr_assert_eq(sent_status(0), 481);
}

Test(ack_cancel, from_another_host_is_481)
{
	struct flow other = udp;

	serve(REQUEST(&udp, "INVITE"), &notes);
	other.peer.address[3] = 77;
	receive_request(REQUEST(&other, "CANCEL"), NULL);
	cr_assert_eq(sent_status(0), 481);
	cr_assert_eq(notes.cancelled, 0);
	/* another port is the same hop: a NAT may have moved it */
	other = udp;
	other.peer.port++;
	receive_request(REQUEST(&other, "CANCEL"), NULL);
	cr_assert_eq(sent_status(1), 200);
	cr_assert_eq(notes.cancelled, 1);
}

Test(ack_cancel, from_another_host_of_a_trusted_zone)
{
	static struct {
		struct settings settings;
		struct zone_settings zone;
		struct listener_settings listener;
	} image;
	struct flow other = udp;

	image.settings = settings;
	image.settings.zones = (struct array){offsetof(__typeof__(image), zone), 1};
	image.settings.listeners = (struct array){offsetof(__typeof__(image), listener), 1};
	image.zone.trust = 1;
	sip.settings = &image.settings;
	serve(REQUEST(&udp, "INVITE"), &notes);
	other.peer.address[3] = 77;
	receive_request(REQUEST(&other, "CANCEL"), NULL);
	cr_assert_eq(notes.cancelled, 1);
}

static void answer_487(void *user, struct transaction *t, const struct message *m)
{
	on_cancelled(user, t, m);
	answer(&sip, t, 487, STR_NONE);
	transaction_detach(t);
}

Test(ack_cancel, user_answers_within_its_callback)
{
	static const struct server_user ops = {.cancelled = answer_487, .gone = on_gone};
	struct transaction *t;

	receive_request(REQUEST(&udp, "INVITE"), &t);
	transaction_serve(t, &ops, &notes);
	receive_request(REQUEST(&udp, "CANCEL"), NULL);
	cr_assert_eq(caught_count, 2);
	cr_assert_eq(sent_status(0), 200);
	cr_assert_eq(sent_status(1), 487);
	cr_assert_eq(receive_request(REQUEST(&udp, "ACK", .to_tag = "x"), NULL), REQUEST_ABSORBED);
	pass(2 * T4);
	cr_assert_eq(notes.gone, 0);
}

/* ---- sent ---- */

Test(ack_cancel, goes_out_at_once_after_a_provisional)
{
	struct transaction *t = send_request(&udp, METHOD_INVITE, &notes);

	receive_response(&udp, "INVITE", 180, "r");
	transaction_cancel(t, S("Reason: SIP;cause=200\r\n"));
	cr_assert_eq(caught_count, 2);
	cr_assert_str_eq(sent_text(1),
		"CANCEL sip:b@198.51.100.1;transport=udp SIP/2.0\r\nVia: SIP/2.0/UDP "
		"192.0.2.9:5060;branch=" OUR_BRANCH
		";rport\r\nRoute: <sip:r1;lr>\r\nRoute: <sip:r2;lr>\r\nFrom: "
		"<sip:a@example.net>;tag=l\r\n"
		"To: <sip:b@example.net>\r\nCall-ID: out-1\r\nCSeq: 41 CANCEL\r\nMax-Forwards: "
		"70\r\nReason: SIP;cause=200\r\nContent-Length: 0\r\n\r\n");
	cr_assert(caught[1].reserve);
	transaction_cancel(t, STR_NONE);
	cr_assert_eq(caught_count, 2);
	/* it is a transaction of its own: repeated by timer E, its answer stops that and concerns
	 * nobody */
	WAIT(caught_count == 3);
	cr_assert_str_eq(sent_text(1), sent_text(2));
	receive_response(&udp, "CANCEL", 200, "r");
	pass(4 * T1);
	cr_assert_eq(caught_count, 3);
	cr_assert_eq(notes.responses, 1);
	receive_response(&udp, "INVITE", 487, "r");
	cr_assert_eq(notes.responses, 2);
	cr_assert_eq(notes.status, 487);
	cr_assert(sent_starts(3, "ACK "));
}

Test(ack_cancel, waits_for_the_first_provisional)
{
	struct transaction *t = send_request(&tcp, METHOD_INVITE, &notes);

	transaction_cancel(t, STR_NONE);
	pass(4 * T1);
	cr_assert_eq(caught_count, 1);
	receive_response(&tcp, "INVITE", 100, "r");
	cr_assert_eq(caught_count, 2);
	cr_assert(sent_starts(1, "CANCEL "));
	receive_response(&tcp, "INVITE", 180, "r");
	cr_assert_eq(caught_count, 2);
	cr_assert_eq(notes.responses, 2);
}

Test(ack_cancel, never_goes_out_when_the_final_response_comes_first)
{
	struct transaction *t = send_request(&tcp, METHOD_INVITE, &notes);

	transaction_cancel(t, STR_NONE);
	receive_response(&tcp, "INVITE", 200, "r");
	pass(4 * T1);
	cr_assert_eq(caught_count, 1);
	cr_assert_eq(notes.status, 200);
	transaction_cancel(t, STR_NONE);
	cr_assert_eq(caught_count, 1);
}

Test(ack_cancel, without_any_response_it_is_timer_b)
{
	struct transaction *t = send_request(&tcp, METHOD_INVITE, &notes);

	transaction_cancel(t, STR_NONE);
	WAIT(notes.gone);
	cr_assert_eq(notes.status, 408);
	cr_assert_eq(caught_count, 1);
}

Test(ack_cancel, without_a_final_response_the_invite_fails_after_64_t1)
{
	struct transaction *t = send_request(&udp, METHOD_INVITE, &notes);
	uint64_t start;

	receive_response(&udp, "INVITE", 180, "r");
	transaction_cancel(t, STR_NONE);
	start = loop_ms();
	receive_response(&udp, "CANCEL", 200, "r");
	WAIT(notes.gone);
	EXACTLY(loop_ms() - start, 64 * T1);
	cr_assert_eq(notes.failed, 1);
	cr_assert_eq(notes.status, 408);
}
