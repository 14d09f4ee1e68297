/* tls-sign_policy.c - the three shapes that may be signed, and no byte beside them. */
#include "worker-tls/sign_policy.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

static unsigned char text[600];

static size_t verify(const char *who, size_t hash)
{
	memset(text, ' ', 64);
	memcpy(text + 64, "TLS 1.3, ", 9);
	memcpy(text + 73, who, 6);
	memcpy(text + 79, " CertificateVerify", 19); /* with its zero */
	memset(text + 98, 0x5a, hash);
	return 98 + hash;
}

static size_t key_exchange(unsigned group, unsigned point, bool uncompressed)
{
	memset(text, 0xc3, 64);
	text[64] = 3;
	text[65] = (unsigned char)(group >> 8);
	text[66] = (unsigned char)group;
	text[67] = (unsigned char)point;
	memset(text + 68, 0x77, point);
	if (uncompressed)
		text[68] = 4;
	return 68 + point;
}

Test(sign, certificate_verify)
{
	for (size_t hash = 0; hash <= 200; hash++) {
		bool good = hash == 32 || hash == 48;

		cr_expect_eq(sign_policy_shape_of(text, verify("server", hash)),
			good ? SHAPE_SERVER_VERIFY : SHAPE_NONE, "%zu", hash);
		cr_expect_eq(sign_policy_shape_of(text, verify("client", hash)),
			good ? SHAPE_CLIENT_VERIFY : SHAPE_NONE, "%zu", hash);
		cr_expect_eq(sign_policy_shape_of(text, verify("Server", hash)), SHAPE_NONE);
	}
}

Test(sign, every_fixed_byte_of_a_certificate_verify_counts)
{
	size_t n = verify("server", 32);

	for (size_t i = 0; i < 98; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			text[i] ^= (unsigned char)(1 << bit);
			cr_expect_eq(sign_policy_shape_of(text, n), SHAPE_NONE, "byte %zu bit %u",
				i, bit);
			text[i] ^= (unsigned char)(1 << bit);
		}
	for (size_t i = 98; i < n; i++) {
		text[i] ^= 0xff;
		cr_expect_eq(sign_policy_shape_of(text, n), SHAPE_SERVER_VERIFY);
	}
}

Test(sign, a_context_that_is_none)
{
	memset(text, ' ', 64);
	/* what other protocols of TLS 1.3's family sign */
	memcpy(text + 64, "TLS 1.3, server CertificateVerifx", 34);
	cr_expect_eq(sign_policy_shape_of(text, 130), SHAPE_NONE);
	memcpy(text + 64, "TLS, server delegated credentials", 34);
	cr_expect_eq(sign_policy_shape_of(text, 130), SHAPE_NONE);
	memcpy(text + 64, "HTTP Exchange 1 b3               ", 34);
	cr_expect_eq(sign_policy_shape_of(text, 130), SHAPE_NONE);
}

Test(sign, key_exchange_of_each_group)
{
	static const struct {
		unsigned group, point;
		bool uncompressed;
	} row[] = {
		{23, 65, true}, {24, 97, true}, {25, 133, true}, {29, 32, false}, {30, 56, false}};

	for (size_t i = 0; i < 5; i++) {
		size_t n = key_exchange(row[i].group, row[i].point, row[i].uncompressed);

		cr_expect_eq(sign_policy_shape_of(text, n), SHAPE_SERVER_KEY_EXCHANGE, "%u",
			row[i].group);
		for (size_t other = 0; other < sizeof(text); other++)
			cr_expect_eq(sign_policy_shape_of(text, other) != SHAPE_NONE, other == n,
				"%zu", other);
		/* type, group and length are fixed; the first byte of an uncompressed point too */
		for (size_t k = 64; k < 68u + row[i].uncompressed; k++)
			for (unsigned v = 0; v < 256; v++) {
				unsigned char was = text[k];

				if (v == was)
					continue;
				text[k] = (unsigned char)v;
				cr_expect_eq(sign_policy_shape_of(text, n), SHAPE_NONE,
					"group %u byte %zu value %u", row[i].group, k, v);
				text[k] = was;
			}
	}
}

