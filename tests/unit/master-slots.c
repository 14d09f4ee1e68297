/* master-slots.c - the slot map. */
#include "master/workers/slots.h"

#include <criterion/criterion.h>
#include <string.h>

Test(slots, are_all_owned_and_evenly)
{
	for (unsigned workers = 1; workers <= 32; workers++) {
		struct slot_map map = {.epoch = 7};
		unsigned sum = 0;

		slots_spread(&map, workers);
		cr_expect_eq(map.epoch, 8);
		for (unsigned i = 0; i < workers; i++) {
			unsigned n = slots_owned(&map, i);

			cr_expect(n == SLOT_COUNT / workers || n == SLOT_COUNT / workers + 1,
				"%u of %u owns %u", i, workers, n);
			sum += n;
		}
		cr_expect_eq(sum, SLOT_COUNT);
	}
}

/* As many of the map's slots as there can be are worker's in the end, and none is nobody's. */
static void evenly(const struct slot_map *map, uint32_t workers)
{
	unsigned n = (unsigned)__builtin_popcount(workers), share[32] = {0};

	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		cr_assert(workers >> map->next[i] & 1, "slot %u goes to %u", i, map->next[i]);
		share[map->next[i]]++;
	}
	for (unsigned i = 0; i < 32; i++)
		if (workers >> i & 1)
			cr_expect(share[i] == SLOT_COUNT / n || share[i] == SLOT_COUNT / n + 1,
				"%u of %x gets %u", i, workers, share[i]);
}

static unsigned moving(const struct slot_map *map)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SLOT_COUNT; i++)
		n += map->worker[i] != map->next[i];
	return n;
}

Test(slots, move_to_who_comes_and_from_who_goes)
{
	struct slot_map map = {.epoch = 0};
	struct slot_set all, one = {{0}};

	memset(&all, 0xff, sizeof(all));
	slots_spread(&map, 1);
	cr_expect(slots_plan(&map, 3));
	evenly(&map, 3);
	cr_expect_eq(moving(&map), 128, "as few as possible");
	cr_expect_eq(slots_owned(&map, 1), 0, "what has begun stays");
	cr_expect_not(slots_plan(&map, 3), "the same again");
	cr_expect(slots_move(&map));
	/* one of them, then all */
	for (unsigned i = 0; i < SLOT_COUNT && !one.bits[i / 8]; i++)
		if (map.next[i] == 1)
			slot_set_add(&one, (uint8_t)i);
	cr_expect_not(slots_moved(&map, 1, &one), "not its own");
	cr_expect(slots_moved(&map, 0, &one));
	cr_expect_eq(slots_owned(&map, 1), 1);
	uint64_t epoch = map.epoch;
	cr_expect(slots_moved(&map, 0, &all));
	cr_expect_eq(map.epoch, epoch + 1);
	cr_expect_eq(slots_owned(&map, 1), 128);
	cr_expect_not(slots_move(&map));
	/* the first one goes */
	cr_expect(slots_plan(&map, 2));
	evenly(&map, 2);
	cr_expect_not(slots_has_none(&map, 0));
	slots_moved(&map, 0, &all);
	cr_expect(slots_has_none(&map, 0));
	/* taken back before anything has moved */
	cr_expect(slots_plan(&map, 7));
	cr_expect_neq(moving(&map), 0);
	cr_expect(slots_plan(&map, 2));
	cr_expect_eq(moving(&map), 0);
}

Test(slots, move_between_any_numbers)
{
	struct slot_map map = {.epoch = 0};
	struct slot_set half;

	memset(&half, 0x55, sizeof(half));
	slots_spread(&map, 5);
	for (unsigned from = 1; from <= 32; from++)
		for (unsigned to = 1; to <= 32; to++) {
			uint32_t before = (uint32_t)((UINT64_C(1) << from) - 1),
				 after = (uint32_t)((UINT64_C(1) << to) - 1);

			slots_plan(&map, before);
			evenly(&map, before);
			for (unsigned i = 0; i < 32; i++)
				slots_moved(&map, i, &half);
			slots_plan(&map, after);
			evenly(&map, after);
		}
}
