/* sip-registrar.c - REGISTER against RFC 3261 section 10.3, RFC 3327 and RFC 5626 section 6,
 * through the real transaction layer and the real store. */
#include "sip-register.h"

TestSuite(registrar, .init = set_up, .fini = tear_down);

Test(registrar, registers_and_fetches)
{
	cr_assert_eq(reg(""), 200);
	cr_assert_null(CONTACT(0));
	cr_assert_eq(reg("Contact: <sip:alice@198.51.100.7:5060>\r\nExpires: 600\r\n"), 200);
	cr_assert_str_eq(CONTACT(0), "<sip:alice@198.51.100.7:5060>;expires=600");
	const char *date = fixture_header(f, "Date", 0);
	char expected[64];
	time_t now = (time_t)(fixture_now() / 1000);
	strftime(expected, sizeof(expected), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&now));
	cr_assert_str_eq(date, expected);
	cr_assert_eq(reg(""), 200);
	cr_assert_str_eq(CONTACT(0), "<sip:alice@198.51.100.7:5060>;expires=600");
	cr_assert_eq(reg("Contact: <sip:alice@198.51.100.7:5060>;expires=0\r\n"), 200);
	cr_assert_null(CONTACT(0));
}

Test(registrar, the_parameter_goes_before_the_header_and_that_before_the_default)
{
	cr_assert_eq(reg("Expires: 700\r\nContact: <sip:a@h1>;expires=800;q=0.25, "
			 "<sip:a@h2>;q=1.0\r\nContact: sip:a@h3;expires=900\r\n"),
		200);
	cr_assert_str_eq(CONTACT(0), "<sip:a@h1>;expires=800;q=0.25");
	cr_assert_str_eq(CONTACT(1), "<sip:a@h2>;expires=700");
	cr_assert_str_eq(CONTACT(2), "<sip:a@h3>;expires=900");
	cr_assert_eq(reg("Contact: <sip:a@h1>, <sip:a@h2>;expires=nonsense\r\n"), 200);
	cr_assert_str_eq(CONTACT(0), "<sip:a@h1>;expires=1800");
	cr_assert_str_eq(CONTACT(1), "<sip:a@h2>;expires=1800");
}

Test(registrar, expiry_is_kept_in_bounds)
{
	cr_assert_eq(reg("Contact: <sip:a@h1>;expires=59\r\n"), 423);
	cr_assert_str_eq(fixture_header(f, "Min-Expires", 0), "60");
	cr_assert_eq(reg("Contact: <sip:a@h1>;expires=60\r\n"), 200);
	cr_assert_eq(reg("Contact: <sip:a@h1>;expires=99999999999999999999\r\n"), 200);
	cr_assert_str_eq(CONTACT(0), "<sip:a@h1>;expires=3600");
	f->image.zone[ZONE_OPEN].nat_expires = 90;
	cr_assert_eq(reg("Contact: <sip:a@h1>\r\nExpires: 3600\r\n"), 200);
	cr_assert_str_eq(CONTACT(0), "<sip:a@h1>;expires=90");
	f->image.zone[ZONE_OPEN].nat_expires = 30;
	cr_assert_eq(reg("Contact: <sip:a@h1>\r\nExpires: 3600\r\n"), 200);
	cr_assert_str_eq(CONTACT(0), "<sip:a@h1>;expires=30", "the zone's bound is the tighter");
	cr_assert_eq(reg("Contact: <sip:a@h1>\r\nExpires: 30\r\n"), 200,
		"and what was told may be asked for");
	cr_assert_eq(reg("Contact: <sip:a@h1>\r\nExpires: 29\r\n"), 423);
}

