/* byte_ring.c - see byte_ring.h.
 *
 * Positions count all bytes that were ever written, what was left free at the end of the memory
 * included: an entry lies in one piece. Relies on nothing.
 */
#include "byte_ring.h"

#include <errno.h>
#include <stdlib.h>

#define BYTE_RING_ALIGN 8
/* The n of what is left free at the end. */
#define BYTE_RING_FREE UINT32_MAX

struct byte_ring_entry {
	uint32_t size; /* with this head, a multiple of BYTE_RING_ALIGN */
	uint32_t n;    /* of the bytes that follow */
};
_Static_assert(sizeof(struct byte_ring_entry) == BYTE_RING_ALIGN, "one always fits at the end");

struct byte_ring {
	size_t size;
	uint64_t head, tail; /* positions of the next entry and of the oldest one */
	unsigned char bytes[];
};

int byte_ring_new(struct byte_ring **out, size_t size)
{
	struct byte_ring *r;

	size -= size % BYTE_RING_ALIGN;
	if (size < BYTE_RING_SHARE * 2 * BYTE_RING_ALIGN || size > UINT32_MAX)
		return -EINVAL;
	/* Pages that no entry has reached yet take no memory. */
	r = calloc(1, sizeof(*r) + size);
	if (!r)
		return -ENOMEM;
	r->size = size;
	*out = r;
	return 0;
}

void byte_ring_free(struct byte_ring *r)
{
	free(r);
}

size_t byte_ring_entry_max(const struct byte_ring *r)
{
	return r->size / BYTE_RING_SHARE - 2 * BYTE_RING_ALIGN;
}

static struct byte_ring_entry *byte_ring_at(const struct byte_ring *r, uint64_t position)
{
	return (struct byte_ring_entry *)(uintptr_t)(r->bytes + position % r->size);
}

/* Drops the oldest entries until so many bytes are free behind the head. */
static void byte_ring_make_room(struct byte_ring *r, size_t n)
{
	while (r->size - (size_t)(r->head - r->tail) < n)
		r->tail += byte_ring_at(r, r->tail)->size;
}

static struct byte_ring_entry *byte_ring_add(struct byte_ring *r, size_t size, uint32_t n)
{
	struct byte_ring_entry *e;

	byte_ring_make_room(r, size);
	e = byte_ring_at(r, r->head);
	*e = (struct byte_ring_entry){.size = (uint32_t)size, .n = n};
	r->head += size;
	return e;
}

void *byte_ring_put(struct byte_ring *r, size_t n)
{
	size_t size = (sizeof(struct byte_ring_entry) + n + BYTE_RING_ALIGN - 1) / BYTE_RING_ALIGN *
	              BYTE_RING_ALIGN,
	       end = r->size - (size_t)(r->head % r->size);

	if (n > byte_ring_entry_max(r))
		return NULL;
	if (end < size)
		byte_ring_add(r, end, BYTE_RING_FREE);
	return byte_ring_add(r, size, (uint32_t)n) + 1;
}

const void *byte_ring_next(const struct byte_ring *r, uint64_t *at, size_t *n)
{
	uint64_t position = *at < r->tail ? r->tail : *at;

	while (position < r->head) {
		const struct byte_ring_entry *e = byte_ring_at(r, position);

		position += e->size;
		if (e->n == BYTE_RING_FREE)
			continue;
		*at = position;
		*n = e->n;
		return e + 1;
	}
	return NULL;
}
