/* privacy.h - what a sender has asked to be kept from those whom it is not for (RFC 3323, RFC 3325
 * section 9.3, RFC 7044 section 10.1). Hosts never pass; who calls, and what tells of him, does not
 * go to a zone that is not trusted. A trusted one gets it, with Privacy, and does the same. */
#ifndef SIPWARD_SIP_MESSAGE_PRIVACY_H
#define SIPWARD_SIP_MESSAGE_PRIVACY_H

#include "party.h"

enum privacy {
	PRIVACY_HEADER = 1,   /* Via, Contact, Record-Route: are ours in any case */
	PRIVACY_USER = 2,     /* From and what else the user agent says of its user */
	PRIVACY_SESSION = 4,  /* addresses of media, which do not come here */
	PRIVACY_ID = 8,       /* the identity that a network asserts */
	PRIVACY_HISTORY = 16, /* who was called before */
	PRIVACY_NONE = 32,    /* nothing */
	PRIVACY_CRITICAL = 64,
	PRIVACY_UNKNOWN = 128
};

/* What goes with the 500 that refuses it. */
#define PRIVACY_REFUSED_HEADERS                                                                    \
	"Warning: 399 sipward \"Privacy of sessions, and what is not of RFC 3323, is not to be "   \
	"had "                                                                                     \
	"here\"\r\n"

/* The words of Privacy, as bits. */
unsigned privacy_of(const struct message *m);
/* Whether what is asked cannot be done, and the request is to fail for it. */
bool privacy_is_impossible(const struct message *m);
/* Whether the called side is not to know who sends the request: From names nobody (auth/owner.h),
 * or an asserted identity is to be kept back. */
bool privacy_hides_caller(const struct message *m);
/* Whether a header tells of the user. */
bool privacy_is_of_user(uint8_t header);
/* Writes the value of From for a zone, with tag: that of m, with what rules have made of it
 * (change), or one that names nobody (RFC 3323 section 4.1.1.3). */
void privacy_write_from(struct writer *w, const struct hosts *hosts, const struct message *m,
	unsigned zone, struct str tag, const struct party_change *change);

#endif
