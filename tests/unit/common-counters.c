/* common-counters.c - the table of counters and the shared page. */
#include "common/counters.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

Test(counters, every_row_has_a_name_of_its_own_and_a_help_text)
{
	for (int i = 0; i < COUNTER_COUNT; i++) {
		const struct counter_row *r = &counter_rows[i];

		cr_assert(r->name && r->name[0]);
		cr_assert(r->help && r->help[0]);
		cr_assert(r->gauge == 0 || r->gauge == 1);
		/* Fit for Prometheus: lower case, digits and underscores. */
		for (const char *c = r->name; *c; c++)
			cr_assert(islower((unsigned char)*c) || isdigit((unsigned char)*c) ||
					  *c == '_',
				"%s", r->name);
		cr_assert_null(strpbrk(r->help, "\n\\\""), "%s", r->name);
		for (int j = 0; j < i; j++)
			cr_assert_str_neq(r->name, counter_rows[j].name);
	}
}

Test(counters, count_on_the_attached_page)
{
	static struct page first, second;

	count(RX_MESSAGES);
	counters_attach(&first);
	cr_assert_eq(first.counter[COUNTER_RX_MESSAGES], 1, "what was counted before is lost");
	count(RX_MESSAGES);
	counter_add(COUNTER_RX_BYTES, 1200);
	cr_assert_eq(first.counter[COUNTER_RX_MESSAGES], 2);
	cr_assert_eq(first.counter[COUNTER_RX_BYTES], 1200);
	counter_set(COUNTER_RX_BYTES, 5);
	cr_assert_eq(first.counter[COUNTER_RX_BYTES], 5);

	/* A successor goes on where the page stands, and an old page is left alone. */
	second.counter[COUNTER_RX_MESSAGES] = 40;
	counters_attach(&second);
	count(RX_MESSAGES);
	cr_assert_eq(second.counter[COUNTER_RX_MESSAGES], 41);
	cr_assert_eq(first.counter[COUNTER_RX_MESSAGES], 2);

	counters_attach(NULL);
	count(RX_MESSAGES);
	cr_assert_eq(counters_page->counter[COUNTER_RX_MESSAGES], 1);
	cr_assert_eq(second.counter[COUNTER_RX_MESSAGES], 41);
}

Test(counters, histogram_counts_each_span_in_the_bucket_of_its_bound)
{
	static struct page page;
	const struct histogram *h = &page.histogram[HISTOGRAM_CALL_SETUP];
	const uint32_t *bound = histogram_rows[HISTOGRAM_CALL_SETUP].bound_ms;
	unsigned last = 0;

	counters_attach(&page);
	while (last < HISTOGRAM_BOUNDS_MAX && bound[last])
		last++;
	histogram_observe(HISTOGRAM_CALL_SETUP, 0);
	histogram_observe(HISTOGRAM_CALL_SETUP, bound[0]);
	histogram_observe(HISTOGRAM_CALL_SETUP, bound[0] + 1);
	histogram_observe(HISTOGRAM_CALL_SETUP, UINT32_MAX);
	cr_assert_eq(h->bucket[0], 2);
	cr_assert_eq(h->bucket[1], 1);
	cr_assert_eq(h->bucket[last], 1);
	cr_assert_eq(h->sum_ms, 2 * (uint64_t)bound[0] + 1 + UINT32_MAX);
	for (unsigned i = 0; i < HISTOGRAM_COUNT; i++)
		for (unsigned k = 1; k < HISTOGRAM_BOUNDS_MAX && histogram_rows[i].bound_ms[k]; k++)
			cr_assert_gt(
				histogram_rows[i].bound_ms[k], histogram_rows[i].bound_ms[k - 1]);
	counters_attach(NULL);
}
