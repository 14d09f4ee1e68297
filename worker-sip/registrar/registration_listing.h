/* registration_listing.h - what sipwardctl registrations says of the bindings in the store, and
 * their removal by an operator. */
#ifndef SIPWARD_SIP_REGISTRAR_REGISTRATION_LISTING_H
#define SIPWARD_SIP_REGISTRAR_REGISTRATION_LISTING_H

#include "worker-sip/sip.h"

/* Hands a JSON line of each binding to line that fits the arguments (query_argument.h): aor (an
 * address of record, with or without its scheme), user, domain, source (an address, with or without
 * its port), agent (a part of the user agent's name), at most limit lines (0: all; where it is
 * absent, QUERY_LISTED), with count none. Then {"matched":N}, the number of all that fit. */
void registration_list(struct sip *sip, const char *arguments,
	void (*line)(void *arg, struct str json), void *arg);

/* Removes the bindings of the address of record that the arguments name, those with that contact
 * where they name one, if this worker is the one that writes them. Hands {"removed":N} to line,
 * with "error" where the store takes nothing. */
void registration_remove(struct sip *sip, const char *arguments,
	void (*line)(void *arg, struct str json), void *arg);

#endif
