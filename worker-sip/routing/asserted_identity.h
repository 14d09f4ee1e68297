/* asserted_identity.h - who a caller is, told to a zone that trusts us (RFC 3325 section 5): what
 * his credentials have shown, in P-Asserted-Identity. */
#ifndef SIPWARD_SIP_ROUTING_ASSERTED_IDENTITY_H
#define SIPWARD_SIP_ROUTING_ASSERTED_IDENTITY_H

#include "worker-sip/incoming.h"

/* <sip:USER@DOMAIN>, with escapes. */
#define ASSERTED_IDENTITY_MAX (3 * USER_NAME_MAX + 300)

/* Whether the zone is told who has sent a request; anonymous: its From does not say. */
bool asserted_identity_goes(const struct settings *settings, unsigned zone, bool anonymous);
/* Whether there is a zone that would be told of the sender of the request. */
bool asserted_identity_wanted(const struct incoming *in);
/* Writes the value; nothing where the sender has shown no credentials. */
void asserted_identity_write(
	struct writer *w, const struct settings *settings, const struct identity *sender);

#endif
