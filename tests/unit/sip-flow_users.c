/* sip-flow_users.c - what hangs on flows is found by the flow, and nothing else is. */
#include "worker-sip/call/flow_users.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct carriers carriers;

static void setup(void)
{
	cr_assert_eq(carriers_init(&carriers), 0);
}

static void teardown(void)
{
	carriers_free(&carriers);
}

TestSuite(carried, .init = setup, .fini = teardown, .timeout = 20);

static unsigned pop_all(uint64_t flow)
{
	unsigned n = 0;
	struct carried *c;

	while ((c = carried_pop(&carriers, flow))) {
		cr_assert_null(c->carrier);
		n++;
	}
	return n;
}

Test(carried, is_found_by_its_flow_only)
{
	struct carried c[300] = {{0}};

	for (unsigned i = 0; i < 300; i++)
		carried_by(&carriers, &c[i], 1 + i % 3);
	cr_assert_eq(carriers.by_flow.count, 3);
	cr_assert_eq(pop_all(4), 0);
	cr_assert_eq(pop_all(0), 0);
	cr_assert_eq(pop_all(2), 100);
	cr_assert_eq(pop_all(2), 0);
	cr_assert_eq(pop_all(1), 100);
	cr_assert_eq(pop_all(3), 100);
	cr_assert_eq(carriers.by_flow.count, 0);
}

Test(carried, moves_and_ends)
{
	struct carried a = {0}, b = {0}, c = {0};

	carried_by(&carriers, &a, 7);
	carried_by(&carriers, &b, 7);
	carried_by(&carriers, &c, 7);
	carried_by(&carriers, &b, 7);
	carried_by(&carriers, &b, 8);
	carried_by(&carriers, &c, 0);
	carried_end(&carriers, &c);
	cr_assert_eq(carried_pop(&carriers, 7), &a);
	cr_assert_null(carried_pop(&carriers, 7));
	cr_assert_eq(carried_pop(&carriers, 8), &b);
	carried_by(&carriers, &a, 9);
	carried_end(&carriers, &a);
	cr_assert_eq(carriers.by_flow.count, 0);
}

Test(carried, many_flows_each_a_few)
{
	enum { FLOWS = 5000 };
	struct carried *c = calloc(2 * FLOWS, sizeof(*c));

	for (unsigned i = 0; i < 2 * FLOWS; i++)
		carried_by(&carriers, &c[i], (uint64_t)(i % FLOWS) << 32 | 3);
	for (unsigned i = 1; i < FLOWS; i++)
		cr_assert_eq(pop_all((uint64_t)i << 32 | 3), 2);
	/* flow 0 of the upper half is left: freed with the table */
	cr_assert_eq(carriers.by_flow.count, 1);
	cr_assert_eq(pop_all(3), 2);
	carried_by(&carriers, &c[0], 5);
	teardown();
	setup();
	free(c);
}
