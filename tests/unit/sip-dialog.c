/* Dialogs (RFC 3261 section 12): what makes them, route sets, how their peers are reached. */
#include "sip-worker.h"

TestSuite(dialog, .init = worker_set_up, .fini = worker_tear_down);

Test(dialog, route_set_of_the_caller_is_its_record_route_in_order)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	ask(.method = "INVITE", .more = "Record-Route: <sip:r1.example;lr>, <sip:r2.example;lr>\n"
					"Record-Route: <sip:r3.example;lr;x=1>\n");
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "b");
	struct sent *answered = take_response(200);
	/* the caller takes its own from the response (section 12.1.1) */
	cr_assert(str_equal(value_of(answered->message, HEADER_RECORD_ROUTE),
		S("<sip:r1.example;lr>, <sip:r2.example;lr>")));
	caller_asks(answered, "ACK", 1);
	take_request("ACK");
	callee_asks(out, "b", "BYE", 5);
	struct sent *bye = take_request("BYE");
	cr_assert(str_equal(value_of(bye->message, HEADER_ROUTE),
		S("<sip:r1.example;lr>, <sip:r2.example;lr>, <sip:r3.example;lr;x=1>")));
	cr_assert(str_equal(message_str(bye->message, bye->message->request_uri.whole),
		S("sip:alice@198.51.100.1")));
}

Test(dialog, route_set_of_the_callee_is_its_record_route_turned_round)
{
	ask(.method = "INVITE", .uri = "sip:5551000@example.net");
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "t", .contact = "<sip:gw@10.0.0.99:5066>",
		.more = "Record-Route: <sip:10.0.0.21:5060;lr>, <sip:10.0.0.20:5060;lr>\n");
	struct sent *answered = take_response(200);
	cr_assert_null(message_first(answered->message, HEADER_RECORD_ROUTE), "of the other leg");
	caller_asks(answered, "ACK", 1);
	struct sent *ack = take_request("ACK");
	cr_assert(str_equal(value_of(ack->message, HEADER_ROUTE),
		S("<sip:10.0.0.20:5060;lr>, <sip:10.0.0.21:5060;lr>")));
	cr_assert(str_equal(message_str(ack->message, ack->message->request_uri.whole),
		S("sip:gw@10.0.0.99:5066")));
	/* in a trusted zone its first element is where it goes */
	cr_assert(sent_to(ack, "10.0.0.20:5060"));
	/* a call ended from here does it likewise */
	pass(64 * T1 + 1);
	caller_asks(answered, "BYE", 2);
	struct sent *bye = take_request("BYE");
	cr_assert(sent_to(bye, "10.0.0.20:5060"));
	cr_assert(str_equal(value_of(bye->message, HEADER_ROUTE),
		S("<sip:10.0.0.20:5060;lr>, <sip:10.0.0.21:5060;lr>")));
}

Test(dialog, a_trusted_peer_is_reached_at_its_target)
{
	ask(.method = "INVITE", .uri = "sip:5551000@example.net");
	respond(take_request("INVITE"), 200, .tag = "t", .contact = "<sip:gw@10.0.0.99:5066>");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	cr_assert(sent_to(take_request("ACK"), "10.0.0.99:5066"));
}

Test(dialog, not_outside_its_zone)
{
	/* a trunk that was taken over must not have us send to where it likes */
	ask(.method = "INVITE", .uri = "sip:5551000@example.net");
	respond(take_request("INVITE"), 200, .tag = "t", .contact = "<sip:gw@203.0.113.5:5066>");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	cr_assert(sent_to(take_request("ACK"), "10.0.0.11:5060"));
}

Test(dialog, a_phone_is_reached_by_its_flow)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	ask(.method = "INVITE", .contact = "<sip:alice@192.168.1.5:5070>");
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "b", .contact = "<sip:bob@192.168.2.6:5080>");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	struct sent *ack = take_request("ACK");
	cr_assert(sent_to(ack, "198.51.100.11:5060"), "whatever its Contact says");
	cr_assert(str_equal(message_str(ack->message, ack->message->request_uri.whole),
		S("sip:bob@192.168.2.6:5080")));
	callee_asks(out, "b", "BYE", 5);
	struct sent *bye = take_request("BYE");
	cr_assert(sent_to(bye, "198.51.100.1:5060"));
	cr_assert(str_equal(message_str(bye->message, bye->message->request_uri.whole),
		S("sip:alice@192.168.1.5:5070")));
}

Test(dialog, a_phone_that_moved_is_reached_where_it_is)
{
	struct call_scene c = call_answered();
	struct flow moved = flow_of(OPEN_UDP, "198.51.100.77:9999", 0);

	caller_asks(c.answered, "UPDATE", 2, .by = &moved);
	respond(take_request("UPDATE"), 200);
	cr_assert(sent_to(take_response(200), "198.51.100.77:9999"));
	callee_asks(c.out, "b", "INFO", 5);
	cr_assert(sent_to(take_request("INFO"), "198.51.100.77:9999"));
}

Test(dialog, but_not_from_another_zone)
{
	struct call_scene c = call_answered();
	struct flow core = flow_of(CORE_UDP, "10.0.0.50:5060", 0);

	caller_asks(c.answered, "UPDATE", 2, .by = &core);
	take_response(481);
	quiet();
	callee_asks(c.out, "b", "INFO", 5);
	cr_assert(sent_to(take_request("INFO"), "198.51.100.1:5060"));
}

Test(dialog, our_tags_are_proved)
{
	struct call_scene c = call_answered();
	struct str tag = message_str(c.answered->message, c.answered->message->to_tag);
	char forged[64];

	snprintf(forged, sizeof(forged), "%.*s", STR(tag));
	forged[tag.n / 2] = forged[tag.n / 2] == '0' ? '1' : '0';
	receive(&alice,
		"BYE sip:x@192.0.2.1:5064 SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.1:5060;"
		"branch=z9hG4bKforged\nMax-Forwards: 70\nFrom: <sip:alice@example.net>;tag=a\n"
		"To: <sip:bob@example.net>;tag=%s\nCall-ID: call-of-alice\nCSeq: 9 BYE\n"
		"Content-Length: 0\n\n",
		forged);
	take_response(481);
	quiet();
	cr_assert_eq(worker->sip.calls, 1);
}

Test(dialog, too_long_a_route_set_makes_none)
{
	static char more[9000];
	size_t n = (size_t)snprintf(more, sizeof(more), "Record-Route: <sip:r.example;lr>");

	register_phone("bob", "198.51.100.11:5060", NULL);
	for (unsigned i = 0; i < 70; i++)
		n += (size_t)snprintf(more + n, sizeof(more) - n, ", <sip:r%u.example;lr>", i);
	snprintf(more + n, sizeof(more) - n, "\n");
	ask(.method = "INVITE", .more = more);
	struct sent *out = take("INVITE", 0);
	if (out) {
		respond(out, 200, .tag = "b");
		take_request("ACK");
		take_request("BYE");
	}
	take_response(500);
	quiet();
	cr_assert_eq(worker->sip.calls, 0);
}
