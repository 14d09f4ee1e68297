/* digest.h - digest authentication (RFC 7616, RFC 8760): MD5, SHA-256 and SHA-512-256, stateless
 * keyed nonces. Pure functions. */
#ifndef SIPWARD_SIP_AUTH_DIGEST_H
#define SIPWARD_SIP_AUTH_DIGEST_H

#include "worker-sip/sip.h"

/* Does one hash of each kind: OpenSSL opens its files at the first, which must come before the jail
 * closes. 0 or -ENOSYS where a hash is not to be had. */
int digest_init(void);

/* Credentials as they stand in Authorization or Proxy-Authorization. Strings point into the
 * header. */
struct credentials {
	struct str username, realm, nonce, uri, response, cnonce, nc, qop, opaque, algorithm_name;
	uint8_t algorithm; /* enum digest_algorithm; MD5 where none is named; 0: unknown */
};
/* Parses a header value; -EINVAL for another scheme than Digest, a missing or repeated mandatory
 * parameter, wrong forms. */
int credentials_parse(struct str value, struct credentials *out);
/* What is wrong with a header value that credentials_parse refuses, in words for the log; NULL
 * where nothing is. */
const char *credentials_fault(struct str value);

#define NONCE_LENGTH_MAX 96
/* A nonce: time, random and a MAC over them, slot and source. Returns its length. */
size_t nonce_make(const uint8_t key[32], uint64_t now_ms, uint8_t slot,
	const struct endpoint *source, char buffer[NONCE_LENGTH_MAX]);
/* The name of a nonce in the replay window. */
struct nonce_name {
	uint64_t serial;
	uint64_t minted_ms; /* of the clock given to nonce_make */
};
/* 0: minted by us for this slot and source, not older than max_age_ms. -ESTALE: ours, but old, or
 * of another slot or source. -EINVAL: not ours. */
int nonce_check(const uint8_t key[32], struct str nonce, uint64_t now_ms, uint64_t max_age_ms,
	uint8_t slot, const struct endpoint *source, struct nonce_name *out);

/* True where the response is right for ha1 (hex of the algorithm's length). Constant time in the
 * response. False, too, without qop=auth. */
bool digest_verify(const struct credentials *c, struct str method, struct str ha1);
/* The same with auth-int, whose digest is over the body, too, and without qop, in the form of RFC
 * 2069: whether they may be is the caller's to ask. */
bool digest_verify_any(
	const struct credentials *c, struct str method, struct str body, struct str ha1);
/* What a response is made of. qop.n == 0: none was asked for, and the form is that of RFC 2069; nc
 * and cnonce have no part in it then. */
struct digest_parts {
	uint8_t algorithm; /* enum digest_algorithm */
	struct str ha1, nonce, nc, cnonce, qop, method, uri;
	struct str body; /* with qop auth-int alone */
};
/* The response in hex; buffer has 65 bytes. Returns its length; 0: the hash failed. */
size_t digest_response(const struct digest_parts *d, char buffer[65]);
/* hex of H(username:realm:password); buffer has 65 bytes. Returns its length. */
size_t digest_ha1(uint8_t algorithm, struct str username, struct str realm, struct str password,
	char buffer[65]);

#endif
