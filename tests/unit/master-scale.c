/* master-scale.c - workers that come and go, with real processes that do no work. */
#include "master-supervisor.h"

static void scale(unsigned transport, unsigned sip)
{
	scale_to(&s, (const unsigned[ROLE_COUNT]){
			     [PEER_TRANSPORT] = transport, [PEER_SIP] = sip, [PEER_TLS] = 1});
}

TestSuite(scale, .init = setup, .fini = teardown, .timeout = 60);

Test(scale, what_gauges_told_ends_with_the_worker)
{
	struct worker_slot *w = worker_find(&s, PEER_TRANSPORT, 1);

	supervise_start(&s);
	UNTIL(ready() == 5);
	w->page->counter[COUNTER_BANS] = 3;
	w->page->counter[COUNTER_DROP_BANNED] = 7;
	scale(1, 2);
	UNTIL(w->retired);
	cr_expect_eq(w->page->counter[COUNTER_BANS], 0);
	cr_expect_eq(w->page->counter[COUNTER_DROP_BANNED], 7, "what it counted stays");
}

Test(scale, one_that_is_never_ready_and_goes_is_not_waited_for)
{
	link_program(PEER_TLS, "sipward-broken");
	supervise_start(&s);
	UNTIL(ready() == 4);
	link_program(PEER_SIP, "sipward-broken");
	scale(2, 3);
	link_program(PEER_TLS, "sipward-tls");
	UNTIL(ready() == 5 && worker_find(&s, PEER_SIP, 2)->deaths);
	cr_expect_eq(ups, 0);
	scale(2, 2);
	UNTIL(ups == 1);
	cr_expect(worker_find(&s, PEER_SIP, 2)->retired);
}
