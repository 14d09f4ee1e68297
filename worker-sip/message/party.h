/* party.h - the values of From and To as another leg gets them. */
#ifndef SIPWARD_SIP_MESSAGE_PARTY_H
#define SIPWARD_SIP_MESSAGE_PARTY_H

#include "hosts.h"

/* Writes the value of a From or To header without its tag parameter, and with tag (n == 0: none).
 * A display name or a parameter with a NUL is left out. */
void write_address_tag(struct writer *w, struct str value, struct str tag);

/* What takes the place of parts of an address; STR_NONE: they stay. user is escaped, display is
 * without quotes, and empty where there is to be none. */
struct party_change {
	struct str user, host, display;
};
/* The same for the other leg, without the hosts of the sender's: PBXs write their own addresses
 * into From and To. change: what rules have made of it, whose host is not the sender's; NULL:
 * nothing. A tel: URI becomes a SIP URI where it gets a host, or a user that is no number. */
void write_party(struct writer *w, const struct hosts *hosts, struct str value, struct str tag,
	const struct party_change *change);

#endif
