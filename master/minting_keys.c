/* minting_keys.c - the master's keys in STATE/keys.
 *
 * The slot key never changes: it says which slot an address of record or a Call-ID belongs to, for
 * as long as anything stored refers to slots. Relies on libsodium for random and guarded memory.
 */
#include "minting_keys.h"
#include "common/log.h"
#include "state.h"

#include <errno.h>
#include <sodium.h>

#define KEYS_MAGIC 0x4b575053u /* "SPWK" */
#define KEYS_VERSION 1

/* The file, as it is. */
struct keys {
	uint32_t magic;
	uint32_t version;
	uint64_t minted; /* seconds since the epoch: of the current minting key */
	struct hash_key slot_key;
	struct token_keys minting;
	uint8_t nonce_key[32];
	uint8_t tag_key[16];
};

static void keys_mint_first(struct keys *k, uint64_t now)
{
	*k = (struct keys){.magic = KEYS_MAGIC, .version = KEYS_VERSION, .minted = now};
	hash_key_random(&k->slot_key);
	for (unsigned i = 0; i < TOKEN_GENERATIONS; i++)
		hash_key_random(&k->minting.key[i]);
	randombytes_buf(k->nonce_key, sizeof(k->nonce_key));
	randombytes_buf(k->tag_key, sizeof(k->tag_key));
}

static void keys_rotate(struct keys *k, uint64_t now)
{
	for (unsigned i = TOKEN_GENERATIONS - 1; i > 0; i--)
		k->minting.key[i] = k->minting.key[i - 1];
	hash_key_random(&k->minting.key[0]);
	k->minting.generation = (k->minting.generation + 1) & 15;
	k->minted = now;
}

static bool keys_sane(const struct keys *k)
{
	return k->magic == KEYS_MAGIC && k->version == KEYS_VERSION && k->minting.generation <= 15;
}

/* A clock that was set back must not keep a key for good. */
static bool keys_are_old(const struct keys *k, uint64_t now)
{
	return now >= k->minted + KEYS_AGE_MAX || now + KEYS_AGE_MAX < k->minted;
}

int keys_open(int directory, uint64_t now, struct keys **out)
{
	struct keys *k = sodium_malloc(sizeof(*k));
	bool changed = false;

	if (!k)
		return -ENOMEM;
	int error = state_read(directory, "keys", k, sizeof(*k));
	if (error == -ENOENT) {
		keys_mint_first(k, now);
		changed = true;
		error = 0;
	} else if (error == 0 && !keys_sane(k)) {
		error = -EBADMSG;
	}
	if (error == 0 && !changed && keys_are_old(k, now)) {
		keys_rotate(k, now);
		changed = true;
	}
	if (error == 0 && changed)
		error = state_write(directory, "keys", k, sizeof(*k));
	if (error < 0) {
		log_error("keys", "file=keys error=\"%s\"", error_text(error));
		keys_close(k);
		return error;
	}
	*out = k;
	return 0;
}

void keys_close(struct keys *k)
{
	sodium_free(k);
}

void keys_for(const struct keys *k, unsigned role, struct lifeline_keys *out)
{
	memset(out, 0, sizeof(*out));
	if (role_has(role, ROLE_MESSAGES))
		out->slot_key = k->slot_key;
	if (role_has(role, ROLE_MINTING_KEYS)) {
		out->minting = k->minting;
		memcpy(out->nonce_key, k->nonce_key, sizeof(out->nonce_key));
	}
	if (role_has(role, ROLE_TAG_KEY))
		memcpy(out->tag_key, k->tag_key, sizeof(out->tag_key));
}
