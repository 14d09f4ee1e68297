/* tls_context.h - SSL_CTXs as this gateway needs them: TLS 1.2 and 1.3, ciphers with forward
 * secrecy, no renegotiation, no compression, and session tickets only where they are on. */
#ifndef SIPWARD_TRANSPORT_TLS_TLS_CONTEXT_H
#define SIPWARD_TRANSPORT_TLS_TLS_CONTEXT_H

#include "common/str.h"

#include <openssl/ssl.h>

struct transport_worker;

/* The callbacks of OpenSSL that answer a client's handshake: its server name indication (RFC 6066
 * section 3) and its application protocols (RFC 7301). */
struct tls_context_server {
	int (*server_name)(SSL *ssl, int *alert, void *arg);
	int (*protocol)(SSL *ssl, const unsigned char **out, unsigned char *out_size,
		const unsigned char *in, unsigned in_size, void *arg);
};

/* Makes a context for connections that come in, whose handshakes server answers, or, where server
 * is NULL, for connections out. NULL where OpenSSL failed, logged. The caller's to SSL_CTX_free. */
SSL_CTX *tls_context_new(struct transport_worker *t, const struct tls_context_server *server);

/* Makes a store of the certificates in pem; *count is their number. names (may be NULL): gets their
 * subjects, for a server that asks a client for its certificate. Store and names are the caller's
 * to free. 0; -EBADMSG: one does not parse, or there is none; -ENOMEM. */
int tls_context_store(
	struct str pem, X509_STORE **out, STACK_OF(X509_NAME) * *names, unsigned *count);

#endif
