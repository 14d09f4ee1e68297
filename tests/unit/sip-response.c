/* Local answers: RFC 3261 sections 8.2.6, 8.2.7, 18.2.1; RFC 3581. */
#include "ipc/message_slot.h"
#include "sip-transaction-fixture.h"

#include <criterion/criterion.h>

TestSuite(response, .init = set_up, .fini = tear_down);

#define REST                                                                                       \
	"From: \"A\" <sip:a@example.net>;tag=ft\r\nTo: <sip:b@example.net>\r\nCall-ID: "           \
	"c1\r\nCSeq: 3 OPTIONS\r\nTimestamp: 54 \r\nMax-Forwards: 70\r\n"
#define START "OPTIONS sip:b@example.net SIP/2.0\r\n"

/* The head of a response to text from flow, in a buffer that the next call overwrites. */
static const char *head_of(
	const char *text, const struct flow *flow, unsigned status, const char *tag)
{
	static char buffer[4096];
	struct message *m = message_of(text, flow);
	struct writer w = {.p = buffer, .size = sizeof(buffer) - 1};

	response_write_head(&w, m, status, STR_NONE, str_of(tag));
	cr_assert(!w.full);
	buffer[w.n] = 0;
	free(m);
	return buffer;
}

static bool has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

Test(response, head_copies_what_the_rfc_names)
{
	cr_assert_str_eq(
		head_of(START "Via: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1\r\nv: SIP/2.0/TCP "
			      "p.example;branch=z9hG4bK0\r\nSubject: no\r\n" REST "\r\n",
			&udp, 486, "tt"),
		"SIP/2.0 486 Busy Here\r\nVia: SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bK1\r\nVia: "
		"SIP/2.0/TCP p.example;branch=z9hG4bK0\r\nFrom: \"A\" "
		"<sip:a@example.net>;tag=ft\r\n"
		"To: <sip:b@example.net>;tag=tt\r\nCall-ID: c1\r\nCSeq: 3 OPTIONS\r\n");
}

Test(response, timestamp_goes_with_100_only)
{
	cr_assert(has(head_of(START "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" REST "\r\n",
			      &udp, 100, NULL),
		"\r\nTimestamp: 54\r\n"));
	cr_assert(!has(head_of(START "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" REST "\r\n",
			       &udp, 200, "t"),
		"Timestamp"));
}

Test(response, to_tag_of_the_request_stays)
{
	const char *head = head_of(START
		"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: "
		"<sip:a@b>;tag=theirs\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n",
		&udp, 200, "ours");

	cr_assert(has(head, "\r\nTo: <sip:a@b>;tag=theirs\r\n"));
	cr_assert(!has(head, "ours"));
}

Test(response, received_where_sent_by_is_another)
{
	/* the same address: none */
	cr_assert(has(head_of(START "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" REST "\r\n",
			      &udp, 200, "t"),
		"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"));
	/* a private address, a name */
	cr_assert(
		has(head_of(START "Via: SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bK1\r\n" REST "\r\n",
			    &udp, 200, "t"),
			"Via: SIP/2.0/UDP 10.0.0.1:5062;branch=z9hG4bK1;received=192.0.2.1\r\n"));
	cr_assert(has(head_of(START "Via: SIP/2.0/UDP host.example;branch=z9hG4bK1\r\n" REST "\r\n",
			      &udp, 200, "t"),
		"Via: SIP/2.0/UDP host.example;branch=z9hG4bK1;received=192.0.2.1\r\n"));
}

Test(response, rport_asked_for_is_filled_with_received)
{
	cr_assert(has(head_of(START "Via: SIP/2.0/UDP 192.0.2.1:5062;rport;branch=z9hG4bK1\r\n" REST
				    "\r\n",
			      &udp, 200, "t"),
		"Via: SIP/2.0/UDP "
		"192.0.2.1:5062;branch=z9hG4bK1;received=192.0.2.1;rport=5070\r\n"));
}

Test(response, what_the_peer_wrote_there_is_replaced)
{
	cr_assert(has(head_of(START "Via: SIP/2.0/UDP "
				    "192.0.2.1;Received=198.51.100.66;RPORT=1;x=\"a;received=b\";"
				    "branch=z9hG4bK1\r\n" REST "\r\n",
			      &udp, 200, "t"),
		"Via: SIP/2.0/UDP "
		"192.0.2.1;x=\"a;received=b\";branch=z9hG4bK1;received=192.0.2.1;rport=5070\r\n"));
	/* even where nothing else calls for received */
	cr_assert(!has(
		head_of(START
			"Via: SIP/2.0/UDP 192.0.2.1;received=198.51.100.66;branch=z9hG4bK1\r\n" REST
			"\r\n",
			&udp, 200, "t"),
		"198.51.100.66"));
}

