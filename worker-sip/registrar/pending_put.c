/* pending_put.c - records that wait to be written (pending_put.h). Relies on nothing of LMDB but
 * the size of its pages. */
#include "pending_put.h"

#include "common/counters.h"
#include "common/log.h"

#include <errno.h>
#include <stdlib.h>

/* For the room that a write takes: LMDB's page, and a depth of tree that 2^30 bytes do not
 * reach. */
#define PAGE_SIZE 4096
#define TREE_DEPTH 6

struct pending_put_waiter {
	struct pending_put_waiter *next;
	void (*done)(void *arg, int error);
	void *arg;
};

int pending_puts_init(struct pending_puts *puts)
{
	*puts = (struct pending_puts){.last = &puts->first};
	hash_key_random(&puts->key);
	return table_init(&puts->by_aor, 64);
}

static void pending_put_free(struct pending_put *p)
{
	for (struct pending_put_waiter *w = p->first, *next; w; w = next) {
		next = w->next;
		free(w);
	}
	free(p->record);
	free(p);
}

void pending_puts_free(struct pending_puts *puts)
{
	for (struct pending_put *p = puts->first, *next; p; p = next) {
		next = p->next;
		pending_put_free(p);
	}
	table_free(&puts->by_aor);
}

static bool pending_put_same_aor(const struct table_node *node, const void *key)
{
	const struct pending_put *p = container_of(node, const struct pending_put, node);

	return str_equal((struct str){p->aor, p->aor_length}, *(const struct str *)key);
}

struct pending_put *pending_puts_find(const struct pending_puts *puts, struct str aor)
{
	if (!puts->by_aor.count)
		return NULL;
	struct table_node *node = table_find(
		&puts->by_aor, hash_str(&puts->key, aor), pending_put_same_aor, &aor);
	return node ? container_of(node, struct pending_put, node) : NULL;
}

static struct pending_put *pending_put_new(struct pending_puts *puts, struct str aor)
{
	struct pending_put *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->last = &p->first;
	p->aor_length = aor.n;
	memcpy(p->aor, aor.p, aor.n);
	table_add(&puts->by_aor, &p->node, hash_str(&puts->key, aor));
	*puts->last = p;
	puts->last = &p->next;
	return p;
}

int pending_puts_add(struct pending_puts *puts, struct str aor, struct str record,
	void (*done)(void *arg, int error), void *arg)
{
	struct pending_put *p = pending_puts_find(puts, aor);

	if (!p && puts->by_aor.count >= LOCATION_PENDING_MAX) {
		count(LOCATION_BUSY);
		return -EAGAIN;
	}
	char *copy = record.n ? malloc(record.n) : NULL;
	struct pending_put_waiter *w = done ? malloc(sizeof(*w)) : NULL;
	if ((record.n && !copy) || (done && !w) || (!p && !(p = pending_put_new(puts, aor)))) {
		free(copy);
		free(w);
		return -ENOMEM;
	}
	if (record.n)
		memcpy(copy, record.p, record.n);
	free(p->record);
	p->record = copy;
	p->size = record.n;
	if (w) {
		*w = (struct pending_put_waiter){.done = done, .arg = arg};
		*p->last = w;
		p->last = &w->next;
	}
	return 0;
}

struct pending_put *pending_puts_take(struct pending_puts *puts)
{
	struct pending_put *list = puts->first;

	puts->first = NULL;
	puts->last = &puts->first;
	for (struct pending_put *p = list; p; p = p->next)
		table_remove(&puts->by_aor, &p->node);
	return list;
}

void pending_put_finish(struct pending_put *p, int error)
{
	if (error) {
		char buffer[AOR_MAX + 8];

		count(LOCATION_FAILED);
		log_warn("location-write-failed", "aor=%s error=\"%s\"",
			log_value((struct str){p->aor, p->aor_length}, buffer, sizeof(buffer)),
			error_text(error));
	}
	for (struct pending_put_waiter *w = p->first; w; w = w->next)
		w->done(w->arg, error);
	pending_put_free(p);
}

size_t pending_put_pages(const struct pending_put *p, bool alone)
{
	size_t pages = 0;

	for (; p; p = alone ? NULL : p->next)
		pages += p->record ? p->size / PAGE_SIZE + 1 + TREE_DEPTH : 0;
	return pages;
}
