/* Registrations at trunks with outbound (RFC 5626): a flow to each target, kept open, made anew
 * when it has failed, and what calls make of that. */
#include "sip-worker.h"

#define FIRST "10.0.0.11:5060"
#define SECOND "10.0.0.12:5060"
#define GRANTED "Expires: 600\nRequire: outbound\n"

static struct trunk_settings *trunk(void)
{
	return &worker->image.trunk[0];
}

static void begin(unsigned targets)
{
	trunk()->targets.count = targets;
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	trunk_bindings_take(&worker->sip);
	trunk_registrations_take(&worker->sip);
}

static void set_up(void)
{
	worker_set_up();
	pings_heeded = true;
	trunk()->username = fixture_text(&worker->image, "acme");
	trunk()->register_s = 600;
	trunk()->register_required = 1;
	trunk()->outbound = 1;
	begin(2);
}

TestSuite(trunk_flow, .init = set_up, .fini = worker_tear_down);

/* The next request of that method to that target; its repetitions are of no interest. NULL: none
 * came within that time. */
static struct sent *next_to(const char *method, const char *target, unsigned within_ms)
{
	struct sent *s, *found = NULL;

	for (unsigned at = 0; !found && at <= within_ms; at += 10) {
		while ((s = take(method, 0)))
			if (!found && sent_to(s, target))
				found = s;
		if (!found)
			pass(10);
	}
	return found;
}

/* Both first ones, of which there is one for each flow. */
static void take_first(struct sent **one, struct sent **other)
{
	struct sent *s;

	*one = *other = NULL;
	for (unsigned at = 0; at <= REGISTRATION_SPREAD_MS; at += 10) {
		while ((s = take("REGISTER", 0))) {
			if (!*one && sent_to(s, FIRST))
				*one = s;
			if (!*other && sent_to(s, SECOND))
				*other = s;
		}
		if (*one && *other)
			return;
		pass(10);
	}
	cr_assert_fail("not both flows were asked for");
}

static void register_both(const char *more)
{
	struct sent *one, *other;

	take_first(&one, &other);
	respond(one, 200, .tag = "r", .more = more);
	respond(other, 200, .tag = "r", .more = more);
	take_all("REGISTER");
}

static const char *call_goes_to(void)
{
	static unsigned calls;
	char call_id[32];
	const char *to;

	snprintf(call_id, sizeof(call_id), "call-%u", calls++);
	ask(.method = "INVITE", .uri = "sip:5551000@example.net", .call_id = call_id);
	struct sent *invite = take_request("INVITE");
	to = sent_to(invite, FIRST) ? FIRST : SECOND;
	respond(invite, 486, .tag = "b");
	take_all("INVITE");
	return to;
}

static char state[512];
static void note(void *arg, struct str json)
{
	(void)arg;
	snprintf(state, sizeof(state), "%.*s", (int)json.n, json.p);
}

static bool says(const char *part)
{
	trunk_registrations_list(&worker->sip, S("carrier"), note, NULL);
	return strstr(state, part) != NULL;
}

/* RFC 5626 section 4.2. */
Test(trunk_flow, what_each_flow_asks_for)
{
	struct sent *one, *other;
	char instance[64];

	take_first(&one, &other);
	struct str a = value_of(one->message, HEADER_CONTACT),
		   b = value_of(other->message, HEADER_CONTACT);
	cr_assert(has(a, ";reg-id=1") && has(b, ";reg-id=2"), "%.*s", STR(a));
	const char *urn = memmem(a.p, a.n, ";+sip.instance=\"<urn:uuid:", 26);
	cr_assert_not_null(urn);
	snprintf(instance, sizeof(instance), "%.36s>\"", urn + 26);
	cr_assert_eq(instance[14], '4');
	cr_assert(has(b, instance), "one instance has all flows");
	cr_assert(has(value_of(one->message, HEADER_SUPPORTED), "outbound"));
	cr_assert_not(str_equal(message_str(one->message, one->message->call_id),
		message_str(other->message, other->message->call_id)));
	/* another life of the gateway, with the same state, is the same instance */
	trunk_registrations_free(&worker->sip);
	take_all("REGISTER");
	begin(2);
	take_first(&one, &other);
	cr_assert(has(value_of(one->message, HEADER_CONTACT), instance));
	worker->sip.keys.slot_key.byte[0] ^= 1;
	trunk_registrations_free(&worker->sip);
	begin(1);
	one = next_to("REGISTER", FIRST, REGISTRATION_SPREAD_MS);
	cr_assert_not(has(value_of(one->message, HEADER_CONTACT), instance));
}