Test(response, further_vias_of_the_line_stay)
{
	cr_assert(has(head_of(START "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1 , SIP/2.0/TCP "
				    "p;received=1.2.3.4;branch=z9hG4bK0\r\n" REST "\r\n",
			      &udp, 200, "t"),
		"Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;received=192.0.2.1"));
	cr_assert(has(head_of(START "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1, SIP/2.0/TCP "
				    "p;received=1.2.3.4;branch=z9hG4bK0\r\n" REST "\r\n",
			      &udp, 200, "t"),
		", SIP/2.0/TCP p;received=1.2.3.4;branch=z9hG4bK0\r\n"));
}

Test(response, received_of_ipv6_has_no_brackets)
{
	struct flow flow = {.transport = TRANSPORT_UDP,
		.peer = {.family = 6, .port = 5070, .address = {0x20, 1, 0xd, 0xb8, [15] = 1}}};

	cr_assert(has(
		head_of(START "Via: SIP/2.0/UDP h.example;branch=z9hG4bK1;rport\r\n" REST "\r\n",
			&flow, 200, "t"),
		";received=2001:db8::1;rport=5070\r\n"));
	cr_assert(
		has(head_of(START "Via: SIP/2.0/UDP [2001:db8::1];branch=z9hG4bK1\r\n" REST "\r\n",
			    &flow, 200, "t"),
			"Via: SIP/2.0/UDP [2001:db8::1];branch=z9hG4bK1\r\n"));
}

static struct message *options(const struct flow *flow)
{
	return message_of(START "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n" REST "\r\n", flow);
}

Test(response, whole_answer)
{
	struct response r = {.status = 404,
		.reason = S("No such thing"),
		.headers = S("X-A: b\r\n"),
		.content_type = S("text/plain"),
		.body = S("sorry"),
		.to_tag = S("tt")};
	struct message *m = options(&udp);
	struct wire *w;

	cr_assert_eq(response_build(&sip, m, &r, &w), 0);
	cr_assert_arr_eq(w->byte, "SIP/2.0 404 No such thing\r\n", 27);
	cr_assert(
		memmem(w->byte, w->size,
			"\r\nX-A: b\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nsorry",
			62) == w->byte + w->size - 62);
	cr_assert(!memmem(w->byte, w->size, "Server", 6));
	wire_drop(w);
	free(m);
}

Test(response, tag_is_minted_in_the_slot_of_the_request)
{
	struct response r = {.status = 404};
	struct message *m = options(&udp);
	struct wire *w;
	uint8_t slot;
	uint64_t id;

	cr_assert_eq(response_build(&sip, m, &r, &w), 0);
	cr_assert_eq(token_prove(&sip.keys.minting, TOKEN_TAG, wire_to_tag(w), &slot, &id), 0);
	cr_assert_eq(slot, slot_of_message(m, &sip.keys.slot_key, NULL));
	wire_drop(w);
	/* none in a 100 */
	r.status = 100;
	cr_assert_eq(response_build(&sip, m, &r, &w), 0);
	cr_assert_eq(wire_to_tag(w).n, 0);
	wire_drop(w);
	free(m);
}

Test(response, too_large_is_refused)
{
	static char large[MESSAGE_RAW_MAX];
	struct response r = {.status = 200, .body = {large, sizeof(large) - 100}};
	struct message *m = options(&udp);
	struct wire *w = NULL;

	memset(large, 'x', sizeof(large));
	cr_assert_eq(response_build(&sip, m, &r, &w), -ENOBUFS);
	cr_assert_null(w);
	free(m);
}

Test(response, answer_does_without_its_headers_before_it_does_not_answer)
{
	static char large[MESSAGE_RAW_MAX];
	struct noted notes = {0};
	struct transaction *t = serve(REQUEST(&udp, "OPTIONS"), &notes);

	memset(large, 'x', sizeof(large));
	answer(&sip, t, 401, (struct str){large, sizeof(large)});
	cr_assert_eq(sent_status(0), 401);
	cr_assert(!sent_has(0, "xxx"));
	struct message *m = options(&udp);
	answer_stateless(&sip, m, 407, (struct str){large, sizeof(large)});
	cr_assert_eq(sent_status(1), 407);
	cr_assert(!sent_has(1, "xxx"));
	free(m);
}

Test(response, stateless_answer_never_to_ack)
{
	struct message *m = REQUEST(&udp, "ACK", .to_tag = "x");

	answer_stateless(&sip, m, 481, STR_NONE);
	cr_assert_eq(caught_count, 0);
	free(m);
	m = REQUEST(&udp, "BYE", .to_tag = "x");
	answer_stateless(&sip, m, 481, S("X-A: b\r\n"));
	cr_assert_eq(sent_status(0), 481);
	cr_assert(sent_has(0, "\r\nX-A: b\r\nContent-Length: 0\r\n\r\n"));
	cr_assert_eq(caught[0].cookie, 0);
	cr_assert(caught[0].reserve);
	free(m);
}
