/* hash.h - keyed hashes (SipHash-2-4 of libsodium) for tables, slots and tokens, and quick
 * randomness. */
#ifndef SIPWARD_COMMON_HASH_H
#define SIPWARD_COMMON_HASH_H

#include "str.h"

#define HASH_KEY_SIZE 16

struct hash_key {
	uint8_t byte[HASH_KEY_SIZE];
};

/* SipHash-2-4 of n bytes at p. A key that the sender of the bytes does not know makes tables and
 * slots safe from chosen collisions. */
uint64_t hash_bytes(const struct hash_key *key, const void *p, size_t n);
static inline uint64_t hash_str(const struct hash_key *key, struct str s)
{
	return hash_bytes(key, s.p, s.n);
}
/* The same over the ASCII lower-case form of s (at most 512 bytes count). */
uint64_t hash_str_nocase(const struct hash_key *key, struct str s);

/* Makes an unpredictable key. */
void hash_key_random(struct hash_key *key);
/* 64 unpredictable bits, from a buffered generator: no system call in the usual case. */
uint64_t random_u64(void);

#endif
