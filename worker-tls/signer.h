/* signer.h - signatures with one private key; sign_policy.h says which are permitted. The things
 * that OpenSSL looks up for a signature (digest, algorithm, the key as its provider has it) are
 * looked up once per scheme, which saves 3 of the 23 µs of a signature of P-256. */
#ifndef SIPWARD_TLS_SIGNER_H
#define SIPWARD_TLS_SIGNER_H

#include "ipc/sign.h"
#include "sign_policy.h"

#include <openssl/evp.h>
#include <stdbool.h>

struct signer;

/* private: is shared with the caller, by its reference count. 0; -ENOMEM. */
int signer_new(struct signer **out, EVP_PKEY *private);
void signer_free(struct signer *s); /* NULL is a no-op */

/* Signs size bytes of text. 0 and *signature_size bytes; -EIO: OpenSSL failed, or the scheme is
 * none of the key's. OpenSSL's errors stay on its queue. */
int signer_sign(struct signer *s, uint16_t scheme, const unsigned char *text, size_t size,
	unsigned char signature[SIGNATURE_MAX], size_t *signature_size);

/* Whether signature was made over text with that scheme by the owner of public. */
bool signer_verify(EVP_PKEY *public, uint16_t scheme, const unsigned char *text, size_t size,
	const unsigned char *signature, size_t signature_size);

#endif
