/* relay.h - requests outside dialogs that make none: MESSAGE, OPTIONS, PUBLISH, INFO and unknown
 * methods, passed on statefully. */
#ifndef SIPWARD_SIP_ROUTING_RELAY_H
#define SIPWARD_SIP_ROUTING_RELAY_H

#include "target.h"
#include "worker-sip/incoming.h"

/* Passes a request on to the targets (count > 0), and the best answer back. Takes over
 * in->transaction, which it makes where there is none. */
void relay_request(struct incoming *in, const struct target *targets, unsigned count);
/* Answers a request that is addressed to the gateway itself: OPTIONS with 200, Allow, Accept and
 * Supported; others with 404, 501 or 405. */
void relay_self(const struct incoming *in);

#endif
