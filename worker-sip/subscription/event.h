/* event.h - event packages (RFC 6665 section 5): what a request is about, by its Event. */
#ifndef SIPWARD_SIP_SUBSCRIPTION_EVENT_H
#define SIPWARD_SIP_SUBSCRIPTION_EVENT_H

#include "ipc/message.h"
#include "ipc/settings.h"

/* What a 489 says (RFC 6665 section 8.3.2): the usual ones, for any package passes. */
#define EVENT_ALLOW_EVENTS "Allow-Events: dialog, message-summary, presence, refer\r\n"

/* The name of the package, without parameters; n == 0: Event is missing. */
struct str event_package(const struct message *m);
/* Whether it is one of these, struct text. */
bool event_is_among(const struct message *m, const struct settings *s, struct array events);
/* Whether the request is for a server that keeps the state of users, and never for a phone: PUBLISH
 * (RFC 3903), and SUBSCRIBE to a package that has no state at a phone. */
bool event_is_for_server(const struct message *m);

#endif
