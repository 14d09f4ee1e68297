/* tls_context.h - SSL_CTXs as this gateway wants them: TLS 1.2 and 1.3, ciphers with forward
 * secrecy, no renegotiation, no compression; session tickets only where they are on. */
#ifndef SIPWARD_TRANSPORT_TLS_TLS_CONTEXT_H
#define SIPWARD_TRANSPORT_TLS_TLS_CONTEXT_H

#include "common/str.h"

#include <openssl/ssl.h>

struct transport_worker;

/* A context for one side. NULL, logged: no memory. The caller's to SSL_CTX_free. */
SSL_CTX *tls_context_new(struct transport_worker *t, bool server);

/* Makes a store of the certificates in pem. *count of them. 0; -EBADMSG: one does not parse, or
 * none is there; -ENOMEM. names (may be NULL): the subjects, for a server's request of a client's
 * certificate. */
int tls_context_store(
	struct str pem, X509_STORE **out, STACK_OF(X509_NAME) * *names, unsigned *count);

#endif
