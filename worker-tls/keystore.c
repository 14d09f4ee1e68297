/* keystore.c - private keys by generation.
 *
 * The key text is parsed from guarded memory that is wiped at once. OpenSSL keeps a parsed key on
 * its own heap, so its allocator is replaced by one that wipes what it frees: then nothing of the
 * text, the DER or the intermediate numbers outlives the parse. Relies on the caller's wiping the
 * packet as a whole.
 */
#include "keystore.h"

#include "common/clock.h"
#include "common/counters.h"
#include "common/date.h"
#include "common/log.h"
#include "certificate.h"
#include "signer.h"

#include <errno.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

_Static_assert(CERTIFICATE_TEXT_MAX == KEYSTORE_TEXT_MAX, "one is said through the other");

struct key {
	struct signer *signer;
	EVP_PKEY *public; /* the certificate's, which the private key matches */
	enum key_kind kind;
	int64_t not_before, not_after; /* unix seconds, over the whole chain */
	char name[64];
};

struct generation {
	uint32_t number; /* 0: free */
	bool committed;
	unsigned count;
	struct key *key[CERTIFICATES_MAX];
	int error; /* the first fault found while taking it; 0: none */
	uint16_t error_index;
	char error_text[KEYSTORE_TEXT_MAX];
};

struct keystore {
	struct generation generation[GENERATIONS_MAX];
};

/* ---- OpenSSL ---- */

static void *keystore_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	return malloc(n);
}

static void keystore_wipe_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	if (!p)
		return;
	sodium_memzero(p, malloc_usable_size(p));
	free(p);
}

static void *keystore_realloc(void *p, size_t n, const char *file, int line)
{
	size_t had = p ? malloc_usable_size(p) : 0;
	void *q;

	if (n == 0) {
		keystore_wipe_free(p, file, line);
		return NULL;
	}
	if (p && n <= had && n > had / 2)
		return p;
	q = malloc(n);
	if (q && p) {
		memcpy(q, p, n < had ? n : had);
		keystore_wipe_free(p, file, line);
	}
	return q;
}

/* Makes keys and signs with them, so that everything that is loaded on first use is there before
 * the jail closes. */
static bool keystore_warm_up(void)
{
	static const struct {
		const char *type;
		const char *curve;
		enum key_kind kind;
	} kinds[] = {{"EC", "P-256", KEY_P256}, {"EC", "P-384", KEY_P384},
		{"ED25519", NULL, KEY_ED25519}};
	unsigned char hash[32] = {0}, text[SIGN_VERIFY_MAX], signature[SIGNATURE_MAX];
	size_t size = sign_policy_verify_text(hash, sizeof(hash), text), n;
	/* RSA is fetched alone, for its keys take long to make */
	EVP_SIGNATURE *rsa = EVP_SIGNATURE_fetch(NULL, "RSA", NULL);
	EVP_KEYMGMT *rsa_keys = EVP_KEYMGMT_fetch(NULL, "RSA", NULL);
	bool good = rsa && rsa_keys;

	EVP_SIGNATURE_free(rsa);
	EVP_KEYMGMT_free(rsa_keys);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && good; i++) {
		EVP_PKEY *private = EVP_PKEY_Q_keygen(NULL, NULL, kinds[i].type, kinds[i].curve);
		struct signer *signer = NULL;

		good = private && signer_new(&signer, private) == 0 &&
		       signer_sign(signer, sign_policy_default_scheme(kinds[i].kind), text, size,
			       signature, &n) == 0;
		signer_free(signer);
		EVP_PKEY_free(private);
	}
	return good;
}

/* Its memory first: OpenSSL takes no other functions for it once it has allocated. */
static bool keystore_start_openssl(void)
{
	const uint64_t options = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
	                         OPENSSL_INIT_ADD_ALL_CIPHERS | OPENSSL_INIT_ADD_ALL_DIGESTS;

	if (CRYPTO_set_mem_functions(keystore_malloc, keystore_realloc, keystore_wipe_free) != 1)
		return false;
	return OPENSSL_init_crypto(options, NULL) == 1 && keystore_warm_up();
}

int keystore_begin(void)
{
	struct tm tm;
	time_t now = clock_realtime_s();

	tzset();
	gmtime_r(&now, &tm);
	if (!keystore_start_openssl()) {
		log_error("openssl-failed", "code=%lx", ERR_peek_last_error());
		return -EIO;
	}
	ERR_clear_error();
	return 0;
}

/* ---- taking ---- */

/* OpenSSL would ask for the password of an encrypted key on a terminal: there is none. */
static int keystore_no_password(char *buffer, int size, int writing, void *arg)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static enum key_kind keystore_kind_of(EVP_PKEY *p)
{
	char group[32] = "";
	size_t n;

	switch (EVP_PKEY_get_base_id(p)) {
	case EVP_PKEY_RSA:
		n = (size_t)EVP_PKEY_get_bits(p);
		return n == 2048 || n == 3072 || n == 4096 ? KEY_RSA : KEY_NONE;
	case EVP_PKEY_EC:
		if (EVP_PKEY_get_group_name(p, group, sizeof(group), &n) != 1)
			return KEY_NONE;
		return strcmp(group, "prime256v1") == 0  ? KEY_P256
		       : strcmp(group, "secp384r1") == 0 ? KEY_P384
		                                         : KEY_NONE;
	case EVP_PKEY_ED25519: return KEY_ED25519;
	default: return KEY_NONE;
	}
}