Test(sign, no_other_group)
{
	for (unsigned group = 0; group < 65536; group++) {
		bool known = group == 23 || group == 24 || group == 25 || group == 29 ||
		             group == 30;
		bool good = false;
		static const unsigned point[] = {32, 56, 65, 97, 133};

		for (size_t i = 0; i < 5; i++)
			good |= sign_policy_shape_of(text, key_exchange(group, point[i], true)) !=
			        SHAPE_NONE;
		cr_expect_eq(good, known, "%u", group);
	}
}

Test(sign, no_shape_is_another)
{
	/* both randoms all spaces, and a curve where TLS 1.3 has its context */
	size_t n = key_exchange(23, 65, true);

	memset(text, ' ', 64);
	cr_expect_eq(sign_policy_shape_of(text, n), SHAPE_SERVER_KEY_EXCHANGE);
	n = verify("server", 32);
	text[64] = 3;
	cr_expect_eq(sign_policy_shape_of(text, n), SHAPE_NONE);
}

Test(sign, bare_hashes_and_other_texts_are_refused)
{
	for (unsigned fill = 0; fill < 256; fill++) {
		memset(text, (int)fill, sizeof(text));
		for (size_t n = 0; n <= 512; n++)
			cr_expect_eq(sign_policy_shape_of(text, n), SHAPE_NONE);
	}
}

Test(sign, schemes_fit_keys)
{
	static const uint16_t verify_schemes[][4] = {
		[KEY_RSA] = {SCHEME_RSA_PSS_SHA256, SCHEME_RSA_PSS_SHA384, SCHEME_RSA_PSS_SHA512},
		[KEY_P256] = {SCHEME_ECDSA_SHA256},
		[KEY_P384] = {SCHEME_ECDSA_SHA384},
		[KEY_ED25519] = {SCHEME_ED25519},
	};
	static const uint16_t exchange_schemes[][7] = {
		[KEY_RSA] = {SCHEME_RSA_PSS_SHA256, SCHEME_RSA_PSS_SHA384, SCHEME_RSA_PSS_SHA512,
			SCHEME_RSA_PKCS1_SHA256, SCHEME_RSA_PKCS1_SHA384, SCHEME_RSA_PKCS1_SHA512},
		[KEY_P256] = {SCHEME_ECDSA_SHA256, SCHEME_ECDSA_SHA384, SCHEME_ECDSA_SHA512},
		[KEY_P384] = {SCHEME_ECDSA_SHA256, SCHEME_ECDSA_SHA384, SCHEME_ECDSA_SHA512},
		[KEY_ED25519] = {SCHEME_ED25519},
	};

	for (unsigned kind = KEY_NONE; kind <= KEY_ED25519; kind++)
		for (unsigned scheme = 0; scheme < 65536; scheme++) {
			bool v = false, x = false;
			size_t n;

			for (size_t i = 0; i < 4 && kind && scheme; i++)
				v |= verify_schemes[kind][i] == scheme;
			for (size_t i = 0; i < 7 && kind && scheme; i++)
				x |= exchange_schemes[kind][i] == scheme;
			n = verify("server", 32);
			cr_expect_eq(sign_policy_permitted(kind, (uint16_t)scheme, text, n),
				v ? 0 : -EACCES, "kind %u scheme %04x", kind, scheme);
			n = verify("client", 48);
			cr_expect_eq(sign_policy_permitted(kind, (uint16_t)scheme, text, n),
				v ? 0 : -EACCES, "kind %u scheme %04x", kind, scheme);
			n = key_exchange(29, 32, false);
			cr_expect_eq(sign_policy_permitted(kind, (uint16_t)scheme, text, n),
				x ? 0 : -EACCES, "kind %u scheme %04x", kind, scheme);
			cr_expect_eq(sign_policy_permitted(kind, (uint16_t)scheme, text, n - 1),
				-EACCES);
		}
}

Test(sign, the_test_text_is_permitted)
{
	unsigned char hash[48] = {1}, buffer[SIGN_VERIFY_MAX];

	for (unsigned kind = KEY_RSA; kind <= KEY_ED25519; kind++) {
		cr_expect_eq(sign_policy_permitted(kind, sign_policy_default_scheme(kind), buffer,
				     sign_policy_verify_text(hash, 32, buffer)),
			0);
		cr_expect_eq(sign_policy_permitted(kind, sign_policy_default_scheme(kind), buffer,
				     sign_policy_verify_text(hash, 48, buffer)),
			0);
	}
}