Test(trunk_flow, there_are_four_at_most_and_none_without_the_option)
{

	begin(3);
	cr_assert_not_null(next_to("REGISTER", "10.0.0.13:5060", REGISTRATION_SPREAD_MS));
	pass(REGISTRATION_SPREAD_MS);
	trunk()->outbound = 0;
	trunk_registrations_free(&worker->sip);
	take_all("REGISTER");
	begin(2);
	struct sent *s = next_to("REGISTER", FIRST, REGISTRATION_SPREAD_MS);
	cr_assert_not(has(value_of(s->message, HEADER_CONTACT), "reg-id"));
	cr_assert_not(has(value_of(s->message, HEADER_CONTACT), "instance"));
	cr_assert_not(has(value_of(s->message, HEADER_SUPPORTED), "outbound"));
	cr_assert_null(next_to("REGISTER", SECOND, ANSWER - 100));
}

/* The 200 has the Contacts of all flows, which differ by reg-id alone. */
Test(trunk_flow, the_time_is_that_of_its_own_contact)
{
	struct sent *one, *other;
	char contacts[512];

	take_first(&one, &other);
	snprintf(contacts, sizeof(contacts), "%.*s;expires=9, %.*s;expires=100, %.*s;expires=9",
		STR(value_of(other->message, HEADER_CONTACT)),
		STR(value_of(one->message, HEADER_CONTACT)),
		STR(value_of(other->message, HEADER_CONTACT)));
	respond(one, 200, .tag = "r", .contact = contacts);
	pass(49000);
	cr_assert_null(next_to("REGISTER", FIRST, 0), "it would be refreshed after 5 s");
	cr_assert_not_null(next_to("REGISTER", FIRST, 26000));
}

Test(trunk_flow, one_flow_is_enough_and_calls_go_by_it)
{
	struct sent *one, *other;

	take_first(&one, &other);
	cr_assert_not(trunk_binding_stands(&worker->sip, 0));
	respond(other, 200, .tag = "r", .more = GRANTED);
	cr_assert(trunk_binding_stands(&worker->sip, 0));
	cr_assert_str_eq(call_goes_to(), SECOND);
	respond(one, 200, .tag = "r", .more = GRANTED);
	cr_assert_str_eq(call_goes_to(), FIRST);
	cr_assert_eq(counted(COUNTER_TRUNKS_UNREGISTERED), 0);
}

Test(trunk_flow, the_service_route_is_that_of_the_flow)
{
	struct sent *one, *other;

	trunk()->register_required = 0;
	take_first(&one, &other);
	respond(one, 200, .tag = "r", .more = GRANTED "Service-Route: <sip:one.example;lr>\n");
	respond(other, 200, .tag = "r", .more = GRANTED "Service-Route: <sip:two.example;lr>\n");
	cr_assert(str_equal(trunk_binding_route(&worker->sip, 0, 0), S("<sip:one.example;lr>")));
	cr_assert(str_equal(trunk_binding_route(&worker->sip, 0, 1), S("<sip:two.example;lr>")));
	cr_assert_eq(trunk_binding_route(&worker->sip, 0, 2).n, 0);
}

