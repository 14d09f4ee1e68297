/* tcp.h - TCP sockets (RFC 3261 section 18): listeners, connections out, and the layer of a stream
 * that carries bytes as they are. */
#ifndef SIPWARD_TRANSPORT_TCP_H
#define SIPWARD_TRANSPORT_TCP_H

#include "stream.h"

struct tcp;

/* Connections accepted from one listener before others get their turn. */
#define TCP_ACCEPT_TURN 64
/* Milliseconds that a listener rests when there is no fd or memory for another connection. */
#define TCP_ACCEPT_PAUSE_MS 100
/* Milliseconds after which bytes without acknowledgement end a connection: 64 * T1. */
#define TCP_UNACKNOWLEDGED_MS 32000

int tcp_new(struct tcp **out, struct transport_worker *t); /* -ENOMEM */
void tcp_free(struct tcp *tcp);

/* Accepts connections from fd, the socket of the settings' listener with that index, and owns it on
 * success. 0; -EINVAL for an fd that does not listen; another negative errno. */
int tcp_add(struct tcp *tcp, int fd, uint16_t listener);

/* Starts a connection to to->peer from the address of to->listener. The caller has checked that
 * this is permitted. 0; -EAGAIN: there are as many connections as may be; -EPROTONOSUPPORT: to is
 * neither TCP nor TLS; -ENOTCONN: tcp_stop was called; another negative errno. */
int tcp_connect(struct tcp *tcp, const struct flow *to, struct stream **out);

/* Goes on with a connection out, as stream_layer.open: 0 once it stands, and its flow's local
 * address is known; -EAGAIN: not yet; another negative errno. */
int tcp_connected(struct stream *s);

/* Accepts no more, and connects no more. */
void tcp_stop(struct tcp *tcp);

#endif
