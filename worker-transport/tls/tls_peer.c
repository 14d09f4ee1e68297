/* tls_peer.c - trust: authorities, and the check of a peer's certificate against them.
 *
 * A server's certificate must be that of the name we wanted to reach (RFC 5922 section 7); a
 * client's is checked where its listener asks for one. Relies on identity.c for names, on
 * tls_context.c for stores.
 */
#include "tls_connection.h"

#include "common/log.h"
#include "identity.h"
#include "tls.h"
#include "tls_context.h"
#include "worker-transport/transport_worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Whether the certificate that is being verified is the server's own, and not that of the name that
 * we wanted to reach. */
static bool tls_is_of_another(const struct tls_connection *c, X509_STORE_CTX *store)
{
	if (!c->outgoing || X509_STORE_CTX_get_error_depth(store) != 0)
		return false;
	return !identity_is(X509_STORE_CTX_get_current_cert(store), str_of(c->name));
}

int tls_verify_peer(int good, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_connection *c = SSL_get_app_data(ssl);

	if (good && tls_is_of_another(c, store)) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
		snprintf(c->handshake->wrong, REASON_MAX,
			"its certificate is not that of %.128s (RFC 5922 section 7)", c->name);
		return 0;
	}
	if (!good && !c->handshake->wrong[0])
		snprintf(c->handshake->wrong, REASON_MAX, "certificate %d of its chain: %s",
			X509_STORE_CTX_get_error_depth(store) + 1,
			X509_verify_cert_error_string(X509_STORE_CTX_get_error(store)));
	return good;
}

bool tls_set_authorities(struct tls_connection *c)
{
	const struct listener_settings *l = settings_listener(c->tls->t->settings, c->listener);
	const struct tls_authorities *a = &c->tls->authorities[c->listener];
	STACK_OF(X509_NAME) * names;
	int mode = SSL_VERIFY_PEER;

	if (l->client_auth == CLIENT_AUTH_NONE)
		return true;
	if (l->client_auth == CLIENT_AUTH_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_set_verify(c->ssl, mode, tls_verify_peer);
	/* where a certificate is asked for and there is no authority, none is good */
	if (!a->store)
		return SSL_set1_verify_cert_store(c->ssl, c->tls->nobody) == 1;
	names = SSL_dup_CA_list(a->names);
	SSL_set0_CA_list(c->ssl, names);
	return names && SSL_set1_verify_cert_store(c->ssl, a->store) == 1;
}

bool tls_set_session_context(struct tls_connection *c)
{
	const struct settings *s = c->tls->t->settings;
	const struct listener_settings *l = settings_listener(s, c->listener);
	struct str name = settings_str(s, l->name);
	unsigned char digest[DIGEST_SIZE];
	EVP_MD_CTX *d = EVP_MD_CTX_new();
	bool good = d && EVP_DigestInit_ex(d, EVP_sha256(), NULL) &&
	            EVP_DigestUpdate(d, c->tls->authorities[c->listener].digest, DIGEST_SIZE) &&
	            EVP_DigestUpdate(d, &l->client_auth, sizeof(l->client_auth)) &&
	            EVP_DigestUpdate(d, name.p, name.n) && EVP_DigestFinal_ex(d, digest, NULL) &&
	            SSL_set_session_id_context(c->ssl, digest, DIGEST_SIZE) == 1;

	EVP_MD_CTX_free(d);
	return good;
}

int tls_authorities_try(struct str pem)
{
	X509_STORE *store;
	unsigned n;
	int error = tls_context_store(pem, &store, NULL, &n);

	if (error == 0)
		X509_STORE_free(store);
	return error;
}

int tls_authorities(struct tls *tls, uint16_t listener, struct str pem)
{
	STACK_OF(X509_NAME) *names = NULL;
	unsigned char digest[DIGEST_SIZE], *known;
	X509_STORE *store;
	unsigned n;
	int error;

	if (listener != NONE_INDEX && listener >= LISTENERS_MAX)
		return -EINVAL;
	known = listener == NONE_INDEX ? tls->trust : tls->authorities[listener].digest;
	/* authorities come with every commit of certificates, and a trust store takes long to
	 * read */
	if (!EVP_Digest(pem.p, pem.n, digest, NULL, EVP_sha256(), NULL))
		return -ENOMEM;
	if (memcmp(digest, known, DIGEST_SIZE) == 0)
		return 0;
	error = tls_context_store(pem, &store, listener == NONE_INDEX ? NULL : &names, &n);
	if (error) {
		log_error("authorities-unusable", "listener=%d error=\"%s\"",
			listener == NONE_INDEX ? -1 : listener, error_text(error));
		return error;
	}
	log_debug("authorities", "listener=%d certificates=%u",
		listener == NONE_INDEX ? -1 : listener, n);
	memcpy(known, digest, DIGEST_SIZE);
	if (listener == NONE_INDEX) {
		SSL_CTX_set_cert_store(tls->client, store);
		return 0;
	}
	X509_STORE_free(tls->authorities[listener].store);
	sk_X509_NAME_pop_free(tls->authorities[listener].names, X509_NAME_free);
	tls->authorities[listener].store = store;
	tls->authorities[listener].names = names;
	return 0;
}

void tls_authorities_free(struct tls *tls)
{
	for (unsigned i = 0; i < LISTENERS_MAX; i++) {
		X509_STORE_free(tls->authorities[i].store);
		sk_X509_NAME_pop_free(tls->authorities[i].names, X509_NAME_free);
	}
}
