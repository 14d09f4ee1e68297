/* batch.c - builds batches in place and keeps them in order until they are taken. */
#include "batch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static size_t batch_padded(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

struct batch *batch_take(struct batch_pool *pool, size_t size)
{
	size_t capacity = size > BATCH_TARGET ? size : BATCH_TARGET;
	struct batch *b;

	if (capacity == BATCH_TARGET && pool->count)
		b = pool->spare[--pool->count];
	else if (!(b = malloc(sizeof(*b) + capacity)))
		return NULL;
	b->next = NULL;
	b->capacity = capacity;
	b->used = sizeof(struct batch_header);
	*(struct batch_header *)(void *)b->data = (struct batch_header){.magic = BATCH_MAGIC};
	return b;
}

void batch_give(struct batch_pool *pool, struct batch *b)
{
	/* A large buffer was for one large record: it is not worth keeping. */
	if (b->capacity == BATCH_TARGET && pool->count < BATCH_POOL_SIZE)
		pool->spare[pool->count++] = b;
	else
		free(b);
}

void batch_pool_free(struct batch_pool *pool)
{
	while (pool->count)
		free(pool->spare[--pool->count]);
}

static struct batch_header *batch_head(const struct batch *b)
{
	return (struct batch_header *)(uintptr_t)b->data;
}

uint32_t batch_records(const struct batch *b)
{
	return batch_head(b)->count;
}

void outgoing_init(struct outgoing *o, struct batch_pool *pool)
{
	*o = (struct outgoing){.pool = pool};
	o->end = &o->first;
}

int outgoing_record(struct outgoing *o, uint16_t type, size_t size, bool reserve, void **data)
{
	const size_t least = sizeof(struct batch_header) + sizeof(struct record_header);
	size_t need;
	struct record_header *h;

	if (size > BATCH_MAX - least)
		return -EMSGSIZE;
	need = sizeof(*h) + batch_padded(size);
	if (o->bytes + need > (reserve ? OUTGOING_HARD_MAX : OUTGOING_SOFT_MAX))
		return -EAGAIN;
	if (o->open && o->open->used + need > o->open->capacity)
		outgoing_close(o);
	if (!o->open && !(o->open = batch_take(o->pool, sizeof(struct batch_header) + need)))
		return -ENOMEM;
	o->last = o->open->used;
	h = (void *)(o->open->data + o->last);
	*h = (struct record_header){.size = (uint32_t)size, .type = type};
	memset((unsigned char *)(h + 1) + size, 0, batch_padded(size) - size);
	o->open->used += need;
	o->bytes += need;
	o->records++;
	batch_head(o->open)->count++;
	*data = h + 1;
	return 0;
}

void outgoing_shrink(struct outgoing *o, size_t size)
{
	struct record_header *h;
	size_t before;

	assert(o->open && o->last);
	h = (void *)(o->open->data + o->last);
	assert(size <= h->size);
	before = o->open->used;
	if (size) {
		h->size = (uint32_t)size;
		memset((unsigned char *)(h + 1) + size, 0, batch_padded(size) - size);
		o->open->used = o->last + sizeof(*h) + batch_padded(size);
	} else {
		o->open->used = o->last;
		o->last = 0;
		o->records--;
		batch_head(o->open)->count--;
	}
	o->bytes -= before - o->open->used;
}

void outgoing_close(struct outgoing *o)
{
	o->last = 0;
	if (!o->open)
		return;
	if (batch_records(o->open) == 0) {
		batch_give(o->pool, o->open);
	} else {
		*o->end = o->open;
		o->end = &o->open->next;
	}
	o->open = NULL;
}

struct batch *outgoing_pop(struct outgoing *o)
{
	struct batch *b = o->first;

	o->first = b->next;
	if (!o->first)
		o->end = &o->first;
	o->bytes -= b->used - sizeof(struct batch_header);
	o->records -= batch_records(b);
	return b;
}

void outgoing_put_back(struct outgoing *o, struct batch *b)
{
	b->next = o->first;
	if (!o->first)
		o->end = &b->next;
	o->first = b;
	o->bytes += b->used - sizeof(struct batch_header);
	o->records += batch_records(b);
}

size_t outgoing_clear(struct outgoing *o)
{
	size_t records = o->records;

	outgoing_close(o);
	while (o->first)
		batch_give(o->pool, outgoing_pop(o));
	return records;
}
