/* common-byte_ring.c - the last entries stay, whole and in order, wherever the memory wraps. */
#include "common/byte_ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define SIZE 1024

/* An entry of n bytes that all are its number. */
static void put(struct byte_ring *r, unsigned number, size_t n)
{
	void *p = byte_ring_put(r, n);

	cr_assert_not_null(p);
	cr_assert_eq((uintptr_t)p % 8, 0);
	memset(p, (int)number, n);
}

/* Reads all; the numbers have to follow each other up to last. Returns how many there are. */
static unsigned read_all(const struct byte_ring *r, unsigned last)
{
	const unsigned char *p;
	unsigned char first = 0;
	unsigned count = 0;
	uint64_t at = 0;
	size_t n;

	while ((p = byte_ring_next(r, &at, &n))) {
		if (!count)
			first = p[0];
		for (size_t i = 0; i < n; i++)
			cr_assert_eq(p[i], (unsigned char)(first + count));
		count++;
	}
	if (count)
		cr_assert_eq((unsigned char)(first + count - 1), (unsigned char)last);
	return count;
}

Test(byte_ring, keeps_the_last_ones)
{
	struct byte_ring *r;
	unsigned least = SIZE;

	cr_assert_eq(byte_ring_new(&r, SIZE), 0);
	cr_assert_eq(read_all(r, 0), 0);
	for (unsigned i = 1; i <= 5000; i++) {
		unsigned have;

		put(r, i, i * 7 % (byte_ring_entry_max(r) + 1) ?: 1);
		have = read_all(r, i);
		cr_assert_geq(have, 1);
		if (i > 20 && have < least)
			least = have;
	}
	cr_assert_geq(least, BYTE_RING_SHARE - 1); /* one does not drop all others */
	byte_ring_free(r);
}

Test(byte_ring, refuses_what_would_drop_all_others)
{
	struct byte_ring *r;

	cr_assert_eq(byte_ring_new(&r, 8), -EINVAL);
	cr_assert_eq(byte_ring_new(&r, SIZE), 0);
	put(r, 1, byte_ring_entry_max(r));
	cr_assert_null(byte_ring_put(r, byte_ring_entry_max(r) + 1));
	cr_assert_eq(read_all(r, 1), 1);
	byte_ring_free(r);
}

Test(byte_ring, a_position_that_was_dropped_is_the_oldest)
{
	struct byte_ring *r;
	uint64_t at = 0;
	const unsigned char *p;
	size_t n;

	cr_assert_eq(byte_ring_new(&r, SIZE), 0);
	put(r, 1, 10);
	cr_assert_eq(*(const unsigned char *)byte_ring_next(r, &at, &n), 1);
	for (unsigned i = 2; i <= 100; i++)
		put(r, i, 100);
	p = byte_ring_next(r, &at, &n);
	cr_assert_gt(*p, 50);
	while (byte_ring_next(r, &at, &n))
		;
	put(r, 101, 1);
	cr_assert_eq(*(const unsigned char *)byte_ring_next(r, &at, &n), 101);
	byte_ring_free(r);
}
