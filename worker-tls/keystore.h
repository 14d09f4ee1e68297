/* keystore.h - the private keys of certificates, by generation: they are parsed, checked and used
 * for signing, and nothing else.
 *
 * Relies on OpenSSL's libcrypto and libsodium. Of a certificate only its parsed private key, public
 * key, dates and name stay. Memory that OpenSSL frees is wiped, for keystore_begin has replaced its
 * allocator.
 */
#ifndef SIPWARD_TLS_KEYSTORE_H
#define SIPWARD_TLS_KEYSTORE_H

#include "ipc/lifeline.h"
#include "ipc/sign.h"
#include "sign_policy.h"

/* Bytes of what keystore_check says is wrong, with the NUL. */
#define KEYSTORE_TEXT_MAX 512

struct keystore;
struct key;

/* Makes OpenSSL ready for a process that may soon open no file: sets an allocator that wipes,
 * fetches algorithms, seeds the random generator, reads the time zone. To be called once, before
 * all other calls to OpenSSL. 0; -EIO, logged. */
int keystore_begin(void);

int keystore_new(struct keystore **out); /* -ENOMEM */
void keystore_free(struct keystore *s);  /* NULL is a no-op */

/* Takes the body (size bytes) of a CERTIFICATE packet and wipes it. A fault in chain, key or order
 * is kept for keystore_check and makes the generation unusable. 0; -EBADMSG: sizes that do not add
 * up; -ENOSPC: more than GENERATIONS_MAX generations. */
int keystore_take(struct keystore *s, void *body, size_t size);

/* Checks a generation at unix time now: that everything was parsed, keys belong to certificates,
 * names are covered, dates are valid, and each key makes a test signature that its certificate
 * verifies.
 *
 * 0: not_after[] has the earliest end of each chain (unix seconds), *count of them. -ENOENT: there
 * is no such generation; -EBADMSG: a chain; -EKEYREJECTED: a key; -EIO: a test signature;
 * -EKEYEXPIRED: nothing but dates, and not_after is written as well. On error *index is the
 * certificate (0xffff: none in particular) and text says what is wrong. */
int keystore_check(struct keystore *s, uint32_t generation, int64_t now, uint16_t *index,
	char text[KEYSTORE_TEXT_MAX], int64_t not_after[CERTIFICATES_MAX], unsigned *count);
/* Marks a generation as in use, so that it takes no further certificate. 0; -ENOENT: there is no
 * such generation, or it has a fault. */
int keystore_commit(struct keystore *s, uint32_t generation);
/* Forgets a generation. One that is not there is no error. */
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
