/* sip-rules.c - calls through the rules about numbers and headers of zones, routes and trunks: what
 * each side is told, in the INVITE, in what follows within the dialog, and at a second trunk. */
#include "sip-targets.h"

#include "worker-sip/routing/rewriting.h"
#include "worker-sip/message/rewrite.h"

#include <ctype.h>

TestSuite(rules, .init = worker_set_up, .fini = worker_tear_down);

static void trunk_rules(const char *text)
{
	worker->image.trunk[0].rules = fixture_rules(&worker->image, text);
	routes_taken();
}

static void is_from(const struct sent *s, const char *from)
{
	struct str value = value_of(s->message, HEADER_FROM);

	cr_expect(str_starts(value, str_of(from)), "%.*s", STR(value));
}

static void is_to(const struct sent *s, const char *to)
{
	struct str value = value_of(s->message, HEADER_TO);

	cr_expect(str_starts(value, str_of(to)), "%.*s", STR(value));
}

static void is_for(const struct sent *s, const char *user)
{
	struct str found = message_str(s->message, s->message->request_uri.user);

	cr_expect(str_equal(found, str_of(user)), "%.*s", STR(found));
}

/* Zone, route, trunk, in this order; each sees what those before have made. */
Test(rules, of_zone_route_and_trunk_follow_each_other)
{
	worker->image.zone[ZONE_OPEN].rules = fixture_rules(&worker->image,
		"request-uri user ^0(\\d+)$ +49$1\nfrom user ^alice$ 4930100\nheader set X-A zone\n"
		"header remove Subject");
	worker->image.route[1].rules = fixture_rules(&worker->image,
		"request-uri user ^\\+ 00\nfrom user ^49 +49\nheader add X-A route");
	trunk_rules("request-uri user ^00 +\nfrom host .* carrier.example\nheader add X-B trunk\n"
		    "from display .* 'Firma \"A\"'\nto user .* x#1");
	ask(.method = "INVITE", .uri = "sip:0301234@example.net",
		.more = "Subject: secret\ns: more\nX-A: own\nX-C: stays\n");
	struct sent *s = tried(FIRST);
	is_for(s, "+49301234");
	is_from(s, "\"Firma \\\"A\\\"\" <sip:+4930100@carrier.example>;tag=");
	is_to(s, "<sip:x%231@example.net>");
	cr_expect_not(raw_has(s, "secret"));
	cr_expect_not(raw_has(s, "\r\ns: more"));
	cr_expect_not(raw_has(s, "X-A: own"));
	cr_expect(raw_has(s, "X-A: zone\r\nX-A: route\r\nX-B: trunk\r\n"));
	cr_expect(raw_has(s, "X-C: stays\r\n"));
	forget();
}

Test(rules, that_set_a_header_take_back_what_was_added)
{
	zone_rules("header add X-A one\nheader add X-B stays\nheader add X-A two");
	trunk_rules("header set X-A three");
	call();
	struct sent *s = tried(FIRST);
	cr_expect(raw_has(s, "X-B: stays\r\nX-A: three\r\n"));
	cr_expect_not(raw_has(s, "one"));
	cr_expect_not(raw_has(s, "two"));
	forget();
}

/* RFC 3261 sections 12.2.1.1 and 9.1: what From and To say stays within a dialog; the caller sees
 * his own. */
