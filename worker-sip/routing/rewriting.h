/* rewriting.h - a request outside a dialog on its way through the rules of the config: those of its
 * zone, of the route that takes it, of the trunk that it goes out by, each in their written order.
 *
 * Each rule sees what those before it have made. What is reached so far may be copied: what the
 * rules of one trunk make of a request is not seen by those of the next one. The result for a
 * target is a struct rewrite (message/rewrite.h).
 *
 * A rule that cannot be carried out, because its pattern takes too long over what the peer wrote,
 * or because what it makes is no user, host or name, refuses the request (of a trunk: the trunk),
 * for the rule may be there to keep something back. A call to a number of emergency goes on without
 * that rule.
 *
 * Who wants to know which rules matched, and what they did, sets rule_watch of struct sip while it
 * calls route_request: "sipwardctl explain" and the log at the level debug.
 */
#ifndef SIPWARD_SIP_ROUTING_REWRITING_H
#define SIPWARD_SIP_ROUTING_REWRITING_H

#include "ipc/message.h"
#include "rewriting_state.h"

struct sip;
struct routes;
struct rewrite;

enum rule_outcome {
	RULE_UNMATCHED = 0, /* nobody is told of it */
	RULE_MATCHED,
	RULE_LIMIT,    /* its pattern takes too long */
	RULE_TOO_LONG, /* a part, before it or after it, or all of them together */
	RULE_INVALID   /* what it makes is no user, host or name */
};

/* A rule that has matched, or could not be carried out. */
struct rule_note {
	enum rules_of of;
	struct str section; /* name of the zone, route or trunk */
	unsigned line;      /* of the config; 0: it is of all rules of the section together */
	struct str rule;    /* as it is written */
	enum rule_outcome outcome;
	struct str before, after; /* of a header: "" and its value; of one that cannot be carried
	                             out after is empty. They may hold any octet */
};
struct rule_watch {
	void (*note)(void *arg, const struct rule_note *note);
	void *arg;
};
/* A note of such a watch, whose arg is the explanation of the request. */
void rewriting_explain(void *arg, const struct rule_note *note);
/* "zone", "route", "trunk"; "matched", "pattern takes too long", ... */
const char *rules_of_name(enum rules_of of);
const char *rule_outcome_text(enum rule_outcome outcome);

/* Begins with the request as it came. uri: that it is for; NULL: no rule changes whom it is for. */
void rewriting_begin(struct rewriting *w, struct sip *sip, const struct message *m,
	const struct uri_parts *uri, bool emergency);
/* Applies the rules of a zone, route or trunk in their order, and writes the result into the
 * worker's scratch; *out is NULL where it is the request as it came. False: one cannot be carried
 * out, or there is no room for what they make of it, which has been counted and logged; an
 * emergency call goes on without that one, or as it came. */
bool rewriting_apply(struct rewriting *w, const struct rules *rules, enum rules_of of,
	unsigned index, const struct rewrite **out);
/* Applies the rules of a zone that are for that, of RULE_LATER; a zone's fit (ipc/rule.h). */
void rewriting_apply_later(
	struct rewriting *w, const struct rules *rules, unsigned zone, unsigned where);
/* Writes the result into buffer, at *used, which is then behind it; *out is NULL where it is the
 * message as it came. -ENOBUFS: there is no room, and *out is NULL. */
int rewriting_keep(const struct rewriting *w, char *buffer, size_t size, size_t *used,
	const struct rewrite **out);
/* Gives uri the user that the rules have made of it; its strings are in w. */
void rewriting_uri(const struct rewriting *w, struct uri_parts *uri);

#endif
