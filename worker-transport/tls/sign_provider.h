/* sign_provider.h - an OpenSSL provider that stands where private keys would be: keys of which only
 * the public half is here, and whose signatures are made by a TLS worker (DESIGN.md section 7).
 *
 * The provider has key management and signature, nothing else: EC (P-256, P-384), RSA (PSS and
 * PKCS#1 v1.5) and Ed25519. It lives in a library context of its own, so that nothing else OpenSSL
 * does can come upon it. A signature suspends the handshake that asked for it (SSL_MODE_ASYNC):
 * outside of such a job it fails.
 */
#ifndef SIPWARD_TRANSPORT_TLS_SIGN_PROVIDER_H
#define SIPWARD_TRANSPORT_TLS_SIGN_PROVIDER_H

#include "sign_client.h"

#include <openssl/evp.h>

struct sign_provider;

/* Readies OpenSSL for a process that may soon open no file: its configuration, algorithms, error
 * texts, random numbers, the time zone. Call it before the jail closes. -EIO, logged. */
int sign_provider_begin(void);

int sign_provider_new(
	struct sign_provider **out, struct sign_client *client); /* -ENOMEM, -EIO; logged */
void sign_provider_free(struct sign_provider *k); /* after all its keys; NULL is a no-op */

/* The key whose public half is public and whose private half is certificate of generation in the
 * TLS workers. The caller's to EVP_PKEY_free. -EOPNOTSUPP: a kind of key that is not served;
 * -EIO. */
int sign_provider_key(struct sign_provider *k, EVP_PKEY *public, uint32_t generation,
	uint16_t certificate, EVP_PKEY **out);

/* The scheme (RFC 8446 section 4.2.3) that TLS 1.3 signs with this key first of all, 0 for a kind
 * of key that is not served. */
uint16_t sign_provider_scheme(const EVP_PKEY *public);
/* Whether signature is one by public over text with a scheme that sign_provider_scheme gave. */
bool sign_provider_verify(EVP_PKEY *public, const void *text, size_t size, const void *signature,
	size_t signature_size);

#endif
