/* sign_provider.c - the OpenSSL 3 provider of keys that are elsewhere.
 *
 * libssl takes the keymgmt of the key that a certificate was loaded with, looks for a signature
 * algorithm of the same provider, and calls digest_sign_init and digest_sign with the whole text
 * (the one-shot form; TLS 1.2 and 1.3 use no other). Export refuses whatever asks for a private
 * part, which makes OpenSSL look here instead of copying the key into its own provider. Everything
 * public is asked of an ordinary EVP_PKEY of the public half. Relies on sign_client.c for the
 * signature and on OpenSSL's async jobs for the suspension.
 */
#include "sign_provider.h"

#include "common/log.h"

#include <errno.h>
#include <openssl/async.h>
#include <openssl/conf.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROVIDER "keyless"
#define REFERENCE "reference" /* parameter of a key: struct key_reference */

enum provider_key_kind { KIND_NONE, KIND_P256, KIND_P384, KIND_RSA, KIND_ED25519 };

struct sign_provider {
	OSSL_LIB_CTX *context;
	OSSL_PROVIDER *provider;
	struct sign_client *client;
};

/* The parameter that a key is made from, within this process. */
struct key_reference {
	struct sign_client *client;
	EVP_PKEY *public;
	enum provider_key_kind kind;
	uint32_t generation;
	uint16_t certificate;
};

/* A key, as the provider knows it. */
struct provider_key {
	struct key_reference r;
	unsigned references;
};

/* ---- schemes ---- */

static enum provider_key_kind provider_rsa_kind_of(const EVP_PKEY *public)
{
	int bits = EVP_PKEY_get_bits(public);

	return bits >= 2048 && bits <= SIGNATURE_MAX * 8 ? KIND_RSA : KIND_NONE;
}

static enum provider_key_kind provider_ec_kind_of(const EVP_PKEY *public)
{
	char group[64];

	if (!EVP_PKEY_get_group_name(public, group, sizeof(group), NULL))
		return KIND_NONE;
	if (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0)
		return KIND_P256;
	if (strcmp(group, "secp384r1") == 0 || strcmp(group, "P-384") == 0)
		return KIND_P384;
	return KIND_NONE;
}

static enum provider_key_kind provider_kind_of(const EVP_PKEY *public)
{
	if (EVP_PKEY_is_a(public, "RSA"))
		return provider_rsa_kind_of(public);
	if (EVP_PKEY_is_a(public, "ED25519"))
		return KIND_ED25519;
	return EVP_PKEY_is_a(public, "EC") ? provider_ec_kind_of(public) : KIND_NONE;
}

static uint16_t provider_scheme_of(enum provider_key_kind kind, unsigned hash, int padding)
{
	unsigned step = hash == 256 ? 0 : hash == 384 ? 1 : hash == 512 ? 2 : 3;

	if (kind == KIND_ED25519)
		return 0x0807;
	if (step == 3)
		return 0;
	if (kind == KIND_P256 || kind == KIND_P384)
		return (uint16_t)(0x0403 + 0x100 * step);
	if (kind == KIND_RSA && padding == RSA_PKCS1_PADDING)
		return (uint16_t)(0x0401 + 0x100 * step);
	if (kind == KIND_RSA && padding == RSA_PKCS1_PSS_PADDING)
		return (uint16_t)(0x0804 + step);
	return 0;
}

uint16_t sign_provider_scheme(const EVP_PKEY *public)
{
	enum provider_key_kind kind = provider_kind_of(public);

	return provider_scheme_of(kind, kind == KIND_P384 ? 384 : 256, RSA_PKCS1_PSS_PADDING);
}

