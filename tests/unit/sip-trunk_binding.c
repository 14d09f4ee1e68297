/* What becomes of calls over a trunk while we are registered there, and while we are not. */
#include "sip-worker.h"

#define NUMBER "sip:5551000@example.net"
#define CARRIER "10.0.0.11:5060"
#define BACKUP "10.0.0.13:5060"

/* The route has two trunks, and at the first of them we are to be registered. */
static void set_up(void)
{
	worker_set_up();
	struct image *i = &worker->image;

	i->trunk[1] = i->trunk[0];
	i->trunk[1].name = fixture_text(i, "backup");
	i->trunk[1].targets = (struct array){offsetof(struct image, target[2]), 1};
	i->trunk[1].label = 2;
	i->trunk[0].label = 1;
	i->s.trunks.count = 2;
	i->route_trunk[1] = 1;
	i->route[1].trunks.count = 2;
	i->trunk[0].targets.count = 1;
	i->trunk[0].username = fixture_text(i, "acme");
	i->trunk[0].register_s = 600;
	i->trunk[0].register_required = 1;
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	trunk_bindings_take(&worker->sip);
	trunk_registrations_take(&worker->sip);
}

TestSuite(trunk_binding, .init = set_up, .fini = worker_tear_down);

static struct sent *next_register(unsigned within_ms)
{
	struct sent *s = NULL;

	for (unsigned at = 0; !s && at < within_ms; at += 100) {
		pass(100);
		s = take("REGISTER", 0);
	}
	cr_assert_not_null(s, "no REGISTER came");
	take_all("REGISTER");
	return s;
}

/* Where a call goes first. */
static bool call_goes_to(const char *target)
{
	static unsigned calls;
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "call-%u", calls++);
	ask(.method = "INVITE", .uri = NUMBER, .call_id = call_id);
	struct sent *invite = take_request("INVITE");
	bool there = sent_to(invite, target);
	respond(invite, 486, .tag = "b");
	pass(64 * T1);
	take_all("INVITE");
	return there;
}

static uint64_t gauge(enum counter c)
{
	return counters_page->counter[c];
}

Test(trunk_binding, calls_wait_for_it_and_come_back_at_once)
{
	cr_assert(call_goes_to(BACKUP));
	cr_assert_eq(gauge(COUNTER_TRUNKS_DOWN), 1);
	cr_assert_eq(gauge(COUNTER_TRUNKS_UNREGISTERED), 1);
	cr_assert_geq(gauge(COUNTER_TRUNKS_PUT_LAST), 1);
	cr_assert_eq(counters_page->labelled.registration_gauge[1], REGISTRATION_GAUGE_MISSING);
	cr_assert_eq(counters_page->labelled.registration_gauge[2], REGISTRATION_GAUGE_NONE);
	take_all("REGISTER");
	trunk_registration_order(&worker->sip, S("carrier"), true);
	respond(next_register(60000), 200, .tag = "r");
	cr_assert(call_goes_to(CARRIER));
	cr_assert_eq(gauge(COUNTER_TRUNKS_DOWN), 0);
	cr_assert_eq(gauge(COUNTER_TRUNKS_UP), 2);
	cr_assert_eq(counters_page->labelled.registration_gauge[1], REGISTRATION_GAUGE_STANDS);
	cr_assert_eq(counters_page->labelled.trunk_gauge[1], TRUNK_GAUGE_UP);
}

/* The only trunk there is gets calls all the same: it may take them. */
Test(trunk_binding, a_trunk_alone_is_tried)
{
	worker->image.route[1].trunks.count = 1;
	cr_assert(call_goes_to(CARRIER));
}

Test(trunk_binding, a_trunk_that_needs_none_is_not_put_last)
{
	worker->image.trunk[0].register_required = 0;
	cr_assert(call_goes_to(CARRIER));
}

Test(trunk_binding, a_refusal_of_all_targets_ends_it)
{
	respond(next_register(2000), 200, .tag = "r");
	respond(next_register(600000), 403, .tag = "r");
	cr_assert_eq(gauge(COUNTER_REGISTRATIONS_LOST), 1);
	cr_assert(call_goes_to(BACKUP));
}

/* RFC 3261 section 10.3: a server that cannot serve keeps what there is until its time is over. */
Test(trunk_binding, a_server_without_room_keeps_it_until_it_expires)
{
	respond(next_register(2000), 200, .tag = "r", .more = "Expires: 100\n");
	unsigned waited = 0;
	struct sent *s = NULL;
	for (; waited < 100 && !s; waited++) {
		pass(1000);
		s = take("REGISTER", 0);
	}
	cr_assert_not_null(s);
	respond(s, 500, .tag = "r");
	cr_assert_eq(gauge(COUNTER_REGISTRATIONS_LOST), 0);
	cr_assert(trunk_binding_stands(&worker->sip, 0));
	/* nobody answers any more */
	pass((100 - waited) * 1000 + 10);
	cr_assert_eq(gauge(COUNTER_REGISTRATIONS_LOST), 1);
	cr_assert_not(trunk_binding_stands(&worker->sip, 0));
	cr_assert_eq(gauge(COUNTER_TRUNKS_DOWN), 1);
}