static void keystore_key_free(struct key *k)
{
	if (!k)
		return;
	signer_free(k->signer);
	EVP_PKEY_free(k->public);
	free(k);
}

__attribute__((format(printf, 4, 5))) static void keystore_fault(
	struct generation *g, unsigned index, int error, const char *format, ...)
{
	va_list args;

	if (g->error)
		return;
	g->error = error;
	g->error_index = (uint16_t)index;
	va_start(args, format);
	vsnprintf(g->error_text, sizeof(g->error_text), format, args);
	va_end(args);
}

/* The private key in PEM text, or NULL with the reason. */
static EVP_PKEY *keystore_parse_private(const char *text, size_t size, const char **why)
{
	bool encrypted = memmem(text, size, "ENCRYPTED", 9) != NULL;
	BIO *bio = BIO_new_mem_buf(text, (int)size);
	EVP_PKEY *p = bio ? PEM_read_bio_PrivateKey(bio, NULL, keystore_no_password, NULL) : NULL;

	BIO_free(bio);
	ERR_clear_error();
	if (!p)
		*why = encrypted ? "the key is encrypted: expected one without a password"
		                 : "the key file holds no private key in PEM form";
	return p;
}

/* Makes a key from chain and key text. 0, or the negative errno of the fault, with text where it is
 * not -ENOMEM. */
static int keystore_build_key(const struct lifeline_certificate *head, struct str names,
	struct str chain, const char *guarded, struct key **out, char text[KEYSTORE_TEXT_MAX])
{
	struct key *k = calloc(1, sizeof(*k));
	struct certificate_facts facts;
	const char *why = "out of memory";
	EVP_PKEY *private;
	int error = k ? certificate_read(chain, names, &facts, text) : -ENOMEM;

	if (error) {
		free(k);
		return error;
	}
	memcpy(k->name, head->name, sizeof(k->name));
	k->public = facts.public;
	k->not_before = facts.not_before;
	k->not_after = facts.not_after;
	private = keystore_parse_private(guarded, head->key_size, &why);
	if (private) {
		k->kind = keystore_kind_of(private);
		if (k->kind == KEY_NONE)
			why = "expected a key of RSA 2048, 3072 or 4096, EC P-256 or P-384, or "
			      "Ed25519";
		else if (EVP_PKEY_eq(private, k->public) != 1)
			why = "the key does not belong to the first certificate of the chain";
		else if (signer_new(&k->signer, private) == 0)
			why = NULL;
		EVP_PKEY_free(private);
		ERR_clear_error();
	}
	if (why) {
		snprintf(text, KEYSTORE_TEXT_MAX, "%s", why);
		keystore_key_free(k);
		return -EKEYREJECTED;
	}
	*out = k;
	return 0;
}

static struct generation *keystore_generation_find(const struct keystore *s, uint32_t number)
{
	for (size_t i = 0; i < GENERATIONS_MAX && number; i++)
		if (s->generation[i].number == number)
			return (struct generation *)(uintptr_t)&s->generation[i];
	return NULL;
}

static struct generation *keystore_generation_make(struct keystore *s, uint32_t number)
{
	struct generation *g = keystore_generation_find(s, number);

	for (size_t i = 0; i < GENERATIONS_MAX && !g && number; i++)
		if (!s->generation[i].number) {
			g = &s->generation[i];
			g->number = number;
		}
	return g;
}

static void keystore_take_certificate(
	struct generation *g, const struct lifeline_certificate *head, char *rest)
{
	char text[KEYSTORE_TEXT_MAX] = "";
	struct str names = {rest, head->names_size},
		   chain = {rest + head->names_size, head->chain_size};
	char *key = rest + head->names_size + head->chain_size, *guarded;
	int error;

	if (g->committed || head->index >= CERTIFICATES_MAX || head->index != g->count) {
		keystore_fault(
			g, head->index, -EBADMSG, "certificate %u came out of order", head->index);
		return;
	}
	g->count++;
	guarded = sodium_malloc(head->key_size ? head->key_size : 1);
	if (guarded) {
		memcpy(guarded, key, head->key_size);
		sodium_memzero(key, head->key_size);
		sodium_mprotect_readonly(guarded);
		error = keystore_build_key(head, names, chain, guarded, &g->key[head->index], text);
		sodium_free(guarded);
	} else {
		error = -ENOMEM;
	}
	if (error)
		keystore_fault(g, head->index, error, "certificate \"%s\": %s", head->name,
			text[0] ? text : "out of memory");
}

/* Whether the head of a packet of size bytes is sound: what follows it fills the packet. */
static bool keystore_head_is_sound(const struct lifeline_certificate *head, size_t size)
{
	uint64_t whole = sizeof(*head) + (uint64_t)head->names_size + head->chain_size +
	                 head->key_size;

	return size == whole && memchr(head->name, 0, sizeof(head->name)) && head->generation;
}