bool sign_provider_verify(EVP_PKEY *public, const void *text, size_t size, const void *signature,
	size_t signature_size)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	EVP_PKEY_CTX *p;
	enum provider_key_kind kind = provider_kind_of(public);
	const EVP_MD *digest = kind == KIND_ED25519 ? NULL
	                       : kind == KIND_P384  ? EVP_sha384()
	                                            : EVP_sha256();
	bool good = c && EVP_DigestVerifyInit(c, &p, digest, NULL, public) == 1;

	if (good && kind == KIND_RSA)
		good = EVP_PKEY_CTX_set_rsa_padding(p, RSA_PKCS1_PSS_PADDING) > 0 &&
		       EVP_PKEY_CTX_set_rsa_pss_saltlen(p, RSA_PSS_SALTLEN_DIGEST) > 0;
	good = good && EVP_DigestVerify(c, signature, signature_size, text, size) == 1;
	EVP_MD_CTX_free(c);
	ERR_clear_error();
	return good;
}

/* ---- key management ---- */

static void *provider_key_new(void *provider)
{
	struct provider_key *h = calloc(1, sizeof(*h));

	(void)provider;
	if (h)
		h->references = 1;
	return h;
}

static void provider_key_free(void *key)
{
	struct provider_key *h = key;

	if (!h || --h->references)
		return;
	EVP_PKEY_free(h->r.public);
	free(h);
}

static int provider_key_has(const void *key, int selection)
{
	(void)selection;
	return key && ((const struct provider_key *)key)->r.public;
}

static int provider_key_match(const void *a, const void *b, int selection)
{
	(void)selection;
	return EVP_PKEY_eq(((const struct provider_key *)a)->r.public,
		       ((const struct provider_key *)b)->r.public) == 1;
}

static const OSSL_PARAM *provider_key_import_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_octet_string(REFERENCE, NULL, 0), OSSL_PARAM_END};

	(void)selection;
	return types;
}

/* Whether the parameter is a key's reference, of this provider. */
static bool provider_is_reference(const OSSL_PARAM *p)
{
	if (!p || p->data_type != OSSL_PARAM_OCTET_STRING)
		return false;
	return p->data_size == sizeof(struct key_reference);
}

static int provider_key_import(void *key, int selection, const OSSL_PARAM params[])
{
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, REFERENCE);
	struct provider_key *h = key;

	(void)selection;
	/* OpenSSL also asks whether another provider's public key can be imported: it cannot */
	if (!provider_is_reference(p) || h->r.public)
		return 0;
	memcpy(&h->r, p->data, sizeof(h->r));
	return EVP_PKEY_up_ref(h->r.public);
}

static const OSSL_PARAM *provider_key_export_types(int selection)
{
	static const OSSL_PARAM types[] = {
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
		OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
		OSSL_PARAM_END,
	};

	return selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY ? NULL : types;
}

static int provider_key_export(void *key, int selection, OSSL_CALLBACK *callback, void *arg)
{
	const struct provider_key *h = key;

	if (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY)
		return 0;
	return EVP_PKEY_export(h->r.public, EVP_PKEY_PUBLIC_KEY, callback, arg);
}

static int provider_key_get_params(void *key, OSSL_PARAM params[])
{
	return EVP_PKEY_get_params(((struct provider_key *)key)->r.public, params);
}

static const OSSL_PARAM *provider_key_gettable_params(void *provider)
{
	static const OSSL_PARAM known[] = {
		OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
		OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
		OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
		OSSL_PARAM_END,
	};

	(void)provider;
	return known;
}

static const char *provider_key_ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

#define FUNCTION(id, function)                                                                     \
	{                                                                                          \
		(id), (void (*)(void))(function)                                                   \
	}
