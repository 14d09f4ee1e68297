/* relay.h - requests outside dialogs other than INVITE and REGISTER: MESSAGE, OPTIONS, PUBLISH,
 * INFO and unknown methods, passed on statefully (RFC 3261 section 16 as far as a back-to-back user
 * agent needs it). */
#ifndef SIPWARD_SIP_ROUTING_RELAY_H
#define SIPWARD_SIP_ROUTING_RELAY_H

#include "route.h"

/* Passes on the request of t to the targets: all of one q together, the next q when all have
 * failed; trunk targets one after the other (the next on 503, transport failure); the best response
 * (RFC 3261 section 16.7) goes back. Takes over t. */
void relay_request(struct sip *sip, struct transaction *t, const struct message *m,
	const struct identity *sender, const struct target *targets, unsigned count);
/* OPTIONS and others addressed to the gateway itself: 200 with Allow, Accept, Supported; 501 or 405
 * for other methods. */
void relay_self(struct sip *sip, struct transaction *t, const struct message *m);

#endif
