/* table.h - an intrusive hash table with chaining that grows; the key's hash is the caller's. */
#ifndef SIPWARD_COMMON_TABLE_H
#define SIPWARD_COMMON_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded in the thing that is in the table. */
struct table_node {
	struct table_node *next;
	uint64_t hash;
};

struct table {
	struct table_node **bucket;
	size_t mask; /* buckets - 1 */
	size_t count;
};

/* Compares the owner of node with key; true where they are the same. */
typedef bool (*table_same)(const struct table_node *node, const void *key);

int table_init(struct table *t, size_t expected); /* -ENOMEM */
void table_free(struct table *t);                 /* nodes are the caller's */
/* The node with that hash whose owner same finds to have key, or NULL. */
struct table_node *table_find(
	const struct table *t, uint64_t hash, table_same same, const void *key);
/* Adds node; never fails (a table that cannot grow gets longer chains). The caller has looked that
 * its key is not there. */
void table_add(struct table *t, struct table_node *node, uint64_t hash);
void table_remove(struct table *t, struct table_node *node);
/* Walks all nodes; visit may remove the node it is given. Returns early where visit returns
 * false. */
void table_each(struct table *t, bool (*visit)(struct table_node *node, void *arg), void *arg);

#define container_of(pointer, type, member)                                                        \
	((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
