/* route_search.h - inside of the routing of one request: for route.c, which asks the rules, and
 * route_trunks.c, which finds the targets of trunks. */
#ifndef SIPWARD_SIP_ROUTING_ROUTE_SEARCH_H
#define SIPWARD_SIP_ROUTING_ROUTE_SEARCH_H

#include "route.h"
#include "rules.h"

/* The longest user part that is routed: a rule that refuses some must not be evaded by one that it
 * does not look at. */
#define NUMBER_MAX 512
_Static_assert(NUMBER_MAX >= USER_NAME_MAX, "every user can be called");

/* The search for the targets of one request. */
struct route_search {
	struct sip *sip;
	const struct message *message;
	unsigned zone;                 /* of the sender */
	struct uri_parts uri;          /* of the request */
	unsigned domain;               /* that it names; NONE_INDEX: none of ours */
	bool secure;                   /* by sips: TLS on every hop (RFC 3261 section 26.2.2) */
	struct uri_parts came;         /* uri before any rule */
	const struct rules *rules;     /* NULL: there are none */
	const struct rewrite *rewrite; /* what they have made of it for the next target */
	struct target *targets;
	unsigned count, limit;
	bool flows;                      /* a phone has registered by RFC 5626 */
	struct explanation *explanation; /* of the request; NULL: none */
	size_t number_length;
	char number[NUMBER_MAX + 1]; /* route_called */
};

static inline bool route_is_secure(uint8_t transport)
{
	return transport == TRANSPORT_TLS || transport == TRANSPORT_WSS;
}

/* Applies the rules of a zone, route or trunk to what those before have made of the request. False:
 * one cannot be carried out. */
bool route_rewrite(struct route_search *s, enum rules_of of, unsigned index);

/* Adds the targets of a route's trunks. Those that are known to be down come last, whichever trunk
 * they are of, and so do those of trunks at which we are to be registered and are not. */
void route_add_trunks(struct route_search *s, const struct route_settings *r, struct decision *out);

#endif
