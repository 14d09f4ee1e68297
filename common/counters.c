/* counters.c - the table of counters and the page that this process counts on. Relies on
 * counters.def. */
#include "counters.h"

#include <stddef.h>

const struct counter_row counter_rows[COUNTER_COUNT] = {
#define COUNTER(id, name, help) [COUNTER_##id] = {name, help, 0},
#define GAUGE(id, name, help) [COUNTER_##id] = {name, help, 1},
#include "counters.def"
};

static struct page private_page;

struct page *counters_page = &private_page;

void counters_attach(struct page *page)
{
	struct page *before = counters_page;

	counters_page = page ? page : &private_page;
	if (before != &private_page || counters_page == before)
		return;
	/* Events counted before the shared page came are not lost: they move over, once. */
	for (int c = 0; c < COUNTER_COUNT; c++) {
		uint64_t n = private_page.counter[c];

		private_page.counter[c] = 0;
		if (n && counter_rows[c].gauge)
			counter_set((enum counter)c, n);
		else if (n)
			counter_add((enum counter)c, n);
	}
}

const struct histogram_row histogram_rows[HISTOGRAM_COUNT] = {
#define HISTOGRAM(id, name, roles, help, ...) [HISTOGRAM_##id] = {name, help, {__VA_ARGS__}},
#include "histograms.def"
};

void histogram_observe(enum histogram_id id, uint64_t ms)
{
	struct histogram *h = &counters_page->histogram[id];
	const uint32_t *bound = histogram_rows[id].bound_ms;
	unsigned i = 0;

	while (bound[i] && ms > bound[i])
		i++;
	labelled_add(&h->bucket[i]);
	__atomic_store_n(
		&h->sum_ms, __atomic_load_n(&h->sum_ms, __ATOMIC_RELAXED) + ms, __ATOMIC_RELAXED);
}
