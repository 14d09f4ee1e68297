/* registrar.h - REGISTER for the domains we are authoritative for (RFC 3261 section 10.3, RFC 3327). */
#ifndef SIPWARD_SIP_REGISTRAR_H
#define SIPWARD_SIP_REGISTRAR_H

#include "location.h"

int registrar_new(struct registrar **out, struct sip *sip);
void registrar_free(struct registrar *r);

/* Handles an authorized REGISTER whose To is in settings domain `domain`: answers t. */
void registrar_request(struct registrar *r, struct transaction *t, const struct message *m, unsigned domain);
/* A stream flow that a binding came by has ended: its bindings go (RFC 5626 section 4.2.2: a flow that is gone reaches nobody). */
void registrar_flow_closed(struct registrar *r, uint64_t flow, uint8_t slot);

#endif
