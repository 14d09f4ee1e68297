/* Redirections (RFC 3261 section 21.3): followed by the rights of whose phone it was, passed on, or
 * refused; loops, depth, lists of numbers and limits; what the new target is told. */
#include "sip-scene.h"

#include "worker-sip/call/limits.h"
#include "worker-sip/routing/number_list.h"

#include <sys/mman.h>

#define CAROL "198.51.100.12:5060"
#define FIRST "10.0.0.11:5060"

static void set_up(void)
{
	worker_set_up();
	fixture_user(worker, 0, "carol", "christmas", DIGEST_MD5);
	alice_comes_by_stream();
	register_phone("bob", BOB, NULL);
	register_phone("carol", CAROL, NULL);
}

TestSuite(redirect, .init = set_up, .fini = worker_tear_down);

static unsigned calls_of_alice;

static struct said *alice_calls(const char *uri, const char *more)
{
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "call-%u", calls_of_alice++);
	return ask(.method = "INVITE", .uri = uri, .call_id = call_id, .more = more);
}

/* bob's phone answers alice's call so. */
static void bob_redirects(unsigned status, const char *contact)
{
	alice_calls(NULL, NULL);
	struct sent *out = take_request_to("INVITE", BOB);

	respond(out, status, .tag = "b", .contact = contact);
	take_request_to("ACK", BOB);
}

static bool has_line(const struct sent *s, const char *line)
{
	return raw_has(s, line);
}

/* ---- followed ---- */

Test(redirect, a_phone_sends_the_call_to_another_user)
{
	bob_redirects(302, "<sip:carol@example.net>");
	struct sent *out = take_request_to("INVITE", CAROL);
	respond(out, 180, .tag = "c");
	take_response_to(180, ALICE);
	respond(out, 200, .tag = "c");
	take_response_to(200, ALICE);
	quiet();
	cr_assert_eq(counted(COUNTER_CALLS_FORWARDED), 1);
	cr_assert_eq(worker->sip.calls, 1);
}

Test(redirect, the_new_target_is_told_who_has_forwarded)
{
	bob_redirects(302, "<sip:carol@example.net>");
	struct sent *out = take_request_to("INVITE", CAROL);
	cr_assert(has_line(
		out, "Diversion: <sip:bob@example.net>;reason=unconditional;counter=1\r\n"));
	cr_assert(has_line(out,
		"History-Info: <sip:bob@example.net?Reason=SIP%3Bcause%3D302>;index=1\r\n"
		"History-Info: <sip:carol@example.net>;index=1.1;mp=1\r\n"));
	respond(out, 486, .tag = "c");
	take_request_to("ACK", CAROL);
	take_response_to(486, ALICE);
	quiet();
}

Test(redirect, a_zone_is_told_as_it_wants)
{
	worker->image.zone[ZONE_OPEN].forwarded_by = FORWARDED_BY_DIVERSION;
	bob_redirects(302, "<sip:carol@example.net>");
	struct sent *out = take_request_to("INVITE", CAROL);
	cr_assert(has_line(out, "Diversion: "));
	cr_assert(!has_line(out, "History-Info: "));
	worker->image.zone[ZONE_OPEN].forwarded_by = FORWARDED_BY_HISTORY_INFO;
	bob_redirects(302, "<sip:carol@example.net>");
	out = take_request_to("INVITE", CAROL);
	cr_assert(!has_line(out, "Diversion: "));
	cr_assert(has_line(out, "History-Info: "));
	worker->image.zone[ZONE_OPEN].forwarded_by = FORWARDED_BY_BOTH;
	worker->image.zone[ZONE_OPEN].identities = LEAVING_DROP;
	bob_redirects(302, "<sip:carol@example.net>");
	out = take_request_to("INVITE", CAROL);
	cr_assert(!has_line(out, "Diversion: "));
	cr_assert(!has_line(out, "History-Info: "));
}

