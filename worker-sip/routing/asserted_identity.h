/* asserted_identity.h - who a caller is, told to a zone that trusts us (RFC 3325 section 5): what
 * his credentials have shown, or what a trusted sender says in headers that are believed. */
#ifndef SIPWARD_SIP_ROUTING_ASSERTED_IDENTITY_H
#define SIPWARD_SIP_ROUTING_ASSERTED_IDENTITY_H

#include "worker-sip/incoming.h"

/* A display name and <sip:USER@DOMAIN>, with escapes. */
#define ASSERTED_IDENTITY_MAX 1024

/* Whether the zone is told who has sent a request; anonymous: its From does not say. */
bool asserted_identity_goes(const struct settings *settings, unsigned zone, bool anonymous);
/* Writes who has sent the request, and says whether its From names nobody. Nothing where no zone
 * would be told, or where nothing is known but what the request says by itself. */
void asserted_identity_write(struct writer *w, const struct incoming *in, bool *anonymous);

#endif
