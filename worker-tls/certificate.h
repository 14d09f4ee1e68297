/* certificate.h - reads a certificate chain: whether it parses, which names it bears, when it is
 * valid. The key store checks chains with it and keeps no certificate. */
#ifndef SIPWARD_TLS_CERTIFICATE_H
#define SIPWARD_TLS_CERTIFICATE_H

#include "common/str.h"

#include <openssl/evp.h>
#include <stdint.h>

/* Certificates of one chain, at most. */
#define CHAIN_DEPTH_MAX 16
/* Bytes of what is wrong with a chain, with the NUL. */
#define CERTIFICATE_TEXT_MAX 512

struct certificate_facts {
	EVP_PKEY *public;              /* of the first certificate; the caller's to EVP_PKEY_free */
	int64_t not_before, not_after; /* unix seconds: the latest and the earliest of the chain */
};

/* Reads a chain in PEM form, its own certificate first. names: hosts or SIP domains separated by
 * spaces, each of which the first certificate must cover (RFC 5922 section 7.2) by a DNS name, a
 * URI sip:NAME or an address; "*.NAME" stands for any one label. 0; -EBADMSG or -ENOMEM, with what
 * is wrong in text. */
int certificate_read(struct str chain, struct str names, struct certificate_facts *out,
	char text[CERTIFICATE_TEXT_MAX]);

#endif
