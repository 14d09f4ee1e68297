/* sip-outbound.c - phones that register by flows (RFC 5626): what their REGISTER asks for and is
 * told, and by which of its flows a phone is called. */
#include "sip-worker.h"

#define INSTANCE "+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-000000000001>\""
#define OTHER "+sip.instance=\"<urn:uuid:00000000-0000-4000-8000-000000000002>\""
#define SUPPORTED "Supported: path, outbound\n"
#define EDGE "Via: SIP/2.0/UDP edge.example;branch=z9hG4bKe\n"

TestSuite(outbound, .init = worker_set_up, .fini = worker_tear_down);

/* A REGISTER of bob with these parameters of his Contact and header lines, by that flow; the answer
 * with that status. */
static const struct message *registers(
	const struct flow *by, const char *params, const char *more, unsigned status)
{
	static unsigned cseq;
	char contact[256], call_id[96], host[ENDPOINT_TEXT_SIZE];

	endpoint_text(&by->peer, host);
	snprintf(contact, sizeof(contact), "<sip:bob@%s>;%s", host, params);
	snprintf(call_id, sizeof(call_id), "register-%s", host);
	ask(.by = by, .method = "REGISTER", .uri = "sip:example.net",
		.from = "<sip:bob@example.net>", .to = "<sip:bob@example.net>", .contact = contact,
		.call_id = call_id, .cseq = ++cseq, .more = more);
	pass(10);
	return take_response(status)->message;
}

static bool says(const struct message *m, enum header id, const char *value)
{
	return str_equal(value_of(m, id), str_of(value));
}

/* RFC 5626 section 6. */
Test(outbound, what_is_registered_by_it_is_said)
{
	const struct message *m = registers(&alice, INSTANCE ";reg-id=1", SUPPORTED, 200);

	cr_assert(says(m, HEADER_REQUIRE, "outbound"));
	cr_assert(says(m, HEADER_FLOW_TIMER, ""));
	worker->image.domain[0].flow_timer = 90;
	m = registers(&alice, INSTANCE ";reg-id=1", "Require: outbound\n", 200);
	cr_assert(says(m, HEADER_REQUIRE, "outbound"));
	cr_assert(says(m, HEADER_FLOW_TIMER, "90"));
	/* who does not know of it, and who asks for no flow */
	m = registers(&alice, INSTANCE ";reg-id=1", "", 200);
	cr_assert(says(m, HEADER_REQUIRE, "") && says(m, HEADER_FLOW_TIMER, ""));
	m = registers(&alice, "reg-id=1", SUPPORTED, 200);
	cr_assert(says(m, HEADER_REQUIRE, "") && says(m, HEADER_FLOW_TIMER, ""));
	m = registers(&alice, INSTANCE, SUPPORTED, 200);
	cr_assert(says(m, HEADER_REQUIRE, "") && says(m, HEADER_FLOW_TIMER, ""));
}

Test(outbound, a_server_between_has_to_keep_flows)
{
	struct flow core = flow_of(CORE_UDP, "10.0.0.9:5060", 0);

	registers(&alice, INSTANCE ";reg-id=1", EDGE SUPPORTED, 439);
	cr_assert_eq(counted(COUNTER_REGISTER_FIRST_HOP), 1);
	/* without outbound nobody has to */
	registers(&alice, INSTANCE ";reg-id=1", EDGE, 200);
	registers(&alice, INSTANCE, EDGE SUPPORTED, 200);
	/* the zone says whose Path is believed */
	registers(&alice, INSTANCE ";reg-id=1", EDGE SUPPORTED "Path: <sip:edge.example;lr;ob>\n",
		439);
	const struct message *m = registers(&core, INSTANCE ";reg-id=1",
		EDGE SUPPORTED "Path: <sip:edge.example;lr;ob>\n", 200);
	cr_assert(says(m, HEADER_REQUIRE, "outbound"));
	/* it is the one next to the phone: the last one */
	registers(&core, INSTANCE ";reg-id=1",
		EDGE SUPPORTED "Path: <sip:inner.example;lr;ob>,<sip:edge.example;lr>\n", 439);
}

/* ---- calls ---- */

#define ONE "198.51.100.11:5060"
#define TWO "198.51.100.12:5060"
#define DESK "198.51.100.13:5060"

