/* digest_uri.h - whether credentials are for what a request asks (RFC 7616 section 3.4.6). */
#ifndef SIPWARD_SIP_AUTH_DIGEST_URI_H
#define SIPWARD_SIP_AUTH_DIGEST_URI_H

#include "worker-sip/sip.h"

enum digest_uri_match { DIGEST_URI_OTHER, DIGEST_URI_SPELLING, DIGEST_URI_SAME };

/* RFC 7616 section 3.4.6: the digest is over the URI that it names, which must be the one that is
 * asked. One that names the same place otherwise (its parameters, its default port, the separators
 * of a telephone number) is a client's error and no attack. */
enum digest_uri_match digest_uri_match(struct str named, const struct message *m);

#endif
