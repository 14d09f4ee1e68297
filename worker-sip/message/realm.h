/* realm.h - credentials and challenges that pass between the legs, by their realm (RFC 3261
 * section 22): those for a realm of ours are for us alone. */
#ifndef SIPWARD_SIP_MESSAGE_REALM_H
#define SIPWARD_SIP_MESSAGE_REALM_H

#include "ipc/settings.h"

/* Whether credentials or a challenge, a header's value, are for a realm of ours. Any parameter
 * realm counts: whoever reads it may take the last one of two, or find in a quoted string what we
 * do not. */
bool realm_is_ours(const struct settings *s, struct str value);
/* Whether credentials, a header's value, are what their grammar says, to their end: nothing passes
 * that we cannot read. The parser has left that to whoever asked for them. */
bool realm_credentials_readable(struct str value);

#endif