/* Sections 4.4.2 and 4.5, by OPTIONS. */
Test(trunk_flow, a_flow_over_udp_is_kept_open_and_made_anew_when_it_has_failed)
{
	register_both(GRANTED "Flow-Timer: 100\n");
	pass(79000);
	cr_assert_null(next_to("OPTIONS", FIRST, 0), "it came before 80 s");
	struct sent *s = next_to("OPTIONS", FIRST, 21000);
	cr_assert_not_null(s, "none came within 100 s");
	/* whatever it says, it is there */
	respond(s, 405, .tag = "o");
	s = next_to("OPTIONS", FIRST, 101000);
	cr_assert_not_null(s);
	take_all("REGISTER");
	/* now nobody answers: it was sound for long, and is made anew at once */
	cr_assert_str_eq(call_goes_to(), FIRST);
	pass(ANSWER);
	cr_assert_geq(counted(COUNTER_TRUNK_KEEP_ALIVES_FAILED), 1);
	cr_assert_geq(counted(COUNTER_REGISTRATION_FLOWS_LOST), 1);
	s = next_to("REGISTER", FIRST, 10);
	cr_assert_not_null(s);
	respond(s, 200, .tag = "r", .more = GRANTED);
	cr_assert_str_eq(call_goes_to(), FIRST);
}

Test(trunk_flow, calls_avoid_a_flow_that_has_failed)
{
	register_both(GRANTED "Flow-Timer: 100\n");
	for (unsigned i = 0; i < 3; i++) {
		struct sent *s = next_to("OPTIONS", SECOND, 101000);
		cr_assert_not_null(s);
		respond(s, 200, .tag = "o");
		take_all("OPTIONS");
		if (counted(COUNTER_REGISTRATION_FLOWS_LOST))
			break;
	}
	cr_assert_eq(counted(COUNTER_REGISTRATION_FLOWS_LOST), 1);
	cr_assert_str_eq(call_goes_to(), SECOND);
	cr_assert(trunk_binding_stands(&worker->sip, 0));
	cr_assert_eq(counted(COUNTER_TRUNKS_UNREGISTERED), 0);
}

/* Without a word of the server there is no outbound (section 6), nor a need for keep-alives. */
Test(trunk_flow, a_server_without_outbound_gets_no_keep_alives)
{
	register_both("Expires: 600\n");
	cr_assert_null(next_to("OPTIONS", FIRST, 300000));
}

Test(trunk_flow, by_default_they_come_in_29_seconds)
{
	register_both(GRANTED);
	pass(23000);
	cr_assert_null(next_to("OPTIONS", FIRST, 0));
	cr_assert_not_null(next_to("OPTIONS", FIRST, 6100));
}

Test(trunk_flow, a_439_has_it_go_on_without)
{
	struct sent *one, *other;

	take_first(&one, &other);
	respond(one, 439, .tag = "r");
	struct sent *s = next_to("REGISTER", FIRST, 10);
	cr_assert_not_null(s);
	cr_assert_not(has(value_of(s->message, HEADER_CONTACT), "reg-id"));
	cr_assert_not(has(value_of(s->message, HEADER_SUPPORTED), "outbound"));
	cr_assert_eq(counted(COUNTER_TRUNK_OUTBOUND_REFUSED), 1);
	respond(s, 200, .tag = "r", .more = GRANTED);
	cr_assert_str_eq(call_goes_to(), FIRST);
	/* who refuses it again has refused it */
	respond(other, 439, .tag = "r");
	s = next_to("REGISTER", SECOND, 10);
	respond(s, 439, .tag = "r");
	cr_assert_eq(counted(COUNTER_REGISTRATIONS_FAILED), 1);
}

/* Section 4.5: 30 seconds twice and so on where no flow lives, 90 where another one does; of that a
 * random part from half. */
Test(trunk_flow, the_pauses_are_those_of_the_rfc)
{
	struct sent *one, *other;

	take_first(&one, &other);
	respond(one, 403, .tag = "r");
	pass(29000);
	cr_assert_null(next_to("REGISTER", FIRST, 0));
	struct sent *s = next_to("REGISTER", FIRST, 31100);
	cr_assert_not_null(s, "none within 60 s");
	/* the other one has its turn by now, too */
	trunk_registration_order(&worker->sip, S("carrier"), true);
	settle();
	take_all("REGISTER");
	trunk_registrations_free(&worker->sip);
	begin(2);
	take_first(&one, &other);
	respond(other, 200, .tag = "r", .more = GRANTED);
	respond(one, 403, .tag = "r");
	pass(89000);
	cr_assert_null(next_to("REGISTER", FIRST, 0));
	cr_assert_not_null(next_to("REGISTER", FIRST, 91100), "none within 180 s");
}

