/* table.c - an intrusive hash table with chaining. Relies on the caller's hash being well spread in
 * its low bits. */
#include "table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define TABLE_BUCKETS_MIN 16
#define TABLE_BUCKETS_MAX ((size_t)1 << 40)

int table_init(struct table *t, size_t expected)
{
	size_t buckets = TABLE_BUCKETS_MIN;

	while (buckets < expected && buckets < TABLE_BUCKETS_MAX)
		buckets *= 2;
	struct table_node **bucket = calloc(buckets, sizeof(struct table_node *));
	if (!bucket)
		return -ENOMEM;
	*t = (struct table){.bucket = bucket, .mask = buckets - 1};
	return 0;
}

void table_free(struct table *t)
{
	free(t->bucket);
	*t = (struct table){0};
}

struct table_node *table_find(
	const struct table *t, uint64_t hash, table_same same, const void *key)
{
	for (struct table_node *node = t->bucket[hash & t->mask]; node; node = node->next)
		if (node->hash == hash && same(node, key))
			return node;
	return NULL;
}

/* Doubles the buckets; leaves everything as it is where there is no memory. */
static void table_grow(struct table *t)
{
	size_t buckets = (t->mask + 1) * 2;

	if (buckets > TABLE_BUCKETS_MAX)
		return;
	struct table_node **bucket = calloc(buckets, sizeof(struct table_node *));
	if (!bucket)
		return;
	for (size_t i = 0; i <= t->mask; i++) {
		struct table_node *node = t->bucket[i];

		while (node) {
			struct table_node *next = node->next;
			struct table_node **head = &bucket[node->hash & (buckets - 1)];

			node->next = *head;
			*head = node;
			node = next;
		}
	}
	free(t->bucket);
	t->bucket = bucket;
	t->mask = buckets - 1;
}

void table_add(struct table *t, struct table_node *node, uint64_t hash)
{
	/* At one node in two buckets: most searches are for what is not there, and each node on the
	 * way is a cache miss. Where growing failed it is tried again only after as many more, so
	 * that a lack of memory does not cost an allocation a node. */
	if (t->count && (t->count & t->mask >> 1) == 0 && t->count > t->mask >> 1)
		table_grow(t);
	struct table_node **head = &t->bucket[hash & t->mask];
	node->hash = hash;
	node->next = *head;
	*head = node;
	t->count++;
}

void table_remove(struct table *t, struct table_node *node)
{
	struct table_node **at = &t->bucket[node->hash & t->mask];

	while (*at && *at != node)
		at = &(*at)->next;
	assert(*at); /* a node that is not in the table */
	*at = node->next;
	node->next = NULL;
	t->count--;
}

void table_each(struct table *t, bool (*visit)(struct table_node *node, void *arg), void *arg)
{
	for (size_t i = 0; i <= t->mask && t->bucket; i++) {
		struct table_node *node = t->bucket[i];

		while (node) {
			struct table_node *next = node->next;

			if (!visit(node, arg))
				return;
			node = next;
		}
	}
}
