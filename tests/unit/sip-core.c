/* The core lets in requests from permitted sources, whatever they are for. */
#include "sip-worker.h"

TestSuite(core, .init = worker_set_up, .fini = worker_tear_down);

Test(core, a_source_that_its_zone_does_not_permit_hears_nothing)
{
	struct flow inside = flow_of(CORE_UDP, "10.0.0.9:5060", 0),
		    outside = flow_of(CORE_UDP, "10.0.1.9:5060", 0);

	ask(.by = &outside, .method = "OPTIONS", .uri = "sip:example.net");
	quiet();
	cr_assert_eq(counters_page->counter[COUNTER_SOURCE_REFUSED], 1);
	ask(.by = &inside, .method = "OPTIONS", .uri = "sip:example.net", .cseq = 2);
	take_response(200);
	cr_assert_eq(counters_page->counter[COUNTER_SOURCE_REFUSED], 1);
	quiet();
}

Test(core, a_response_from_there_answers_nothing)
{
	struct flow outside = flow_of(CORE_UDP, "10.0.1.9:5060", 0);

	ask(.method = "MESSAGE", .uri = "sip:5551000@example.net");
	struct sent *out = take_request("MESSAGE");
	struct flow inside = out->to;
	out->to = outside;
	respond(out, 200, .tag = "t");
	quiet();
	cr_assert_eq(counters_page->counter[COUNTER_SOURCE_REFUSED], 1);
	out->to = inside;
	respond(out, 200, .tag = "t");
	take_response(200);
}

Test(core, what_is_of_a_dialog_and_names_none)
{
	static const char *const method[] = {"BYE", "PRACK", "UPDATE"};
	static const char *const uri[] = {"sip:5551000@example.net", "sip:example.net",
		"sip:alice@example.net", "tel:+15551000"};
	struct flow core = flow_of(CORE_UDP, "10.0.0.9:5060", 0);
	unsigned cseq = 0;

	for (unsigned i = 0; i < 3; i++)
		for (unsigned k = 0; k < 4; k++) {
			ask(.method = method[i], .uri = uri[k], .cseq = ++cseq,
				.more = i == 1 ? "RAck: 1 1 INVITE\n" : "");
			take_response(481);
			ask(.by = &core, .method = method[i], .uri = uri[k], .cseq = ++cseq);
			take_response(481);
		}
	quiet();
	cr_assert_eq(counters_page->counter[COUNTER_DIALOG_UNMATCHED], 24);
}

/* Text of n octets between two others. */
static const char *longer(const char *before, size_t n, const char *after)
{
	static char text[16384];
	size_t at = strlen(before);

	memcpy(text, before, at);
	memset(text + at, '5', n);
	strcpy(text + at + n, after);
	return text;
}

Test(core, what_is_too_long_is_told_so)
{
	struct flow core = flow_of(CORE_UDP, "10.0.0.9:5060", 0);
	unsigned cseq = 0;

	ask(.method = "INVITE", .uri = longer("sip:", 513, "@example.net"), .cseq = ++cseq);
	take_response(414);
	ask(.by = &core, .method = "MESSAGE", .uri = longer("sip:%35", 600, "@x"), .cseq = ++cseq);
	take_response(414);
	ask(.method = "MESSAGE", .uri = longer("tel:", 9000, ""), .cseq = ++cseq);
	take_response(414);
	cr_assert_eq(counters_page->counter[COUNTER_URIS_TOO_LONG], 3);
	worker->image.route[2].status = 414; /* a rule may say it of any number */
	ask(.method = "MESSAGE", .uri = "sip:no@example.net", .cseq = ++cseq);
	take_response(414);
	worker->image.route[2].status = 410;
	cr_assert_eq(counters_page->counter[COUNTER_URIS_TOO_LONG], 3);
	ask(.method = "MESSAGE", .uri = longer("sip:no", 500, "@example.net"), .cseq = ++cseq);
	take_response(410); /* a rule that refuses sees the whole of it */
	for (unsigned i = 0; i < 2; i++) {
		ask(.method = i ? "INVITE" : "MESSAGE", .uri = "sip:5551000@example.net",
			.from = longer("\"", 8000, "\" <sip:alice@example.net>"), .cseq = ++cseq);
		take_response(400);
		ask(.method = i ? "INVITE" : "MESSAGE", .uri = "sip:5551000@example.net",
			.to = longer("<sip:bob@example.net>;p=", 8000, ""), .cseq = ++cseq);
		take_response(400);
	}
	cr_assert_eq(counters_page->counter[COUNTER_NAMES_TOO_LONG], 4);
	ask(.method = "MESSAGE", .uri = "sip:5551000@example.net",
		.from = longer("\"", 7000, "\" <sip:alice@example.net>"), .cseq = ++cseq);
	take_request("MESSAGE");
	quiet();
}

Test(core, a_registered_phone_keeps_its_flow_open_without_credentials)
{
	struct flow phone = flow_of(ACCESS_UDP, "203.0.113.7:5060", 0),
		    port = flow_of(ACCESS_UDP, "203.0.113.7:5061", 0);
	struct binding b = {.flow = phone,
		.expires_at = fixture_now() + 60000,
		.contact = S("sip:alice@203.0.113.7"),
		.call_id = S("x")};

	cr_assert_eq(
		location_put(worker->sip.location, S("sip:alice@example.net"), &b, 1, NULL, NULL),
		0);
	pass(10);
	ask(.by = &phone, .method = "OPTIONS", .uri = "sip:example.net");
	take_response(200);
	cr_assert_eq(counters_page->counter[COUNTER_KEEP_ALIVES_ANSWERED], 1);
	/* by another port, for another user, to somebody, or what is no OPTIONS */
	ask(.by = &port, .method = "OPTIONS", .uri = "sip:example.net", .cseq = 2);
	take_response(401);
	ask(.by = &phone, .method = "OPTIONS", .uri = "sip:example.net", .cseq = 3,
		.from = "<sip:bob@example.net>");
	take_response(401);
	ask(.by = &phone, .method = "OPTIONS", .cseq = 4);
	take_response(407);
	ask(.by = &phone, .method = "MESSAGE", .uri = "sip:example.net", .cseq = 5);
	take_response(401);
	cr_assert_eq(counters_page->counter[COUNTER_KEEP_ALIVES_ANSWERED], 1);
	pass(60000);
	ask(.by = &phone, .method = "OPTIONS", .uri = "sip:example.net", .cseq = 6);
	take_response(401);
}
