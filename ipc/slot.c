/* slot.c - the slot of an address of record and of a Call-ID (slot.h). */
#include "slot.h"

uint8_t slot_of_aor(struct str canonical_aor, const struct hash_key *key)
{
	return (uint8_t)(hash_str(key, canonical_aor) % SLOT_COUNT);
}

uint8_t slot_of_call_id(struct str call_id, const struct hash_key *key)
{
	return (uint8_t)(hash_str(key, call_id) % SLOT_COUNT);
}
