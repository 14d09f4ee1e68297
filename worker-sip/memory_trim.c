/* memory_trim.c - giving memory back after a peak (trim.h). Relies on glibc: malloc_trim finds free
 * pages in the middle of the heap, too. */
#include "memory_trim.h"

#include "common/counters.h"

#include <malloc.h>

static bool turn(void *arg)
{
	struct trim *t = arg;
	uint64_t now = counters_page->counter[COUNTER_TRANSACTIONS];

	if (now > t->most)
		t->most = now;
	if (t->most < TRIM_LEAST || now > t->most / 8)
		return false;
	t->most = now;
	malloc_trim(0);
	count(HEAP_TRIMS);
	return false;
}

int trim_start(struct trim *t, struct loop *loop)
{
	*t = (struct trim){0};
	return loop_on_turn(loop, turn, t);
}
