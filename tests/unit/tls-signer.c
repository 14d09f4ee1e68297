/* tls-signer.c - signatures by every scheme, again and again, in any order. */
#include "tls-fixture.h"

#include "worker-tls/signer.h"

#include <openssl/err.h>

static const uint16_t ec[] = {SCHEME_ECDSA_SHA256, SCHEME_ECDSA_SHA384, SCHEME_ECDSA_SHA512, 0};
static const uint16_t rsa[] = {SCHEME_RSA_PSS_SHA256, SCHEME_RSA_PKCS1_SHA256,
	SCHEME_RSA_PSS_SHA384, SCHEME_RSA_PKCS1_SHA384, SCHEME_RSA_PSS_SHA512,
	SCHEME_RSA_PKCS1_SHA512, 0};
static const uint16_t ed25519[] = {SCHEME_ED25519, 0};
static const struct {
	const char *kind;
	const uint16_t *schemes;
} rows[] = {{"P-256", ec}, {"P-384", ec}, {"2048", rsa}, {"ED25519", ed25519}};

TestSuite(signer, .init = fixture_begin, .fini = fixture_end);

Test(signer, every_scheme_of_every_key_verifies_time_and_again)
{
	unsigned char text[SIGN_TEXT_MAX], signature[SIGNATURE_MAX];
	size_t n;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pair pair = make_pair(rows[i].kind, NULL, -DAY, DAY);
		struct signer *s;

		cr_assert_eq(signer_new(&s, pair.public), 0);
		for (unsigned round = 0; round < 3; round++)
			for (const uint16_t *scheme = rows[i].schemes; *scheme; scheme++) {
				size_t size = 1 + (round * 211u + *scheme) % sizeof(text);

				randombytes_buf(text, size);
				cr_assert_eq(signer_sign(s, *scheme, text, size, signature, &n), 0,
					"%s %04x", rows[i].kind, *scheme);
				cr_assert(verifies(pair.public, *scheme, text, size, signature, n),
					"%s %04x", rows[i].kind, *scheme);
				cr_assert(signer_verify(
					pair.public, *scheme, text, size, signature, n));
				text[0] ^= 1;
				cr_assert_not(signer_verify(
					pair.public, *scheme, text, size, signature, n));
			}
		signer_free(s);
	}
}

Test(signer, a_scheme_of_another_kind_spoils_nothing)
{
	static const uint16_t odd[] = {0, 0x0201, 0xffff, SCHEME_RSA_PSS_SHA256};
	struct pair pair = make_pair("P-256", NULL, -DAY, DAY);
	unsigned char text[32] = {1}, signature[SIGNATURE_MAX];
	struct signer *s;
	size_t n;

	cr_assert_eq(signer_new(&s, pair.public), 0);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		cr_expect_eq(signer_sign(s, odd[i], text, sizeof(text), signature, &n), -EIO,
			"%04x", odd[i]);
	ERR_clear_error();
	cr_assert_eq(signer_sign(s, SCHEME_ECDSA_SHA256, text, sizeof(text), signature, &n), 0);
	cr_expect(verifies(pair.public, SCHEME_ECDSA_SHA256, text, sizeof(text), signature, n));
	signer_free(s);
}
