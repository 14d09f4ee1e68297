/* Pings of the targets of trunks: how one that is up is found down without a call, and how one that
 * is down is found up. */
#include "sip-targets.h"

TestSuite(target_ping, .init = worker_set_up, .fini = worker_tear_down);

static void ping_every(unsigned seconds)
{
	pings_heeded = true;
	worker->image.trunk[0].ping = seconds;
	target_states_schedule(worker->sip.target_states);
}

/* The ping that has gone to that target last. */
static struct sent *pinged(const char *target)
{
	struct sent *out = NULL;

	for (struct sent *s; (s = take("OPTIONS", 0));)
		if (sent_to(s, target))
			out = s;
	cr_assert_not_null(out, "%s was not pinged", target);
	return out;
}

static void answer_pings(unsigned status)
{
	for (struct sent *s; (s = take("OPTIONS", 0));)
		respond(s, status, .tag = "p");
}

Test(target_ping, nobody_is_pinged_by_default)
{
	pings_heeded = true;
	pass(100000);
	quiet();
}

Test(target_ping, each_target_is_pinged_so_often)
{
	unsigned pings = 0;

	ping_every(10);
	for (unsigned i = 0; i < 50; i++) {
		pass(100);
		for (struct sent *s; (s = take("OPTIONS", 0)); pings++)
			respond(s, 200, .tag = "p");
	}
	cr_assert_eq(pings, CARRIER_TARGETS);
	for (unsigned i = 0; i < 100; i++) {
		pass(100);
		for (struct sent *s; (s = take("OPTIONS", 0)); pings++)
			respond(s, 200, .tag = "p");
	}
	cr_assert_eq(pings, 2 * CARRIER_TARGETS);
}

Test(target_ping, a_ping_is_a_request)
{
	ping_every(10);
	pass(5000);
	struct sent *out = pinged(FIRST);
	const struct message *m = out->message;

	cr_assert(str_equal(message_str(m, m->request_uri.whole), S("sip:10.0.0.11:5060")));
	cr_assert_eq((uint32_t)m->max_forwards, worker->image.s.max_forwards);
	cr_assert_eq(m->from.user.length, 0);
	cr_assert_neq(m->from_tag.length, 0);
}

Test(target_ping, pings_find_out_without_a_call)
{
	ping_every(10);
	for (unsigned i = 0; i < 8; i++) {
		pass(1000);
		for (struct sent *s; (s = take("OPTIONS", 0));)
			if (!sent_to(s, FIRST))
				respond(s, 200, .tag = "p");
	}
	call();
	respond(tried(FIRST), 486, .tag = "1"); /* one that is lost says nothing yet */
	forget();
	for (unsigned i = 0; i < 30; i++) {
		pass(1000);
		for (struct sent *s; (s = take("OPTIONS", 0));)
			if (!sent_to(s, FIRST))
				respond(s, 404, .tag = "p"); /* any answer */
	}
	forget();
	call();
	tried(SECOND);
	quiet();
	for (unsigned i = 0; i < 30; i++) {
		pass(1000);
		answer_pings(200);
	}
	forget();
	call();
	tried(FIRST);
}

Test(target_ping, a_target_that_is_down_is_pinged_until_it_answers)
{
	pings_heeded = true;
	first_is_silent();
	uint64_t down = virtual_clock_ms();
	pass(TARGET_PROBE_FIRST_MS);
	cr_assert_eq(pinged(FIRST)->at_ms - down, TARGET_PROBE_FIRST_MS);
	pass(ANSWER);
	forget();
	down = virtual_clock_ms();
	pass(2 * TARGET_PROBE_FIRST_MS);
	struct sent *out = pinged(FIRST);
	cr_assert_eq(out->at_ms - down, 2 * TARGET_PROBE_FIRST_MS);
	respond(out, 503, .tag = "p"); /* it is there, and wants nothing */
	forget();
	call();
	respond(tried(SECOND), 180, .tag = "2");
	pass(4 * TARGET_PROBE_FIRST_MS);
	respond(pinged(FIRST), 200, .tag = "p");
	forget();
	cr_assert_eq(counted(COUNTER_TARGETS_UP), 1);
	call();
	respond(tried(FIRST), 180, .tag = "1");
	forget();
	pass(100000);
	cr_assert_eq(take_all("OPTIONS"), 0, "it is up");
}

