/* Dialogs (RFC 3261 section 12): what makes them, route sets, how their peers are reached. */
#include "sip-scene.h"

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

/* RFC 3261 section 13.2.2.4: the route set of an early dialog is computed again from the 2xx. */
Test(dialog, the_2xx_says_the_route_set)
{
	static const char *const sets[][3] = {
		/* of the 180, of the 200, and as Route */
		{"<sip:10.0.0.20;lr>", "<sip:10.0.0.22;lr>, <sip:10.0.0.21;lr>",
			"<sip:10.0.0.21;lr>, <sip:10.0.0.22;lr>"},
		{"<sip:10.0.0.20;lr>", "", ""},
		{"", "<sip:10.0.0.21;lr>", "<sip:10.0.0.21;lr>"},
		{"<sip:10.0.0.20;lr>", "<sip:10.0.0.20;lr>", "<sip:10.0.0.20;lr>"},
	};
	char call_id[16], ringing[128], answer[128];

	for (unsigned i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		snprintf(call_id, sizeof(call_id), "set-%u", i);
		ask(.method = "INVITE", .uri = "sip:5551000@example.net", .call_id = call_id);
		struct sent *out = take_request("INVITE");
		snprintf(ringing, sizeof(ringing), "Record-Route: %s\n", sets[i][0]);
		snprintf(answer, sizeof(answer), "Record-Route: %s\n", sets[i][1]);
		respond(out, 180, .tag = "t", .more = *sets[i][0] ? ringing : "");
		take_response(180);
		for (unsigned k = 0; k < 2; k++) /* a repetition changes nothing */
			respond(out, 200, .tag = "t", .more = *sets[i][1] ? answer : "");
		struct sent *answered = take_response(200);
		caller_asks(answered, "ACK", 1);
		struct sent *ack = take_request("ACK");
		cr_assert(str_equal(value_of(ack->message, HEADER_ROUTE), str_of(sets[i][2])),
			"%u: %.*s", i, STR(value_of(ack->message, HEADER_ROUTE)));
		caller_asks(answered, "BYE", 2);
		struct sent *bye = take_request("BYE");
		cr_assert(str_equal(value_of(bye->message, HEADER_ROUTE), str_of(sets[i][2])));
		respond(bye, 200);
		take_response(200);
		quiet();
	}
}

Test(dialog, a_trusted_peer_is_reached_at_its_target)
{
	ask(.method = "INVITE", .uri = "sip:5551000@example.net");
	respond(take_request("INVITE"), 200, .tag = "t", .contact = "<sip:gw@10.0.0.99:5066>");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	cr_assert(sent_to(take_request("ACK"), "10.0.0.99:5066"));
}