int keystore_take(struct keystore *s, void *body, size_t size)
{
	struct lifeline_certificate head;
	struct generation *g;

	if (size < sizeof(head))
		return -EBADMSG;
	memcpy(&head, body, sizeof(head));
	if (!keystore_head_is_sound(&head, size)) {
		sodium_memzero(body, size);
		return -EBADMSG;
	}
	g = keystore_generation_make(s, head.generation);
	if (g)
		keystore_take_certificate(g, &head, (char *)body + sizeof(head));
	sodium_memzero(body, size);
	return g ? 0 : -ENOSPC;
}

/* ---- checking ---- */

static bool key_test_signature(const struct key *k)
{
	unsigned char hash[32], text[SIGN_VERIFY_MAX], signature[SIGNATURE_MAX];
	uint16_t scheme = sign_policy_default_scheme(k->kind);
	size_t size, n;
	bool good;

	randombytes_buf(hash, sizeof(hash));
	size = sign_policy_verify_text(hash, sizeof(hash), text);
	good = sign_policy_permitted(k->kind, scheme, text, size) == 0 &&
	       key_sign(k, scheme, text, size, signature, &n) == 0 &&
	       signer_verify(k->public, scheme, text, size, signature, n);
	ERR_clear_error();
	return good;
}

static int key_check(const struct key *k, int64_t now, char text[KEYSTORE_TEXT_MAX])
{
	char date[DATE_TEXT_SIZE];

	if (!key_test_signature(k)) {
		snprintf(text, KEYSTORE_TEXT_MAX,
			"certificate \"%s\": a test signature with its key failed", k->name);
		return -EIO;
	}
	if (now < k->not_before)
		snprintf(text, KEYSTORE_TEXT_MAX, "certificate \"%s\": not valid before %s",
			k->name, date_text(k->not_before, date));
	else if (now > k->not_after)
		snprintf(text, KEYSTORE_TEXT_MAX, "certificate \"%s\": expired at %s", k->name,
			date_text(k->not_after, date));
	else
		return 0;
	return -EKEYEXPIRED;
}

int keystore_check(struct keystore *s, uint32_t generation, int64_t now, uint16_t *index,
	char text[KEYSTORE_TEXT_MAX], int64_t not_after[CERTIFICATES_MAX], unsigned *count)
{
	struct generation *g = keystore_generation_find(s, generation);
	char one[KEYSTORE_TEXT_MAX];
	int error = 0;

	*index = 0xffff;
	if (!g) {
		snprintf(text, KEYSTORE_TEXT_MAX, "there is no generation %u of certificates",
			generation);
		return -ENOENT;
	}
	if (g->error) {
		*index = g->error_index;
		snprintf(text, KEYSTORE_TEXT_MAX, "%s", g->error_text);
		return g->error;
	}
	for (unsigned i = 0; i < g->count; i++) {
		int found = key_check(g->key[i], now, one);

		not_after[i] = g->key[i]->not_after;
		/* Dates are the least of faults: any other goes before them. */
		if (found && (error == 0 || (error == -EKEYEXPIRED && found != -EKEYEXPIRED))) {
			error = found;
			*index = (uint16_t)i;
			memcpy(text, one, sizeof(one));
		}
	}
	*count = g->count;
	return error;
}

int keystore_commit(struct keystore *s, uint32_t generation)
{
	struct generation *g = keystore_generation_find(s, generation);

	if (!g || g->error)
		return -ENOENT;
	g->committed = true;
	return 0;
}

void keystore_drop(struct keystore *s, uint32_t generation)
{
	struct generation *g = keystore_generation_find(s, generation);

	if (!g)
		return;
	for (unsigned i = 0; i < g->count; i++)
		keystore_key_free(g->key[i]);
	*g = (struct generation){.number = 0};
}

const struct key *keystore_find(const struct keystore *s, uint32_t generation, uint16_t certificate)
{
	const struct generation *g = keystore_generation_find(s, generation);

	return g && !g->error && certificate < g->count ? g->key[certificate] : NULL;
}

enum key_kind key_kind(const struct key *k)
{
	return k->kind;
}

const char *key_name(const struct key *k)
{
	return k->name;
}

/* ---- signing ---- */

int key_sign(const struct key *k, uint16_t scheme, const unsigned char *text, size_t size,
	unsigned char signature[SIGNATURE_MAX], size_t *signature_size)
{
	if (signer_sign(k->signer, scheme, text, size, signature, signature_size)) {
		log_error("sign-failed", "certificate=%s scheme=%04x code=%lx", k->name, scheme,
			ERR_peek_last_error());
		ERR_clear_error();
		return -EIO;
	}
	return 0;
}

int keystore_new(struct keystore **out)
{
	struct keystore *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*out = s;
	return 0;
}

void keystore_free(struct keystore *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < GENERATIONS_MAX; i++)
		if (s->generation[i].number)
			keystore_drop(s, s->generation[i].number);
	free(s);
}
