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