Test(rules, hold_within_the_dialog)
{
	trunk_rules("from user .* +4930100\nto display .* Somebody\nheader set X-B trunk");
	call();
	struct sent *invite = tried(FIRST);
	is_from(invite, "<sip:+4930100@example.net>;tag=");
	is_to(invite, "\"Somebody\" <sip:bob@example.net>");
	respond(invite, 200, .tag = "b");
	struct sent *answer = take_response(200);
	is_from(answer, "<sip:alice@example.net>;tag=a");
	is_to(answer, "<sip:bob@example.net>;tag=");
	caller_asks(answer, "ACK", 1);
	is_from(take_request("ACK"), "<sip:+4930100@example.net>;tag=");

	caller_asks(answer, "INFO", 2, .more = "X-C: stays\n");
	struct sent *info = take_request("INFO");
	is_from(info, "<sip:+4930100@example.net>;tag=");
	is_to(info, "\"Somebody\" <sip:bob@example.net>;tag=b");
	cr_expect_not(raw_has(info, "X-B"), "rules are for what begins");
	respond(info, 200);
	is_from(take_response(200), "<sip:alice@example.net>;tag=a");

	callee_asks(invite, "b", "BYE", 1);
	struct sent *bye = take_request("BYE");
	is_from(bye, "<sip:bob@example.net>;tag=");
	is_to(bye, "<sip:alice@example.net>;tag=a");
	respond(bye, 200);
	is_to(take_response(200), "<sip:+4930100@example.net>;tag=");
	quiet();
}

/* Responses and requests within a dialog have the rules of zones that are for them: of the zone
 * that they come from, then of the one that they go to. */
Test(rules, for_what_follows_hold_on_both_ways)
{
	zone_rules("in response header set X-From-Open yes\nout response header set X-To-Open yes\n"
		   "out response header remove Server\nin dialog header set X-In-Open yes\n"
		   "out dialog header remove Subject\nheader set X-First yes");
	worker->image.zone[ZONE_CORE].rules = fixture_rules(&worker->image,
		"in response header set X-To-Open no\nin response header remove X-Secret\n"
		"out dialog header add X-In-Open core\nin dialog header add Subject core");
	routes_taken();
	ask(.method = "INVITE", .uri = NUMBER);
	struct sent *invite = tried(FIRST);
	cr_expect(raw_has(invite, "X-First: yes"));
	cr_expect_not(raw_has(invite, "X-In-Open"));
	respond(invite, 180, .tag = "b", .more = "Server: PBX 1\nX-Secret: 1\nX-Secret: 2\n");
	struct sent *ringing = take_response(180);
	cr_expect(raw_has(ringing, "X-To-Open: yes\r\n"));
	cr_expect_not(raw_has(ringing, "X-To-Open: no"));
	cr_expect_not(raw_has(ringing, "X-From-Open"));
	cr_expect_not(raw_has(ringing, "Server"));
	cr_expect_not(raw_has(ringing, "X-Secret"));
	respond(invite, 200, .tag = "b", .more = "X-Secret: 1\n");
	struct sent *answer = take_response(200);
	cr_expect(raw_has(answer, "X-To-Open: yes\r\n"));
	cr_expect_not(raw_has(answer, "X-Secret"));
	caller_asks(answer, "ACK", 1);
	cr_expect(raw_has(take_request("ACK"), "X-In-Open: yes\r\nX-In-Open: core\r\n"));
	caller_asks(answer, "INFO", 2);
	struct sent *info = take_request("INFO");
	cr_expect(raw_has(info, "X-In-Open: yes\r\nX-In-Open: core\r\n"));
	cr_expect_not(raw_has(info, "X-First"));
	respond(info, 200, .more = "X-Secret: 1\n");
	answer = take_response(200);
	cr_expect(raw_has(answer, "X-To-Open: yes\r\n"));
	cr_expect_not(raw_has(answer, "X-Secret"));
	callee_asks(invite, "b", "BYE", 1, .more = "Subject: hello\nX-Secret: 1\n");
	struct sent *bye = take_request("BYE");
	cr_expect(raw_has(bye, "X-Secret: 1"), "that rule is for responses");
	cr_expect_not(raw_has(bye, "Subject"));
	cr_expect_not(raw_has(bye, "X-In-Open"));
	respond(bye, 200);
	cr_expect(raw_has(take_response(200), "X-From-Open: yes\r\n"));
	quiet();
}

