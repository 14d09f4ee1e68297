/* Tests of common/list. */
#include "common/list.h"

#include <criterion/criterion.h>

struct item {
	struct item *next, **link;
	char name;
};
struct items {
	struct item *first, **end;
};

static struct item item[4] = {{.name = 'a'}, {.name = 'b'}, {.name = 'c'}, {.name = 'd'}};

/* Expects the names of the list, and that each element's link points at what points at it. */
static void expect(struct item *const *list, const char *names)
{
	struct item *const *at = list;

	for (; *names; names++, at = &(*at)->next) {
		cr_assert(*at, "nothing in the place of %c", *names);
		cr_expect_eq((*at)->name, *names);
		cr_expect_eq((*at)->link, at);
	}
	cr_expect_null(*at);
}

Test(list, elements_come_and_go)
{
	struct item *list = NULL;

	list_insert(&list, &item[0]);
	list_insert(&list, &item[1]);
	list_insert(&list, &item[2]);
	expect(&list, "cba");
	list_remove(&item[1]);
	expect(&list, "ca");
	cr_expect_null(item[1].link);
	cr_expect_null(item[1].next);
	list_insert(&item[0].next, &item[1]);
	expect(&list, "cab");
	list_remove(&item[2]);
	list_remove(&item[1]);
	expect(&list, "a");
	list_remove(&item[0]);
	expect(&list, "");
}

Test(list, arguments_are_evaluated_once)
{
	struct item *list = NULL, *i = item;

	list_insert(&list, i++);
	cr_expect_eq(i, item + 1);
	list_insert(&list, i++);
	list_remove(--i);
	cr_expect_eq(i, item + 1);
	expect(&list, "a");
}

Test(queue, keeps_its_order)
{
	struct items queue = {0};

	for (int i = 0; i < 4; i++)
		queue_append(&queue, &item[i]);
	expect(&queue.first, "abcd");
	queue_remove(&queue, &item[3]);
	queue_append(&queue, &item[3]);
	queue_remove(&queue, &item[0]);
	queue_append(&queue, &item[0]);
	queue_remove(&queue, &item[2]);
	expect(&queue.first, "bda");
	while (queue.first)
		queue_remove(&queue, queue.first);
	queue_append(&queue, &item[2]);
	queue_append(&queue, &item[1]);
	expect(&queue.first, "cb");
}

Test(queue, takes_elements_in_front_and_between)
{
	struct items queue = {0};

	queue_insert(&queue, &queue.first, &item[0]);
	queue_insert(&queue, &queue.first, &item[1]);
	queue_insert(&queue, &item[1].next, &item[2]);
	queue_insert(&queue, &item[0].next, &item[3]);
	expect(&queue.first, "bcad");
	queue_remove(&queue, &item[3]);
	queue_append(&queue, &item[3]);
	expect(&queue.first, "bcad");
}
