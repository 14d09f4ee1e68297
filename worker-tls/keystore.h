/* keystore.h - certificates' private keys by generation: parsed, checked, used for signing, and
 * nothing else.
 *
 * Relies on OpenSSL's libcrypto and libsodium. Of a certificate only its parsed private key, public
 * key, dates and name stay; whatever OpenSSL frees is wiped (keystore_begin sees to it).
 */
#ifndef SIPWARD_TLS_KEYSTORE_H
#define SIPWARD_TLS_KEYSTORE_H

#include "ipc/lifeline.h"
#include "ipc/sign.h"
#include "sign_policy.h"

/* Certificates of one chain, at most. */
#define CHAIN_DEPTH_MAX 16
/* Bytes of what keystore_check says is wrong, with the NUL. */
#define KEYSTORE_TEXT_MAX 512

struct keystore;
struct key;

/* Readies OpenSSL for a process that may soon open no file: memory that wipes itself, algorithms
 * fetched, the random generator seeded, the time zone read. First of all calls to OpenSSL, once.
 * -EIO, logged. */
int keystore_begin(void);

int keystore_new(struct keystore **out); /* -ENOMEM */
void keystore_free(struct keystore *s);  /* NULL is a no-op */

/* Takes the body of a CERTIFICATE packet and wipes its key. What is wrong with chain or key (or
 * their order) is kept for keystore_check and makes the generation unusable. 0; -EBADMSG: sizes
 * that do not add up; -ENOSPC: more than GENERATIONS_MAX generations. */
int keystore_take(struct keystore *s, void *body, size_t size);

/* Checks a generation at unix time now: everything parsed, pairs match, names are covered, dates
 * valid, a test signature by each key that its certificate verifies. 0 and not_after[] of each
 * certificate (*count of them, unix seconds, the earliest of its chain); or -ENOENT no such
 * generation, -EBADMSG, -EKEYREJECTED the key, -EKEYEXPIRED only dates (not_after is written then
 * too), -EIO test signature; then *index is the certificate (0xffff: none in particular) and text
 * says what is wrong. */
int keystore_check(struct keystore *s, uint32_t generation, int64_t now, uint16_t *index,
	char text[KEYSTORE_TEXT_MAX], int64_t not_after[CERTIFICATES_MAX], unsigned *count);
/* 0; -ENOENT no such generation, or one that may not be used. */
int keystore_commit(struct keystore *s, uint32_t generation);
/* Forgets a generation; one that is not there is no error. */
void keystore_drop(struct keystore *s, uint32_t generation);

/* The key of a generation that has no fault, or NULL. Valid until that generation is dropped. */
const struct key *keystore_find(
	const struct keystore *s, uint32_t generation, uint16_t certificate);
enum key_kind key_kind(const struct key *k);
const char *key_name(const struct key *k); /* of the certificate's section in the config */

/* Signs text, which sign_policy_permitted has let pass. 0 and *signature_size bytes; -EIO, logged.
 */
int key_sign(const struct key *k, uint16_t scheme, const unsigned char *text, size_t size,
	unsigned char signature[SIGNATURE_MAX], size_t *signature_size);

#endif
