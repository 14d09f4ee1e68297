/* stranger.h - peers that are none of their zone's sources, by a listener that hears such ones all
 * the same (settings_hears_strangers): what they send has to show what only we gave out.
 *
 * This process cannot prove it, for it has no keys: it looks whether the form is there, so that all
 * else is dropped here, and bounds how often a peer may try. A SIP worker proves it. What comes
 * from a stranger is never answered here: nobody has proved anything yet, and its address may be
 * somebody else's.
 */
#ifndef SIPWARD_TRANSPORT_STRANGER_H
#define SIPWARD_TRANSPORT_STRANGER_H

#include "ipc/message.h"
#include "ipc/settings.h"

/* Requests outside of dialogs a second of a stranger, and its connections at once, where the zone
 * says nothing of them (rate, connections-per-source). And the connections of all strangers of a
 * transport worker. */
#define STRANGER_RATE 100
#define STRANGER_CONNECTIONS 4
#define STRANGERS_CONNECTIONS_MAX 256

/* Whether a peer has neither limits nor bans: a source of a trusted zone. */
static inline bool stranger_is_none(const struct zone_settings *z, bool permitted)
{
	return z->trust && permitted;
}

/* Whether anything but limits and bans is in the way of a peer of that listener. */
static inline bool stranger_is_heard(const struct settings *s, unsigned listener, bool permitted)
{
	return permitted || !settings_trusts(s, listener) || settings_hears_strangers(s, listener);
}

/* How many requests in which time a source of the zone may send that has limits: of a trusted zone
 * that is a stranger. 0: there is no limit. */
uint32_t stranger_limit_rate(const struct zone_settings *z, uint32_t *window_ms);
/* Whether such a source may have so many connections, where strangers have so many in all. */
bool stranger_limit_connects(
	const struct zone_settings *z, uint32_t connections, uint32_t strangers);

/* Whether a peer of that listener is a stranger. */
bool stranger_is(const struct settings *s, unsigned listener, const struct endpoint *peer);

/* Whether a message may be one that a stranger can prove: a response with the form of our branch, a
 * request with that of our tag in To, or with that of a token of a Contact at a trunk. */
bool stranger_may_prove(const struct message *m);

#endif
