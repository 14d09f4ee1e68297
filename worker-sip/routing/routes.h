/* routes.h - inside of the rules of the settings: for route.c, which asks them, and routes.c, which
 * makes them. */
#ifndef SIPWARD_SIP_ROUTING_ROUTES_H
#define SIPWARD_SIP_ROUTING_ROUTES_H

#include "number_pattern.h"
#include "route.h"
#include "rules.h"

struct routes {
	struct number_patterns *numbers; /* one a route: that of its expression */
	struct rules *rules;             /* about numbers and headers; NULL: there are none */
	struct log_limit log;            /* of lines about patterns that took too long */
};

/* Whether the expression of route i matches the number. Where that cannot be said within the bounds
 * it does not, except that a rule which refuses is not evaded so. */
bool routes_match(struct sip *sip, unsigned i, struct str number);

#endif
