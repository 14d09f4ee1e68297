/* routes.h - inside of the rules of the settings: for route.c, which asks them, and routes.c, which
 * compiles their expressions. */
#ifndef SIPWARD_SIP_ROUTING_ROUTES_H
#define SIPWARD_SIP_ROUTING_ROUTES_H

#include "number_prefix.h"
#include "route.h"
#include "rules.h"

struct routes {
	const struct settings *settings;
	unsigned count;
	struct number_prefixes
		*prefixes;       /* of all routes; those without expression have an empty one */
	struct pattern **number; /* one a route: NULL where it has none, or none yet */
	struct pattern_matcher *matcher;
	struct rules *rules;  /* about numbers and headers; NULL: there are none */
	struct log_limit log; /* of lines about patterns that took too long */
};

/* Whether the expression of route i matches the number. Where that cannot be said within the bounds
 * it does not, except that a rule which refuses is not evaded so. */
bool routes_match(struct sip *sip, unsigned i, struct str number);

#endif
