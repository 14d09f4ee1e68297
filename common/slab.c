/* slab.c - chunks of places of one size (slab.h). A chunk is aligned to its size, so that a place
 * finds it. Under a sanitizer and valgrind everything comes from malloc: they watch that. */
#include "slab.h"

#include "list.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define CHUNK ((size_t)65536)

struct place {
	struct place *next;
};
struct slab_chunk {
	struct slab_chunk *next, **link; /* of the open ones; link NULL: it is full */
	struct place *free;
	size_t size;  /* of a place */
	size_t used;  /* places taken */
	size_t fresh; /* offset of the first that was never taken */
};
/* Places are aligned as malloc's. */
#define HEAD ((sizeof(struct slab_chunk) + 15) & ~(size_t)15)

static struct slab_chunk *slab_chunk_new(size_t size)
{
	/* twice as much, and what does not lie on the boundary goes back */
	char *p = mmap(NULL, 2 * CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	size_t before = -(uintptr_t)p & (CHUNK - 1);
	if (before)
		munmap(p, before);
	munmap(p + before + CHUNK, CHUNK - before);
	struct slab_chunk *c = (void *)(p + before);
	*c = (struct slab_chunk){.size = size, .fresh = HEAD};
	return c;
}

#if defined(__SANITIZE_ADDRESS__) || defined(SIPWARD_VALGRIND)
#define WATCHED 1
#else
#define WATCHED 0
#endif

static size_t slab_class_of(size_t size)
{
	return size ? (size - 1) / SLAB_STEP : 0;
}

void *slab_take(struct slab *s, size_t size)
{
	if (WATCHED || size > SLAB_LARGEST)
		return malloc(size ? size : 1);
	struct slab_chunk **list = &s->open[slab_class_of(size)], *c = *list;
	if (!c) {
		c = slab_chunk_new((slab_class_of(size) + 1) * SLAB_STEP);
		if (!c)
			return NULL;
		list_insert(list, c);
		s->chunks++;
	}
	struct place *p = c->free;
	if (p) {
		c->free = p->next;
	} else {
		p = (void *)((char *)c + c->fresh);
		c->fresh += c->size;
	}
	c->used++;
	if (!c->free && c->fresh + c->size > CHUNK)
		list_remove(c);
	return p;
}

void slab_give(struct slab *s, void *p, size_t size)
{
	if (WATCHED || !p || size > SLAB_LARGEST) {
		free(p);
		return;
	}
	struct slab_chunk **list = &s->open[slab_class_of(size)],
			  *c = (void *)((uintptr_t)p & ~(uintptr_t)(CHUNK - 1));
	struct place *place = p;
	place->next = c->free;
	c->free = place;
	if (!c->link)
		list_insert(list, c);
	c->used--;
	/* The last open one stays: the next would map it again. */
	bool last = *list == c && !c->next;
	if (c->used == 0 && !last) {
		list_remove(c);
		munmap(c, CHUNK);
		s->chunks--;
	}
}
