/* admission.h - whether a message is served at all, by where it comes from. */
#ifndef SIPWARD_SIP_ADMISSION_H
#define SIPWARD_SIP_ADMISSION_H

#include "incoming.h"

/* Whether a message is served: from a source that its zone permits it is, and from another one
 * where it shows what only we gave out (stranger.h), a trunk's token among it (in->shown). Of in:
 * sip, message, zone, trunk and shown. What is not is counted and logged, or explained where x is
 * not NULL. */
bool admission_permits(const struct incoming *in, bool permitted, struct explanation *x);

#endif
