/* trim.c - giving memory back after a peak (trim.h). Relies on glibc: malloc_trim finds free pages in the middle of the heap, too. */
#include "trim.h"

#include "../common/counters.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

struct trim {
	uint64_t most; /* transactions since the last time */
};

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

int trim_start(struct loop *loop)
{
	struct trim *t = calloc(1, sizeof *t);
	if (!t)
		return -ENOMEM;
	int error = loop_on_turn(loop, turn, t);
	if (error)
		free(t);
	return error;
}
