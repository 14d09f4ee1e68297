/* keep_alive.h - OPTIONS by which a registered phone keeps its flow open. */
#ifndef SIPWARD_SIP_AUTH_KEEP_ALIVE_H
#define SIPWARD_SIP_AUTH_KEEP_ALIVE_H

#include "worker-sip/incoming.h"

/* Whether a request is OPTIONS that came by the very flow by which its From is registered. It
 * learns nothing that its sender does not know, and needs no credentials where it is for the
 * gateway itself, which is the caller's to see. */
bool keep_alive_is(const struct incoming *in);

#endif
