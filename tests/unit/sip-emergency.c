/* sip-emergency.c - calls for help come first: past limits, routes that refuse and credentials that
 * nobody has. */
#include "sip-worker.h"

#include "ipc/emergency.h"

static void set_up(void)
{
	worker_set_up();
	fixture_emergency(&worker->image, "112", "");
	fixture_emergency(&worker->image, "110", "sos.police");
}

TestSuite(emergency_call, .init = set_up, .fini = worker_tear_down);

static void stands_for(const char *uri, const char *number)
{
	struct str found = STR_NONE;

	cr_expect(emergency_service(&worker->image.s, str_of(uri), &found), "%s", uri);
	cr_expect(str_equal(found, str_of(number)), "%s: %.*s", uri, STR(found));
}

static void is_none(const char *uri)
{
	struct str found;

	cr_expect_not(emergency_service(&worker->image.s, str_of(uri), &found), "%s", uri);
}

Test(emergency_call, which_number_a_service_has)
{
	stands_for("urn:service:sos", "112");
	stands_for("URN:SERVICE:SOS.Police", "110");
	stands_for("urn:service:sos.police.harbour", "110");
	stands_for("urn:service:sos.policeman", "112");
	is_none("urn:service:sosa");
	is_none("urn:service:so");
	is_none("urn:service:");
	is_none("urn:service:counseling");
	is_none("urn:nena:service:sos");
	worker->image.s.emergency.count = 0;
	is_none("urn:service:sos");
}

/* The request that a trunk gets for that Request-URI. */
static struct sent *goes_out(const char *uri)
{
	static unsigned calls;
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "help-%u", calls++);
	ask(.method = "INVITE", .uri = uri, .to = "<urn:service:sos>", .call_id = call_id);
	return take_request("INVITE");
}

Test(emergency_call, a_route_that_refuses_is_passed_over)
{
	worker->image.route[0] = worker->image.route[2];
	worker->image.route[0].number = fixture_text(&worker->image, "^1");
	routes_taken();
	goes_out("sip:112@example.net");
	ask(.method = "INVITE", .uri = "sip:113@example.net");
	take_response(410);
	cr_assert_eq(counted(COUNTER_EMERGENCY_CALLS), 1);
}

Test(emergency_call, a_service_is_called_by_its_number)
{
	struct sent *out = goes_out("urn:service:sos");

	cr_assert(raw_has(out, "INVITE sip:112@10.0.0.11"));
	cr_assert(raw_has(out, "To: <urn:service:sos>"));
	out = goes_out("urn:service:sos.police");
	cr_assert(raw_has(out, "INVITE sip:110@10.0.0.11"));
	cr_assert_eq(counted(COUNTER_EMERGENCY_CALLS), 2);
	ask(.method = "INVITE", .uri = "urn:service:counseling");
	take_response(416);
	ask(.method = "MESSAGE", .uri = "urn:service:sos", .call_id = "m");
	take_response(416);
}

Test(emergency_call, has_room_beyond_the_limits_of_the_worker)
{
	worker->image.s.calls_max = 0;
	worker->image.s.transactions_max = 0;
	goes_out("sip:112@example.net");
	cr_assert_eq(counted(COUNTER_EMERGENCY_PAST_CALLS), 1);
	ask(.method = "INVITE", .uri = "sip:5551000@example.net");
	take_response(503);
	worker->image.s.transactions_max = 1000;
	ask(.method = "INVITE", .uri = "sip:5551000@example.net", .call_id = "2");
	take_response(503);
	cr_assert_eq(counted(COUNTER_CALLS_LIMIT), 1);
	/* and not more than that */
	worker->sip.calls += EMERGENCY_RESERVE - 1;
	ask(.method = "INVITE", .uri = "sip:112@example.net", .call_id = "3");
	take_response(503);
	worker->sip.calls -= EMERGENCY_RESERVE - 1;
}

Test(emergency_call, needs_credentials_unless_its_zone_says_otherwise)
{
	worker->image.zone[ZONE_OPEN].auth = ZONE_AUTH_DIGEST;
	ask(.method = "INVITE", .uri = "sip:112@example.net", .call_id = "1");
	take_response(407);
	worker->image.zone[ZONE_OPEN].emergency_without_credentials = 1;
	goes_out("sip:112@example.net");
	goes_out("urn:service:sos");
	cr_assert_eq(counted(COUNTER_EMERGENCY_UNAUTHENTICATED), 2);
	ask(.method = "INVITE", .uri = "sip:5551000@example.net", .call_id = "2");
	take_response(407);
	ask(.method = "MESSAGE", .uri = "sip:112@example.net", .call_id = "3");
	take_response(407);
}
