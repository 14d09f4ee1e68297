/* master-slots.c - the slot map. */
#include "master/workers/slots.h"

#include <criterion/criterion.h>

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
