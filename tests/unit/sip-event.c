/* sip-event.c - where SUBSCRIBE, PUBLISH and NOTIFY outside of dialogs go for their event packages:
 * to phones, to servers, or nowhere. */
#include "sip-subscription.h"

TestSuite(event, .init = worker_set_up_with_bob, .fini = worker_tear_down);

Test(event, of_a_mailbox_never_goes_to_a_phone)
{
	ask(.method = "SUBSCRIBE", .more = "Event: message-summary\n");
	cr_assert(message_first(take_response(489)->message, HEADER_ALLOW_EVENTS));
	ask(.method = "SUBSCRIBE", .cseq = 2, .uri = "sip:+493012345@example.net",
		.more = "Event: message-summary\n");
	cr_assert(sent_to(take_request("SUBSCRIBE"), "10.0.0.11:5060"));
	quiet();
}

/* Who watches a user is known by the server of his state (RFC 3857). */
Test(event, of_watchers_never_goes_to_a_phone)
{
	ask(.method = "SUBSCRIBE", .more = "Event: Presence.WInfo;id=1\n");
	take_response(489);
	cr_assert_eq(counted(COUNTER_EVENTS_REFUSED), 1);
	ask(.method = "SUBSCRIBE", .cseq = 2, .more = "Event: .winfo\n");
	cr_assert(sent_to(take_request("SUBSCRIBE"), BOB));
	quiet();
}

/* A route with events takes these alone, before that of the users. */
Test(event, a_route_of_its_events_takes_it)
{
	struct route_settings *route = worker->image.route;

	route[2] = route[1];
	route[1] = route[0];
	route[0] = (struct route_settings){.name = fixture_text(&worker->image, "state"),
		.from = 1u << ZONE_OPEN,
		.events = {offsetof(struct image, event), 1},
		.trunks = {offsetof(struct image, route_trunk), 1},
		.to_domain = NONE_INDEX,
		.action = ROUTE_TRUNK};
	worker->image.event = fixture_text(&worker->image, "Presence");
	routes_taken();
	ask(.method = "SUBSCRIBE", .more = "Event: presence;id=1\n");
	cr_assert(sent_to(take_request("SUBSCRIBE"), "10.0.0.11:5060"));
	ask(.method = "PUBLISH", .cseq = 2, .more = "Event: presence\n");
	cr_assert(sent_to(take_request("PUBLISH"), "10.0.0.11:5060"));
	ask(.method = "SUBSCRIBE", .cseq = 3, .more = DIALOG_EVENT);
	cr_assert(sent_to(take_request("SUBSCRIBE"), BOB));
	ask(.method = "MESSAGE", .cseq = 4);
	cr_assert(sent_to(take_request("MESSAGE"), BOB));
	quiet();
}

Test(event, publish_goes_to_a_server_or_is_489)
{
	ask(.method = "PUBLISH", .more = "Event: presence\nSIP-If-Match: x\nExpires: 60\n");
	cr_assert(message_first(take_response(489)->message, HEADER_ALLOW_EVENTS));
	ask(.method = "PUBLISH", .cseq = 2, .uri = "sip:+493012345@example.net",
		.more = "Event: presence\nSIP-If-Match: x\nExpires: 60\n");
	struct sent *out = take_request("PUBLISH");
	cr_assert(raw_has(out, "SIP-If-Match: x"));
	cr_assert(raw_has(out, "Expires: 60"));
	respond(out, 412, .tag = "t");
	take_response_to(412, ALICE);
	ask(.method = "PUBLISH", .cseq = 3, .uri = "sip:+493012345@example.net",
		.more = "Event: presence\n");
	respond(take_request("PUBLISH"), 200, .tag = "t", .more = "SIP-ETag: y\nExpires: 60\n");
	cr_assert(raw_has(take_response_to(200, ALICE), "SIP-ETag: y"));
	ask(.method = "PUBLISH", .cseq = 4, .uri = "sip:+493012345@example.net");
	take_response_to(489, ALICE);
	quiet();
}

Test(event, unsolicited_notify_passes_from_a_trusted_zone_to_a_phone)
{
	struct flow core = flow_of(CORE_UDP, "10.0.0.11:5060", 0);

	ask(.by = &core, .method = "NOTIFY", .more = "Event: check-sync\n");
	struct sent *out = take_request_to("NOTIFY", BOB);
	cr_assert(raw_has(out, "Event: check-sync"));
	respond(out, 200, .tag = "b");
	take_response(200);
	ask(.by = &core, .method = "NOTIFY", .cseq = 2,
		.more = "Event: message-summary\nSubscription-State: active\n", .body = "m");
	respond(take_request_to("NOTIFY", BOB), 200, .tag = "b");
	take_response(200);
	ask(.method = "NOTIFY", .cseq = 3, .more = "Event: check-sync\n");
	take_response_to(481, ALICE);
	cr_assert_eq(counted(COUNTER_NOTIFIES_REFUSED), 1);
	quiet();
}
