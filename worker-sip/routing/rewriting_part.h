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
long rewriting_user_text(const struct uri_parts *uri, char buffer[RULE_PART_MAX]);

/* Whether text may stand in the place of the part. */
bool rewriting_part_valid(enum rule_part part, struct str text);
/* Writes w->request anew, from the part. False: too long. */
bool rewriting_write_request(struct rewriting *w);
/* Writes text as the user part of a URI, with escapes. */
void rewriting_write_user(struct writer *w, struct str text);
/* Writes an address with another user. */
void rewriting_write_address(struct writer *w, const struct address *a, struct str user);

/* Counts and logs a rule that could not be carried out. True: the request goes on without it. */
bool rewriting_refuse(struct rewriting *w, const struct rule_note *note);
/* A line of what a rule did, for the level debug. */
void rewriting_log(const struct rewriting *w, const struct rule_note *note);
/* Keeps what a rule has changed for the record of the call (rules_told of the scratch). */
void rewriting_tell(const struct rewriting *w, const struct rule_note *note);

#endif
