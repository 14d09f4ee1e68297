/* token.c - mints, reads and proves tokens. Relies on hash_bytes being a MAC (SipHash-2-4) for
 * short inputs of fixed length. */
#include "token.h"

#include <errno.h>
#include <sodium.h>

#define HEX_SLOT 2
#define HEX_ID 16
#define HEX_MAC 16
_Static_assert(2 + HEX_SLOT + 1 + HEX_ID + HEX_MAC == TOKEN_LENGTH, "the parts make the whole");

static void token_hex_put(char *out, uint64_t value, unsigned digits)
{
	while (digits--) {
		out[digits] = "0123456789abcdef"[value & 15];
		value >>= 4;
	}
}

static bool token_hex_get(const char *p, unsigned digits, uint64_t *out)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < digits; i++) {
		unsigned char c = (unsigned char)p[i];
		unsigned d;

		if (c >= '0' && c <= '9')
			d = c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			d = (c | 0x20) - 'a' + 10;
		else
			return false;
		value = value << 4 | d;
	}
	*out = value;
	return true;
}

/* The kind is part of what is proved: a tag cannot be played as a branch. */
static uint64_t token_mac(const struct hash_key *key, enum token_kind kind, uint8_t slot,
	uint8_t generation, uint64_t id)
{
	uint8_t text[3 + 8] = {(uint8_t)kind, slot, generation};

	for (unsigned i = 0; i < 8; i++)
		text[3 + i] = (uint8_t)(id >> 8 * i);
	return hash_bytes(key, text, sizeof(text));
}

void token_mint(const struct token_keys *keys, enum token_kind kind, uint8_t slot, uint64_t id,
	char out[TOKEN_LENGTH])
{
	uint8_t generation = keys->generation & 15;

	out[0] = 's';
	out[1] = 'w';
	token_hex_put(out + 2, slot, HEX_SLOT);
	token_hex_put(out + 4, generation, 1);
	token_hex_put(out + 5, id, HEX_ID);
	token_hex_put(out + 21, token_mac(&keys->key[0], kind, slot, generation, id), HEX_MAC);
}

struct parts {
	uint64_t slot, generation, id, mac;
};

static int token_read(struct str text, struct parts *t)
{
	bool good = text.n == TOKEN_LENGTH && (text.p[0] | 0x20) == 's' &&
	            (text.p[1] | 0x20) == 'w';

	good = good && token_hex_get(text.p + 2, HEX_SLOT, &t->slot);
	good = good && token_hex_get(text.p + 4, 1, &t->generation);
	good = good && token_hex_get(text.p + 5, HEX_ID, &t->id);
	good = good && token_hex_get(text.p + 21, HEX_MAC, &t->mac);
	return good ? 0 : -EINVAL;
}

int token_slot(struct str text, uint8_t *slot)
{
	struct parts t;
	int error = token_read(text, &t);

	if (error == 0)
		*slot = (uint8_t)t.slot;
	return error;
}

int token_prove(const struct token_keys *keys, enum token_kind kind, struct str text, uint8_t *slot,
	uint64_t *id)
{
	struct parts t;
	int error = token_read(text, &t);
	unsigned age;
	uint64_t mac;

	if (error)
		return error;
	age = (keys->generation - (unsigned)t.generation) & 15;
	/* A key of zeros is a generation that does not exist yet: anybody could mint under it. */
	if (age >= TOKEN_GENERATIONS || sodium_is_zero(keys->key[age].byte, HASH_KEY_SIZE))
		return -EACCES;
	mac = token_mac(&keys->key[age], kind, (uint8_t)t.slot, (uint8_t)t.generation, t.id);
	if (sodium_memcmp(&mac, &t.mac, sizeof(mac)) != 0)
		return -EACCES;
	*slot = (uint8_t)t.slot;
	*id = t.id;
	return 0;
}