/* The answer may be waited for beyond that time, but not the binding counted on. */
Test(trunk_binding, it_ends_in_time_while_an_answer_is_waited_for)
{
	respond(next_register(2000), 200, .tag = "r", .more = "Expires: 6\n");
	pass(REGISTRATION_REFRESH_LEAST_MS);
	struct sent *s = take_request("REGISTER");
	pass(6000 - REGISTRATION_REFRESH_LEAST_MS - 1);
	cr_assert_eq(gauge(COUNTER_REGISTRATIONS_LOST), 0);
	pass(1);
	cr_assert_eq(gauge(COUNTER_REGISTRATIONS_LOST), 1);
	cr_assert_eq(gauge(COUNTER_TRUNKS_UNREGISTERED), 1);
	/* the server has its time to answer all the same */
	take_all("REGISTER");
	respond(s, 200, .tag = "r");
	cr_assert(trunk_binding_stands(&worker->sip, 0));
	cr_assert_eq(gauge(COUNTER_REGISTRATIONS_FAILED), 0);
}

Test(trunk_binding, a_200_that_grants_nothing_is_none)
{
	respond(next_register(2000), 200, .tag = "r", .more = "Expires: 0\n");
	cr_assert_not(trunk_binding_stands(&worker->sip, 0));
	cr_assert_eq(gauge(COUNTER_REGISTRATIONS_FAILED), 1);
}

Test(trunk_binding, what_another_worker_has_found_out_counts_where_it_is_later)
{
	uint64_t now = loop_now(worker->sip.loop);
	struct record_binding told = {
		.trunk = trunk_id(S("carrier")), .found_at = now, .until = now + 60000};

	trunk_binding_told(&worker->sip, &told);
	cr_assert(trunk_binding_stands(&worker->sip, 0));
	told.until = 0;
	told.found_at = now - 1;
	trunk_binding_told(&worker->sip, &told);
	cr_assert(trunk_binding_stands(&worker->sip, 0), "it is older");
	told.found_at = now + 3600000;
	trunk_binding_told(&worker->sip, &told);
	cr_assert(trunk_binding_stands(&worker->sip, 0), "it claims to be of the future");
	told.found_at = now + 1;
	trunk_binding_told(&worker->sip, &told);
	cr_assert_not(trunk_binding_stands(&worker->sip, 0));
	told.until = now + 10;
	told.found_at = now + 2;
	trunk_binding_told(&worker->sip, &told);
	pass(10);
	cr_assert_not(trunk_binding_stands(&worker->sip, 0), "it has expired");
}

/* Two workers find out at the same moment: all believe the same one, whom they hear first. */
Test(trunk_binding, what_two_workers_find_out_at_once_is_the_same_for_all)
{
	uint64_t now = loop_now(worker->sip.loop);
	struct record_binding stands = {
		.trunk = trunk_id(S("carrier")), .found_at = now, .until = now + 60000};
	struct record_binding lost = {.trunk = stands.trunk, .found_at = now};

	trunk_binding_told(&worker->sip, &stands);
	trunk_binding_told(&worker->sip, &lost);
	bool one = trunk_binding_stands(&worker->sip, 0);
	trunk_bindings_free(&worker->sip);
	trunk_binding_told(&worker->sip, &lost);
	trunk_binding_told(&worker->sip, &stands);
	cr_assert_eq(trunk_binding_stands(&worker->sip, 0), one);
	trunk_binding_found(&worker->sip, 0, 0, 0, STR_EMPTY);
	cr_assert_not(trunk_binding_stands(&worker->sip, 0), "what this one finds out is later");
	trunk_binding_found(&worker->sip, 0, 0, now + 60000, STR_EMPTY);
	cr_assert(trunk_binding_stands(&worker->sip, 0));
}

/* A worker that has only begun, in the place of one that had registered. */
Test(trunk_binding, what_the_worker_before_has_found_out_stands_until_it_is_refused)
{
	struct record_binding told = {.trunk = trunk_id(S("carrier")),
		.found_at = loop_now(worker->sip.loop),
		.until = loop_now(worker->sip.loop) + 600000};

	trunk_binding_told(&worker->sip, &told);
	respond(next_register(2000), 500, .tag = "r");
	cr_assert(trunk_binding_stands(&worker->sip, 0));
	respond(next_register(60000), 403, .tag = "r");
	cr_assert_not(trunk_binding_stands(&worker->sip, 0));
	cr_assert_eq(gauge(COUNTER_REGISTRATIONS_LOST), 0);
}

Test(trunk_binding, what_the_worker_before_has_found_out_goes_with_a_200_that_grants_nothing)
{
	struct record_binding told = {.trunk = trunk_id(S("carrier")),
		.found_at = loop_now(worker->sip.loop),
		.until = loop_now(worker->sip.loop) + 600000};

	trunk_binding_told(&worker->sip, &told);
	respond(next_register(2000), 200, .tag = "r", .more = "Expires: 0\n");
	cr_assert_not(trunk_binding_stands(&worker->sip, 0));
}

/* ---- Service-Route (RFC 3608) ---- */

