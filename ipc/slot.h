/* slot.h - the 256 slots (doc/ARCHITECTURE.md) and who owns them. Which one a message belongs to
 * says message_slot.h. */
#ifndef SIPWARD_IPC_SLOT_H
#define SIPWARD_IPC_SLOT_H

#include "common/hash.h"
#include "common/str.h"

#define SLOT_COUNT 256

/* The map slot -> SIP worker index, with its epoch. A slot that moves has two: worker owns what has
 * begun and is found first, next owns what begins. They are the same where it does not. */
struct slot_map {
	uint64_t epoch;
	uint8_t worker[SLOT_COUNT];
	uint8_t next[SLOT_COUNT];
};

/* A set of slots, a bit each. */
struct slot_set {
	uint8_t bits[SLOT_COUNT / 8];
};
static inline bool slot_set_has(const struct slot_set *set, uint8_t slot)
{
	return set->bits[slot / 8] >> (slot % 8) & 1;
}
static inline void slot_set_add(struct slot_set *set, uint8_t slot)
{
	set->bits[slot / 8] |= (uint8_t)(1 << (slot % 8));
}

/* By keyed hash. */
uint8_t slot_of_aor(struct str canonical_aor, const struct hash_key *key);
uint8_t slot_of_call_id(struct str call_id, const struct hash_key *key);

#endif