Test(dialog, a_trusted_peer_is_reached_at_the_maddr_of_its_target)
{
	static const struct {
		const char *contact, *peer;
	} rows[] = {
		{"<sip:gw@gw.example;maddr=10.0.0.98>", "10.0.0.98:5060"},
		{"<sip:gw@10.0.0.99:5066;maddr=10.0.0.98>", "10.0.0.98:5066"},
		/* no address, or not of the zone: where the INVITE went */
		{"<sip:gw@10.0.0.99;maddr=gw.example>", "10.0.0.11:5060"},
		{"<sip:gw@10.0.0.99;maddr=203.0.113.5>", "10.0.0.11:5060"},
		{"<sip:gw@10.0.0.99;maddr>", "10.0.0.99:5060"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char call_id[16];

		snprintf(call_id, sizeof(call_id), "maddr-%zu", i);
		ask(.method = "INVITE", .uri = "sip:5551000@example.net", .call_id = call_id);
		respond(take_request("INVITE"), 200, .tag = "t", .contact = rows[i].contact);
		struct sent *answered = take_response(200);
		caller_asks(answered, "ACK", 1);
		cr_assert(sent_to(take_request("ACK"), rows[i].peer), "%s", rows[i].contact);
	}
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

/* ---- strict routers (RFC 3261 section 12.2.1.1) ---- */

static bool is_uri(const struct sent *s, const char *uri)
{
	return str_equal(message_str(s->message, s->message->request_uri.whole), str_of(uri));
}

static bool has_route(const struct sent *s, const char *route)
{
	return str_equal(value_of(s->message, HEADER_ROUTE), str_of(route));
}

/* A call to the trunk whose answer has these header lines. Returns the answer that alice got. */
static struct sent *trunk_answers(struct sent **out, const char *more)
{
	ask(.method = "INVITE", .uri = "sip:5551000@example.net");
	*out = take_request("INVITE");
	respond(*out, 200, .tag = "t", .contact = "<sip:gw@10.0.0.99:5066>", .more = more);
	return take_response(200);
}

Test(dialog, strict_router_of_the_callees_side_is_the_request_uri)
{
	struct sent *out, *answered = trunk_answers(&out,
				  "Record-Route: <sip:10.0.0.21:5060;lr>, "
				  "<sip:p@10.0.0.20:5060;method=BYE;x=a/b?y=z>;h=1\n");

	caller_asks(answered, "ACK", 1);
	struct sent *ack = take_request("ACK");
	cr_assert(is_uri(ack, "sip:p@10.0.0.20:5060;x=a/b"), "neither method nor headers");
	cr_assert(has_route(ack, "<sip:10.0.0.21:5060;lr>, <sip:gw@10.0.0.99:5066>"));
	cr_assert(sent_to(ack, "10.0.0.20:5060"));
	caller_asks(answered, "INFO", 2);
	struct sent *info = take_request("INFO");
	cr_assert(is_uri(info, "sip:p@10.0.0.20:5060;x=a/b"));
	cr_assert(has_route(info, "<sip:10.0.0.21:5060;lr>, <sip:gw@10.0.0.99:5066>"));
	/* 481: both legs get a BYE of our own */
	respond(info, 481);
	cr_assert(sent_to(take_request("BYE"), "198.51.100.1:5060"));
	struct sent *bye = take_request("BYE");
	cr_assert(is_uri(bye, "sip:p@10.0.0.20:5060;x=a/b"));
	cr_assert(has_route(bye, "<sip:10.0.0.21:5060;lr>, <sip:gw@10.0.0.99:5066>"));
	cr_assert(sent_to(bye, "10.0.0.20:5060"));
}

Test(dialog, a_single_strict_router_leaves_the_target_in_route)
{
	struct sent *out, *answered = trunk_answers(&out, "Record-Route: <sip:10.0.0.20>\n");

	caller_asks(answered, "ACK", 1);
	struct sent *ack = take_request("ACK");
	cr_assert(is_uri(ack, "sip:10.0.0.20"));
	cr_assert(has_route(ack, "<sip:gw@10.0.0.99:5066>"));
}

Test(dialog, strict_router_of_the_callers_side_is_the_request_uri)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	ask(.method = "INVITE",
		.more = "Record-Route: <sip:r1.example:5070>\nRecord-Route: <sip:r2.example;lr>\n");
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "b");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	take_request("ACK");
	callee_asks(out, "b", "INVITE", 5, .body = "offer");
	struct sent *again = take_request("INVITE");
	cr_assert(is_uri(again, "sip:r1.example:5070"));
	cr_assert(has_route(again, "<sip:r2.example;lr>, <sip:alice@198.51.100.1>"));
	/* the ACK of a failure is the INVITE's (section 17.1.1.3) */
	respond(again, 488);
	struct sent *ack = take_request("ACK");
	cr_assert(is_uri(ack, "sip:r1.example:5070"));
	cr_assert(has_route(ack, "<sip:r2.example;lr>, <sip:alice@198.51.100.1>"));
	take_response(488);
	callee_asks(out, "b", "BYE", 6);
	struct sent *bye = take_request("BYE");
	cr_assert(is_uri(bye, "sip:r1.example:5070"));
	cr_assert(has_route(bye, "<sip:r2.example;lr>, <sip:alice@198.51.100.1>"));
}

Test(dialog, cancel_of_a_strictly_routed_invite_is_routed_as_it)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	ask(.method = "INVITE", .more = "Record-Route: <sip:r1.example>\n");
	struct sent *out = take_request("INVITE");
	respond(out, 200, .tag = "b");
	struct sent *answered = take_response(200);
	caller_asks(answered, "ACK", 1);
	take_request("ACK");
	struct said *again = callee_asks(out, "b", "INVITE", 5);
	respond(take_request("INVITE"), 180);
	take_response(180);
	cancel(again);
	struct sent *cancelled = take_request("CANCEL");
	cr_assert(is_uri(cancelled, "sip:r1.example"));
	cr_assert(has_route(cancelled, "<sip:alice@198.51.100.1>"));
}

