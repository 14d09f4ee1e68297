/* service_route.h - what a registrar's 200 says of the way that requests to its network are to go
 * (RFC 3608): the Route of those that begin something at its trunk.
 *
 * It comes from a trunk and stands in what we send there, so it is checked: loose routers alone,
 * not too many, none of them we. It does not change where requests go, which the trunk's targets
 * say (an outbound proxy, RFC 3261 section 8.1.2).
 */
#ifndef SIPWARD_SIP_ROUTING_SERVICE_ROUTE_H
#define SIPWARD_SIP_ROUTING_SERVICE_ROUTE_H

#include "ipc/record.h"
#include "worker-sip/message/writer.h"
#include "worker-sip/sip.h"

/* Hops, at most. */
#define SERVICE_ROUTE_HOPS_MAX 8

/* Whether set, a comma list, is a route set of that kind; an empty one is. */
bool service_route_valid(const struct settings *s, struct str set);
/* Writes the Service-Route of m as one list. -EBADMSG: it is not to be used, and nothing has been
 * written. */
int service_route_read(const struct settings *s, const struct message *m, struct writer *w);

#endif
