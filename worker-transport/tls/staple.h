/* staple.h - OCSP responses that are shown with a certificate (RFC 6066 section 8, RFC 6960).
 *
 * A response is checked when it is taken: that it is for this certificate, signed by its authority
 * or by whom that has charged with it, and that it says "good". Whether it is fresh is looked at in
 * each handshake: one that is out of date is not shown, as clients would refuse the connection.
 */
#ifndef SIPWARD_TRANSPORT_TLS_STAPLE_H
#define SIPWARD_TRANSPORT_TLS_STAPLE_H

#include "common/str.h"

#include <openssl/ssl.h>

/* Bytes of what is wrong with a response, with the NUL. */
#define STAPLE_TEXT_MAX 128

/* Has the servers of context show the response to clients that ask for the status of leaf. chain:
 * the certificates that lead to its authority, without leaf. name: the certificate's in the log.
 * 0; -EBADMSG with why, which follows "its OCSP response"; -ENOMEM, with why as well. */
int staple_attach(SSL_CTX *context, struct str der, X509 *leaf, STACK_OF(X509) * chain,
	const char *name, char why[STAPLE_TEXT_MAX]);

#endif
