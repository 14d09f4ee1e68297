/* ws.h - WebSocket: the framing of a stream on ws: and wss: listeners (RFC 6455, RFC 7118).
 *
 * It stands between the stream's layer, plain or TLS, and its messages: the HTTP upgrade comes
 * first, then frames. One WebSocket message is one SIP message (RFC 7118 section 4).
 */
#ifndef SIPWARD_TRANSPORT_WS_H
#define SIPWARD_TRANSPORT_WS_H

#include "stream.h"

extern const struct stream_framing ws_framing;

/* Makes libraries load what the upgrade needs, before the jail closes. 0; -EIO. */
int ws_prepare(void);

#endif
