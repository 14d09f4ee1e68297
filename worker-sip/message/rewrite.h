/* rewrite.h - what the rules of the config have made of a request outside a dialog, for one target:
 * parts of it that are other ones, and header lines that go or come. One block without pointers;
 * routing/rewriting.c makes it, once, so that all that is sent to the target says the same.
 */
#ifndef SIPWARD_SIP_MESSAGE_REWRITE_H
#define SIPWARD_SIP_MESSAGE_REWRITE_H

#include "ipc/message.h"
#include "ipc/rule.h"
#include "party.h"

/* Bytes from the start of the block. at 0: the part is as it came. */
struct rewrite_text {
	uint32_t at, n;
};

struct rewrite {
	uint32_t size; /* of the block, a multiple of 8 */
	uint32_t zero;
	/* Users are escaped; the Request-URI's has what belongs to a number behind it. The last one
	 * is the whole of P-Asserted-Identity. */
	struct rewrite_text part[RULE_PARTS];
	struct rewrite_text removed; /* header ids, each with a length and a name */
	struct rewrite_text added;   /* whole lines */
	struct rewrite_text first;   /* the same, before all others */
};

static inline struct str rewrite_str(const struct rewrite *r, struct rewrite_text t)
{
	return t.at ? (struct str){(const char *)r + t.at, t.n} : STR_NONE;
}

/* Of From (first: RULE_FROM_USER) or To (RULE_TO_USER): what is other than it came. NULL: nothing.
 * r may be NULL. */
const struct party_change *rewrite_party(
	const struct rewrite *r, enum rule_part first, struct party_change *out);
/* Gives the Request-URI the user that rules have made of it; r may be NULL. */
void rewrite_uri(const struct rewrite *r, struct uri_parts *uri);
/* The same from the text: a user, and behind it what belongs to a number. */
void rewrite_uri_user(struct uri_parts *uri, struct str text);

/* Says of the header lines from h to before end, of which is decided (policy.h), that those which
 * rules remove do not pass, and where P-Asserted-Identity is written anew. */
void rewrite_decide(const struct rewrite *r, const struct message *m,
	const struct message_header *h, const struct message_header *end, uint8_t *what);

#endif
