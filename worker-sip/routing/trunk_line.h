/* trunk_line.h - requests for the Contact that we registered at a trunk with match = registration:
 * the token in it (ipc/line.h), which whoever calls that Contact shows.
 *
 * It is a keyed hash of the trunk's name and credentials under a key of the master's that does not
 * change with restarts, so that all SIP workers and their successors know it, and new credentials
 * make another one. Everybody on the way of the REGISTER can read it: the one that goes out over
 * TLS is another than that over UDP and TCP, and proves nothing but over TLS.
 */
#ifndef SIPWARD_SIP_ROUTING_TRUNK_LINE_H
#define SIPWARD_SIP_ROUTING_TRUNK_LINE_H

#include "ipc/line.h"
#include "worker-sip/message/held_message.h"
#include "worker-sip/sip.h"

struct trunk_lines;

/* Takes the trunks of the settings and their credentials of the users in force. To be called where
 * either has changed. */
void trunk_lines_take(struct sip *sip);
void trunk_lines_free(struct sip *sip);

/* The token in the Contact that is registered at that trunk over that transport. False: it has
 * none. */
bool trunk_line(const struct sip *sip, unsigned trunk, uint8_t transport, char out[LINE_LENGTH]);

/* The trunk whose token the Request-URI of a request has: that of one of the zone's trunks, which
 * proves by the transport that the request came by. The Request-URI is the address of one of our
 * listeners in the zone. NONE_INDEX: there is none; of a REGISTER there never is. */
unsigned trunk_line_find(const struct sip *sip, const struct message *m, unsigned zone);
/* A copy of a request with a token, without it wherever it stands: nobody on the other leg, in logs
 * or records has a use for it. NULL: no memory. */
struct held_message *trunk_line_blank(const struct message *m);

#endif
