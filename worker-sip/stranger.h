/* stranger.h - messages from an address that is none of its zone's sources, by a listener that
 * hears such ones (settings_hears_strangers): a carrier at which we are registered may well answer,
 * and go on with a call, from another address than it named.
 *
 * What is asked anew has to show a trunk's token (routing/trunk_line.h). Here is what belongs to
 * something that there is, and proves it by what only we gave out, to that peer.
 */
#ifndef SIPWARD_SIP_STRANGER_H
#define SIPWARD_SIP_STRANGER_H

#include "sip.h"

/* Whether a message is of something that was begun in the zone:
 * - a response whose top Via has our branch of a client transaction that is here, of which the
 *   request went out by the same listener (RFC 3261 section 18.1.2: whoever it comes from). Of the
 *   branch 64 bits are random, and 64 more are their MAC;
 * - a request in a dialog, by our tag (as the branch), the peer's tag and the Call-ID; never a
 *   REGISTER, which is of none;
 * - a request that repeats, acknowledges or cancels one that the same address and port sent. */
bool stranger_is_known(struct sip *sip, const struct message *m, unsigned zone);

#endif
