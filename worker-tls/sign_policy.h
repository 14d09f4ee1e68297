/* sign_policy.h - the policy that stands between a transport worker and a private key: which texts
 * may be signed, and with which scheme.
 *
 * A text is permitted only if it has, byte for byte, the shape of a text that TLS signs for an
 * endpoint. Nothing in it can be chosen freely by a peer, and no shape can be taken for another.
 * All functions are pure: they use no key and no OpenSSL.
 */
#ifndef SIPWARD_TLS_SIGN_POLICY_H
#define SIPWARD_TLS_SIGN_POLICY_H

#include <stddef.h>
#include <stdint.h>

enum key_kind { KEY_NONE = 0, KEY_RSA, KEY_P256, KEY_P384, KEY_ED25519 };

/* SignatureScheme code points of RFC 8446 section 4.2.3. */
enum sign_scheme {
	SCHEME_RSA_PKCS1_SHA256 = 0x0401,
	SCHEME_RSA_PKCS1_SHA384 = 0x0501,
	SCHEME_RSA_PKCS1_SHA512 = 0x0601,
	SCHEME_ECDSA_SHA256 = 0x0403, /* TLS 1.3: on P-256 only */
	SCHEME_ECDSA_SHA384 = 0x0503, /* TLS 1.3: on P-384 only */
	SCHEME_ECDSA_SHA512 = 0x0603, /* TLS 1.2 only, on the curves that we have */
	SCHEME_RSA_PSS_SHA256 = 0x0804,
	SCHEME_RSA_PSS_SHA384 = 0x0805,
	SCHEME_RSA_PSS_SHA512 = 0x0806,
	SCHEME_ED25519 = 0x0807,
};

enum sign_shape {
	SHAPE_NONE = 0,
	SHAPE_SERVER_VERIFY, /* TLS 1.3 CertificateVerify of a server (RFC 8446 section 4.4.3) */
	SHAPE_CLIENT_VERIFY, /* ... of a client */
	SHAPE_SERVER_KEY_EXCHANGE, /* TLS 1.2: both randoms and ServerECDHParams (RFC 8422
	                              section 5.4) */
};

/* The shape of a text, SHAPE_NONE for any other than exactly one of them. */
enum sign_shape sign_policy_shape_of(const unsigned char *text, size_t size);
/* Whether a key of that kind may sign this text with that scheme (ipc/sign.h). 0; -EACCES. */
int sign_policy_permitted(
	enum key_kind kind, uint16_t scheme, const unsigned char *text, size_t size);
/* The scheme that TLS 1.3 prefers for a key of that kind; 0 for KEY_NONE. */
uint16_t sign_policy_default_scheme(enum key_kind kind);

#define SIGN_VERIFY_MAX (64 + 33 + 1 + 48)
/* Writes a text of SHAPE_SERVER_VERIFY with that hash (hash_size: 32 or 48 bytes), for test
 * signatures; returns its size. */
size_t sign_policy_verify_text(
	const unsigned char *hash, size_t hash_size, unsigned char buffer[SIGN_VERIFY_MAX]);

#endif
