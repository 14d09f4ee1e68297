/* tls_context.c - SSL_CTXs. Relies on: sign_provider_begin, which has made OpenSSL ready;
 * sign_client.c for the keys of session tickets. */
#include "tls_context.h"

#include "common/log.h"
#include "sign_client.h"
#include "worker-transport/transport_worker.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>

/* TLS 1.2 has ephemeral key exchange and authenticated encryption alone. Nobody decrypts with a
 * private key, so the rest could not work either. */
#define CIPHERS_1_2 "ECDHE+AESGCM:ECDHE+CHACHA20"
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"
#define SIGNATURES                                                                                 \
	"ecdsa_secp256r1_sha256:ed25519:ecdsa_secp384r1_sha384:"                                   \
	"rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:rsa_pkcs1_sha256:rsa_pkcs1_"  \
	"sha384:rsa_pkcs1_sha512"
/* Certificates between a peer's and the authority's. */
#define DEPTH_MAX 8

/* Has OpenSSL protect a session ticket with the key. */
static bool tls_context_use_ticket_key(const struct ticket_key *key, const unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	OSSL_PARAM params[3];

	params[0] = OSSL_PARAM_construct_octet_string(
		OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->hmac, sizeof(key->hmac));
	params[1] = OSSL_PARAM_construct_utf8_string(
		OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "sha256", 0);
	params[2] = OSSL_PARAM_construct_end();
	if (EVP_MAC_CTX_set_params(mac, params) != 1)
		return false;
	return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv, encrypt) == 1;
}

/* OpenSSL asks for the key of a session ticket (RFC 5077 section 4); those of the TLS workers are
 * used. 1: the ticket may be used; 2: it may be read, and a new one is to be made; 0: its key is
 * unknown. */
static int tls_context_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	const struct transport_worker *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	uint64_t now = loop_now(t->loop);
	const struct ticket_key *newest = sign_client_ticket(t->sign_client, now),
				*key = encrypt ? newest
	                                       : sign_client_ticket_named(
							 t->sign_client, name, now);

	if (!key)
		return 0;
	if (encrypt) {
		memcpy(name, key->name, sizeof(key->name));
		if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
			return -1;
	}
	if (!tls_context_use_ticket_key(key, iv, cipher, mac, encrypt))
		return -1;
	/* clients use a ticket of TLS 1.3 once (RFC 8446 appendix C.4), so that each resumption
	 * brings the next one */
	return encrypt || (key == newest && SSL_version(ssl) != TLS1_3_VERSION) ? 1 : 2;
}

/* Sets versions, ciphers, groups and signatures, the same for both sides. */
static bool tls_context_set_algorithms(SSL_CTX *c)
{
	bool good = SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION) == 1;

	good = good && SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) == 1;
	good = good && SSL_CTX_set_cipher_list(c, CIPHERS_1_2) == 1;
	good = good && SSL_CTX_set_ciphersuites(c, CIPHERS_1_3) == 1;
	good = good && SSL_CTX_set1_groups_list(c, GROUPS) == 1;
	good = good && SSL_CTX_set1_sigalgs_list(c, SIGNATURES) == 1;
	return good && SSL_CTX_set1_client_sigalgs_list(c, SIGNATURES) == 1;
}

static bool tls_context_set_up(
	SSL_CTX *c, struct transport_worker *t, const struct tls_context_server *server)
{
	uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                   SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_CIPHER_SERVER_PREFERENCE |
	                   SSL_OP_PRIORITIZE_CHACHA;

	SSL_CTX_set_app_data(c, t);
	if (!tls_context_set_algorithms(c))
		return false;
	SSL_CTX_set_mode(c, SSL_MODE_ASYNC | SSL_MODE_ENABLE_PARTIAL_WRITE |
				    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_read_ahead(c, 1); /* a record in one read */
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify_depth(c, DEPTH_MAX);
	SSL_CTX_set_num_tickets(c, 0);
	SSL_CTX_set_options(c, options);
	if (!server) {
		SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
	} else {
		/* tls_accept decides for each connection whether it has tickets */
		if (SSL_CTX_set_tlsext_ticket_key_evp_cb(c, tls_context_ticket_key) != 1)
			return false;
		SSL_CTX_set_tlsext_servername_callback(c, server->server_name);
		SSL_CTX_set_alpn_select_cb(c, server->protocol, NULL);
	}
	return true;
}

SSL_CTX *tls_context_new(struct transport_worker *t, const struct tls_context_server *server)
{
	SSL_CTX *c = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

	if (c && !tls_context_set_up(c, t, server)) {
		char text[256];

		ERR_error_string_n(ERR_peek_error(), text, sizeof(text));
		log_error("openssl-failed", "step=context error=\"%s\"", text);
		SSL_CTX_free(c);
		c = NULL;
	}
	ERR_clear_error();
	return c;
}

/* Adds the certificate to the store, and its subject to subjects, where that is not NULL. False: no
 * memory. */
static bool tls_context_add(X509_STORE *store, STACK_OF(X509_NAME) * subjects, X509 *x)
{
	X509_NAME *subject;

	if (!X509_STORE_add_cert(store, x))
		return false;
	if (!subjects)
		return true;
	subject = X509_NAME_dup(X509_get_subject_name(x));
	if (subject && sk_X509_NAME_push(subjects, subject))
		return true;
	X509_NAME_free(subject);
	return false;
}

/* Whether the end of the text was all that ended the reading of certificates. */
static bool tls_context_read_all(void)
{
	return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

int tls_context_store(
	struct str pem, X509_STORE **out, STACK_OF(X509_NAME) * *names, unsigned *count)
{
	BIO *in = pem.n <= INT32_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	X509_STORE *store = X509_STORE_new();

	STACK_OF(X509_NAME) *subjects = sk_X509_NAME_new_null();
	unsigned n = 0;
	X509 *x;
	int error = in && store && subjects ? 0 : -ENOMEM;

	while (error == 0 && (x = PEM_read_bio_X509_AUX(in, NULL, NULL, (void *)(uintptr_t) ""))) {
		if (!tls_context_add(store, names ? subjects : NULL, x))
			error = -ENOMEM;
		X509_free(x);
		n++;
	}
	if (error == 0 && (n == 0 || !tls_context_read_all()))
		error = -EBADMSG;
	ERR_clear_error();
	BIO_free(in);
	if (error || !names) {
		sk_X509_NAME_pop_free(subjects, X509_NAME_free);
		subjects = NULL;
	}
	if (error) {
		X509_STORE_free(store);
		return error;
	}
	*out = store;
	if (names)
		*names = subjects;
	*count = n;
	return 0;
}
