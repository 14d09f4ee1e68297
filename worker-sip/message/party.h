/* party.h - the values of From and To as another leg gets them. */
#ifndef SIPWARD_SIP_MESSAGE_PARTY_H
#define SIPWARD_SIP_MESSAGE_PARTY_H

#include "hosts.h"

/* Writes the value of a From or To header without its tag parameter, and with tag (n == 0: none).
 * A display name or a parameter with a NUL is left out. */
void write_address_tag(struct writer *w, struct str value, struct str tag);
/* The same for the other leg, without the hosts of the sender's: PBXs write their own addresses
 * into From and To. */
void write_party(struct writer *w, const struct hosts *hosts, struct str value, struct str tag);

#endif