Test(redirect, a_number_goes_by_the_routes_of_the_phones_user)
{
	bob_redirects(302, "<sip:5551000@198.51.100.11>");
	struct sent *out = take_request_to("INVITE", FIRST);
	cr_assert(raw_has(out, "INVITE sip:5551000@10.0.0.11"));
	cr_assert(has_line(out, "Diversion: <sip:bob@example.net>;reason=unconditional"));
	quiet();
	respond(out, 200, .tag = "t");
	take_response_to(200, ALICE);
	take_all("ACK");
}

Test(redirect, contacts_are_asked_in_the_order_of_their_q)
{
	bob_redirects(300, "<sip:5551001@example.net>;q=0.2, <sip:carol@example.net>;q=0.9");
	struct sent *out = take_request_to("INVITE", CAROL);
	quiet();
	respond(out, 480, .tag = "c");
	take_request_to("ACK", CAROL);
	cr_assert(raw_has(take_request_to("INVITE", FIRST), "INVITE sip:5551001@"));
	quiet();
}

Test(redirect, it_is_followed_while_others_ring)
{
	const char *second = "198.51.100.13:5060";

	register_phone("bob", second, NULL);
	alice_calls(NULL, NULL);
	struct sent *one = take_request("INVITE"), *two = take_request("INVITE");
	struct sent *bob = sent_to(one, BOB) ? one : two, *other = bob == one ? two : one;
	respond(other, 180, .tag = "o");
	take_response(180);
	respond(bob, 302, .tag = "b", .contact = "<sip:carol@example.net>");
	take_request_to("ACK", BOB);
	struct sent *carol = take_request_to("INVITE", CAROL);
	respond(carol, 200, .tag = "c");
	take_response(200);
	cr_assert(sent_to(take_request("CANCEL"), second));
	quiet();
}

/* ---- not followed ---- */

Test(redirect, a_trunks_is_refused_unless_its_route_says_so)
{
	alice_calls("sip:5551000@example.net", NULL);
	respond(take_request_to("INVITE", FIRST), 302, .tag = "t",
		.contact = "<sip:carol@example.net>");
	take_request_to("ACK", FIRST);
	take_response_to(480, ALICE);
	quiet();
	cr_assert_eq(counted(COUNTER_REDIRECTIONS_REFUSED), 1);
}

Test(redirect, a_trunks_is_followed_by_the_routes_of_its_zone)
{
	worker->image.route[1].redirect = REDIRECT_FOLLOW;
	alice_calls("sip:5551000@example.net", NULL);
	respond(take_request_to("INVITE", FIRST), 302, .tag = "t",
		.contact = "<sip:carol@example.net>");
	take_request_to("ACK", FIRST);
	struct sent *out = take_request_to("INVITE", CAROL);
	cr_assert(has_line(out, "Diversion: <sip:5551000@192.0.2.1>"));
	respond(out, 486, .tag = "c");
	take_request_to("ACK", CAROL);
	take_response_to(486, ALICE); /* and not by the trunk's next target */
	quiet();
	/* no route takes calls from there to numbers */
	alice_calls("sip:5551000@example.net", NULL);
	respond(take_request_to("INVITE", FIRST), 302, .tag = "t",
		.contact = "<sip:5551001@example.net>");
	take_request_to("ACK", FIRST);
	take_response_to(404, ALICE);
	quiet();
	cr_assert_eq(counted(COUNTER_FORWARDS_REFUSED), 1);
}

Test(redirect, refused_for_phones_where_their_route_says_so)
{
	worker->image.route[0].redirect = REDIRECT_REFUSE;
	bob_redirects(302, "<sip:carol@example.net>");
	take_response_to(480, ALICE);
	quiet();
}

Test(redirect, use_proxy_and_alternative_service_are_not_followed)
{
	bob_redirects(305, "<sip:carol@example.net>");
	take_response_to(480, ALICE);
	bob_redirects(380, "<sip:carol@example.net>");
	take_response_to(480, ALICE);
	quiet();
}

