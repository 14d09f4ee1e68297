/* signer.c - signatures with one private key.
 *
 * Relies on an EVP_PKEY_CTX that is ready to sign staying so after a signature (EVP_PKEY_sign(3):
 * "may be called more than once"), and on EVP_DigestInit_ex taking a digest that it has already
 * without looking for it.
 */
#include "signer.h"

#include <errno.h>
#include <openssl/rsa.h>
#include <stdlib.h>

static const struct {
	uint16_t scheme;
	const char *digest; /* NULL: the algorithm's own */
	bool pss;
} schemes[] = {
	{SCHEME_ECDSA_SHA256, "SHA256", false},
	{SCHEME_RSA_PSS_SHA256, "SHA256", true},
	{SCHEME_RSA_PKCS1_SHA256, "SHA256", false},
	{SCHEME_ECDSA_SHA384, "SHA384", false},
	{SCHEME_RSA_PSS_SHA384, "SHA384", true},
	{SCHEME_RSA_PKCS1_SHA384, "SHA384", false},
	{SCHEME_ECDSA_SHA512, "SHA512", false},
	{SCHEME_RSA_PSS_SHA512, "SHA512", true},
	{SCHEME_RSA_PKCS1_SHA512, "SHA512", false},
	{SCHEME_ED25519, NULL, false},
};

#define SCHEMES (sizeof(schemes) / sizeof(schemes[0]))

struct signer {
	EVP_PKEY *private;
	EVP_MD_CTX *hashing;
	struct {
		EVP_MD *digest;
		EVP_PKEY_CTX *context; /* NULL: not used so far */
	} ready[SCHEMES];
};

static size_t signer_scheme_index(uint16_t scheme)
{
	size_t i = 0;

	while (i < SCHEMES && schemes[i].scheme != scheme)
		i++;
	return i;
}

/* RFC 8446 section 4.2.3: the salt of PSS is as long as the digest, and MGF1 uses the same. */
static bool signer_set_padding(EVP_PKEY_CTX *c, size_t i)
{
	return !schemes[i].pss ||
	       (EVP_PKEY_CTX_set_rsa_padding(c, RSA_PKCS1_PSS_PADDING) == 1 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(c, RSA_PSS_SALTLEN_DIGEST) == 1);
}

int signer_new(struct signer **out, EVP_PKEY *private)
{
	struct signer *s = calloc(1, sizeof(*s));

	if (s)
		s->hashing = EVP_MD_CTX_new();
	if (!s || !s->hashing) {
		free(s);
		return -ENOMEM;
	}
	EVP_PKEY_up_ref(private);
	s->private = private;
	*out = s;
	return 0;
}

void signer_free(struct signer *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < SCHEMES; i++) {
		EVP_PKEY_CTX_free(s->ready[i].context);
		EVP_MD_free(s->ready[i].digest);
	}
	EVP_MD_CTX_free(s->hashing);
	EVP_PKEY_free(s->private);
	free(s);
}

static bool signer_make_ready(struct signer *s, size_t i)
{
	EVP_MD *digest = EVP_MD_fetch(NULL, schemes[i].digest, NULL);
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new(s->private, NULL);

	if (!digest || !c || EVP_PKEY_sign_init(c) != 1 || !signer_set_padding(c, i) ||
		EVP_PKEY_CTX_set_signature_md(c, digest) != 1) {
		EVP_PKEY_CTX_free(c);
		EVP_MD_free(digest);
		return false;
	}
	s->ready[i].digest = digest;
	s->ready[i].context = c;
	return true;
}

/* Ed25519 has no hash to sign: it takes the text. */
static bool signer_sign_whole(struct signer *s, const unsigned char *text, size_t size,
	unsigned char *signature, size_t *n)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	/* any other key would sign with a digest of its own choice */
	bool good = c && EVP_PKEY_is_a(s->private, "ED25519") &&
	            EVP_DigestSignInit(c, NULL, NULL, NULL, s->private) == 1 &&
	            EVP_DigestSign(c, signature, n, text, size) == 1;

	EVP_MD_CTX_free(c);
	return good;
}

static bool signer_sign_hash(struct signer *s, size_t i, const unsigned char *text, size_t size,
	unsigned char *signature, size_t *n)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned hash_size;

	return (s->ready[i].context || signer_make_ready(s, i)) &&
	       EVP_DigestInit_ex(s->hashing, s->ready[i].digest, NULL) == 1 &&
	       EVP_DigestUpdate(s->hashing, text, size) == 1 &&
	       EVP_DigestFinal_ex(s->hashing, hash, &hash_size) == 1 &&
	       EVP_PKEY_sign(s->ready[i].context, signature, n, hash, hash_size) == 1;
}

int signer_sign(struct signer *s, uint16_t scheme, const unsigned char *text, size_t size,
	unsigned char signature[SIGNATURE_MAX], size_t *signature_size)
{
	size_t i = signer_scheme_index(scheme), n = SIGNATURE_MAX;

	if (i == SCHEMES || !(schemes[i].digest ? signer_sign_hash(s, i, text, size, signature, &n)
						: signer_sign_whole(s, text, size, signature, &n)))
		return -EIO;
	*signature_size = n;
	return 0;
}

bool signer_verify(EVP_PKEY *public, uint16_t scheme, const unsigned char *text, size_t size,
	const unsigned char *signature, size_t signature_size)
{
	size_t i = signer_scheme_index(scheme);
	EVP_MD *digest = i < SCHEMES && schemes[i].digest
	                         ? EVP_MD_fetch(NULL, schemes[i].digest, NULL)
	                         : NULL;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *p;
	bool good = i < SCHEMES && c && EVP_DigestVerifyInit(c, &p, digest, NULL, public) == 1 &&
	            signer_set_padding(p, i) &&
	            EVP_DigestVerify(c, signature, signature_size, text, size) == 1;

	EVP_MD_CTX_free(c);
	EVP_MD_free(digest);
	return good;
}