Test(target_ping, so_many_answers_are_wanted)
{
	pings_heeded = true;
	worker->image.trunk[0].ping_up = 3;
	first_is_silent();
	for (unsigned i = 0; i < 3; i++) {
		cr_assert_eq(counted(COUNTER_TARGETS_UP), 0);
		pass(TARGET_PROBE_FIRST_MS);
		respond(pinged(FIRST), 200, .tag = "p");
	}
	cr_assert_eq(counted(COUNTER_TARGETS_UP), 1);
}

Test(target_ping, only_the_owner_of_a_trunk_pings)
{
	memset(worker->sip.slots.next, 1, sizeof(worker->sip.slots.next));
	worker->sip.index = 0;
	ping_every(10);
	pass(100000);
	cr_assert_eq(take_all("OPTIONS"), 0);
	memset(worker->sip.slots.next, 0, sizeof(worker->sip.slots.next));
	target_states_schedule(worker->sip.target_states);
	pass(10000);
	cr_assert_gt(take_all("OPTIONS"), 0);
}

Test(target_ping, one_that_answers_pings_needs_no_trial)
{
	ping_every(10);
	for (unsigned i = 0; i < 50; i++) {
		pass(100);
		answer_pings(200);
	}
	ping_every(0);
	first_is_silent();
	forget();
	pass(10 * TARGET_TRIAL_FIRST_MS);
	forget();
	call();
	tried(SECOND);
}

Test(target_ping, a_call_tries_it_now_and_then)
{
	first_is_silent();
	pass(TARGET_TRIAL_FIRST_MS - 1);
	forget();
	call();
	tried(SECOND);
	forget();
	pass(1);
	call();
	tried(FIRST);
	forget();
	call(); /* one at a time */
	tried(SECOND);
	pass(ANSWER);
	forget();
	pass(2 * TARGET_TRIAL_FIRST_MS - ANSWER - 1);
	forget();
	call();
	tried(SECOND);
	pass(1);
	call(); /* twice the time */
	respond(tried(FIRST), 180, .tag = "1");
	forget();
	call();
	tried(FIRST);
}

Test(target_ping, a_ping_can_be_asked_for)
{
	pings_heeded = true;
	cr_assert_eq(target_states_ping(worker->sip.target_states, S("other")), 0);
	cr_assert_eq(target_states_ping(worker->sip.target_states, S("carrier")), 3);
	for (unsigned i = 0; i < CARRIER_TARGETS; i++) {
		struct sent *out = take_request("OPTIONS");

		if (!sent_to(out, FIRST))
			respond(out, 200, .tag = "p");
	}
	pass(ANSWER);
	forget();
	pass(100000);
	cr_assert_eq(take_all("OPTIONS"), 0, "once");
	call();
	tried(FIRST); /* one that is lost says nothing yet */
}

/* A server that asks for credentials is there; whether it would take ours only a request that means
 * something says. */
Test(target_ping, one_that_asks_for_credentials_is_up)
{
	static const unsigned asked[] = {401, 407};

	for (unsigned i = 0; i < 2; i++) {
		first_is_silent();
		pings_heeded = true;
		target_states_ping(worker->sip.target_states, S("carrier"));
		for (struct sent *out; (out = take("OPTIONS", 0));)
			respond(out, asked[i], .tag = "p",
				.more = "WWW-Authenticate: Digest realm=\"r\", nonce=\"n\"\n"
					"Proxy-Authenticate: Digest realm=\"r\", nonce=\"n\"\n");
		forget();
		pings_heeded = false;
		call();
		tried(FIRST);
		pass(64 * T1);
		forget();
	}
}

Test(target_ping, who_is_registered_pings_under_that_name)
{
	struct trunk_settings *t = &worker->image.trunk[0];

	pings_heeded = true;
	t->register_s = 600;
	t->username = fixture_text(&worker->image, "acme");
	target_states_ping(worker->sip.target_states, S("carrier"));
	struct sent *out = take_request("OPTIONS");
	cr_assert(has(value_of(out->message, HEADER_FROM), "<sip:acme@10.0.0.11:5060>;tag="));
	take_all("OPTIONS");
	pass(ANSWER);
	take_all("OPTIONS");
	t->from_domain = fixture_text(&worker->image, "carrier.example");
	target_states_ping(worker->sip.target_states, S("carrier"));
	out = take_request("OPTIONS");
	cr_assert(has(value_of(out->message, HEADER_FROM), "<sip:acme@carrier.example>;tag="));
}
