/* slab.h - memory for small things that stand long, in chunks of their own.
 *
 * What lives for an hour among what lives for seconds holds a page of the heap each when the others
 * are gone. Things of one size stand together here, and a chunk that is empty goes back to the
 * kernel.
 */
#ifndef SIPWARD_COMMON_SLAB_H
#define SIPWARD_COMMON_SLAB_H

#include <stddef.h>

/* Larger things come from malloc. Sizes are rounded up to the step. */
#define SLAB_LARGEST 1024
#define SLAB_STEP 32

struct slab_chunk;
/* Zero-initialise before use. One thread. */
struct slab {
	struct slab_chunk
		*open[SLAB_LARGEST / SLAB_STEP]; /* of each size those with a free place */
	size_t chunks;                           /* mapped now */
};

/* size bytes, aligned for anything, contents undefined; NULL: no memory. */
void *slab_take(struct slab *s, size_t size);
/* size: as given to slab_take. NULL is a no-op. Everything is to be given back before the slab is
 * forgotten: there is no other end to it. */
void slab_give(struct slab *s, void *p, size_t size);

#endif
