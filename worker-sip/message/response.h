/* response.h - answers of our own to requests (RFC 3261 section 8.2.6). */
#ifndef SIPWARD_SIP_MESSAGE_RESPONSE_H
#define SIPWARD_SIP_MESSAGE_RESPONSE_H

#include "worker-sip/sip.h"

struct response {
	unsigned status;
	struct str reason;       /* n == 0: the usual one */
	struct str headers;      /* whole header lines, each with its CRLF; may be empty */
	struct str content_type; /* with a body */
	struct str body;
	struct str to_tag; /* n == 0: one is minted where the request has none and status > 100 */
	bool brief;        /* without Server */
};

/* Writes status line, all Vias (the top one with received and rport by RFC 3581 and 3261
 * section 18.2.1, whatever the peer wrote there replaced), From, To with to_tag where the request's
 * had none, Call-ID, CSeq and, for status 100, Timestamp. */
void response_write_head(struct writer *w, const struct message *request, unsigned status,
	struct str reason, struct str to_tag);
/* Builds the whole answer to a request. -ENOBUFS where it is too large, -ENOMEM. *out is the
 * caller's to drop. */
int response_build(struct sip *sip, const struct message *request, const struct response *r,
	struct wire **out);
/* The same, without r->headers where the answer is too large with them; failures are counted. */
int response_build_answer(
	struct sip *sip, const struct message *request, struct response *r, struct wire **out);
/* The same in at most limit bytes, with as much of r as there is room for. -EMSGSIZE where it
 * cannot be that short; r is then the shortest. */
int response_build_within(struct sip *sip, const struct message *request, struct response *r,
	size_t limit, struct wire **out);
/* Answers without a transaction (overload, unmatched CANCEL, a challenge, every refusal to a
 * stranger): once, and the same anew where the request comes again, with the same To tag (RFC 3261
 * section 8.2.7). Never an ACK. headers as above.
 *
 * To a datagram from an untrusted zone, whose source may be forged, it sends no more than
 * message_answer_max(request) bytes: Server is left out first, then the lines of headers from the
 * first on. Where that does not suffice, or would leave out what the status must have, or where
 * the source has used up its zone's refusals-per-source or its prefix's, nothing is sent and that
 * is counted. */
void answer_stateless(
	struct sip *sip, const struct message *request, unsigned status, struct str headers);
/* Whether m is the ACK of an answer that was made without a transaction, which nobody waits for. */
bool answer_stateless_is_ack(const struct sip *sip, const struct message *m);

#endif
