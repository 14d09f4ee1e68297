/* slots.h - which SIP worker owns which slot, and where slots move to when workers come and go. */
#ifndef SIPWARD_MASTER_WORKERS_SLOTS_H
#define SIPWARD_MASTER_WORKERS_SLOTS_H

#include "ipc/slot.h"

/* Spreads all slots evenly over workers (1 to SLOT_COUNT) SIP workers, under the next epoch. A
 * worker that dies keeps its slots: its successor is there at once. */
void slots_spread(struct slot_map *map, unsigned workers);
/* Has slots move until those workers (a bit each by index, 1 at least) are to own all, evenly, and
 * as few as possible move. Whether anything has changed: then under the next epoch. */
bool slots_plan(struct slot_map *map, uint32_t workers);
/* Those slots of set that move away from worker have moved. Whether anything has changed: then
 * under the next epoch. */
bool slots_moved(struct slot_map *map, unsigned worker, const struct slot_set *set);
/* Whether any slot moves. */
bool slots_move(const struct slot_map *map);
/* The number of slots that worker owns. */
unsigned slots_owned(const struct slot_map *map, unsigned worker);
/* Whether it owns none, and none moves to it. */
bool slots_has_none(const struct slot_map *map, unsigned worker);

#endif
