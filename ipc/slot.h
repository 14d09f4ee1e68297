/* slot.h - which of the 256 slots a message belongs to (doc/ARCHITECTURE.md), found the same way in
 * every process. */
#ifndef SIPWARD_IPC_SLOT_H
#define SIPWARD_IPC_SLOT_H

#include "common/hash.h"
#include "message.h"

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

/* The slot of a checked message, by the first rule that applies: REGISTER: keyed hash of the
 * canonical address of record of To (its bindings have one writer); token in the top Via branch of
 * a response; in the To-tag of a request; in the user part of its Request-URI; SUBSCRIBE to reg:
 * address of record as REGISTER; everything else: keyed hash of the Call-ID. Reads tokens without
 * proving them. */
uint8_t slot_of_message(const struct message *m, const struct hash_key *key);
uint8_t slot_of_aor(struct str canonical_aor, const struct hash_key *key);
uint8_t slot_of_call_id(struct str call_id, const struct hash_key *key);

#endif
