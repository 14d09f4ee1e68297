/* common-table.c - the hash table against a plain array. */
#include "common/table.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#define ITEMS 20000

struct item {
	struct table_node node;
	unsigned key;
	bool inside;
	unsigned seen;
};

static struct item item[ITEMS];

static bool same(const struct table_node *node, const void *key)
{
	return container_of(node, struct item, node)->key == *(const unsigned *)key;
}

/* Only some hundred different values, so that whole hashes collide and chains are long. */
static uint64_t bad_hash(unsigned key)
{
	return key % 300 * UINT64_C(0x9e3779b97f4a7c15);
}
static uint64_t good_hash(unsigned key)
{
	uint64_t x = (key + 1) * UINT64_C(0x9e3779b97f4a7c15);

	return x ^ x >> 29;
}

static struct item *find(struct table *t, uint64_t (*hash)(unsigned), unsigned key)
{
	struct table_node *node = table_find(t, hash(key), same, &key);

	return node ? container_of(node, struct item, node) : NULL;
}

static void random_run(uint64_t (*hash)(unsigned), unsigned items, int steps)
{
	struct table t;
	size_t inside = 0;

	srand(1);
	cr_assert_eq(table_init(&t, 0), 0);
	for (unsigned i = 0; i < items; i++)
		item[i] = (struct item){.key = i};
	for (int step = 0; step < steps; step++) {
		unsigned i = (unsigned)rand() % items;

		cr_assert_eq(find(&t, hash, i), item[i].inside ? &item[i] : NULL);
		/* Twice as many come as go until most are in. */
		if (!item[i].inside) {
			table_add(&t, &item[i].node, hash(i));
			item[i].inside = true;
			inside++;
		} else if (rand() % 2) {
			table_remove(&t, &item[i].node);
			item[i].inside = false;
			inside--;
		}
		cr_assert_eq(t.count, inside);
	}
	for (unsigned i = 0; i < items; i++)
		cr_assert_eq(find(&t, hash, i), item[i].inside ? &item[i] : NULL);
	table_free(&t);
}

Test(table, keeps_what_is_put_in, .timeout = 20)
{
	random_run(good_hash, ITEMS, 200000);
}

Test(table, tells_equal_hashes_apart, .timeout = 20)
{
	random_run(bad_hash, 3000, 60000);
}

Test(table, grows_with_its_content)
{
	struct table t;

	cr_assert_eq(table_init(&t, 0), 0);
	size_t before = t.mask;
	for (unsigned i = 0; i < ITEMS; i++) {
		item[i] = (struct item){.key = i};
		table_add(&t, &item[i].node, good_hash(i));
		cr_assert_leq(t.count - 1, (t.mask + 1) / 2, "more than one node in two buckets");
	}
	cr_assert_gt(t.mask, before);
	for (unsigned i = 0; i < ITEMS; i++)
		cr_assert_eq(find(&t, good_hash, i), &item[i]);
	table_free(&t);
	cr_assert_eq(t.count, 0);

	cr_assert_eq(table_init(&t, 1000), 0);
	cr_assert_eq(t.mask, 1023, "made for what is expected");
	table_free(&t);
}

static unsigned visits;
static struct table *walked;
static bool visit_odd_out(struct table_node *node, void *arg)
{
	struct item *i = container_of(node, struct item, node);

	cr_assert_eq(arg, walked);
	i->seen++;
	visits++;
	if (i->key % 2)
		table_remove(walked, node);
	return true;
}
static bool visit_three(struct table_node *node, void *arg)
{
	(void)node;
	(void)arg;
	return ++visits < 3;
}

Test(table, walks_all_and_lets_the_visited_go)
{
	struct table t;

	walked = &t;
	cr_assert_eq(table_init(&t, 0), 0);
	for (unsigned i = 0; i < 5000; i++) {
		item[i] = (struct item){.key = i};
		table_add(&t, &item[i].node, bad_hash(i));
	}
	table_each(&t, visit_odd_out, &t);
	cr_assert_eq(visits, 5000);
	cr_assert_eq(t.count, 2500);
	for (unsigned i = 0; i < 5000; i++) {
		cr_assert_eq(item[i].seen, 1);
		cr_assert_eq(find(&t, bad_hash, i), i % 2 ? NULL : &item[i]);
	}
	visits = 0;
	table_each(&t, visit_three, &t);
	cr_assert_eq(visits, 3);
	table_free(&t);
	table_each(&t, visit_three, &t);
	cr_assert_eq(visits, 3);
}
