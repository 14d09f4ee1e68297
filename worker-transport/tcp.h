/* tcp.h - TCP sockets: listeners, connections out, and the layer of a stream that carries bytes as
 * they are. */
#ifndef SIPWARD_TRANSPORT_TCP_H
#define SIPWARD_TRANSPORT_TCP_H

#include "stream.h"

struct tcp;

/* Connections accepted from one listener before others get their turn. */
#define TCP_ACCEPT_TURN 64
/* How long a listener rests when there is no fd or memory for another connection. */
#define TCP_ACCEPT_PAUSE_MS 100
/* Bytes unacknowledged for this long end a connection: 64 * T1. */
#define TCP_UNACKNOWLEDGED_MS 32000

int tcp_new(struct tcp **out, struct transport_worker *t); /* -ENOMEM */
void tcp_free(struct tcp *tcp);

/* Accepts connections from fd, which listens for the settings' listener; owns it on success.
 * -errno; -EINVAL for an fd that does not listen. */
int tcp_add(struct tcp *tcp, int fd, uint16_t listener);

/* Starts a connection to flow.peer from the address of flow.listener. The caller has seen that it
 * may. 0; -EAGAIN there are as many connections as may be; -errno. */
int tcp_connect(struct tcp *tcp, const struct flow *to, struct stream **out);

/* Goes on with a connection out: 0 once it stands, and flow.local is known; -EAGAIN not yet, or
 * -errno. As stream_layer.open. */
int tcp_connected(struct stream *s);

/* Accepts no more. */
void tcp_stop(struct tcp *tcp);

#endif
