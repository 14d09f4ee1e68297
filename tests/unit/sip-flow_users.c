/* sip-flow_users.c - what hangs on flows is found by the flow, and nothing else is. */
#include "worker-sip/call/flow_users.h"

#include <criterion/criterion.h>
#include <stdlib.h>

static struct flow_users flow_users;

static void setup(void)
{
	cr_assert_eq(flow_users_init(&flow_users), 0);
}

static void teardown(void)
{
	flow_users_free(&flow_users);
}

TestSuite(flow_users, .init = setup, .fini = teardown, .timeout = 20);

static unsigned pop_all(uint64_t flow)
{
	unsigned n = 0;
	struct flow_user *c;

	while ((c = flow_users_pop(&flow_users, flow))) {
		cr_assert_null(c->used_flow);
		n++;
	}
	return n;
}

Test(flow_users, is_found_by_its_flow_only)
{
	struct flow_user c[300] = {{0}};

	for (unsigned i = 0; i < 300; i++)
		flow_users_add(&flow_users, &c[i], 1 + i % 3);
	cr_assert_eq(flow_users.by_flow.count, 3);
	cr_assert_eq(pop_all(4), 0);
	cr_assert_eq(pop_all(0), 0);
	cr_assert_eq(pop_all(2), 100);
	cr_assert_eq(pop_all(2), 0);
	cr_assert_eq(pop_all(1), 100);
	cr_assert_eq(pop_all(3), 100);
	cr_assert_eq(flow_users.by_flow.count, 0);
}

Test(flow_users, moves_and_ends)
{
	struct flow_user a = {0}, b = {0}, c = {0};

	flow_users_add(&flow_users, &a, 7);
	flow_users_add(&flow_users, &b, 7);
	flow_users_add(&flow_users, &c, 7);
	flow_users_add(&flow_users, &b, 7);
	flow_users_add(&flow_users, &b, 8);
	flow_users_add(&flow_users, &c, 0);
	flow_users_remove(&flow_users, &c);
	cr_assert_eq(flow_users_pop(&flow_users, 7), &a);
	cr_assert_null(flow_users_pop(&flow_users, 7));
	cr_assert_eq(flow_users_pop(&flow_users, 8), &b);
	flow_users_add(&flow_users, &a, 9);
	flow_users_remove(&flow_users, &a);
	cr_assert_eq(flow_users.by_flow.count, 0);
}

Test(flow_users, many_flows_each_a_few)
{
	enum { FLOWS = 5000 };
	struct flow_user *c = calloc(2 * FLOWS, sizeof(*c));

	for (unsigned i = 0; i < 2 * FLOWS; i++)
		flow_users_add(&flow_users, &c[i], (uint64_t)(i % FLOWS) << 32 | 3);
	for (unsigned i = 1; i < FLOWS; i++)
		cr_assert_eq(pop_all((uint64_t)i << 32 | 3), 2);
	/* flow 0 of the upper half is left: freed with the table */
	cr_assert_eq(flow_users.by_flow.count, 1);
	cr_assert_eq(pop_all(3), 2);
	flow_users_add(&flow_users, &c[0], 5);
	teardown();
	setup();
	free(c);
}
