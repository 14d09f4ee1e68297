/* common-slab.c - places of a slab: none overlaps another, all are used again, and empty chunks go.
 */
#include "common/slab.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 20000

static struct {
	unsigned char *p;
	size_t size;
	unsigned char mark;
} piece[PIECES];

static void check(unsigned i)
{
	for (size_t k = 0; k < piece[i].size; k++)
		cr_assert_eq(
			piece[i].p[k], piece[i].mark, "piece %u of %zu bytes", i, piece[i].size);
}

Test(slab, holds_what_it_is_given)
{
	struct slab slab = {0};

	srandom(1);
	for (unsigned step = 0; step < 20 * PIECES; step++) {
		unsigned i = (unsigned)random() % PIECES;

		if (piece[i].p) {
			check(i);
			slab_give(&slab, piece[i].p, piece[i].size);
			piece[i].p = NULL;
			continue;
		}
		piece[i].size = (size_t)random() % (SLAB_LARGEST + 200);
		piece[i].mark = (unsigned char)step;
		piece[i].p = slab_take(&slab, piece[i].size);
		cr_assert_not_null(piece[i].p);
		cr_assert_eq((uintptr_t)piece[i].p % 16, 0);
		memset(piece[i].p, piece[i].mark, piece[i].size);
	}
	size_t most = slab.chunks;
	for (unsigned i = 0; i < PIECES; i++)
		if (piece[i].p) {
			check(i);
			slab_give(&slab, piece[i].p, piece[i].size);
		}
	cr_assert_leq(slab.chunks, SLAB_LARGEST / SLAB_STEP, "one of each size is left at most");
#ifndef __SANITIZE_ADDRESS__ /* where everything comes from malloc */
	cr_assert_gt(most, slab.chunks);
#else
	(void)most;
#endif
}

Test(slab, packs)
{
#ifndef __SANITIZE_ADDRESS__
	struct slab slab = {0};
	static void *p[10000];
	for (unsigned i = 0; i < 10000; i++)
		cr_assert_not_null(p[i] = slab_take(&slab, 288));
	cr_assert_leq(slab.chunks * 65536, 10000 * 288 * 103 / 100);
	for (unsigned i = 0; i < 10000; i++)
		slab_give(&slab, p[i], 288);
	cr_assert_eq(slab.chunks, 1);
#endif
}
