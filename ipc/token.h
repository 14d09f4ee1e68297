/* token.h - the tokens that SIP workers mint: branches, local tags, Call-IDs, Contact user parts.
 *
 * Text: "sw" slot(2 hex) generation(1 hex) id(16 hex) mac(16 hex), lower case: 37 bytes. The MAC is
 * SipHash-2-4 over kind, slot, generation and id under the generation's minting key, which only SIP
 * workers hold. Anyone can read the slot; only a SIP worker can prove the token.
 */
#ifndef SIPWARD_IPC_TOKEN_H
#define SIPWARD_IPC_TOKEN_H

#include "common/hash.h"

#define TOKEN_LENGTH 37
#define TOKEN_GENERATIONS 2
/* A Via branch is the magic cookie and a token. */
#define BRANCH_COOKIE "z9hG4bK"
#define BRANCH_LENGTH (7 + TOKEN_LENGTH)

enum token_kind { TOKEN_BRANCH = 'b', TOKEN_TAG = 't', TOKEN_CALL_ID = 'c', TOKEN_CONTACT = 'u' };

/* Two generations of minting keys: the current one mints, both prove. */
struct token_keys {
	struct hash_key
		key[TOKEN_GENERATIONS]; /* key[g] is generation number first + g's, modulo 16 */
	uint8_t generation; /* number (0..15) of key[0], the current one; key[1] is the one
	                     * before */
	uint8_t zero[7];
};

/* Writes TOKEN_LENGTH bytes, no NUL. */
void token_mint(const struct token_keys *keys, enum token_kind kind, uint8_t slot, uint64_t id,
	char out[TOKEN_LENGTH]);
/* Reads the slot of text where it has the form of a token (a leading BRANCH_COOKIE is the caller's
 * to skip; matching ignores case). 0 or -EINVAL. Proves nothing. */
int token_slot(struct str text, uint8_t *slot);
/* Proves text: 0 with slot and id; -EINVAL where it has not the form of a token, -EACCES where its
 * MAC is wrong or its generation unknown. Constant time in the MAC. */
int token_prove(const struct token_keys *keys, enum token_kind kind, struct str text, uint8_t *slot,
	uint64_t *id);

#endif