/* The best failure, and what is no call. */
Test(rules, for_responses_hold_for_failures)
{
	zone_rules("out response header remove Reason\nout response header set X-A yes");
	call();
	respond(tried(FIRST), 603, .tag = "b", .more = "Reason: Q.850;cause=21\n");
	struct sent *refusal = take_response(603);
	cr_expect(raw_has(refusal, "X-A: yes\r\n"));
	cr_expect_not(raw_has(refusal, "Q.850"));
	forget();
	register_phone("bob", "198.51.100.7:5060", NULL);
	ask(.method = "MESSAGE", .uri = "sip:bob@example.net", .call_id = "message");
	respond(take_request("MESSAGE"), 486, .tag = "b", .more = "Reason: Q.850;cause=17\n");
	refusal = take_response(486);
	cr_expect(raw_has(refusal, "X-A: yes\r\n"));
	cr_expect_not(raw_has(refusal, "Q.850"));
}

/* What a rule leaves of a name is the sender's, whose hosts stay behind. */
Test(rules, show_no_host_in_a_name)
{
	trunk_rules("from display phone 'the \"phone\"'");
	ask(.method = "INVITE", .uri = NUMBER,
		.from = "\"10.9.9.9 phone\" <sip:alice@example.net>");
	struct sent *s = tried(FIRST);
	cr_expect(raw_has(s, " the \\\"phone\\\"\" <sip:alice@example.net>;tag="));
	cr_expect_not(raw_has(s, "10.9.9.9"));
	forget();
}

Test(rules, hold_for_cancel_and_the_ack_of_a_failure)
{
	trunk_rules("from user .* +4930100\nrequest-uri user ^ +49");
	struct said *asked = call();
	struct sent *invite = tried(FIRST);
	is_for(invite, "+495551000");
	respond(invite, 180, .tag = "b");
	is_from(take_response(180), "<sip:alice@example.net>;tag=a");
	cancel(asked);
	struct sent *cancelled = take_request("CANCEL");
	is_from(cancelled, "<sip:+4930100@example.net>;tag=");
	is_for(cancelled, "+495551000");
	respond(invite, 487, .tag = "b");
	is_from(take_request("ACK"), "<sip:+4930100@example.net>;tag=");
	forget();
}

/* A second trunk, whose rules are others. */
static void second_trunk(const char *rules)
{
	struct image *i = &worker->image;

	i->target[3] = (struct target_settings){.uri = fixture_text(i, "10.0.0.14:5060"),
		.endpoint = fixture_endpoint("10.0.0.14:5060"),
		.transport = TRANSPORT_UDP,
		.listener = CORE_UDP};
	i->trunk[1] = i->trunk[0];
	i->trunk[0].targets.count = 1;
	i->trunk[1].name = fixture_text(i, "second");
	i->trunk[1].rules = fixture_rules(i, rules);
	i->trunk[1].targets = (struct array){offsetof(struct image, target[3]), 1};
	i->trunk[1].label = 1;
	i->route_trunk[1] = 1;
	i->route[1].trunks.count = 2;
	i->s.trunks.count = 2;
	routes_taken();
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
}

Test(rules, of_one_trunk_are_not_those_of_the_next)
{
	trunk_rules("request-uri user ^ +1\nfrom user .* first\nheader set X-A first\n"
		    "header remove Subject");
	second_trunk("from host .* second.example\nheader set X-B second");
	ask(.method = "INVITE", .uri = NUMBER, .more = "Subject: hello\n");
	struct sent *first = tried(FIRST);
	is_for(first, "+15551000");
	is_from(first, "<sip:first@example.net>;tag=");
	respond(first, 503, .tag = "1");
	struct sent *second = tried("10.0.0.14:5060");
	is_for(second, "5551000");
	is_from(second, "<sip:alice@second.example>;tag=");
	cr_expect(raw_has(second, "Subject: hello"));
	cr_expect(raw_has(second, "X-B: second"));
	cr_expect_not(raw_has(second, "X-A"));
	respond(second, 200, .tag = "2");
	struct sent *answer = take_response(200);
	caller_asks(answer, "BYE", 2);
	is_from(take_request("BYE"), "<sip:alice@second.example>;tag=");
	forget();
}

