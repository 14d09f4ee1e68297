/* sip-limits_trunk.c - limits of trunks where a call goes on from one to the next: it counts for
 * the one that it is at, and a trunk that has all its calls is passed over. */
#include "sip-targets.h"

#include "worker-sip/call/limits.h"

#include <sys/mman.h>

#define NEXT "10.0.0.21:5060"

/* The route has a second trunk, behind the three targets of the first. */
static void set_up(void)
{
	worker_set_up();
	struct image *i = &worker->image;
	worker->sip.limits = mmap(NULL, sizeof(struct limit_page), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	cr_assert_neq(worker->sip.limits, MAP_FAILED);
	i->target[3] = i->target[0];
	i->target[3].uri = fixture_text(i, NEXT);
	i->target[3].endpoint = fixture_endpoint(NEXT);
	i->trunk[1] = i->trunk[0];
	i->trunk[1].name = fixture_text(i, "next");
	i->trunk[1].targets = (struct array){
		offsetof(struct image, target) + 3 * (unsigned)sizeof(i->target[0]), 1};
	i->s.trunks.count = 2;
	i->route_trunk[1] = 1;
	i->route[1].trunks.count = 2;
	cr_assert_eq(settings_check(i, sizeof(*i)), 0);
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
}

static void tear_down(void)
{
	struct limit_page *page = worker->sip.limits;

	worker_tear_down();
	munmap(page, sizeof(*page));
}

TestSuite(limits_trunk, .init = set_up, .fini = tear_down);

static void one_target(void)
{
	worker->image.trunk[0].targets.count = 1;
	cr_assert_eq(target_states_take(worker->sip.target_states), 0);
}

/* What the trunk of that index has of calls, and how many began in this second. */
static struct limit_row of_trunk(unsigned trunk)
{
	uint64_t key = limits_trunk_key(&worker->sip, trunk);

	cr_assert_neq(key, 0);
	for (unsigned i = 0; i < LIMIT_ROWS; i++)
		if (worker->sip.limits->row[0][i].key == key)
			return worker->sip.limits->row[0][i];
	return (struct limit_row){.key = key};
}

Test(limits_trunk, a_call_counts_where_it_is)
{
	worker->image.trunk[0].max_calls = worker->image.trunk[1].max_calls = 1;
	one_target();
	call();
	cr_assert_eq(of_trunk(0).calls, 1);
	cr_assert_eq(of_trunk(1).calls, 0);
	respond(tried(FIRST), 503, .tag = "1");
	cr_assert_eq(of_trunk(0).calls, 0);
	cr_assert_eq(of_trunk(1).calls, 1);
	respond(tried(NEXT), 486, .tag = "2");
	take_response(486);
	cr_assert_eq(of_trunk(1).calls, 0);
}

/* The first one was given up, and its answer comes all the same, before that of the next one. */
Test(limits_trunk, a_late_answer_counts_where_it_is)
{
	worker->image.trunk[0].max_calls = worker->image.trunk[1].max_calls = 1;
	one_target();
	call();
	struct sent *first = tried(FIRST);
	pass(ANSWER);
	tried(NEXT);
	cr_assert_eq(of_trunk(0).calls, 0);
	respond(first, 200, .tag = "1");
	struct sent *answer = take_response(200);
	cr_assert_eq(of_trunk(0).calls, 1);
	cr_assert_eq(of_trunk(1).calls, 0);
	caller_asks(answer, "BYE", 2);
	respond(take_request("BYE"), 200);
	pass(64 * T1);
	cr_assert_eq(of_trunk(0).calls, 0);
}

Test(limits_trunk, the_next_one_takes_what_a_full_one_does_not)
{
	worker->image.trunk[0].max_calls = 1;
	limits_take(&worker->sip, limits_trunk_key(&worker->sip, 0));
	call();
	tried(NEXT);
	cr_assert_eq(counted(COUNTER_LIMIT_TRUNK_CALLS), 1);
}

Test(limits_trunk, one_that_is_full_by_now_is_passed_over)
{
	worker->image.trunk[1].max_calls = 1;
	one_target();
	call();
	limits_take(&worker->sip, limits_trunk_key(&worker->sip, 1));
	respond(tried(FIRST), 503, .tag = "1");
	cr_assert(raw_has(take_response(503), "limit of the trunk"));
	cr_assert_eq(counted(COUNTER_LIMIT_TRUNK_CALLS), 1);
	cr_assert_eq(of_trunk(1).calls, 1);
	/* what somebody has said is more than that */
	call();
	pass(ANSWER);
	take_response(408);
	cr_assert_eq(counted(COUNTER_LIMIT_TRUNK_CALLS), 2);
}

Test(limits_trunk, an_emergency_call_goes_on_to_it)
{
	worker->image.trunk[1].max_calls = 1;
	one_target();
	fixture_emergency(&worker->image, "5551000", "");
	call();
	limits_take(&worker->sip, limits_trunk_key(&worker->sip, 1));
	respond(tried(FIRST), 503, .tag = "1");
	tried(NEXT);
}

Test(limits_trunk, targets_of_one_trunk_are_one_call_of_it)
{
	worker->image.trunk[0].calls_per_second = 1;
	call();
	respond(tried(FIRST), 503, .tag = "1");
	tried(SECOND);
	cr_assert_eq(of_trunk(0).begun, 1);
	cr_assert_eq(of_trunk(0).calls, 1);
}

/* The second target is passed over as it is down, and its place is taken by the next trunk's. */
Test(limits_trunk, targets_that_change_places_keep_their_trunk)
{
	worker->image.trunk[1].max_calls = 1;
	call();
	tell(1, true, virtual_clock_ms());
	tell(2, true, virtual_clock_ms());
	respond(tried(FIRST), 503, .tag = "1");
	tried(NEXT);
	cr_assert_eq(of_trunk(1).calls, 1);
}
