/* route_uri.h - the URI by which a request is routed. */
#ifndef SIPWARD_SIP_ROUTING_ROUTE_URI_H
#define SIPWARD_SIP_ROUTING_ROUTE_URI_H

#include "worker-sip/incoming.h"

/* The URI that the request is for. A strict router, or a phone whose outbound proxy has no lr,
 * writes our own address in the Request-URI and what it means last in Route (RFC 3261
 * section 16.4). */
struct uri_parts route_uri(const struct incoming *in);

#endif
