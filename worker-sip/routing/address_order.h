/* address_order.h - which of the addresses of a host is tried first (RFC 6724 section 6). */
#ifndef SIPWARD_SIP_ROUTING_ADDRESS_ORDER_H
#define SIPWARD_SIP_ROUTING_ADDRESS_ORDER_H

#include "common/endpoint.h"

/* What is known of an address, and of the one that we send from. */
struct address_candidate {
	struct endpoint to;
	struct endpoint from; /* of the listener; a wildcard says nothing: its rules are left out */
};

/* Sorts them, those that are alike by their bytes, so that the order does not depend on the
 * server's. Rules 3, 4 and 7 (deprecated, home and tunnelled addresses) concern no server. */
void address_order(struct address_candidate *c, unsigned count);

#endif