/* A trunk whose rule cannot be carried out is passed over; where none is left it is 403. */
Test(rules, that_make_no_user_refuse)
{
	trunk_rules("from user .* ''");
	second_trunk("header set X-B second");
	call();
	cr_expect(raw_has(tried("10.0.0.14:5060"), "X-B"));
	cr_expect_eq(counted(COUNTER_RULES_NO_RESULT), 1);
	forget();
	zone_rules("from host .* 'no host'");
	ask(.method = "INVITE", .uri = NUMBER, .call_id = "refused");
	take_response(403);
	cr_expect_eq(counted(COUNTER_RULES_NO_RESULT), 2);
	cr_expect_null(take("INVITE", 0));
	forget();
}

/* Rules can be carried out each, and there is no room for what they make together. */
Test(rules, without_room_refuse_and_are_counted)
{
	struct target target = {.rewrite = NULL};
	struct incoming in = {.sip = &worker->sip};

	zone_rules("header set X-A zone");
	call();
	in.message = tried(FIRST)->message;
	in.zone = ZONE_OPEN;
	worker->sip.scratch.rewrites_size = sizeof(worker->sip.scratch.rewrites);
	cr_expect_not(route_rewrite_caller(&in, &target));
	cr_expect_eq(counted(COUNTER_RULES_NO_RESULT), 1);
	in.emergency = true;
	cr_expect(route_rewrite_caller(&in, &target), "a call for help goes on as it came");
	cr_expect_null(target.rewrite);
	cr_expect_eq(counted(COUNTER_RULES_NO_RESULT), 2);
	forget();
}

/* It is the rule that refuses what is for a server, not the package that nobody here knows. */
Test(rules, that_fail_refuse_a_package_too)
{
	zone_rules("from host .* 'no host'");
	ask(.method = "PUBLISH", .more = "Event: presence\n");
	take_response(403);
	cr_expect_eq(counted(COUNTER_EVENTS_REFUSED), 0);
}

Test(rules, that_take_too_long_refuse)
{
	char from[128];

	zone_rules("from user ^(a+)+$ b");
	snprintf(from, sizeof(from), "<sip:%0*dx@example.net>", 60, 0);
	for (char *c = from; *c; c++)
		*c = *c == '0' ? 'a' : *c;
	ask(.method = "INVITE", .uri = NUMBER, .from = from);
	take_response(403);
	cr_expect_eq(counted(COUNTER_RULES_PATTERN_LIMIT), 1);
	forget();
}

/* What goes to a phone, and any other method. */
Test(rules, of_a_zone_are_for_phones_too)
{
	register_phone("bob", "198.51.100.7:5060", NULL);
	zone_rules("request-uri user ^9 ''\nfrom user alice 100\nheader set X-A a");
	ask(.method = "MESSAGE", .uri = "sip:9bob@example.net");
	struct sent *s = take_request("MESSAGE");
	is_from(s, "<sip:100@example.net>;tag=");
	is_for(s, "bob");
	cr_expect(raw_has(s, "X-A: a\r\n"));
	respond(s, 200, .tag = "b");
	is_from(take_response(200), "<sip:alice@example.net>;tag=a");
	quiet();
}

Test(rules, change_tel_uris)
{
	zone_rules("request-uri user ^0 +49\nfrom user ^0 +49");
	ask(.method = "INVITE", .uri = "tel:030-1234;phone-context=+49;x=y",
		.from = "<tel:030-100;phone-context=+49>");
	struct sent *s = tried(FIRST);
	is_for(s, "+49301234;x=y");
	is_from(s, "<tel:+4930100>;tag=");
	forget();
}

Test(rules, change_each_asserted_identity)
{
	worker->image.zone[ZONE_OPEN].trust = 1;
	trunk_rules("p-asserted-identity user ^0 +49");
	ask(.method = "INVITE", .uri = NUMBER,
		.more = "P-Asserted-Identity: \"A\" <sip:030@example.net>\n"
			"P-Asserted-Identity: <tel:031>\n");
	struct sent *s = tried(FIRST);
	cr_expect(
		raw_has(s, "P-Asserted-Identity: \"A\" <sip:+4930@example.net>, <tel:+4931>\r\n"));
	cr_expect_not(raw_has(s, "tel:031"));
	forget();
	ask(.method = "INVITE", .uri = NUMBER, .call_id = "without");
	cr_expect_not(raw_has(tried(FIRST), "P-Asserted"));
	forget();
}

