/* user_gone.h - whether the user is gone whom a URI names. */
#ifndef SIPWARD_SIP_USER_GONE_H
#define SIPWARD_SIP_USER_GONE_H

#include "sip.h"

/* Whether a name, as a URI has it, is of a domain of ours, and nobody there. */
bool user_is_gone(const struct sip *sip, struct str name, struct str domain);

#endif
