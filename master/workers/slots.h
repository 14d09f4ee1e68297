/* slots.h - which SIP worker owns which slot. */
#ifndef SIPWARD_MASTER_WORKERS_SLOTS_H
#define SIPWARD_MASTER_WORKERS_SLOTS_H

#include "ipc/slot.h"

/* Spreads all slots evenly over workers (1 to SLOT_COUNT) SIP workers, under the next epoch. A
 * worker that dies keeps its slots: its successor is there at once. */
void slots_spread(struct slot_map *map, unsigned workers);
/* The number of slots that worker owns. */
unsigned slots_owned(const struct slot_map *map, unsigned worker);

#endif