Test(redirect, back_to_who_has_been_called_is_a_loop)
{
	bob_redirects(302, "<sip:bob@example.net>");
	take_response_to(482, ALICE);
	quiet();
	bob_redirects(302, "<sip:carol@example.net>");
	respond(take_request_to("INVITE", CAROL), 302, .tag = "c",
		.contact = "<sip:%62ob@example.net>");
	take_request_to("ACK", CAROL);
	take_response_to(482, ALICE);
	quiet();
	cr_assert_eq(counted(COUNTER_FORWARD_LOOPS), 2);
}

Test(redirect, so_often_and_no_more)
{
	worker->image.s.forwards_max = 1;
	bob_redirects(302, "<sip:carol@example.net>");
	respond(take_request_to("INVITE", CAROL), 302, .tag = "c",
		.contact = "<sip:5551000@example.net>");
	take_request_to("ACK", CAROL);
	take_response_to(483, ALICE);
	quiet();
	cr_assert_eq(counted(COUNTER_FORWARDS_TOO_MANY), 1);
}

Test(redirect, forwards_of_a_trusted_network_count)
{
	struct flow carrier = flow_of(CORE_UDP, FIRST, 0);

	worker->image.s.forwards_max = 2;
	ask(.by = &carrier, .method = "INVITE",
		.more = "Diversion: <sip:x@a.example>;reason=unknown, <sip:y@b.example>\n");
	respond(take_request_to("INVITE", BOB), 302, .tag = "b",
		.contact = "<sip:carol@example.net>");
	take_request_to("ACK", BOB);
	take_response(483);
	quiet();
}

Test(redirect, nobody_is_called_who_is_not_there)
{
	bob_redirects(302, "<sip:xnobody@example.net>");
	take_response_to(403, ALICE);
	bob_redirects(302, "<mailto:bob@example.net>");
	take_response_to(416, ALICE);
	bob_redirects(302, "<sip:example.net>");
	take_response_to(404, ALICE);
	quiet();
}

Test(redirect, emergency_numbers_are_not_reached_so)
{
	fixture_emergency(&worker->image, "112", "");
	bob_redirects(302, "<sip:112@example.net>");
	take_response_to(403, ALICE);
	quiet();
}

/* bob may not call what his group may not, whoever calls him. */
Test(redirect, lists_of_numbers_are_asked_for_the_phones_user)
{
	struct image *i = &worker->image;

	i->group[0] = (struct group_settings){
		.name = fixture_text(i, "house"), .id = group_id(S("house"))};
	i->list_number[0] = fixture_text(i, "^555");
	i->number_list[0] = (struct number_list_settings){.name = fixture_text(i, "dear"),
		.from = 1u << ZONE_OPEN,
		.groups = {offsetof(struct image, group), 1},
		.block = {offsetof(struct image, list_number), 1}};
	i->s.number_lists = (struct array){offsetof(struct image, number_list), 1};
	cr_assert_eq(settings_check(i, sizeof(*i)), 0);
	cr_assert_eq(number_lists_new(&worker->sip.number_lists, &i->s), 0);
	bob_redirects(302, "<sip:5551000@example.net>");
	struct sent *out = take_request_to("INVITE", FIRST); /* he is in no group */
	respond(out, 486, .tag = "t");
	take_request_to("ACK", FIRST);
	take_response_to(486, ALICE);
	struct user_row *bob = (struct user_row *)users_find(&worker->users.head, 0, S("bob"));
	bob->group[0] = group_id(S("house"));
	bob_redirects(302, "<sip:5551000@example.net>");
	take_response_to(403, ALICE);
	quiet();
	cr_assert_eq(counted(COUNTER_NUMBERS_BLOCKED), 1);
	number_lists_free(worker->sip.number_lists);
	worker->sip.number_lists = NULL;
}