Test(rules, leave_the_rest_of_an_asserted_identity)
{
	worker->image.zone[ZONE_OPEN].trust = 1;
	trunk_rules("p-asserted-identity user ^0 +49");
	ask(.method = "INVITE", .uri = NUMBER,
		.more = "P-Asserted-Identity: <sips:030@example.net:5061;user=phone>;x=y\n");
	cr_expect(raw_has(tried(FIRST), "P-Asserted-Identity: "
					"<sips:+4930@example.net:5061;user=phone>;x=y\r\n"));
	forget();
}

/* Behind us "%00" may end a name: no rule is evaded by it. */
Test(rules, are_not_evaded_by_a_nul_in_an_asserted_identity)
{
	worker->image.zone[ZONE_OPEN].trust = 1;
	trunk_rules("p-asserted-identity user .* 0");
	ask(.method = "INVITE", .uri = NUMBER,
		.more = "P-Asserted-Identity: <sip:030%00@example.net>\n");
	take_response(403);
	cr_expect_eq(counted(COUNTER_RULES_NO_RESULT), 1);
	cr_expect_null(take("INVITE", 0));
	forget();
}

/* A tel: URI has a number, and no other user. */
Test(rules, that_make_no_number_of_an_asserted_tel_uri_refuse)
{
	worker->image.zone[ZONE_OPEN].trust = 1;
	trunk_rules("p-asserted-identity user .* anonymous");
	ask(.method = "INVITE", .uri = NUMBER, .more = "P-Asserted-Identity: <tel:030>\n");
	take_response(403);
	cr_expect_eq(counted(COUNTER_RULES_NO_RESULT), 1);
	ask(.method = "INVITE", .uri = NUMBER, .call_id = "sip",
		.more = "P-Asserted-Identity: <sip:030@example.net>\n");
	cr_expect(raw_has(tried(FIRST), "P-Asserted-Identity: <sip:anonymous@example.net>\r\n"));
	forget();
}

/* The first value has been written by the time that the second one turns out to be none. */
Test(rules, that_fail_leave_the_asserted_identities_of_an_emergency_call)
{
	worker->image.zone[ZONE_OPEN].trust = 1;
	fixture_emergency(&worker->image, "5551000", "");
	zone_rules("p-asserted-identity user ^(1*)2?$ $1$1\np-asserted-identity user ^2$ 22");
	ask(.method = "INVITE", .uri = NUMBER,
		.more = "P-Asserted-Identity: <sip:1@example.net>, <sip:2@example.net>\n");
	cr_expect(raw_has(tried(FIRST),
		"P-Asserted-Identity: <sip:1@example.net>, <sip:22@example.net>\r\n"));
	cr_expect_eq(counted(COUNTER_RULES_NO_RESULT), 1);
	forget();
}

/* All values go out in one line: what is hidden in one of the lines is hidden in it. */
Test(rules, show_no_host_of_a_further_asserted_identity)
{
	worker->image.zone[ZONE_OPEN].trust = 1;
	trunk_rules("p-asserted-identity user ^0 +49");
	ask(.method = "INVITE", .uri = NUMBER,
		.more = "P-Asserted-Identity: <tel:031>\n"
			"P-Asserted-Identity: <sip:030@10.9.9.9>\n");
	struct sent *s = tried(FIRST);
	cr_expect(raw_has(s, "P-Asserted-Identity: <tel:+4931>, <sip:+4930@"));
	cr_expect_not(raw_has(s, "10.9.9.9"));
	forget();
}

/* Each rule sees what those before have made: values that are set and added, and none that is
 * removed. */
