/* leg_request.h - what a request carries on the other leg, whoever passes it on: an INVITE or any
 * other request outside a dialog (routing/fork.c), or a request within one (call/exchange.c).
 *
 * The other leg has identifiers of its own. Headers that policy.def has as MAPPED name a dialog or
 * a number of the sender's leg: they get the other leg's name for the same, or do not pass.
 */
#ifndef SIPWARD_SIP_MESSAGE_LEG_REQUEST_H
#define SIPWARD_SIP_MESSAGE_LEG_REQUEST_H

#include "splice.h"

/* The CSeq number that a request came with, and the one that it went on with. in 0: none. */
struct cseq_pair {
	uint32_t in, out;
};

struct leg_request {
	struct sip *sip;
	const struct message *message; /* as it came */
	unsigned from_zone, to_zone;
	uint8_t slot;
	bool in_dialog;
	uint64_t id;            /* of our Contact's token on the other leg, and outside a dialog of
	                           our From tag's */
	const struct flow *to;  /* how the other leg's peer is reached */
	struct str request_uri; /* the remote target, or that of the target set */
	struct str route, call_id; /* the route set, or a binding's Path; n == 0: none */
	uint32_t cseq;
	/* Within a dialog: From and To whole, and what RAck and Event may name. */
	struct str from, to_value;
	struct cseq_pair invite, refer;
	/* Outside a dialog: the value of Replaces, mapped already; n == 0: it is mapped now. */
	struct str replaces;
	struct str asserted; /* value of P-Asserted-Identity that is ours to say; n == 0: none */
	const struct rewrite *rewrite; /* outside: what rules have made of it; NULL: nothing */
};

/* Fills in s for splice_request; its branch is the caller's to set. The strings of s are in the
 * worker's scratch: s is good until the next call. What is too long once it is mapped does not
 * pass. 0; -ENOBUFS where From, To or Route is too long; -ESRCH for a PRACK that names no INVITE of
 * its leg (RFC 3262 section 3). */
int leg_request_splice(const struct leg_request *r, struct splice *s);

#endif
