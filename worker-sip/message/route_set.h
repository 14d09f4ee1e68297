/* route_set.h - where a request says that it goes, by its route set (RFC 3261 section 12.2.1.1).
 *
 * With a first hop that has lr the Request-URI is the target and Route is the set as it stands:
 * what there is to be written is what the caller has. A first hop without lr is a strict router of
 * RFC 2543: it wants its own URI as Request-URI, and the target behind the others in Route.
 */
#ifndef SIPWARD_SIP_MESSAGE_ROUTE_SET_H
#define SIPWARD_SIP_MESSAGE_ROUTE_SET_H

#include "writer.h"

/* Whether the first hop of a route set, a comma list of addresses which may be empty, is a strict
 * router: its SIP URI has no parameter lr. */
bool route_set_is_strict(struct str set);
/* Writes the Request-URI for a strict router: the first URI of the set without what may not stand
 * there, its headers and its method (RFC 3261 section 19.1.1, table 1). */
void route_set_write_request_uri(struct writer *w, struct str set);
/* Writes the value of Route for a strict router: the set behind its first address, and target, a
 * URI, behind that. */
void route_set_write_rest(struct writer *w, struct str set, struct str target);

#endif