Test(rules, for_asserted_identities_hold_in_the_written_order)
{
	static const struct {
		const char *rules, *came, *goes;
	} rows[] = {
		{"header set P-Asserted-Identity <sip:030@a.example>\n"
		 "p-asserted-identity user ^0 +49",
			"<sip:031@example.net>", "<sip:+4930@a.example>"},
		{"p-asserted-identity user ^0 +49\n"
		 "header set P-Asserted-Identity <sip:030@a.example>",
			"<sip:031@example.net>", "<sip:030@a.example>"},
		{"header set P-Asserted-Identity <sip:030@a.example>\n"
		 "header add p-asserted-identity \"<tel:031>, <sip:1@a.example>\"\n"
		 "p-asserted-identity user ^0 +49\nheader add P-Asserted-Identity <tel:0>",
			NULL,
			"<sip:+4930@a.example>\r\n"
			"p-asserted-identity: <tel:+4931>, <sip:1@a.example>\r\n"
			"P-Asserted-Identity: <tel:0>"},
		{"header add P-Asserted-Identity <sip:030@a.example>\nheader set X-A 0\n"
		 "p-asserted-identity user ^0 +49\nheader set X-B 0",
			"<sip:031@example.net>",
			"<sip:+4931@example.net>\r\n*P-Asserted-Identity: "
			"<sip:+4930@a.example>\r\nX-A: 0\r\nX-B: 0"},
		{"header remove P-Asserted-Identity\np-asserted-identity user .* ''",
			"<sip:031@example.net>", NULL},
		{"header set P-Asserted-Identity <sip:030@a.example>\n"
		 "header remove P-Asserted-Identity\np-asserted-identity user .* ''",
			NULL, NULL},
	};

	worker->image.zone[ZONE_OPEN].trust = 1;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char more[256] = "", call_id[8], goes[256];

		worker->image.rules = 0;
		trunk_rules(rows[i].rules);
		if (rows[i].came)
			snprintf(more, sizeof(more), "P-Asserted-Identity: %s\n", rows[i].came);
		snprintf(call_id, sizeof(call_id), "%zu", i);
		ask(.method = "INVITE", .uri = NUMBER, .call_id = call_id, .more = more);
		struct sent *s = tried(FIRST);
		snprintf(goes, sizeof(goes), "P-Asserted-Identity: %s",
			rows[i].goes ? rows[i].goes : "");
		char *second = strchr(goes, '*');
		if (second) {
			*second++ = '\0';
			cr_expect(raw_has(s, second), "row %zu: %s", i, second);
		}
		cr_expect_eq(raw_has(s, goes), rows[i].goes != NULL, "row %zu: %s", i, goes);
		cr_expect_not(raw_has(s, "<sip:031@example.net>"), "row %zu", i);
		cr_expect_eq(counted(COUNTER_RULES_NO_RESULT), 0, "row %zu", i);
		forget();
	}
}

/* RFC 3261 sections 25.1 and 19.1.4: escaped is what may not stand in a user, and what came so,
 * for ";" and "%3B" are two; any other octet is the same with an escape and without. */
