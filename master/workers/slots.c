/* slots.c - the slot map. */
#include "slots.h"

#include <assert.h>

void slots_spread(struct slot_map *map, unsigned workers)
{
	assert(workers >= 1 && workers <= SLOT_COUNT);
	for (unsigned i = 0; i < SLOT_COUNT; i++)
		map->worker[i] = (uint8_t)(i % workers);
	map->epoch++;
}

unsigned slots_owned(const struct slot_map *map, unsigned worker)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SLOT_COUNT; i++)
		n += map->worker[i] == worker;
	return n;
}
