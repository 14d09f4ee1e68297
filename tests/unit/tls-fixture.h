/* tls-fixture.h - keys and certificates made on the spot, and CERTIFICATE packets of them. */
#ifndef SIPWARD_TESTS_UNIT_TLS_FIXTURE_H
#define SIPWARD_TESTS_UNIT_TLS_FIXTURE_H

#include "common/log.h"
#include "worker-tls/keystore.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DAY 86400

struct pair {
	char *chain, *key; /* PEM */
	EVP_PKEY *public;
};

static struct pair made[64];
static unsigned made_count;
static char logged[8192];

static void keep(void *arg, enum log_level level, const char *line, size_t length)
{
	size_t n = strlen(logged);

	(void)arg, (void)level;
	if (n + length + 2 < sizeof(logged)) {
		memcpy(logged + n, line, length);
		memcpy(logged + n + length, "\n", 2);
	}
}

static int begun = -1;

/* Before the test runner, whose libraries use OpenSSL too: its allocator can be replaced only
 * before its first call. */
static void __attribute__((constructor)) fixture_openssl(void)
{
	begun = keystore_begin();
}

static inline void fixture_begin(void)
{
	cr_assert(sodium_init() >= 0);
	log_init("test", -1, LOG_INFO, keep, NULL);
	cr_assert_eq(begun, 0);
}

static inline char *text_of(BIO *bio)
{
	char *p, *copy;
	long n = BIO_get_mem_data(bio, &p);

	copy = calloc(1, (size_t)n + 1);
	memcpy(copy, p, (size_t)n);
	BIO_free(bio);
	return copy;
}

/* kind: "P-256", "ED25519", "2048" ...; names: as in the extension's text, or NULL. from, to:
 * seconds from now. */
static inline struct pair make_pair(const char *kind, const char *names, long from, long to)
{
	EVP_PKEY *k = atoi(kind) ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)atoi(kind))
	              : kind[0] == 'E' || kind[0] == 'X'
	                      ? EVP_PKEY_Q_keygen(NULL, NULL, kind)
	                      : EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
	X509 *x = X509_new();
	BIO *chain = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
	bool own_hash = kind[0] == 'E';

	cr_assert_not_null(k);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), from);
	X509_gmtime_adj(X509_getm_notAfter(x), to);
	X509_set_pubkey(x, k);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)"test", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	if (names) {
		X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
		cr_assert_not_null(e);
		X509_add_ext(x, e, -1);
		X509_EXTENSION_free(e);
	}
	cr_assert_gt(X509_sign(x, k, own_hash ? NULL : EVP_sha256()), 0);
	PEM_write_bio_X509(chain, x);
	PEM_write_bio_PrivateKey(key, k, NULL, NULL, 0, NULL, NULL);
	X509_free(x);
	cr_assert_lt(made_count, 64);
	made[made_count] = (struct pair){text_of(chain), text_of(key), k};
	return made[made_count++];
}

/* Forgets all pairs. */
static inline void fixture_end(void)
{
	while (made_count--) {
		free(made[made_count].chain);
		free(made[made_count].key);
		EVP_PKEY_free(made[made_count].public);
	}
	made_count = 0;
}

/* The body of a CERTIFICATE packet in buffer. */
static inline size_t packet_of(void *buffer, uint32_t generation, unsigned index, const char *name,
	const char *names, const char *chain, const char *key)
{
	struct lifeline_certificate head = {
		.generation = generation,
		.index = (uint16_t)index,
		.names_size = (uint16_t)strlen(names),
		.chain_size = (uint32_t)strlen(chain),
		.key_size = (uint32_t)strlen(key),
	};
	char *at = buffer;

	snprintf(head.name, sizeof(head.name), "%s", name);
	memcpy(at, &head, sizeof(head));
	at += sizeof(head);
	memcpy(at, names, head.names_size);
	memcpy(at + head.names_size, chain, head.chain_size);
	memcpy(at + head.names_size + head.chain_size, key, head.key_size);
	return sizeof(head) + head.names_size + head.chain_size + head.key_size;
}

static inline int put_pair(struct keystore *s, uint32_t generation, unsigned index,
	const char *name, const char *names, const char *chain, const char *key)
{
	static char buffer[LIFELINE_PACKET_MAX];
	size_t n = packet_of(buffer, generation, index, name, names, chain, key);
	int error = keystore_take(s, buffer, n);

	for (size_t i = 0; i < n; i++)
		cr_assert_eq(buffer[i], 0, "the packet is wiped");
	return error;
}

static inline bool verifies(EVP_PKEY *public, uint16_t scheme, const unsigned char *text,
	size_t size, const unsigned char *signature, size_t n)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *p;
	unsigned last = scheme >> 8 == 8 ? (scheme & 0xff) : 0;
	const EVP_MD *md = scheme == SCHEME_ED25519 ? NULL
	                   : last                   ? (last == 4          ? EVP_sha256()
							      : last == 5 ? EVP_sha384()
									  : EVP_sha512())
	                   : scheme >> 8 == 4       ? EVP_sha256()
	                   : scheme >> 8 == 5       ? EVP_sha384()
	                                            : EVP_sha512();
	bool good = EVP_DigestVerifyInit(c, &p, md, NULL, public) == 1;

	if (good && last && scheme != SCHEME_ED25519)
		good = EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(p, RSA_PSS_SALTLEN_DIGEST) == 1;
	good = good && EVP_DigestVerify(c, signature, n, text, size) == 1;
	EVP_MD_CTX_free(c);
	return good;
}

#endif
