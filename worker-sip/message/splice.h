/* splice.h - writing an outgoing message from a received one: a new start line and our own
 * hop-by-hop headers, everything else copied from the raw bytes in its original order and spelling,
 * less what must not pass (policy.def). Nothing is rebuilt from a tree. A header line with
 * a NUL (in a quoted-pair: ipc/message.h) does not pass. */
#ifndef SIPWARD_SIP_MESSAGE_SPLICE_H
#define SIPWARD_SIP_MESSAGE_SPLICE_H

#include "hosts.h"

struct rewrite;

/* The values that replace a leg's own parts. Strings are copied. */
struct splice {
	struct sip *sip;
	const struct message *in;    /* what is passed on */
	unsigned from_zone, to_zone; /* settings zones of the two sides */
	uint8_t slot;
	struct str contact_user;       /* user part of our Contact; n == 0: no Contact is written */
	const struct rewrite *rewrite; /* what rules have made of it; NULL: nothing */
	uint32_t expires_most; /* Expires says no more seconds than these; 0: what it says */
	bool redirects;        /* a response: its Contacts pass (redirect_contact.h) */

	/* requests */
	struct str request_uri;
	const struct flow *to;     /* Via's transport and sent-by; Contact's address */
	uint64_t branch;           /* id of the branch token */
	struct str from, to_value; /* whole values of From and To, tags included */
	struct str call_id;
	uint32_t cseq;
	struct str credentials; /* whole lines of ours for the other leg's server; may be empty */
	struct str route;       /* value of one Route header (comma list); n == 0: none */
	struct str asserted;    /* value of P-Asserted-Identity of ours; n == 0: none */
	/* what is mapped; n == 0: the header is dropped */
	struct str rack, refer_to, referred_by, replaces, target_dialog, event_id;
};

/* The request for the other leg. -ENOBUFS too large, -ENOMEM. */
int splice_request(const struct splice *s, struct wire **out);
/* The answer to `request` (received on this leg) from the other leg's response s->in. status and
 * reason are s->in's unless status is not 0. to_tag: our tag on this leg. flow of the answer:
 * request's. */
int splice_response(const struct splice *s, const struct message *request, unsigned status,
	struct str to_tag, struct wire **out);

/* Writes our Contact with that user part for whoever is reached by the flow, as a sips: URI where
 * it was called by one (RFC 3261 section 12.1.1): such a URI needs no word of its TLS. */
void splice_write_own_contact(struct writer *w, const struct sip *sip, struct str user,
	const struct flow *flow, bool sips);

/* Writes those lines of one header of s->in that pass, as they pass: for a message that takes
 * nothing else from it. A line that does not fit is left out. */
void splice_write_header(struct writer *w, const struct splice *s, enum header id);

#endif
