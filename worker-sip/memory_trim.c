/* memory_trim.c - giving memory back after a peak (memory_trim.h). Relies on glibc: malloc_trim
 * finds free pages in the middle of the heap, too. */
#include "memory_trim.h"

#include "common/counters.h"

#include <malloc.h>

static bool memory_trim_on_turn(void *arg)
{
	struct memory_trim *t = arg;
	uint64_t now = counters_page->counter[COUNTER_TRANSACTIONS];

	if (now > t->most)
		t->most = now;
	if (t->most < MEMORY_TRIM_LEAST || now > t->most / 8)
		return false;
	t->most = now;
	malloc_trim(0);
	count(HEAP_TRIMS);
	return false;
}

int memory_trim_start(struct memory_trim *t, struct loop *loop)
{
	*t = (struct memory_trim){0};
	return loop_on_turn(loop, memory_trim_on_turn, t);
}
