/* slot.h - which of the 256 slots a message belongs to (doc/ARCHITECTURE.md), found the same way in
 * every process. */
#ifndef SIPWARD_IPC_SLOT_H
#define SIPWARD_IPC_SLOT_H

#include "common/hash.h"
#include "message.h"

#define SLOT_COUNT 256

/* The map slot -> SIP worker index, with its epoch. */
struct slot_map {
	uint64_t epoch;
	uint8_t worker[SLOT_COUNT];
};

/* The slot of a checked message, by the first rule that applies: REGISTER: keyed hash of the
 * canonical address of record of To (its bindings have one writer); token in the top Via branch of
 * a response; in the To-tag of a request; in the user part of its Request-URI; SUBSCRIBE to reg:
 * address of record as REGISTER; everything else: keyed hash of the Call-ID. Reads tokens without
 * proving them. */
uint8_t slot_of_message(const struct message *m, const struct hash_key *key);
uint8_t slot_of_aor(struct str canonical_aor, const struct hash_key *key);
uint8_t slot_of_call_id(struct str call_id, const struct hash_key *key);

#endif
