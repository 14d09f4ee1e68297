/* merged.c - merged requests (RFC 3261 section 8.2.2.2): the table of those that stand. Relies on
 * key.c's keys. */
#include "machine.h"

static bool merged_same(const struct table_node *node, const void *arg)
{
	const struct transaction *t = container_of(node, const struct transaction, merged_node);
	const struct transaction_key *key = arg;

	return t->merged_key.part[0] == key->part[0] && t->merged_key.part[1] == key->part[1];
}

bool merged_find(const struct transactions *ts, const struct transaction_key *key)
{
	return table_find(&ts->merged, key->part[0], merged_same, key) != NULL;
}

void merged_add(struct transaction *t, const struct transaction_key *key)
{
	t->merged_key = *key;
	t->has_merged = true;
	table_add(&t->owner->merged, &t->merged_node, key->part[0]);
}

void merged_remove(struct transaction *t)
{
	if (!t->has_merged)
		return;
	t->has_merged = false;
	table_remove(&t->owner->merged, &t->merged_node);
}