Test(registrar, all_or_nothing)
{
	cr_assert_eq(reg("Contact: <sip:a@h1>;expires=600\r\n"), 200);
	cr_assert_eq(reg("Contact: <sip:a@h1>;expires=0, <sip:a@h2>;expires=5\r\n"), 423);
	cr_assert_eq(reg("Contact: <sip:a@h1>;expires=0, <sip:a@h2>;q=2\r\n"), 400);
	cr_assert_eq(reg(""), 200);
	cr_assert_str_eq(CONTACT(0), "<sip:a@h1>;expires=600");
	cr_assert_null(CONTACT(1));
}

Test(registrar, star_removes_all_and_only_with_expires_0)
{
	cr_assert_eq(reg("Contact: <sip:a@h1>, <sip:a@h2>\r\n"), 200);
	cr_assert_eq(reg("Contact: *\r\n"), 400);
	cr_assert_eq(reg("Contact: *\r\nExpires: 60\r\n"), 400);
	cr_assert_eq(reg("Contact: *\r\nContact: <sip:a@h3>\r\nExpires: 0\r\n"), 400);
	cr_assert_eq(reg(""), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 2);
	cr_assert_eq(reg("Contact: *\r\nExpires: 0\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 0);
	cr_assert_eq(reg(""), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 0);
}

Test(registrar, bad_contacts)
{
	static const char *bad[] = {"<tel:+1234>", "<mailto:a@b>", "<sip:a@h1>;q=1.001",
		"<sip:a@h1>;q=0.1234", "<sip:a@h1>;q=", "<sip:a@h1>;q=.5", "<sip:a@h1",
		"<sip:a@h1>,x", "sip:", "<sip:a@h1>;+sip.instance=\"<a>\";reg-id=x",
		"*, <sip:a@h1>"};
	char line[256], longer[2048];

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(line, sizeof(line), "Contact: %s\r\nExpires: 0\r\n", bad[i]);
		/* what no parser would pass must not hurt either: the fixture's is lenient there */
		cr_expect_eq(reg(line), 400, "%s", bad[i]);
	}
	memset(longer, 'a', sizeof(longer));
	memcpy(longer, "Contact: <sip:", 14);
	strcpy(longer + 600, "@h>\r\n");
	cr_assert_eq(reg(longer), 400);
}

Test(registrar, contacts_that_nothing_depends_on)
{
	cr_assert_eq(reg("Contact: <sip:*21#@h1:0>\r\n"), 200);
	cr_assert_not_null(strstr(fixture_header(f, "Contact", 0), "<sip:*21#@h1:0>;expires="));
	cr_assert_eq(reg("Contact: <sip:*21%23@h1:0>;expires=60\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 1, "it is the same one");
	cr_assert_eq(reg("Contact: <tel:+1234>, <sip:a@h2>\r\nContact: <mailto:a@b>\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 2);
	cr_assert_null(strstr(f->answer, "tel:"));
	cr_assert_eq(reg("Contact: <sip:a@h2>;expires=0, <tel:+1234>;expires=0\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 1);
	cr_assert_eq(counters_page->counter[COUNTER_REGISTER_CONTACTS_IGNORED], 3);
}

Test(registrar, older_cseq_of_one_call_id_is_refused_whole)
{
	cr_assert_eq(
		send_as("sip:alice@example.net", "x", 10, "Contact: <sip:a@h1>, <sip:a@h2>\r\n"),
		200);
	cr_assert_eq(send_as("sip:alice@example.net", "x", 9,
			     "Contact: <sip:a@h3>, <sip:a@h1>;expires=0\r\n"),
		500);
	cr_assert_eq(send_as("sip:alice@example.net", "x", 9, "Contact: *\r\nExpires: 0\r\n"), 500);
	cr_assert_eq(
		send_as("sip:alice@example.net", "x", 10, "Contact: *\r\nExpires: 0\r\n"), 500);
	cr_assert_eq(send_as("sip:alice@example.net", "x", 10, "Contact: <sip:a@h1>;expires=0\r\n"),
		500);
	cr_assert_eq(send_as("sip:alice@example.net", "x", 1, ""), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 2);
	cr_assert_eq(send_as("sip:alice@example.net", "y", 1, "Contact: <sip:a@h1>;expires=0\r\n"),
		200, "another Call-ID: another client, or the same restarted");
	cr_assert_eq(fixture_headers(f, "Contact"), 1);
}

Test(registrar, a_request_repeated_after_a_restart_changes_nothing)
{
	cr_assert_eq(
		send_as("sip:alice@example.net", "x", 10, "Contact: <sip:a@h1>;expires=700\r\n"),
		200);
	fixture_restart(f);
	cr_assert_eq(
		send_as("sip:alice@example.net", "x", 10, "Contact: <sip:a@h1>;expires=700\r\n"),
		200);
	cr_assert_eq(counters_page->counter[COUNTER_REGISTER_REPEATED], 1);
	cr_assert_str_eq(CONTACT(0), "<sip:a@h1>;expires=700");
}

Test(registrar, contacts_are_compared_as_uris)
{
	cr_assert_eq(reg("Contact: <sip:Alice@Host.example;transport=tcp>\r\n"), 200);
	cr_assert_eq(reg("Contact: <SIP:%41lice@hOST.EXAMPLE;Transport=TCP>;expires=100\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 1);
	cr_assert_eq(reg("Contact: <sip:alice@host.example;transport=tcp>\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 2, "the user part is case-sensitive");
	cr_assert_eq(reg("Contact: <sip:Alice@host.example>\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 3);
}

Test(registrar, one_contact_twice_in_a_request_is_one_binding)
{
	cr_assert_eq(reg("Contact: <sip:a@h1>;expires=100, <sip:a@h1>;expires=200\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 1);
	cr_assert_str_eq(CONTACT(0), "<sip:a@h1>;expires=200");
}

Test(registrar, what_follows_a_question_mark_is_not_stored)
{
	cr_assert_eq(reg("Contact: <sip:a@h1;x=y?Route=%3Csip:evil%3E>;expires=100\r\n"), 200);
	cr_assert_str_eq(CONTACT(0), "<sip:a@h1;x=y>;expires=100");
}

Test(registrar, instance_and_reg_id_name_a_binding)
{
	cr_assert_eq(
		reg("Contact: <sip:a@h1>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=100\r\n"),
		200);
	cr_assert_str_eq(
		CONTACT(0), "<sip:a@h1>;expires=100;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
	cr_assert_eq(send_as("sip:alice@example.net", "other", 1,
			     "Contact: "
			     "<sip:a@h2>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;expires=100\r\n"),
		200);
	cr_assert_eq(fixture_headers(f, "Contact"), 1);
	cr_assert_str_eq(
		CONTACT(0), "<sip:a@h2>;expires=100;+sip.instance=\"<urn:uuid:1>\";reg-id=1");
	cr_assert_eq(reg("Contact: <sip:a@h3>;+sip.instance=\"<urn:uuid:1>\";reg-id=2\r\n"), 200);
	cr_assert_eq(reg("Contact: <sip:a@h4>;+sip.instance=\"<urn:uuid:2>\";reg-id=1\r\n"), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 3);
	cr_assert_eq(reg("Contact: <sip:a@h5>;+sip.instance=\"<urn:uuid:2>\";reg-id=1, "
			 "<sip:a@h6>;+sip.instance=\"<urn:uuid:2>\";reg-id=2\r\n"),
		400);
	cr_assert_eq(
		reg("Contact: <sip:a@h9>;reg-id=1;+sip.instance=\"<urn:uuid:2>\";expires=0\r\n"),
		200);
	cr_assert_eq(fixture_headers(f, "Contact"), 2);
}

Test(registrar, so_many_bindings_and_no_more)
{
	cr_assert_eq(reg("Contact: <sip:a@h1>, <sip:a@h2>, <sip:a@h3>\r\n"), 200);
	cr_assert_eq(reg("Contact: <sip:a@h4>\r\n"), 403);
	cr_assert_eq(reg("Contact: <sip:a@h3>\r\n"), 200);
	cr_assert_eq(
		reg("Contact: <sip:a@h4>, <sip:a@h1>;expires=0\r\n"), 200, "one comes, one goes");
	cr_assert_eq(fixture_headers(f, "Contact"), 3);
	f->image.domain[0].bindings_max = 1;
	cr_assert_eq(reg("Contact: <sip:a@h5>\r\n"), 403);
	cr_assert_eq(reg("Contact: *\r\nExpires: 0\r\n"), 200);
	f->image.domain[0].bindings_max = 1000000;
	char many[8192] = "Contact: <sip:a@h0>";
	for (unsigned i = 1; i < 33; i++)
		snprintf(many + strlen(many), 64, ", <sip:a@h%u>", i);
	strcat(many, "\r\n");
	cr_assert_eq(reg(many), 403);
	strcpy(strrchr(many, ','), "\r\n");
	cr_assert_eq(reg(many), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 32);
	for (unsigned i = 33; i < 100; i++)
		snprintf(many + strlen(many) - 2, 64, ", <sip:a@h%u>\r\n", i);
	cr_assert_eq(reg(many), 403);
}

Test(registrar, who_does_not_exist_is_not_found)
{
	cr_assert_eq(send_as("sip:mallory@example.net", "x", 1, "Contact: <sip:a@h1>\r\n"), 404);
	cr_assert_eq(send_as("sip:carol@example.net", "x", 2, "Contact: <sip:a@h1>\r\n"), 404);
	cr_assert_eq(send_as("sip:carol@other.example", "x", 3, "Contact: <sip:a@h1>\r\n"), 200);
	cr_assert_eq(send_as("sip:example.net", "x", 4, "Contact: <sip:a@h1>\r\n"), 404);
	cr_assert_eq(send_as("sip:alice@example.net:5099", "x", 5, "Contact: <sip:a@h1>\r\n"), 404,
		"another address of record");
	cr_assert_eq(
		send_as("sip:%61lice@EXAMPLE.net;x=y", "x", 6, "Contact: <sip:a@h1>\r\n"), 200);
	cr_assert_eq(reg(""), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 1, "the same address of record");
	f->sip.users = NULL;
	cr_assert_eq(reg(""), 404);
}

Test(registrar, require)
{
	cr_assert_eq(reg("Require: path\r\nRequire: gruu, outbound, gin\r\n"), 420);
	cr_assert_str_eq(fixture_header(f, "Unsupported", 0), "gruu, gin");
	cr_assert_eq(reg("Require: path\r\n"), 200);
}

#define PATHS "Path: <sip:p1.example;lr>\r\nPath: <sip:p2.example;lr>,\r\n <sip:p3.example;lr>\r\n"

static char path_seen[256];
static void see_path(void *arg, const struct binding *b)
{
	struct flow *flow = arg;

	*flow = b->flow;
	str_copy(b->path, path_seen, sizeof(path_seen));
}

Test(registrar, path_is_stored_from_a_trusted_zone)
{
	struct flow flow;

	listener = CORE_UDP;
	peer = "10.0.0.9:5060";
	cr_assert_eq(reg("Contact: <sip:a@h1>\r\n" PATHS), 421);
	cr_assert_str_eq(fixture_header(f, "Require", 0), "path");
	cr_assert_eq(reg("Contact: <sip:a@h1>\r\nSupported: timer, path\r\n" PATHS), 200);
	cr_assert_str_eq(fixture_header(f, "Path", 0),
		"<sip:p1.example;lr>, <sip:p2.example;lr>, <sip:p3.example;lr>");
	cr_assert_eq(
		location_lookup(f->sip.location, S("sip:alice@example.net"), see_path, &flow), 1);
	cr_assert_str_eq(
		path_seen, "<sip:p1.example;lr>, <sip:p2.example;lr>, <sip:p3.example;lr>");
	cr_assert_eq(reg("Contact: <sip:a@h1>\r\nSupported: path\r\nPath: <sip:p1\r\n"), 400);
}

Test(registrar, path_of_a_stranger_is_ignored)
{
	struct flow flow;

	cr_assert_eq(reg("Contact: <sip:a@h1>\r\nSupported: path\r\n" PATHS), 200);
	cr_assert_null(fixture_header(f, "Path", 0));
	cr_assert_eq(
		location_lookup(f->sip.location, S("sip:alice@example.net"), see_path, &flow), 1);
	cr_assert_str_eq(path_seen, "");
	cr_assert_eq(counters_page->counter[COUNTER_REGISTER_PATH_IGNORED], 1);
	struct flow from = fixture_flow(f, OPEN_UDP, "198.51.100.7:5060", 0);
	cr_assert_eq(memcmp(&flow, &from, sizeof(flow)), 0, "reached by where it came from");
}

Test(registrar, the_answer_waits_for_the_store)
{
	char text[1024];
	struct flow flow = fixture_flow(f, listener, peer, 0);

	snprintf(text, sizeof(text),
		"REGISTER sip:example.net SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKw\r\nFrom: "
		"<sip:alice@example.net>;tag=1\r\nTo: <sip:alice@example.net>\r\nCall-ID: "
		"w\r\nCSeq: 1 REGISTER\r\nContact: <sip:a@h1>\r\n\r\n");
	const struct message *m = fixture_message(f, text, &flow);
	struct transaction *t;
	cr_assert_eq(transactions_request(f->sip.transactions, m, 0, &t), REQUEST_NEW);
	struct incoming in = incoming_of(m, t);
	registrar_request(f->sip.registrar, &in, 0);
	cr_assert_eq(f->answers, 0);
	fixture_turn(f);
	cr_assert_eq(fixture_status(f), 200);
	cr_assert_eq(endpoint_equal(&f->answer_to.peer, &flow.peer), true);
}

/* The answer to a refresh of alice, without a turn between. */
static unsigned refreshed_at_once(unsigned number, const char *contact)
{
	char text[1024];
	struct flow flow = fixture_flow(f, listener, peer, 0);

	snprintf(text, sizeof(text),
		"REGISTER sip:example.net SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKr%u\r\nFrom: "
		"<sip:alice@example.net>;tag=1\r\nTo: <sip:alice@example.net>\r\nCall-ID: "
		"w\r\nCSeq: %u REGISTER\r\nContact: <%s>\r\n\r\n",
		number, number, contact);
	const struct message *m = fixture_message(f, text, &flow);
	struct transaction *t;
	f->answers = 0;
	cr_assert_eq(transactions_request(f->sip.transactions, m, 0, &t), REQUEST_NEW);
	struct incoming in = incoming_of(m, t);
	registrar_request(f->sip.registrar, &in, 0);
	return f->answers ? fixture_status(f) : 0;
}

Test(registrar, a_refresh_is_stored_and_answered_at_once_but_passes_no_change)
{
	cr_assert_eq(refreshed_at_once(1, "sip:a@h1"), 0, "new: it waits");
	cr_assert_eq(refreshed_at_once(2, "sip:a@h1"), 0, "what it refreshes waits");
	fixture_turn(f);
	cr_assert_eq(f->answers, 2);
	cr_assert_eq(refreshed_at_once(3, "sip:a@h1"), 200);
	cr_assert_str_eq(CONTACT(0), "<sip:a@h1>;expires=1800");
}

Test(registrar, a_full_store_is_503)
{
	/* the same life on a store that has no room */
	registrar_free(f->sip.registrar);
	transactions_free(f->sip.transactions);
	location_close(f->sip.location);
	loop_free(f->sip.loop);
	cr_assert_eq(loop_new(&f->sip.loop), 0);
	cr_assert_eq(location_open_bounded(
			     &f->sip.location, f->directory, &test_boot, f->sip.loop, 16 * 4096),
		0);
	cr_assert_eq(transactions_new(&f->sip.transactions, &f->sip), 0);
	cr_assert_eq(registrar_new(&f->sip.registrar, &f->sip), 0);
	cr_assert_eq(reg("Contact: <sip:a@h1>\r\n"), 503);
	cr_assert_not_null(fixture_header(f, "Retry-After", 0));
	cr_assert_eq(reg(""), 200);
	cr_assert_eq(fixture_headers(f, "Contact"), 0);
}

static unsigned bindings_of(const char *aor)
{
	struct flow flow;
	int n = location_lookup(f->sip.location, str_of(aor), see_path, &flow);

	cr_assert_geq(n, 0);
	return (unsigned)n;
}

Test(registrar, a_binding_lasts_as_long_as_it_was_told)
{
	cr_assert_eq(reg("Contact: <sip:alice@198.51.100.7:5060>;expires=3600\r\n"), 200);
	fixture_pass(f, 3000);
	cr_assert_eq(reg(""), 200);
	cr_assert_str_eq(CONTACT(0), "<sip:alice@198.51.100.7:5060>;expires=600");
	fixture_pass(f, 599);
	cr_assert_eq(bindings_of("sip:alice@example.net"), 1);
	fixture_pass(f, 1);
	cr_assert_eq(bindings_of("sip:alice@example.net"), 0);
	/* and then leaves the store */
	fixture_pass(f, 3600);
	cr_assert_eq(counters_page->counter[COUNTER_BINDINGS_EXPIRED], 1);
}

static uint8_t slot(const char *aor)
{
	return slot_of_aor(str_of(aor), &f->sip.keys.slot_key);
}

Test(registrar, the_end_of_a_stream_ends_its_bindings)
{
	uint64_t one = FLOW_ID(0, 5, 1), two = FLOW_ID(0, 5, 2);
	const char *alice = "sip:alice@example.net";

	listener = ACCESS_TCP;
	connection = one;
	cr_assert_eq(reg("Contact: <sip:a@h1>\r\n"), 200);
	cr_assert_eq(send_as("sip:bob@example.net", "b", 1, "Contact: <sip:b@h1>\r\n"), 200);
	connection = two;
	cr_assert_eq(reg("Contact: <sip:a@h2>\r\n"), 200);
	listener = OPEN_UDP;
	connection = 0;
	cr_assert_eq(reg("Contact: <sip:a@h3>\r\n"), 200);
	cr_assert_eq(bindings_of(alice), 3);
	registrar_flow_closed(f->sip.registrar, FLOW_ID(0, 4, 1), slot(alice));
	registrar_flow_closed(f->sip.registrar, 0, slot(alice));
	cr_assert_eq(bindings_of(alice), 3);
	registrar_flow_closed(f->sip.registrar, one, slot(alice));
	cr_assert_eq(bindings_of(alice), 2);
	cr_assert_eq(bindings_of("sip:bob@example.net"),
		slot("sip:bob@example.net") == slot(alice) ? 0 : 1,
		"another slot is told by itself");
	registrar_flow_closed(f->sip.registrar, one, slot("sip:bob@example.net"));
	cr_assert_eq(bindings_of("sip:bob@example.net"), 0);
	registrar_transport_gone(f->sip.registrar, 0, 4);
	registrar_transport_gone(f->sip.registrar, 1, 5);
	cr_assert_eq(bindings_of(alice), 2);
	registrar_transport_gone(f->sip.registrar, 0, 5);
	cr_assert_eq(bindings_of(alice), 1);
	fixture_turn(f);
	cr_assert_eq(bindings_of(alice), 1);
}

Test(registrar, a_refresh_by_another_stream_outlives_the_first)
{
	const char *alice = "sip:alice@example.net";

	listener = ACCESS_TCP;
	connection = FLOW_ID(0, 5, 1);
	cr_assert_eq(reg("Contact: <sip:a@h1>\r\n"), 200);
	connection = FLOW_ID(0, 5, 2);
	cr_assert_eq(reg("Contact: <sip:a@h1>\r\n"), 200);
	registrar_flow_closed(f->sip.registrar, FLOW_ID(0, 5, 1), slot(alice));
	cr_assert_eq(bindings_of(alice), 1);
	registrar_flow_closed(f->sip.registrar, FLOW_ID(0, 5, 2), slot(alice));
	cr_assert_eq(bindings_of(alice), 0);
}

Test(registrar, a_new_life_finds_the_streams_again)
{
	const char *alice = "sip:alice@example.net";

	listener = ACCESS_TCP;
	connection = FLOW_ID(0, 5, 1);
	cr_assert_eq(reg("Contact: <sip:a@h1>\r\n"), 200);
	fixture_restart(f);
	cr_assert_eq(bindings_of(alice), 1);
	/* Its walk through the store begins a second after the start. */
	fixture_pass(f, 2);
	registrar_flow_closed(f->sip.registrar, connection, slot(alice));
	cr_assert_eq(bindings_of(alice), 0);
}

Test(registrar, the_death_of_a_transport_worker_ends_thousands)
{
	listener = ACCESS_TCP;
	for (unsigned i = 0; i < 3; i++) {
		connection = FLOW_ID(0, 5, i);
		char line[64];
		snprintf(line, sizeof(line), "Contact: <sip:a@h%u>\r\n", i);
		cr_assert_eq(reg(line), 200);
	}
	/* and the records of others, of no domain of ours, put by this worker too */
	struct binding b = {.flow = fixture_flow(f, ACCESS_TCP, peer, 0),
		.expires_at = UINT64_MAX,
		.contact = S("sip:x@y")};
	char aor[64];
	for (unsigned i = 0; i < 2000; i++) {
		b.flow.id = FLOW_ID(0, 5, 1000 + i);
		snprintf(aor, sizeof(aor), "sip:user%u@example.org", i);
		cr_assert_eq(location_put(f->sip.location, str_of(aor), &b, 1, NULL, NULL), 0);
	}
	fixture_turn(f);
	registrar_slots_changed(f->sip.registrar);
	fixture_pass(f, 2);
	registrar_transport_gone(f->sip.registrar, 0, 5);
	fixture_pass(f, 10);
	cr_assert_eq(counters_page->counter[COUNTER_BINDINGS_FLOW_CLOSED], 2003);
	cr_assert_eq(bindings_of("sip:user1000@example.org"), 0);
	cr_assert_eq(bindings_of("sip:alice@example.net"), 0);
}

Test(registrar, bindings_whose_user_is_gone_are_tended_away)
{
	struct binding b = {.flow = fixture_flow(f, ACCESS_UDP, peer, 0),
		.expires_at = UINT64_MAX,
		.contact = S("sip:x@y")};

	cr_assert_eq(reg("Contact: <sip:a@h1>\r\n"), 200);
	cr_assert_eq(
		location_put(f->sip.location, S("sip:gone@example.net"), &b, 1, NULL, NULL), 0);
	cr_assert_eq(
		location_put(f->sip.location, S("sip:gone@example.org"), &b, 1, NULL, NULL), 0);
	fixture_turn(f);
	registrar_slots_changed(f->sip.registrar);
	fixture_pass(f, 2);
	cr_assert_eq(counters_page->counter[COUNTER_BINDINGS_USER_REMOVED], 1);
	cr_assert_eq(bindings_of("sip:gone@example.net"), 0);
	cr_assert_eq(bindings_of("sip:gone@example.org"), 1, "of no domain of ours");
	cr_assert_eq(bindings_of("sip:alice@example.net"), 1);
}
