/* The target of a request: zones, rules in order, bindings, trunks, and what no rule lets pass. */
#include "sip-worker.h"

#include <errno.h>

TestSuite(route, .init = worker_set_up, .fini = worker_tear_down);

static unsigned number;

/* The status that a MESSAGE to uri gets, 0 where it is passed on (and answered 200 there). */
static unsigned status_of_by(const struct flow *by, const char *uri, const char **went)
{
	static char target[256];
	unsigned status = 0;

	ask(.by = by, .method = "MESSAGE", .uri = uri, .cseq = ++number);
	struct sent *out = take("MESSAGE", 0);
	if (out) {
		struct str to = message_str(out->message, out->message->request_uri.whole);

		snprintf(target, sizeof(target), "%.*s", STR(to));
		if (went)
			*went = target;
		respond(out, 200, .tag = "b");
		take_response(200);
		quiet();
		return 0;
	}
	for (unsigned i = 0; i < sent_count; i++)
		if (!sent[i].taken) {
			cr_assert_eq(status, 0);
			status = sent[i].message->status;
			sent[i].taken = true;
		}
	cr_assert_neq(status, 0, "no answer");
	return status;
}

static unsigned status_of(const char *uri)
{
	return status_of_by(NULL, uri, NULL);
}

static const char *went_of(const struct flow *by, const char *uri)
{
	const char *went = "nowhere";

	cr_assert_eq(status_of_by(by, uri, &went), 0, "%s", uri);
	return went;
}

Test(route, users_of_a_domain_are_reached_by_their_bindings)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	cr_assert_str_eq(went_of(NULL, "sip:bob@example.net"), "sip:bob@198.51.100.11:5060");
	cr_assert_str_eq(
		went_of(NULL, "sip:bob@EXAMPLE.net;user=phone"), "sip:bob@198.51.100.11:5060");
	cr_assert_str_eq(went_of(NULL, "sip:%62ob@example.net"), "sip:bob@198.51.100.11:5060");
	cr_assert_eq(status_of("sip:alice@example.net"), 480, "exists, and is not there");
	cr_assert_eq(status_of("sip:stranger@example.net"), 403, "does not exist");
	cr_assert_eq(status_of("sip:Bob@example.net"), 403, "names are told apart by case");
	cr_assert_eq(status_of("sip:bob@elsewhere.example"), 403, "no relay for other domains");
	cr_assert_eq(status_of("sip:carol@other.example"), 403, "no rule for that domain");
}

Test(route, a_binding_is_used_until_it_expires)
{
	register_phone("bob", "198.51.100.11:5060", NULL);
	pass(3599000);
	cr_assert_eq(status_of("sip:bob@example.net"), 0);
	pass(1000);
	cr_assert_eq(status_of("sip:bob@example.net"), 480);
}

Test(route, the_core_calls_users_by_our_address)
{
	struct flow core = flow_of(CORE_UDP, "10.0.0.9:5060", 0);

	register_phone("bob", "198.51.100.11:5060", NULL);
	cr_assert_str_eq(went_of(&core, "sip:bob@10.0.0.1:5062"), "sip:bob@198.51.100.11:5060");
	/* our port is part of our address */
	cr_assert_eq(status_of_by(&core, "sip:bob@10.0.0.1:5070", NULL), 404);
	cr_assert_eq(status_of_by(&core, "sip:stranger@10.0.0.1:5062", NULL), 404,
		"a trusted zone is told what is not there");
}

