/* sip-memory_trim.c - what a peak of load took goes back when it is over, and not before. */
#include "common/counters.h"
#include "worker-sip/memory_trim.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECES 65536
#define PIECE 1000

/* Resident bytes of this process. */
static size_t resident(void)
{
	unsigned long all, here;
	FILE *f = fopen("/proc/self/statm", "r");

	cr_assert_not_null(f);
	cr_assert_eq(fscanf(f, "%lu %lu", &all, &here), 2);
	fclose(f);
	return here * (size_t)sysconf(_SC_PAGESIZE);
}

static uint64_t trims(struct loop *loop, uint64_t transactions)
{
	counter_set(COUNTER_TRANSACTIONS, transactions);
	cr_assert_eq(loop_once(loop, 0), 0);
	return counters_page->counter[COUNTER_HEAP_TRIMS];
}

Test(memory_trim, gives_back_after_a_peak)
{
	static char *piece[PIECES];
	struct loop *loop;
	struct memory_trim trim;

	cr_assert_eq(loop_new(&loop), 0);
	cr_assert_eq(memory_trim_start(&trim, loop), 0);
	cr_assert_eq(trims(loop, MEMORY_TRIM_LEAST - 1), 0);
	cr_assert_eq(trims(loop, 0), 0, "no peak");
	for (unsigned i = 0; i < PIECES; i++) {
		piece[i] = malloc(PIECE);
		cr_assert_not_null(piece[i]);
		memset(piece[i], 1, PIECE);
	}
	cr_assert_eq(trims(loop, PIECES), 0);
	size_t before = resident();
	for (unsigned i = 0; i < PIECES; i++)
		if (i % 4096) /* some stay: the heap cannot just shrink from its end */
			free(piece[i]);
	cr_assert_eq(trims(loop, PIECES / 8 + 1), 0, "it only wavers");
	cr_assert_eq(trims(loop, PIECES / 8), 1);
#ifndef __SANITIZE_ADDRESS__ /* which has a heap of its own */
	cr_assert_lt(resident(), before - PIECES / 2 * PIECE);
#else
	(void)before;
#endif
	cr_assert_eq(trims(loop, PIECES / 8), 1, "once");
	for (unsigned i = 0; i < PIECES; i += 4096)
		free(piece[i]);
	loop_free(loop);
}
