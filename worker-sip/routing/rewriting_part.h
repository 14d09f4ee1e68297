/* rewriting_part.h - inside of rewriting.c: the parts of a request that rules change, and what may
 * stand in their place. */
#ifndef SIPWARD_SIP_ROUTING_REWRITING_PART_H
#define SIPWARD_SIP_ROUTING_REWRITING_PART_H

#include "ipc/syntax.h"
#include "rewriting.h"
#include "worker-sip/message/writer.h"

/* Reads a part of the request. False: it is longer than rules may look at, or holds a NUL. */
bool rewriting_part_read(struct rewriting *w, enum rule_part part);
/* Reads all values of P-Asserted-Identity. False: they cannot be read, or are too long. */
bool rewriting_identity_read(struct rewriting *w);
/* The user of a URI, unescaped; of a telephone number without visual separators and parameters. Its
 * length; -EINVAL where such a URI has none, -EBADMSG where it is too long or holds a NUL. */
long rewriting_user_text(
	const struct uri_parts *uri, char buffer[RULE_PART_MAX], struct user_escapes *escapes);

/* Whether text may stand in the place of the part. */
bool rewriting_part_valid(enum rule_part part, struct str text);
/* Writes w->request anew, from the part. False: too long. */
bool rewriting_write_request(struct rewriting *w);
/* Writes text as the user part of a URI: escaped is what may not stand there, and what came so. */
void rewriting_write_user(struct writer *w, struct str text, const struct user_escapes *escapes);
/* Writes an address with another user. */
void rewriting_write_address(struct writer *w, const struct address *a, struct str user,
	const struct user_escapes *escapes);

/* What a rule makes of text, into buffer; *n is its length where it matches. Of a user escapes says
 * what came escaped, and then what did of the result; NULL: it is none. */
enum rule_outcome rewriting_replace(const struct rule *rule, struct pattern_matcher *matcher,
	struct str text, char buffer[RULE_PART_MAX], size_t *n, struct user_escapes *escapes);

/* The values of P-Asserted-Identity before a rule and after it. */
struct rewriting_seen {
	char before[REWRITING_IDENTITY_MAX], after[REWRITING_IDENTITY_MAX];
};
/* The rule over each value of P-Asserted-Identity: those that came, unless a rule before has
 * removed them, and those that rules before have set or added. note's texts are in seen. */
enum rule_outcome rewriting_identity(struct rewriting *w, const struct rule *rule,
	struct pattern_matcher *matcher, struct rule_note *note, struct rewriting_seen *seen);

/* Counts and logs a rule that could not be carried out. True: the request goes on without it. */
bool rewriting_refuse(struct rewriting *w, const struct rule_note *note);
/* A line of what a rule did, for the level debug. */
void rewriting_log(const struct rewriting *w, const struct rule_note *note);
/* Keeps what a rule has changed for the record of the call (rules_told of the scratch). */
void rewriting_tell(const struct rewriting *w, const struct rule_note *note);

#endif