Test(route, numbers_go_to_the_trunk)
{
	cr_assert_str_eq(went_of(NULL, "sip:5551000@example.net"), "sip:5551000@10.0.0.11:5060");
	cr_assert_str_eq(
		went_of(NULL, "sip:+15551000@anywhere.example"), "sip:+15551000@10.0.0.11:5060");
	cr_assert_str_eq(
		went_of(NULL, "tel:+1-555-1000"), "sip:+1-555-1000@10.0.0.11:5060;user=phone");
	cr_assert_eq(status_of("sip:12@example.net"), 404, "too short for the expression");
	cr_assert_eq(status_of("sip:555x@example.net"), 403);
	/* a rule is for the zones that it names: no way from the core to the core */
	struct flow core = flow_of(CORE_UDP, "10.0.0.9:5060", 0);
	cr_assert_eq(status_of_by(&core, "sip:5551000@example.net", NULL), 404);
}

Test(route, the_first_rule_that_matches_decides)
{
	cr_assert_eq(status_of("sip:notme@example.net"), 410);
	/* a user of that name would be found by the rule before it */
	fixture_user(worker, 0, "november", "x", DIGEST_MD5);
	cr_assert_eq(status_of("sip:november@example.net"), 480);
}

Test(route, what_cannot_be_routed)
{
	cr_assert_eq(status_of("http://example.net/"), 416);
	cr_assert_eq(status_of("sips:bob@example.net"), 416, "sips over UDP: RFC 5630 section 5.3");
	cr_assert_eq(status_of("sip:bob%00x@example.net"), 403);
}

Test(route, a_trunk_that_is_ourselves_is_a_loop)
{
	worker->image.target[0].endpoint = fixture_endpoint("10.0.0.1:5062");
	worker->image.trunk[0].targets.count = 1;
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	cr_assert_eq(status_of("sip:5551000@example.net"), 482);
}

Test(route, strangers_at_a_trusted_listener_are_not_heard)
{
	struct flow stranger = flow_of(CORE_UDP, "203.0.113.9:5060", 0);

	register_phone("bob", "198.51.100.11:5060", NULL);
	ask(.by = &stranger, .method = "MESSAGE", .uri = "sip:bob@example.net");
	ask(.by = &stranger, .method = "INVITE", .uri = "sip:bob@example.net");
	pass(64 * T1);
	quiet();
}

Test(route, path_of_a_binding_is_its_route)
{
	struct flow proxy = flow_of(CORE_UDP, "10.0.0.7:5060", 0);

	/* RFC 3327: believed from a trusted zone */
	ask(.by = &proxy, .method = "REGISTER", .uri = "sip:example.net",
		.from = "<sip:bob@example.net>", .to = "<sip:bob@example.net>",
		.contact = "<sip:bob@172.16.0.5:5060>;expires=600", .call_id = "by-proxy",
		.more = "Supported: path\nPath: <sip:10.0.0.7;lr>, <sip:inner.example;lr>\n");
	pass(10);
	take_response(200);
	ask(.method = "MESSAGE", .uri = "sip:bob@example.net");
	struct sent *out = take_request("MESSAGE");
	cr_assert(sent_to(out, "10.0.0.7:5060"));
	cr_assert(str_equal(message_str(out->message, out->message->request_uri.whole),
		S("sip:bob@172.16.0.5:5060")));
	cr_assert(str_equal(value_of(out->message, HEADER_ROUTE),
		S("<sip:10.0.0.7;lr>, <sip:inner.example;lr>")));
}

