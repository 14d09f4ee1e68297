/* emergency.h - calls for help: which requests are for a number of emergency, or for a service of
 * emergency by its URN (RFC 5031).
 *
 * Such a call passes what limits others. A transport worker asks before a SIP worker does, so that
 * both agree on it here.
 */
#ifndef SIPWARD_IPC_EMERGENCY_H
#define SIPWARD_IPC_EMERGENCY_H

#include "message.h"
#include "settings.h"

/* Calls of emergency that a SIP worker has beyond its limit of calls, and server transactions
 * beyond the limit of these. */
#define EMERGENCY_RESERVE 256

/* Whether number, as route_request sees it, is one of emergency. */
bool emergency_has(const struct settings *s, struct str number);
/* The number that stands for a service: uri is urn:service:sos, or one below it, as
 * urn:service:sos.police. The entry of the config that names the service, or else the nearest one
 * above it, gives the number, or else the first one. False: uri is no such URN, or there are no
 * numbers of emergency. */
bool emergency_service(const struct settings *s, struct str uri, struct str *number);
/* Whether the request is an INVITE for help outside of a dialog: its Request-URI has a number of
 * emergency for its user, without separators, or is such a URN. Costs next to nothing where there
 * are no numbers. */
bool emergency_call(const struct settings *s, const struct message *m);

#endif
