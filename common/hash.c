/* hash.c - SipHash-2-4 and buffered randomness. Relies on libsodium; a process is single-threaded
 * where it asks for random numbers. */
#include "hash.h"

#include <pthread.h>
#include <sodium.h>

_Static_assert(HASH_KEY_SIZE == crypto_shorthash_KEYBYTES, "SipHash key");
_Static_assert(crypto_shorthash_BYTES == sizeof(uint64_t), "SipHash output");

/* The longest string of which hash_str_nocase makes a lower-case copy; no SIP token or host worth
 * telling apart is longer. */
#define NOCASE_MAX 512

/* The numbers that one refill fetches: 512 bytes, small enough to stay in cache and large enough to
 * make the system call rare. */
#define RANDOM_BATCH 64

static struct {
	uint64_t number[RANDOM_BATCH];
	size_t left; /* numbers not handed out: number[0] to number[left - 1] */
	bool guarded;
} pool;

uint64_t hash_bytes(const struct hash_key *key, const void *p, size_t n)
{
	unsigned char out[crypto_shorthash_BYTES];
	uint64_t value;

	crypto_shorthash(out, n ? p : (const void *)"", n, key->byte);
	memcpy(&value, out, sizeof(value));
	return value;
}

uint64_t hash_str_nocase(const struct hash_key *key, struct str s)
{
	char lower[NOCASE_MAX];
	size_t n = s.n < sizeof(lower) ? s.n : sizeof(lower);

	/* Not tolower(): a locale must not move a call to another slot. */
	for (size_t i = 0; i < n; i++)
		lower[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + ('a' - 'A')) : s.p[i];
	return hash_bytes(key, lower, n);
}

void hash_key_random(struct hash_key *key)
{
	randombytes_buf(key->byte, sizeof(key->byte));
}

static void hash_random_forget(void)
{
	sodium_memzero(pool.number, sizeof(pool.number));
	pool.left = 0;
}

uint64_t random_u64(void)
{
	if (pool.left == 0) {
		/* A forked child must not hand out its parent's numbers a second time. */
		if (!pool.guarded)
			pool.guarded = pthread_atfork(NULL, NULL, hash_random_forget) == 0;
		randombytes_buf(pool.number, sizeof(pool.number));
		pool.left = RANDOM_BATCH;
	}

	/* Bytes handed out are wiped: a later leak of this memory tells no token that is in
	 * use. */
	uint64_t value = pool.number[--pool.left];
	sodium_memzero(&pool.number[pool.left], sizeof(pool.number[0]));
	return value;
}