Test(dialog, lr_is_a_parameter_of_the_first_uri)
{
	static const struct {
		const char *first;
		bool loose;
	} hops[] = {{"<sip:10.0.0.20;lr>", true}, {"<sip:10.0.0.20;LR>", true},
		{"<sip:10.0.0.20;lr=on>", true}, {"<sip:10.0.0.20;x=[a/b];lr>", true},
		{"<sip:10.0.0.20;%6Cr>", true}, {"<sip:10.0.0.20;transport=udp;lr?h=1>", true},
		{"<sip:10.0.0.20;lrx>", false}, {"<sip:10.0.0.20;xlr>", false},
		{"<sip:10.0.0.20;x=lr>", false}, {"<sip:10.0.0.20?lr=1>", false},
		{"<sip:10.0.0.20>;lr", false}, {"\"x;lr\" <sip:10.0.0.20>", false},
		{"<sip:lr@10.0.0.20>", false}, {"<sip:a;lr@10.0.0.20>", false}};

	for (unsigned i = 0; i < sizeof(hops) / sizeof(*hops); i++) {
		char more[128];
		struct sent *out, *answered, *ack;

		snprintf(more, sizeof(more), "Record-Route: %s\n", hops[i].first);
		answered = trunk_answers(&out, more);
		caller_asks(answered, "ACK", 1);
		ack = take_request("ACK");
		cr_assert_eq(
			is_uri(ack, "sip:gw@10.0.0.99:5066"), hops[i].loose, "%s", hops[i].first);
		cr_assert_eq(has_route(ack, hops[i].first), hops[i].loose, "%s", hops[i].first);
		cr_assert(sent_to(ack, "10.0.0.20:5060"), "%s", hops[i].first);
		worker_tear_down();
		worker_set_up();
	}
}

/* ---- what strict routers send to us (RFC 3261 section 16.4) ---- */

/* A request of a strict router in the dialog of got, with our Contact last in Route. */
static void router_asks(struct flow by, const struct message *got, struct str ours, const char *tag,
	struct str theirs, const char *method, unsigned cseq)
{
	receive(&by,
		"%s sip:192.0.2.1:5064 SIP/2.0\nVia: SIP/2.0/UDP 198.51.100.9;branch=z9hG4bKr%u\n"
		"Max-Forwards: 70\nRoute: <sip:r9.example>, <%.*s>\nFrom: %.*s%s\nTo: %.*s\n"
		"Call-ID: %.*s\nCSeq: %u %s\nContent-Length: 0\n\n",
		method, cseq, STR(message_str(got, got->contact.whole)), STR(ours), tag,
		STR(theirs), STR(message_str(got, got->call_id)), cseq, method);
}

Test(dialog, a_strict_routers_request_is_of_its_dialog)
{
	struct call_scene c = call_answered();
	const struct message *back = c.answered->message, *out = c.out->message;

	router_asks(way_back(&c.answered->to), back, value_of(back, HEADER_FROM), "",
		value_of(back, HEADER_TO), "INFO", 2);
	struct sent *info = take_request("INFO");
	cr_assert(is_uri(info, "sip:callee@198.51.100.11:5060"));
	cr_assert_null(message_first(info->message, HEADER_ROUTE));
	respond(info, 200);
	take_response(200);
	router_asks(way_back(&c.out->to), out, value_of(out, HEADER_TO), ";tag=b",
		value_of(out, HEADER_FROM), "BYE", 5);
	struct sent *bye = take_request("BYE");
	cr_assert(is_uri(bye, "sip:alice@198.51.100.1"));
	cr_assert_null(message_first(bye->message, HEADER_ROUTE));
}

Test(dialog, a_strict_routers_invite_is_for_the_last_of_its_route)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	ask(.method = "INVITE", .uri = "sip:192.0.2.1:5064",
		.more = "Route: <sip:x@r9.example>\nRoute: <sip:r8.example>, "
			"<sip:bob@example.net>\n");
	struct sent *out = take_request("INVITE");
	cr_assert(is_uri(out, "sip:bob@198.51.100.11:5060"));
	cr_assert_null(message_first(out->message, HEADER_ROUTE));
	/* but a Request-URI that names somebody is not ours to replace */
	ask(.method = "INVITE", .uri = "sip:bob@example.net", .call_id = "second",
		.more = "Route: <sip:5551000@example.net>\n");
	cr_assert(is_uri(take_request("INVITE"), "sip:bob@198.51.100.11:5060"));
	quiet();
}
