/* ws.h - WebSocket: the framing of a stream on ws: and wss: listeners (RFC 6455, RFC 7118).
 *
 * It stands between the stream's layer, plain or TLS, and its messages: first the HTTP upgrade,
 * then frames. One WebSocket message is one SIP message.
 */
#ifndef SIPWARD_TRANSPORT_WS_H
#define SIPWARD_TRANSPORT_WS_H

#include "stream.h"

extern const struct stream_framing ws_framing;

/* Warms up what the upgrade needs from libraries, before the jail closes. -EIO. */
int ws_prepare(void);

#endif
