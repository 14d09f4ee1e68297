/* reg_watched.c - see reg_watched.h. */
#include "reg_watched.h"

#include "common/hash.h"

#include <stdlib.h>

static bool reg_watched_same(const struct table_node *node, const void *key)
{
	const struct reg_watched *a = container_of(node, const struct reg_watched, node);

	return str_equal(reg_watched_aor(a), *(const struct str *)key);
}

static uint64_t reg_watched_hash(const struct sip *sip, struct str aor)
{
	return hash_str(&sip->keys.slot_key, aor);
}

struct reg_watched *reg_watched_find(struct table *t, const struct sip *sip, struct str aor)
{
	struct table_node *node = table_find(t, reg_watched_hash(sip, aor), reg_watched_same, &aor);

	return node ? container_of(node, struct reg_watched, node) : NULL;
}

struct reg_watched *reg_watched_make(struct table *t, const struct sip *sip, struct str aor)
{
	struct reg_watched *a = reg_watched_find(t, sip, aor);

	if (a || !(a = calloc(1, sizeof(*a))))
		return a;
	a->length = aor.n;
	memcpy(a->aor, aor.p, aor.n);
	table_add(t, &a->node, reg_watched_hash(sip, aor));
	return a;
}

void reg_watched_trim(struct table *t, struct reg_watched *a)
{
	if (a->count)
		return;
	table_remove(t, &a->node);
	free(a);
}