#define KEYMGMT_FUNCTIONS                                                                          \
	FUNCTION(OSSL_FUNC_KEYMGMT_NEW, provider_key_new),                                         \
		FUNCTION(OSSL_FUNC_KEYMGMT_FREE, provider_key_free),                               \
		FUNCTION(OSSL_FUNC_KEYMGMT_HAS, provider_key_has),                                 \
		FUNCTION(OSSL_FUNC_KEYMGMT_MATCH, provider_key_match),                             \
		FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT, provider_key_import),                           \
		FUNCTION(OSSL_FUNC_KEYMGMT_IMPORT_TYPES, provider_key_import_types),               \
		FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT, provider_key_export),                           \
		FUNCTION(OSSL_FUNC_KEYMGMT_EXPORT_TYPES, provider_key_export_types),               \
		FUNCTION(OSSL_FUNC_KEYMGMT_GET_PARAMS, provider_key_get_params),                   \
		FUNCTION(OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, provider_key_gettable_params)

static const OSSL_DISPATCH keymgmt_functions[] = {KEYMGMT_FUNCTIONS, {0, NULL}};
static const OSSL_DISPATCH keymgmt_ec_functions[] = {KEYMGMT_FUNCTIONS,
	FUNCTION(OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, provider_key_ec_operation), {0, NULL}};

/* ---- signature ---- */

struct provider_signature {
	struct provider_key *key;
	unsigned hash; /* bits; 0: the key's own */
	int padding;   /* of RSA */
	int salt;      /* of PSS: must be the hash's length, as TLS has it */
};

static void *provider_signature_new(void *provider, const char *properties)
{
	struct provider_signature *o = calloc(1, sizeof(*o));

	(void)provider;
	(void)properties;
	if (o)
		*o = (struct provider_signature){
			.padding = RSA_PKCS1_PADDING, .salt = RSA_PSS_SALTLEN_DIGEST};
	return o;
}

static void provider_signature_free(void *operation)
{
	struct provider_signature *o = operation;

	if (o)
		provider_key_free(o->key);
	free(o);
}

static void *provider_signature_dup(void *operation)
{
	struct provider_signature *o = malloc(sizeof(*o));

	if (!o)
		return NULL;
	*o = *(struct provider_signature *)operation;
	if (o->key)
		o->key->references++;
	return o;
}