Test(route, a_number_is_one_thing_however_it_is_written)
{
	static const char *const row[][2] = {
		{"tel:+1202;npdi;rn=+1301", "sip:+1202;npdi;rn=+1301@10.0.0.11:5060;user=phone"},
		{"sip:+1202;npdi;rn=+1301@example.net;user=phone",
			"sip:+1202;npdi;rn=+1301@10.0.0.11:5060;user=phone"},
		{"sip:+49-30-123.456@example.net;user=phone",
			"sip:+49-30-123.456@10.0.0.11:5060;user=phone"},
		{"sip:+49-30-123.456@example.net", "sip:+49-30-123.456@10.0.0.11:5060"},
		{"sip:030-123;phone-context=+49@example.net;user=phone",
			"sip:030-123;phone-context=+49@10.0.0.11:5060;user=phone"},
		{"tel:030123;phone-context=example.net",
			"sip:030123;phone-context=example.net@10.0.0.11:5060;user=phone"},
		{"sip:+16305550100;tgrp=TG-1;trunk-context=+1-630@example.net;user=phone;cause=486",
			"sip:+16305550100;tgrp=TG-1;trunk-context=+1-630@10.0.0.11:5060;user=phone"
			";cause=486"},
		{"sip:5551000@example.net;transport=udp;cause=302;maddr=10.9.9.9",
			"sip:5551000@10.0.0.11:5060;cause=302"},
		/* what else is of the target may name hosts of the caller's side */
		{"sip:5551000@example.net;target=sip%3Aa%40198.51.100.10;cause=302",
			"sip:5551000@10.0.0.11:5060;target=sip%3Aa%4010.0.0.1;cause=302"},
		{"sip:5551000@example.net;x=198.51.100.10:5070;user=phone",
			"sip:5551000@10.0.0.11:5060;x=10.0.0.1;user=phone"},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
		cr_expect_str_eq(went_of(NULL, row[i][0]), row[i][1]);
	cr_assert_eq(status_of("sip:030-123@example.net"), 403, "a name may have a dash");
	/* what a rule refuses it refuses however it is written */
	worker->image.route[2].number = fixture_text(&worker->image, "^0900");
	worker->image.route[1].number = (struct text){0, 0};
	const struct route_settings refuse = worker->image.route[2];
	worker->image.route[2] = worker->image.route[1];
	worker->image.route[1] = refuse;
	routes_taken();
	static const char *const refused[] = {"sip:0900123@example.net",
		"sip:0900123;x@example.net", "sip:09-00123@example.net;user=phone",
		"sip:09%2D00123@x;u%73er=phone", "tel:0(900)123;phone-context=+49",
		"sip:%30900-1;npdi@x"};
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		cr_expect_eq(status_of(refused[i]), 410, "%s", refused[i]);
	cr_assert_eq(status_of("sip:0901@example.net"), 0);
}

/* The third rule over all numbers of the zone, with the action of its own, before all others. */
static unsigned status_by_rule(const char *pattern, uint8_t action, const char *uri)
{
	struct route_settings rule = worker->image.route[2];

	rule.number = fixture_text(&worker->image, pattern);
	rule.action = action;
	rule.trunks = worker->image.route[1].trunks;
	worker->image.route[0] = rule;
	routes_taken();
	return status_of(uri);
}

Test(route, a_number_that_costs_too_much)
{
	char uri[600] = "sip:";

	memset(uri + 4, '1', 400);
	strcpy(uri + 404, "@example.net");
	cr_assert_eq(status_by_rule("^(1+)+$", ROUTE_REFUSE, uri), 410);
	cr_assert_eq(counters_page->counter[COUNTER_ROUTE_PATTERN_LIMIT], 0);
	uri[403] = 'x';
	/* what is barred is not let through because its check was made to fail */
	cr_assert_eq(status_by_rule("^(1+)+$", ROUTE_REFUSE, uri), 410);
	cr_assert_eq(counters_page->counter[COUNTER_ROUTE_PATTERN_LIMIT], 1);
	cr_assert_eq(status_by_rule("^(1+)+$", ROUTE_TRUNK, uri), 403);
	cr_assert_eq(counters_page->counter[COUNTER_ROUTE_PATTERN_LIMIT], 2);
}

Test(route, users_whose_names_are_numbers)
{
	fixture_user(worker, 0, "+4930123", "x", DIGEST_MD5);
	fixture_user(worker, 0, "100-1", "x", DIGEST_MD5);
	fixture_user(worker, 0, "1001", "x", DIGEST_MD5);
	register_phone("+4930123", "198.51.100.11:5060", NULL);
	register_phone("100-1", "198.51.100.12:5060", NULL);
	register_phone("1001", "198.51.100.13:5060", NULL);
	static const char *const row[][2] = {
		{"sip:+4930123@example.net", "sip:+4930123@198.51.100.11:5060"},
		{"sip:+49-30-123@example.net;user=phone", "sip:+4930123@198.51.100.11:5060"},
		{"sip:+49.30.123;npdi@example.net", "sip:+4930123@198.51.100.11:5060"},
		{"tel:+49(30)123", "sip:+4930123@198.51.100.11:5060"},
		{"sip:100-1@example.net;user=phone", "sip:100-1@198.51.100.12:5060"},
		{"sip:100-1@example.net", "sip:100-1@198.51.100.12:5060"},
		{"sip:1001@example.net;user=phone", "sip:1001@198.51.100.13:5060"},
		{"sip:1.001@example.net;user=phone", "sip:1001@198.51.100.13:5060"},
	};
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
		cr_expect_str_eq(went_of(NULL, row[i][0]), row[i][1]);
}

Test(route, a_uri_too_long_for_the_trunk)
{
	char uri[2048];
	int n = snprintf(uri, sizeof(uri), "sip:5551000@example.net;x=");

	memset(uri + n, 'y', 1600);
	uri[n + 1600] = 0;
	cr_assert_eq(status_of(uri), 414);
	cr_assert_eq(counters_page->counter[COUNTER_URIS_TOO_LONG], 1);
}

/* ---- targets that share a trunk's calls ---- */

/* To which target the first of those that a request gets goes, as its last octet. */
static unsigned first_target(const char *uri, const char *from, const char *call_id)
{
	struct said *invite = ask(.method = "INVITE", .uri = uri, .from = from, .call_id = call_id);
	struct sent *out = take_request("INVITE");
	char text[ENDPOINT_TEXT_SIZE];

	size_t n = endpoint_host_text(&out->to.peer, text);
	text[n] = 0;
	respond(out, 486, .tag = "1");
	take_request("ACK");
	acknowledge_failure(invite, take_response(486));
	return (unsigned)atoi(strrchr(text, '.') + 1);
}

static void weigh(enum balance balance, unsigned first, unsigned second, unsigned third)
{
	worker->image.trunk[0].balance = balance;
	worker->image.target[0].weight = (uint16_t)first;
	worker->image.target[1].weight = (uint16_t)second;
	worker->image.target[2].weight = (uint16_t)third;
}

Test(route, weights_are_kept)
{
	unsigned first[3] = {0};
	uint8_t order[3];

	weigh(BALANCE_RANDOM, 1, 2, 3);
	for (unsigned i = 0; i < 60000; i++) {
		balance_order(worker->image.target, true, random_u64(), 3, order);
		first[order[0]]++;
	}
	cr_assert_float_eq(first[0] / 60000.0, 1 / 6.0, 0.01);
	cr_assert_float_eq(first[1] / 60000.0, 2 / 6.0, 0.01);
	cr_assert_float_eq(first[2] / 60000.0, 3 / 6.0, 0.01);
}

Test(route, a_target_less_moves_its_own_calls_alone)
{
	uint8_t all[3], two[2];

	weigh(BALANCE_CALLED, 1, 1, 5);
	for (uint64_t key = 0; key < 1000; key++) {
		balance_order(worker->image.target, true, key, 3, all);
		balance_order(worker->image.target, true, key, 2, two);
		unsigned n = 0;
		for (unsigned i = 0; i < 3; i++)
			if (all[i] != 2)
				cr_assert_eq(all[i], two[n++]);
	}
}

Test(route, priorities_come_first)
{
	uint8_t order[3];

	weigh(BALANCE_RANDOM, 1, 1000, 1000);
	worker->image.target[1].priority = worker->image.target[2].priority = 1;
	for (uint64_t key = 0; key < 1000; key++) {
		balance_order(worker->image.target, true, key, 3, order);
		cr_assert_eq(order[0], 0);
		cr_assert(order[1] + order[2] == 3);
	}
	balance_order(worker->image.target, false, 1, 3, order);
	cr_assert(order[0] == 0 && order[1] == 1 && order[2] == 2);
}

Test(route, what_is_alike_goes_to_the_same_target)
{
	static const enum balance by[] = {BALANCE_CALL_ID, BALANCE_CALLER, BALANCE_CALLED};

	for (unsigned k = 0; k < 3; k++) {
		unsigned seen[20] = {0}, different = 0;

		weigh(by[k], 1, 1, 1);
		for (unsigned i = 0; i < 40; i++) {
			char id[32], uri[64], from[64];
			unsigned n = i % 20; /* each twice */

			snprintf(id, sizeof(id), "%u-%u", by[k], by[k] == BALANCE_CALL_ID ? n : i);
			snprintf(uri, sizeof(uri), "sip:55510%02u@example.net",
				by[k] == BALANCE_CALLED ? n : i);
			snprintf(from, sizeof(from), "<sip:a%u@example.net>",
				by[k] == BALANCE_CALLER ? n : i);
			unsigned target = first_target(uri, from, id);
			if (i < 20)
				seen[n] = target;
			cr_assert_eq(target, seen[n]);
			different |= 1u << (target - 11);
		}
		cr_assert_eq(different, 7, "all three are used");
	}
}

/* A scope id means nothing to the peer, and IPv6reference has no place for it (RFC 3261
 * section 25.1). */
Test(route, a_target_of_one_link_is_written_without_its_scope)
{
	worker->image.trunk[0].targets.count = 1;
	worker->image.target[0].endpoint = fixture_endpoint("[fe80::1%2]:5060");
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
	ask(.method = "MESSAGE", .uri = "sip:5551000@example.net", .cseq = ++number);
	struct sent *out = take_request("MESSAGE");
	cr_assert(str_equal(message_str(out->message, out->message->request_uri.whole),
		S("sip:5551000@[fe80::1]:5060")));
	transactions_send_failed(worker->sip.transactions, 0, out->cookie, -ECONNREFUSED);
	settle();
	take_response(500);
}

/* Rows of one name: two hosts of the best priority with the weights 1 and 3, the first of which has
 * two addresses, and one of a later priority. */
static void services(struct target_settings rows[4])
{
	memset(rows, 0, 4 * sizeof(rows[0]));
	for (unsigned i = 0; i < 4; i++) {
		rows[i].name.length = 1;
		rows[i].host = i ? i : 1;
		rows[i].endpoint = (struct endpoint){.family = 4, .port = 5060, .address = {i}};
		rows[i].service_priority = i == 3;
	}
	rows[0].service_weight = rows[1].service_weight = 1;
	rows[2].service_weight = 3;
}

Test(balance, hosts_of_a_name_have_srv_priority_and_weight)
{
	struct target_settings rows[4];
	unsigned first[4] = {0};
	uint8_t order[4];

	services(rows);
	for (unsigned i = 0; i < 40000; i++) {
		balance_order(rows, false, random_u64(), 4, order);
		first[order[0]]++;
		cr_assert_eq(order[3], 3, "RFC 2782: the lowest priority is tried first");
		cr_assert(order[0] == 2 ? order[1] == 0 && order[2] == 1
					: order[0] == 0 && order[1] == 1 && order[2] == 2,
			"a host's addresses stay together, in their order");
	}
	cr_assert_float_eq(first[2] / 40000.0, 0.75, 0.02);
	cr_assert_eq(first[1] + first[3], 0);
}

Test(balance, hosts_of_a_name_stay_for_a_key)
{
	struct target_settings rows[4];
	uint8_t a[4], b[4];

	services(rows);
	for (uint64_t key = 0; key < 200; key++) {
		balance_order(rows, true, key, 4, a);
		balance_order(rows, true, key, 4, b);
		cr_assert_arr_eq(a, b, sizeof(a));
	}
}
