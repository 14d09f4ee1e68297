/* challenge.h - a challenge of another server's (RFC 7616 section 3.3, RFC 8760) and what answers
 * it. Pure functions; strings point into the header. */
#ifndef SIPWARD_SIP_AUTH_CHALLENGE_H
#define SIPWARD_SIP_AUTH_CHALLENGE_H

#include "worker-sip/sip.h"

struct challenge {
	struct str realm, nonce, opaque; /* opaque.p NULL: there is none */
	uint8_t algorithm;               /* enum digest_algorithm; MD5 where none is named */
	bool qop;   /* it asks for qop=auth; otherwise for the form of RFC 2069 */
	bool stale; /* the credentials were right, their nonce was too old */
};

/* Parses the value of WWW-Authenticate or Proxy-Authenticate. -EINVAL: another scheme than Digest,
 * no realm or nonce, one that could not be given back within quotes, or a parameter twice.
 * -ENOTSUP: an algorithm, or a quality of protection, that we do not have. */
int challenge_parse(struct str value, struct challenge *out);

/* Writes the value of Authorization or Proxy-Authorization that answers c. ha1: hex of the
 * challenge's algorithm; nc: how often its nonce has been used with this one; cnonce: without
 * quotes and backslashes. w->full is set where it does not fit. */
void challenge_answer(struct writer *w, const struct challenge *c, struct str username,
	struct str ha1, struct str method, struct str uri, uint32_t nc, struct str cnonce);

#endif