static int provider_padding_of(const char *mode)
{
	if (strcmp(mode, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0)
		return RSA_PKCS1_PSS_PADDING;
	return strcmp(mode, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0 ? RSA_PKCS1_PADDING : 0;
}

static int provider_signature_set_params(void *operation, const OSSL_PARAM params[])
{
	struct provider_signature *o = operation;
	const OSSL_PARAM *p;

	if (!params)
		return 1;
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	if (p) {
		if (p->data_type == OSSL_PARAM_UTF8_STRING)
			o->padding = provider_padding_of(p->data);
		else if (!OSSL_PARAM_get_int(p, &o->padding))
			return 0;
	}
	p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PSS_SALTLEN);
	if (p) {
		if (p->data_type == OSSL_PARAM_UTF8_STRING)
			o->salt = strcmp(p->data, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) == 0
			                  ? RSA_PSS_SALTLEN_DIGEST
			                  : 0;
		else if (!OSSL_PARAM_get_int(p, &o->salt))
			return 0;
	}
	return 1;
}

static const OSSL_PARAM *provider_signature_settable_params(void *operation, void *provider)
{
	static const OSSL_PARAM known[] = {OSSL_PARAM_int(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL),
		OSSL_PARAM_int(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL), OSSL_PARAM_END};

	(void)operation;
	(void)provider;
	return known;
}

static int provider_signature_init(
	void *operation, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct provider_signature *o = operation;

	if (key) {
		provider_key_free(o->key);
		o->key = key;
		o->key->references++;
	}
	if (!o->key)
		return 0;
	o->hash = 0;
	if (digest && digest[0]) {
		if (strcasecmp(digest, "SHA256") == 0 || strcasecmp(digest, "SHA2-256") == 0)
			o->hash = 256;
		else if (strcasecmp(digest, "SHA384") == 0 || strcasecmp(digest, "SHA2-384") == 0)
			o->hash = 384;
		else if (strcasecmp(digest, "SHA512") == 0 || strcasecmp(digest, "SHA2-512") == 0)
			o->hash = 512;
		else
			return 0;
	}
	return provider_signature_set_params(o, params);
}

/* Whether the handshake that goes on has a signature to ask for, over a text of that size. */
static bool provider_may_sign(const struct signing *s, size_t text_size)
{
	if (!s || s->state != SIGNING_IDLE || text_size > sizeof(s->text))
		return false;
	return ASYNC_get_current_job() != NULL;
}

static int provider_signature_sign(void *operation, unsigned char *signature, size_t *size,
	size_t buffer, const unsigned char *text, size_t text_size)
{
	const struct provider_signature *o = operation;
	const struct key_reference *r = &o->key->r;
	struct signing *s = sign_client_entered(r->client);
	uint16_t scheme = provider_scheme_of(r->kind, o->hash, o->padding);

	if (!scheme || (o->padding == RSA_PKCS1_PSS_PADDING && o->salt != RSA_PSS_SALTLEN_DIGEST))
		return 0;
	if (!signature) {
		*size = (size_t)EVP_PKEY_get_size(r->public);
		return 1;
	}
	if (!provider_may_sign(s, text_size))
		return 0;
	s->generation = r->generation;
	s->certificate = r->certificate;
	s->scheme = scheme;
	s->size = text_size;
	memcpy(s->text, text, text_size);
	if (sign_client_sign(r->client, s))
		return 0;
	/* A handshake that goes on early comes by here again. One that is given up has its signing
	 * cancelled first. */
	while (s->state == SIGNING_WAITING || s->state == SIGNING_SENT)
		if (!ASYNC_pause_job())
			return 0;
	if (s->state != SIGNING_DONE || s->signature_size > buffer) {
		if (s->state == SIGNING_DONE) {
			s->state = SIGNING_FAILED;
			s->error = -EBADMSG;
		}
		return 0;
	}
	memcpy(signature, s->signature, s->signature_size);
	*size = s->signature_size;
	s->state = SIGNING_IDLE;
	return 1;
}

static const OSSL_DISPATCH signature_functions[] = {
	FUNCTION(OSSL_FUNC_SIGNATURE_NEWCTX, provider_signature_new),
	FUNCTION(OSSL_FUNC_SIGNATURE_FREECTX, provider_signature_free),
	FUNCTION(OSSL_FUNC_SIGNATURE_DUPCTX, provider_signature_dup),
	FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, provider_signature_init),
	FUNCTION(OSSL_FUNC_SIGNATURE_DIGEST_SIGN, provider_signature_sign),
	FUNCTION(OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, provider_signature_set_params),
	FUNCTION(OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, provider_signature_settable_params),
	{0, NULL},
};

/* ---- the provider ---- */

static const OSSL_ALGORITHM keymgmts[] = {
	{"EC:id-ecPublicKey:1.2.840.10045.2.1", "provider=" PROVIDER, keymgmt_ec_functions, NULL},
	{"RSA:rsaEncryption:1.2.840.113549.1.1.1", "provider=" PROVIDER, keymgmt_functions, NULL},
	{"ED25519:1.3.101.112", "provider=" PROVIDER, keymgmt_functions, NULL},
	{NULL, NULL, NULL, NULL},
};
static const OSSL_ALGORITHM signatures[] = {
	{"ECDSA", "provider=" PROVIDER, signature_functions, NULL},
	{"RSA:rsaEncryption:1.2.840.113549.1.1.1", "provider=" PROVIDER, signature_functions, NULL},
	{"ED25519:1.3.101.112", "provider=" PROVIDER, signature_functions, NULL},
	{NULL, NULL, NULL, NULL},
};

static const OSSL_ALGORITHM *provider_query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	return operation == OSSL_OP_KEYMGMT     ? keymgmts
	       : operation == OSSL_OP_SIGNATURE ? signatures
	                                        : NULL;
}

static const OSSL_DISPATCH provider_functions[] = {
	FUNCTION(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query), {0, NULL}};

