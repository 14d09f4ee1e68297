/* byte_ring.h - the last entries of any size in a fixed piece of memory: a new one drops the oldest
 * ones that are in its way. Nothing is allocated after the ring is made. */
#ifndef SIPWARD_COMMON_BYTE_RING_H
#define SIPWARD_COMMON_BYTE_RING_H

#include <stddef.h>
#include <stdint.h>

/* An entry may take this part of a ring, so that one does not drop all others. */
#define BYTE_RING_SHARE 4

struct byte_ring;

/* Makes an empty ring of size bytes, rounded down to a multiple of 8. 0; -ENOMEM; -EINVAL where
 * size is too small for anything. */
int byte_ring_new(struct byte_ring **out, size_t size);
/* NULL is a no-op. */
void byte_ring_free(struct byte_ring *r);
/* The most bytes that an entry may have. */
size_t byte_ring_entry_max(const struct byte_ring *r);
/* Room for a new entry of n bytes, aligned to 8, which the caller fills. It stays until it is the
 * oldest one and in the way. NULL: n is more than byte_ring_entry_max. */
void *byte_ring_put(struct byte_ring *r, size_t n);
/* The entry at *at or the first one behind it, and its size; *at becomes the position behind it.
 * 0 is before the oldest entry, and a position whose entries were dropped is as good. NULL: there
 * is none. */
const void *byte_ring_next(const struct byte_ring *r, uint64_t *at, size_t *n);

#endif
