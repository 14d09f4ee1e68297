/* sign_policy.c - the shapes of texts that may be signed, and which scheme fits which key. Relies
 * on nothing. */
#include "sign_policy.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* Bytes of spaces before the context string. They keep these texts apart from those of TLS 1.2,
 * which begin with a random and have a 3 at 64. */
#define PADDING 64
/* The context strings with their zero byte, which is signed as well. */
static const char server_context[] = "TLS 1.3, server CertificateVerify";
static const char client_context[] = "TLS 1.3, client CertificateVerify";
_Static_assert(sizeof(server_context) == sizeof(client_context), "one shape");

#define RANDOMS 64 /* client_random, server_random */
#define CURVE_NAMED 3

/* The groups of a key exchange and the sizes of their points (RFC 8422 section 5.4: uncompressed,
 * 0x04; x25519 and x448 have no first byte of their own). */
static const struct {
	uint16_t group;
	uint8_t size;
	bool uncompressed;
} groups[] = {
	{23, 65, true},  /* secp256r1 */
	{24, 97, true},  /* secp384r1 */
	{25, 133, true}, /* secp521r1 */
	{29, 32, false}, /* x25519 */
	{30, 56, false}, /* x448 */
};

static enum sign_shape sign_policy_verify_shape(const unsigned char *text, size_t size)
{
	const size_t fixed = PADDING + sizeof(server_context);

	/* The hash is that of the cipher suite: SHA-256 or SHA-384 with TLS 1.3, whatever the
	 * scheme hashes with. */
	if (size != fixed + 32 && size != fixed + 48)
		return SHAPE_NONE;
	for (size_t i = 0; i < PADDING; i++)
		if (text[i] != ' ')
			return SHAPE_NONE;
	if (memcmp(text + PADDING, server_context, sizeof(server_context)) == 0)
		return SHAPE_SERVER_VERIFY;
	if (memcmp(text + PADDING, client_context, sizeof(client_context)) == 0)
		return SHAPE_CLIENT_VERIFY;
	return SHAPE_NONE;
}

static bool sign_policy_is_key_exchange(const unsigned char *text, size_t size)
{
	const unsigned char *params = text + RANDOMS;

	if (size < RANDOMS + 4 || params[0] != CURVE_NAMED)
		return false;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (((unsigned)params[1] << 8 | params[2]) == groups[i].group)
			return params[3] == groups[i].size &&
			       size == RANDOMS + 4u + groups[i].size &&
			       (!groups[i].uncompressed || params[4] == 4);
	return false;
}

enum sign_shape sign_policy_shape_of(const unsigned char *text, size_t size)
{
	enum sign_shape shape = sign_policy_verify_shape(text, size);

	if (shape == SHAPE_NONE && sign_policy_is_key_exchange(text, size))
		shape = SHAPE_SERVER_KEY_EXCHANGE;
	return shape;
}

/* Schemes by kind of key: TLS 1.3 ties the curve to the hash and has no PKCS#1 v1.5 (RFC 8446
 * section 4.2.3); in TLS 1.2 the client's list decides. */
static bool sign_policy_scheme_fits(enum key_kind kind, uint16_t scheme, bool key_exchange)
{
	switch (scheme) {
	case SCHEME_ECDSA_SHA256: return kind == KEY_P256 || (kind == KEY_P384 && key_exchange);
	case SCHEME_ECDSA_SHA384: return kind == KEY_P384 || (kind == KEY_P256 && key_exchange);
	case SCHEME_ECDSA_SHA512: return (kind == KEY_P256 || kind == KEY_P384) && key_exchange;
	case SCHEME_RSA_PSS_SHA256:
	case SCHEME_RSA_PSS_SHA384:
	case SCHEME_RSA_PSS_SHA512: return kind == KEY_RSA;
	case SCHEME_RSA_PKCS1_SHA256:
	case SCHEME_RSA_PKCS1_SHA384:
	case SCHEME_RSA_PKCS1_SHA512: return kind == KEY_RSA && key_exchange;
	case SCHEME_ED25519: return kind == KEY_ED25519;
	default: return false;
	}
}

int sign_policy_permitted(
	enum key_kind kind, uint16_t scheme, const unsigned char *text, size_t size)
{
	enum sign_shape shape = sign_policy_shape_of(text, size);

	return shape != SHAPE_NONE && sign_policy_scheme_fits(
					      kind, scheme, shape == SHAPE_SERVER_KEY_EXCHANGE)
	               ? 0
	               : -EACCES;
}

uint16_t sign_policy_default_scheme(enum key_kind kind)
{
	switch (kind) {
	case KEY_RSA: return SCHEME_RSA_PSS_SHA256;
	case KEY_P256: return SCHEME_ECDSA_SHA256;
	case KEY_P384: return SCHEME_ECDSA_SHA384;
	case KEY_ED25519: return SCHEME_ED25519;
	case KEY_NONE: break;
	}
	return 0;
}

size_t sign_policy_verify_text(
	const unsigned char *hash, size_t hash_size, unsigned char buffer[SIGN_VERIFY_MAX])
{
	memset(buffer, ' ', PADDING);
	memcpy(buffer + PADDING, server_context, sizeof(server_context));
	memcpy(buffer + PADDING + sizeof(server_context), hash, hash_size);
	return PADDING + sizeof(server_context) + hash_size;
}
