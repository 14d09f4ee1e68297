/* rules.h - the rules of the config about numbers and headers, compiled, by what they are of: what
 * comes from a zone, what a route takes, what goes out by a trunk. rewriting.h carries them out. */
#ifndef SIPWARD_SIP_ROUTING_RULES_H
#define SIPWARD_SIP_ROUTING_RULES_H

#include "ipc/rule.h"
#include "ipc/settings.h"

enum rules_of { RULES_OF_ZONE, RULES_OF_ROUTE, RULES_OF_TRUNK, RULES_OF_COUNT };

struct rules_row {
	struct rule rule;
	struct str text; /* as it is written */
	unsigned line;   /* of the config */
};

struct rules;
/* Compiles all rules of the settings, which have to stay as long as they do. *out is NULL where
 * there are none. -ENOMEM; -EINVAL for a bad rule, which is logged (the master has checked it). */
int rules_new(struct rules **out, const struct settings *settings);
void rules_free(struct rules *r); /* NULL is a no-op */

/* The rules of that zone, route or trunk, in their order. */
const struct rules_row *rules_list(
	const struct rules *r, enum rules_of of, unsigned index, unsigned *count);
struct pattern_matcher *rules_matcher(const struct rules *r);
/* What the rules of a zone are for, of enum rule_where. */
unsigned rules_where(const struct rules *r, unsigned zone);

#endif
