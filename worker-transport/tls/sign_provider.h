/* sign_provider.h - an OpenSSL provider that stands where private keys would be: keys of which only
 * the public half is here, and whose signatures are made by a TLS worker (doc/ARCHITECTURE.md).
 *
 * The provider has key management and signatures, nothing else: EC (P-256, P-384), RSA (PSS and
 * PKCS#1 v1.5) and Ed25519. It lives in a library context of its own, so that nothing else that
 * OpenSSL does can meet it. A signature suspends the handshake that asked for it (SSL_MODE_ASYNC);
 * outside of such a job it fails.
 */
#ifndef SIPWARD_TRANSPORT_TLS_SIGN_PROVIDER_H
#define SIPWARD_TRANSPORT_TLS_SIGN_PROVIDER_H

#include "sign_client.h"

#include <openssl/evp.h>

struct sign_provider;

/* Makes OpenSSL ready for a process that may soon open no file: loads its configuration, algorithms
 * and error texts, seeds its random numbers, reads the time zone. To be called before the jail
 * closes. 0; -EIO, logged. */
int sign_provider_begin(void);

/* Makes the provider, whose signatures client asks for. 0; -ENOMEM; -EIO, logged. */
int sign_provider_new(struct sign_provider **out, struct sign_client *client);
/* To be called after all its keys are freed. NULL is a no-op. */
void sign_provider_free(struct sign_provider *k);

/* Makes the key whose public half is public and whose private half is that of certificate (an
 * index) of generation in the TLS workers. *out is the caller's to EVP_PKEY_free. 0; -EOPNOTSUPP: a
 * kind of key that is not served; -EIO, logged. */
int sign_provider_key(struct sign_provider *k, EVP_PKEY *public, uint32_t generation,
	uint16_t certificate, EVP_PKEY **out);

/* The scheme (RFC 8446 section 4.2.3) that TLS 1.3 prefers for this key, 0 for a kind of key that
 * is not served. */
uint16_t sign_provider_scheme(const EVP_PKEY *public);
/* Whether signature was made over text by the owner of public, with the scheme that
 * sign_provider_scheme gives for it. Sizes are in bytes. */
bool sign_provider_verify(EVP_PKEY *public, const void *text, size_t size, const void *signature,
	size_t signature_size);

#endif