static int provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
	const OSSL_DISPATCH **out, void **provider)
{
	(void)in;
	*out = provider_functions;
	*provider = (void *)(uintptr_t)handle;
	return 1;
}

/* ---- keys ---- */

static const char *provider_error_text(char buffer[256])
{
	unsigned long error = ERR_peek_error();

	ERR_error_string_n(error, buffer, 256);
	ERR_clear_error();
	return buffer;
}

int sign_provider_begin(void)
{
	const uint64_t options = OPENSSL_INIT_LOAD_CONFIG | OPENSSL_INIT_LOAD_SSL_STRINGS |
	                         OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_NO_ATEXIT;
	char text[256];
	unsigned char random[16];
	bool good;

	tzset(); /* gmtime looks at the time zone's file when it is first called */
	/* jobs have no bound of their own: tls.c bounds handshakes in progress */
	good = OPENSSL_init_ssl(options, NULL);
	good = good && RAND_bytes(random, sizeof(random)) == 1;
	good = good && RAND_priv_bytes(random, sizeof(random)) == 1;
	good = good && ASYNC_init_thread(0, 0);
	if (!good) {
		log_error("openssl-failed", "step=begin error=\"%s\"", provider_error_text(text));
		return -EIO;
	}
	return 0;
}

int sign_provider_new(struct sign_provider **out, struct sign_client *client)
{
	struct sign_provider *k = calloc(1, sizeof(*k));
	char text[256];

	if (!k)
		return -ENOMEM;
	k->client = client;
	k->context = OSSL_LIB_CTX_new();
	if (k->context && OSSL_PROVIDER_add_builtin(k->context, PROVIDER, provider_init))
		k->provider = OSSL_PROVIDER_load(k->context, PROVIDER);
	if (!k->provider) {
		log_error(
			"openssl-failed", "step=provider error=\"%s\"", provider_error_text(text));
		sign_provider_free(k);
		return -EIO;
	}
	*out = k;
	return 0;
}

void sign_provider_free(struct sign_provider *k)
{
	if (!k)
		return;
	if (k->provider)
		OSSL_PROVIDER_unload(k->provider);
	OSSL_LIB_CTX_free(k->context);
	ASYNC_cleanup_thread(); /* the stacks of jobs that have ended */
	free(k);
}

static EVP_PKEY *provider_key_from(EVP_PKEY_CTX *c, OSSL_PARAM params[])
{
	EVP_PKEY *key = NULL;

	if (!c || EVP_PKEY_fromdata_init(c) <= 0)
		return NULL;
	return EVP_PKEY_fromdata(c, &key, EVP_PKEY_KEYPAIR, params) > 0 ? key : NULL;
}

int sign_provider_key(struct sign_provider *k, EVP_PKEY *public, uint32_t generation,
	uint16_t certificate, EVP_PKEY **out)
{
	static const char *const names[] = {[KIND_P256] = "EC",
		[KIND_P384] = "EC",
		[KIND_RSA] = "RSA",
		[KIND_ED25519] = "ED25519"};
	enum provider_key_kind kind = provider_kind_of(public);
	struct key_reference r = {.client = k->client,
		.public = public,
		.kind = kind,
		.generation = generation,
		.certificate = certificate};
	OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(REFERENCE, &r, sizeof(r)),
		OSSL_PARAM_construct_end()};
	EVP_PKEY_CTX *c;
	EVP_PKEY *key;
	char text[256];

	if (kind == KIND_NONE)
		return -EOPNOTSUPP;
	c = EVP_PKEY_CTX_new_from_name(k->context, names[kind], NULL);
	key = provider_key_from(c, params);
	EVP_PKEY_CTX_free(c);
	if (!key) {
		log_error("openssl-failed", "step=key error=\"%s\"", provider_error_text(text));
		return -EIO;
	}
	*out = key;
	return 0;
}