/* The Route of a call's INVITE to the carrier. */
static struct str route_of_call(void)
{
	static unsigned calls;
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "routed-%u", calls++);
	ask(.method = "INVITE", .uri = NUMBER, .call_id = call_id);
	struct sent *invite = take_request("INVITE");
	cr_assert(sent_to(invite, CARRIER));
	respond(invite, 486, .tag = "b");
	take_all("INVITE");
	return value_of(invite->message, HEADER_ROUTE);
}

static void registrar_says(const char *more)
{
	respond(next_register(600000), 200, .tag = "r", .more = more);
}

Test(trunk_binding, the_service_route_is_the_route_of_calls_while_it_stands)
{
	registrar_says("Service-Route: <sip:orig@10.1.1.1;lr>\n"
		       "Service-Route: <sip:core.carrier.example:5070;lr;x=1>\n");
	struct str route = route_of_call();
	cr_assert(str_equal(route, S("<sip:orig@10.1.1.1;lr>, "
				     "<sip:core.carrier.example:5070;lr;x=1>")),
		"%.*s", STR(route));
	/* the next 200 is without: it is no more */
	registrar_says("");
	cr_assert_eq(route_of_call().n, 0);
	registrar_says("Service-Route: <sip:10.1.1.1;lr>\n");
	cr_assert(str_equal(route_of_call(), S("<sip:10.1.1.1;lr>")));
	trunk_registration_order(&worker->sip, S("carrier"), false);
	worker->image.trunk[0].register_required = 0;
	cr_assert_eq(route_of_call().n, 0);
}

Test(trunk_binding, what_is_no_service_route_is_not_used)
{
	static const char *const bad[] = {
		"Service-Route: <sip:10.1.1.1>\n", /* a strict router */
		"Service-Route: <sip:10.1.1.1;lr>, <sip:10.1.1.2>\n",
		"Service-Route: <tel:+1202;lr>\n",
		"Service-Route: <sip:10.1.1.1;lr?Subject=a>\n",
		"Service-Route: <sip:10.1.1.1;lr>, <sip:10.0.0.1:5062;lr>\n", /* that is us */
		("Service-Route: <sip:a;lr>,<sip:b;lr>,<sip:c;lr>,<sip:d;lr>,<sip:e;lr>,<sip:f;lr>,"
		 "<sip:g;lr>,<sip:h;lr>,<sip:i;lr>\n"),
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		registrar_says(bad[i]);
		cr_assert_eq(gauge(COUNTER_SERVICE_ROUTES_REFUSED), i + 1, "%s", bad[i]);
		cr_assert_eq(route_of_call().n, 0, "%s", bad[i]);
	}
}

Test(trunk_binding, a_service_route_that_another_worker_tells)
{
	struct record_binding told = {.trunk = trunk_id(S("carrier")),
		.found_at = loop_now(worker->sip.loop),
		.until = loop_now(worker->sip.loop) + 60000,
		.route_size = 17,
		.route = "<sip:10.1.1.1;lr>"};

	cr_assert(trunk_binding_told(&worker->sip, &told));
	cr_assert(str_equal(route_of_call(), S("<sip:10.1.1.1;lr>")));
	told.route_size = SERVICE_ROUTE_MAX + 1;
	cr_assert_not(trunk_binding_told(&worker->sip, &told));
	told.route_size = 16;
	cr_assert_not(trunk_binding_told(&worker->sip, &told));
	memcpy(told.route, "<sip:a;lr>\r\nX: y", 17);
	told.route_size = 17;
	cr_assert_not(trunk_binding_told(&worker->sip, &told));
	cr_assert(str_equal(route_of_call(), S("<sip:10.1.1.1;lr>")));
}

/* What is told of trunks that are not there takes no more than its bound. */
Test(trunk_binding, of_trunks_that_are_not_there)
{
	struct record_binding told = {.found_at = 1, .until = UINT64_MAX};

	for (unsigned i = 0; i < 10000; i++) {
		told.trunk = i;
		trunk_binding_told(&worker->sip, &told);
	}
	trunk_bindings_take(&worker->sip);
	cr_assert_not(trunk_binding_stands(&worker->sip, 0));
	cr_assert_not(trunk_binding_stands(&worker->sip, 1));
	/* nor for longer: trunks that went with many reloads leave room for those that are there */
	trunk_bindings_take(&worker->sip);
	told.trunk = trunk_id(S("carrier"));
	trunk_binding_told(&worker->sip, &told);
	cr_assert(trunk_binding_stands(&worker->sip, 0));
}

/* One that comes with this worker's next settings, or with those behind them. */
Test(trunk_binding, of_a_trunk_that_is_not_there_yet)
{
	struct record_binding told = {
		.trunk = trunk_id(S("later")), .found_at = 1, .until = UINT64_MAX};

	trunk_binding_told(&worker->sip, &told);
	trunk_bindings_take(&worker->sip);
	worker->image.trunk[0].name = fixture_text(&worker->image, "later");
	trunk_bindings_take(&worker->sip);
	cr_assert(trunk_binding_stands(&worker->sip, 0));
}
