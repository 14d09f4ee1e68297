/* sip-users_removed.c - users who are in no users file any more: their calls end, some at a time,
 * and nobody else's. */
#include "sip-worker.h"
#include "worker-sip/users_removed.h"

TestSuite(users_removed, .init = worker_set_up, .fini = worker_tear_down);

/* A call that nobody has answered; the test ends before its timers do. */
static void call(const char *uri)
{
	static unsigned calls;
	char call_id[32];

	snprintf(call_id, sizeof(call_id), "call-%u", calls++);
	ask(.method = "INVITE", .uri = uri, .call_id = call_id);
}

/* The users file comes again without that user. */
static void take_out(const char *name)
{
	static __typeof__(worker->users) before;
	struct user_row *row = worker->users.row;

	before = worker->users;
	while (!str_equal((struct str){row->name, row->name_length}, str_of(name)))
		row++;
	row->hash ^= 1u << 31; /* nobody's */
	users_removed(&worker->sip, &before.head);
	settle();
}

/* Takes the answers of that status; returns their number. */
static unsigned take_responses(unsigned status)
{
	unsigned n = 0;

	while (take(NULL, status))
		n++;
	return n;
}

Test(users_removed, their_calls_end_some_at_a_time)
{
	worker->image.s.calls_max = 1000;
	register_phone("bob", "198.51.100.11:5060", NULL);
	for (unsigned i = 0; i < 2 * USER_REMOVED_CALLS + 10; i++) {
		call("sip:bob@example.net");
		call("sip:5551000@example.net"); /* by way of the trunk: nobody's here */
	}
	cr_assert_eq(take_all("INVITE"), 2 * (2 * USER_REMOVED_CALLS + 10));
	take_out("bob");
	cr_assert_eq(take_responses(487), USER_REMOVED_CALLS);
	pass(USER_REMOVED_PAUSE_MS);
	cr_assert_eq(take_responses(487), USER_REMOVED_CALLS);
	pass(USER_REMOVED_PAUSE_MS);
	cr_assert_eq(take_responses(487), 10);
	pass(10 * USER_REMOVED_PAUSE_MS);
	quiet();
	cr_assert_eq(worker->sip.calls, 2 * USER_REMOVED_CALLS + 10, "the others stay");
}

/* bob is called by what rules make of other names, too: carol's among them, who is not asked. */
Test(users_removed, calls_that_rules_have_led_to_him_end)
{
	fixture_user(worker, 0, "carol", "x", DIGEST_MD5);
	zone_rules("request-uri user ^(100|carol)$ bob\nrequest-uri user ^200$ alice");
	register_phone("bob", "198.51.100.11:5060", NULL);
	register_phone("alice", "198.51.100.12:5060", NULL);
	call("sip:100@example.net");
	call("sip:bob@example.net");
	call("sip:carol@example.net");
	call("sip:200@example.net");
	cr_assert_eq(take_all("INVITE"), 4);
	take_out("carol");
	pass(USER_REMOVED_PAUSE_MS);
	quiet();
	take_out("bob");
	cr_assert_eq(take_responses(487), 3);
	cr_assert_eq(worker->sip.calls, 1);
}
