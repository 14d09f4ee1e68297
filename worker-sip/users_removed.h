/* users_removed.h - what users leave behind who are in no users file any more: their calls and
 * their bindings end. */
#ifndef SIPWARD_SIP_USERS_REMOVED_H
#define SIPWARD_SIP_USERS_REMOVED_H

#include "sip.h"

/* What both sides of a call are told (RFC 3326). */
#define USER_REMOVED_REASON "Reason: SIP;cause=403;text=\"User removed\"\r\n"
/* Calls ended in one turn, and the pause between turns, milliseconds. */
#define USER_REMOVED_CALLS 50
#define USER_REMOVED_PAUSE_MS 10

/* sip->users has replaced before, which may be NULL: where a user of it is gone, ends what he has.
 * His calls end soon, his bindings within some seconds. */
void users_removed(struct sip *sip, const struct users *before);

#endif
