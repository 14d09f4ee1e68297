/* slots.c - the slot map. */
#include "slots.h"

#include <assert.h>
#include <string.h>

void slots_spread(struct slot_map *map, unsigned workers)
{
	assert(workers >= 1 && workers <= SLOT_COUNT);
	for (unsigned i = 0; i < SLOT_COUNT; i++)
		map->worker[i] = map->next[i] = (uint8_t)(i % workers);
	map->epoch++;
}

/* The one of workers that is to own the fewest. */
static uint8_t slots_poorest(const unsigned share[32], uint32_t workers)
{
	uint8_t found = 0;
	unsigned least = SLOT_COUNT + 1;

	for (uint8_t i = 0; i < 32; i++)
		if (workers >> i & 1 && share[i] < least) {
			found = i;
			least = share[i];
		}
	return found;
}

bool slots_plan(struct slot_map *map, uint32_t workers)
{
	const struct slot_map before = *map;
	unsigned share[32] = {0}, most;

	assert(workers);
	most = (SLOT_COUNT + (unsigned)__builtin_popcount(workers) - 1) /
	       (unsigned)__builtin_popcount(workers);
	/* what is on its way back to whoever has it anyway need not move */
	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		uint8_t owner = map->worker[i];

		if (map->next[i] != owner && workers >> owner & 1)
			map->next[i] = owner;
		if (workers >> map->next[i] & 1)
			share[map->next[i]]++;
	}
	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		uint8_t owner = map->next[i];
		bool stays = workers >> owner & 1;
		uint8_t poorest = slots_poorest(share, workers);

		if (stays && share[owner] <= most && share[owner] <= share[poorest] + 1)
			continue;
		share[owner] -= stays;
		map->next[i] = poorest;
		share[poorest]++;
	}
	if (memcmp(map->next, before.next, sizeof(map->next)) == 0)
		return false;
	map->epoch++;
	return true;
}

bool slots_moved(struct slot_map *map, unsigned worker, const struct slot_set *set)
{
	bool any = false;

	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		if (map->worker[i] != worker || map->next[i] == worker ||
			!slot_set_has(set, (uint8_t)i))
			continue;
		map->worker[i] = map->next[i];
		any = true;
	}
	map->epoch += any;
	return any;
}

bool slots_move(const struct slot_map *map)
{
	return memcmp(map->worker, map->next, sizeof(map->worker)) != 0;
}

unsigned slots_owned(const struct slot_map *map, unsigned worker)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SLOT_COUNT; i++)
		n += map->worker[i] == worker;
	return n;
}

bool slots_has_none(const struct slot_map *map, unsigned worker)
{
	for (unsigned i = 0; i < SLOT_COUNT; i++)
		if (map->worker[i] == worker || map->next[i] == worker)
			return false;
	return true;
}