Test(rules, keep_the_escapes_of_users)
{
	static const struct {
		const char *rule, *came, *goes;
	} rows[] = {
		{"^x y", "xa%3Bb;c=%2F/", "ya%3Bb;c=%2F/"},
		{"^(.)(.*)$ $2$1", "%3Ba;b%26", "a;b%26%3B"},
		{"b $0;$0", "a%3bb", "a%3Bb;b"},
		{"; ?", "%3Ba;%3B", "?a;%3B"},
		{"a %", "a%25%2541%3F?", "%25%25%2541%3F?"},
		{"x '#<>\"'", "x%40%3A", "%23%3C%3E%22%40%3A"},
		{"^x \xc3\xbc", "x%c3%9f%41%2d", "%C3%BC%C3%9FA-"},
		{"^x y", "x%2B%24%2C%3D%26%3F%2F%3B%7E%21", "y%2B%24%2C%3D%26%3F%2F%3B~!"},
		{"^x y", "x+$,=&?/;-_.!~*'()", "y+$,=&?/;-_.!~*'()"},
	};

	worker->image.route[1].number = (struct text){0, 0};
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char rules[256], uri[128], from[128], call_id[8], goes[128];

		worker->image.rules = 0;
		snprintf(rules, sizeof(rules), "request-uri user %s\nfrom user %s", rows[i].rule,
			rows[i].rule);
		trunk_rules(rules);
		snprintf(uri, sizeof(uri), "sip:%s@elsewhere.example", rows[i].came);
		snprintf(from, sizeof(from), "<sip:%s@example.net>", rows[i].came);
		snprintf(goes, sizeof(goes), "<sip:%s@example.net>;tag=", rows[i].goes);
		snprintf(call_id, sizeof(call_id), "%zu", i);
		ask(.method = "INVITE", .uri = uri, .from = from, .call_id = call_id);
		struct sent *s = tried(FIRST);
		is_for(s, rows[i].goes);
		is_from(s, goes);
		forget();
	}
}

/* Every octet in one user, escaped and, where it may be, bare: nothing is lost, nothing means
 * another thing. */
Test(rules, keep_every_octet_of_a_user)
{
	static const char bare[] = "abcXYZ019-_.!~*'()&=+$,;?/";
	char came[1024] = "<sip:x", goes[1024] = "<sip:y", *c = came + 6, *g = goes + 6;

	for (unsigned octet = 0x20; octet < 0x100; octet++) {
		bool same = octet < 0x80 &&
		            (isalnum((int)octet) || strchr("-_.!~*'()", (int)octet));

		if (octet == 0x7f)
			continue;
		c += sprintf(c, "%%%02x", octet);
		g += sprintf(g, same ? "%c" : "%%%02X", octet);
	}
	sprintf(c, "%s@example.net>", bare);
	sprintf(g, "%s@example.net>", bare);
	trunk_rules("from user ^x y\np-asserted-identity user ^x y");
	worker->image.zone[ZONE_OPEN].trust = 1;
	char more[1100];
	snprintf(more, sizeof(more), "P-Asserted-Identity: %s\n", came);
	ask(.method = "INVITE", .uri = NUMBER, .from = came, .more = more);
	struct sent *s = tried(FIRST);
	is_from(s, goes);
	snprintf(more, sizeof(more), "P-Asserted-Identity: %s\r\n", goes);
	cr_expect(raw_has(s, more));
	forget();
}

/* Who asks what would happen is told of each rule that matched. */
static unsigned notes;
static void noted(void *arg, const struct rule_note *n)
{
	static const struct {
		unsigned of, line, outcome;
		const char *before, *after;
	} rows[] = {{RULES_OF_ZONE, 1, RULE_MATCHED, "5551000", "+495551000"},
		{RULES_OF_ZONE, 3, RULE_MATCHED, "", "b"},
		{RULES_OF_TRUNK, 4, RULE_INVALID, "alice", ""}};

	(void)arg;
	cr_assert_lt(notes, 3);
	cr_expect_eq(n->of, rows[notes].of);
	cr_expect_eq(n->line, rows[notes].line, "%u", n->line);
	cr_expect_eq(n->outcome, rows[notes].outcome);
	cr_expect(str_equal(n->before, str_of(rows[notes].before)));
	cr_expect(str_equal(n->after, str_of(rows[notes].after)), "%.*s", STR(n->after));
	notes++;
}

Test(rules, are_told_to_who_watches)
{
	const struct rule_watch watch = {.note = noted};

	zone_rules("request-uri user ^5 +495\nrequest-uri user ^5 +5\nheader set X-A b");
	trunk_rules("from user .* ''");
	worker->sip.rule_watch = &watch;
	call();
	take_response(403);
	cr_expect_eq(notes, 3);
	cr_expect_eq(counted(COUNTER_RULES_NO_RESULT), 0);
	worker->sip.rule_watch = NULL;
	forget();
}