/* bob's phone has registered by two flows, the second one last, and has another phone beside it. */
static void two_flows(void)
{
	struct flow one = flow_of(OPEN_UDP, ONE, 0), two = flow_of(OPEN_UDP, TWO, 0),
		    desk = flow_of(OPEN_UDP, DESK, 0);

	registers(&one, INSTANCE ";reg-id=1;expires=600", SUPPORTED, 200);
	pass(1000);
	registers(&two, INSTANCE ";reg-id=2;expires=600", SUPPORTED, 200);
	registers(&desk, OTHER ";reg-id=1;expires=60", SUPPORTED, 200);
}

static struct sent *invited(const char *target)
{
	struct sent *s = take_request("INVITE");

	cr_assert(sent_to(s, target), "port %u", s->to.peer.port);
	return s;
}

/* RFC 5626 section 7. */
Test(outbound, a_phone_is_called_by_one_flow)
{
	two_flows();
	ask(.method = "INVITE");
	struct sent *two = take_request("INVITE"), *desk = take_request("INVITE");
	cr_assert((sent_to(two, TWO) && sent_to(desk, DESK)) ||
		  (sent_to(two, DESK) && sent_to(desk, TWO)));
	quiet();
	/* what it says it says for all its flows */
	respond(two, 486, .tag = "b");
	respond(desk, 486, .tag = "c");
	take_response(486);
	take_all("ACK");
	quiet();
}

Test(outbound, nor_is_it_asked_again_when_it_rang_in_vain)
{
	two_flows();
	ask(.method = "INVITE");
	struct sent *a = take_request("INVITE"), *b = take_request("INVITE");
	respond(a, 180, .tag = "b");
	respond(b, 180, .tag = "c");
	take_response(180);
	take_response(180);
	pass(TIMER_C + 64 * T1);
	cr_assert_eq(take_all("INVITE"), 0);
}

Test(outbound, the_other_flow_has_its_turn_where_nothing_came_by_the_first)
{
	two_flows();
	ask(.method = "INVITE");
	struct sent *a = take_request("INVITE"), *b = take_request("INVITE");
	respond(sent_to(a, DESK) ? a : b, 486, .tag = "c");
	pass(64 * T1);
	/* repetitions to the silent one, then the other flow */
	struct sent *s, *one = NULL;
	while ((s = take("INVITE", 0)))
		if (sent_to(s, ONE))
			one = s;
	cr_assert_not_null(one);
	respond(one, 200, .tag = "b", .body = "v=0\n");
	take_response(200);
}

/* A phone with two lines has one instance for both. */
Test(outbound, a_phone_is_asked_for_each_of_its_users)
{
	struct flow one = flow_of(OPEN_UDP, ONE, 0);

	fixture_user(worker, 0, "carol", "christmas", DIGEST_MD5);
	registers(&one, INSTANCE ";reg-id=1;expires=600", SUPPORTED, 200);
	ask(.by = &one, .method = "REGISTER", .uri = "sip:example.net",
		.from = "<sip:carol@example.net>", .to = "<sip:carol@example.net>",
		.contact = "<sip:carol@" ONE ">;" INSTANCE ";reg-id=1;expires=600",
		.call_id = "register-carol", .more = SUPPORTED);
	pass(10);
	take_response(200);
	ask(.method = "INVITE");
	respond(invited(ONE), 302, .tag = "b", .contact = "<sip:carol@example.net>");
	respond(invited(ONE), 200, .tag = "c", .body = "v=0\n");
	take_response(200);
}

Test(outbound, so_it_has_where_its_edge_has_lost_the_first)
{
	struct flow one = flow_of(OPEN_UDP, ONE, 0), two = flow_of(OPEN_UDP, TWO, 0);

	/* what the phone prefers comes first, however old it is */
	registers(&two, INSTANCE ";reg-id=2;expires=600", SUPPORTED, 200);
	pass(1000);
	registers(&one, INSTANCE ";reg-id=1;q=0.5;expires=600", SUPPORTED, 200);
	ask(.method = "INVITE");
	respond(invited(TWO), 430, .tag = "b");
	respond(invited(ONE), 603, .tag = "b");
	take_response(603);
	take_all("ACK");
	ask(.method = "INVITE", .call_id = "another");
	respond(invited(TWO), 486, .tag = "b");
	take_response(486);
	cr_assert_null(take("INVITE", 0), "it has answered");
}