/* A connection that ends just after it was made is made anew at once, but once. */
Test(trunk_flow, a_flow_that_is_not_stable_has_pauses)
{
	const uint64_t stream = FLOW_ID(0, 1, 77);
	struct sent *s;

	trunk_registrations_free(&worker->sip);
	take_all("REGISTER");
	worker->image.target[0].transport = TRANSPORT_TCP;
	worker->image.target[0].listener = CORE_TCP;
	begin(1);
	respond(next_to("REGISTER", FIRST, REGISTRATION_SPREAD_MS), 200, .tag = "r",
		.more = GRANTED);
	trunk_registrations_flow_closed(&worker->sip, stream);
	cr_assert_not(trunk_binding_stands(&worker->sip, 0));
	cr_assert(says("\"registration\":\"registering\""));
	s = next_to("REGISTER", FIRST, 10);
	cr_assert_not_null(s);
	respond(s, 200, .tag = "r", .more = GRANTED);
	cr_assert(trunk_binding_stands(&worker->sip, 0));
	trunk_registrations_flow_closed(&worker->sip, stream);
	pass(29000);
	cr_assert_null(next_to("REGISTER", FIRST, 0));
	s = next_to("REGISTER", FIRST, 31100);
	cr_assert_not_null(s);
	respond(s, 500, .tag = "r");
	cr_assert(says("\"registration\":\"failed\""), "the old flow's binding is of no use");
	s = next_to("REGISTER", FIRST, 240100);
	respond(s, 200, .tag = "r", .more = GRANTED);
	/* this one lives */
	pass(120000);
	take_all("REGISTER");
	trunk_registrations_flow_closed(&worker->sip, stream);
	cr_assert_not_null(next_to("REGISTER", FIRST, 10));
}

Test(trunk_flow, all_are_taken_back)
{
	struct sent *s;
	bool one = false, other = false;

	register_both(GRANTED);
	trunk_registrations_stop(&worker->sip);
	settle();
	while ((s = take("REGISTER", 0))) {
		cr_assert(str_equal(value_of(s->message, HEADER_EXPIRES), S("0")));
		one |= has(value_of(s->message, HEADER_CONTACT), "reg-id=1");
		other |= has(value_of(s->message, HEADER_CONTACT), "reg-id=2");
		respond(s, 200, .tag = "r");
	}
	cr_assert(one && other);
	cr_assert_not(trunk_registrations_leaving(&worker->sip));
	cr_assert_not(trunk_binding_stands(&worker->sip, 0));
	pass(600000);
	quiet();
}

Test(trunk_flow, a_reload_that_ends_it_takes_them_back)
{
	static _Alignas(8) struct image next;

	register_both(GRANTED);
	next = worker->image;
	trunk_registrations_leave(&worker->sip, &next.s);
	settle();
	cr_assert_null(take("REGISTER", 0));
	next.trunk[0].outbound = 0;
	trunk_registrations_leave(&worker->sip, &next.s);
	settle();
	cr_assert_eq(take_all("REGISTER"), 2);
	trunk()->outbound = 0;
	trunk_bindings_take(&worker->sip);
	cr_assert_not(trunk_binding_stands(&worker->sip, 0), "what was known is of no flow now");
}

Test(trunk_flow, what_another_worker_tells_of_each)
{
	uint64_t now = loop_now(worker->sip.loop);
	struct record_binding told = {
		.trunk = trunk_id(S("carrier")), .found_at = now, .until = now + 60000};

	cr_assert(trunk_binding_told(&worker->sip, &told));
	cr_assert_not(trunk_binding_stands(&worker->sip, 0), "it is of no flow");
	told.reg_id = 2;
	cr_assert(trunk_binding_told(&worker->sip, &told));
	cr_assert(trunk_binding_stands(&worker->sip, 0));
	cr_assert_not(trunk_binding_flow_is_missed(&worker->sip, 0, 1));
	cr_assert(trunk_binding_flow_is_missed(&worker->sip, 0, 0));
	told.reg_id = OUTBOUND_FLOWS_MAX + 1;
	cr_assert_not(trunk_binding_told(&worker->sip, &told));
}