/* Who forwards pays, and not who has called him. */
Test(redirect, the_minutes_are_those_of_the_phones_user)
{
	struct limit_page *page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct image *i = &worker->image;

	cr_assert_neq(page, MAP_FAILED);
	worker->sip.limits = page;
	i->list_number[0] = fixture_text(i, "^555");
	i->number_list[0] = (struct number_list_settings){.name = fixture_text(i, "dear"),
		.from = 1u << ZONE_OPEN,
		.permit = {offsetof(struct image, list_number), 1},
		.minutes_per_day_per_user = 1};
	i->s.number_lists = (struct array){offsetof(struct image, number_list), 1};
	cr_assert_eq(settings_check(i, sizeof(*i)), 0);
	cr_assert_eq(number_lists_new(&worker->sip.number_lists, &i->s), 0);
	bob_redirects(302, "<sip:5551000@example.net>");
	respond(take_request_to("INVITE", FIRST), 200, .tag = "t");
	struct sent *answer = take_response_to(200, ALICE);
	caller_asks(answer, "ACK", 1);
	take_request("ACK");
	pass(61000);
	bob_redirects(302, "<sip:5551000@example.net>");
	take_response_to(403, ALICE);
	cr_assert_eq(counted(COUNTER_LIMIT_NUMBERS_DAY), 1);
	alice_calls("sip:5551000@example.net", NULL);
	take_request_to("INVITE", FIRST);
	number_lists_free(worker->sip.number_lists);
	worker->sip.number_lists = NULL;
}

Test(redirect, it_lasts_no_longer_than_a_call_of_the_phones_user)
{
	worker->image.domain[0].max_duration = 60;
	bob_redirects(302, "<sip:5551000@example.net>");
	respond(take_request_to("INVITE", FIRST), 200, .tag = "t");
	struct sent *answer = take_response_to(200, ALICE);
	caller_asks(answer, "ACK", 1);
	take_request("ACK");
	pass(59999);
	quiet();
	pass(1);
	cr_assert_eq(counted(COUNTER_LIMIT_DURATION), 1);
	cr_assert_eq(take_all("BYE"), 2);
}

/* ---- passed on ---- */

Test(redirect, passes_as_the_number_that_it_is)
{
	worker->image.route[1].redirect = REDIRECT_PASS;
	alice_calls("sip:5551000@example.net", NULL);
	respond(take_request_to("INVITE", FIRST), 302, .tag = "t",
		.contact = "<sip:5551001@10.0.0.77;user=phone>");
	take_request_to("ACK", FIRST);
	cr_assert(has_line(take_response_to(302, ALICE),
		"Contact: <sip:5551001@192.0.2.1:5064;user=phone>\r\n"));
	quiet();
}

Test(redirect, passes_without_the_hosts_of_the_other_side)
{
	worker->image.route[1].redirect = REDIRECT_PASS;
	alice_calls("sip:5551000@example.net", NULL);
	respond(take_request_to("INVITE", FIRST), 302, .tag = "t",
		.contact = "<sip:5551001@10.0.0.77:5080;transport=tcp>;q=0.5;expires=9, "
			   "<tel:+49301234>, <http://10.0.0.77/>");
	take_request_to("ACK", FIRST);
	struct sent *moved = take_response_to(302, ALICE);
	cr_assert(has_line(moved, "Contact: <sip:5551001@192.0.2.1:5064>;q=0.5\r\n"));
	cr_assert(has_line(moved, "Contact: <tel:+49301234>\r\n"));
	cr_assert(!has_line(moved, "10.0.0.77"));
	quiet();
	alice_calls("sip:5551000@example.net", NULL);
	respond(take_request_to("INVITE", FIRST), 305, .tag = "t");
	take_request_to("ACK", FIRST);
	take_response_to(480, ALICE);
	quiet();
}

/* ---- races ---- */

Test(redirect, a_call_that_was_cancelled_goes_nowhere)
{
	struct said *invite = alice_calls(NULL, NULL);
	struct sent *out = take_request_to("INVITE", BOB);
	respond(out, 180, .tag = "b");
	take_response(180);
	cancel(invite);
	take_response(200);
	take_request_to("CANCEL", BOB);
	acknowledge_failure(invite, take_response_to(487, ALICE));
	respond(out, 302, .tag = "b", .contact = "<sip:carol@example.net>");
	take_request_to("ACK", BOB);
	assert_over();
}
