/* counters.c - the table of counters and the page that this process counts on. Relies on
 * counters.def. */
#include "counters.h"

#include <stddef.h>

const struct counter_row counter_rows[COUNTER_COUNT] = {
#define COUNTER(id, name, help) [COUNTER_##id] = {name, help, 0},
#define GAUGE(id, name, help) [COUNTER_##id] = {name, help, 1},
#include "counters.def"
#undef COUNTER
#undef GAUGE
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
