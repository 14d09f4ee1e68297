/* tcp_layer.h - the layer of a stream that carries bytes as they are, over TCP (RFC 3261 section
 * 18). */
#ifndef SIPWARD_TRANSPORT_TCP_LAYER_H
#define SIPWARD_TRANSPORT_TCP_LAYER_H

#include "stream.h"

/* The layer of connections that came in, and of those that we make. */
extern const struct stream_layer tcp_layer_in, tcp_layer_out;

/* Goes on with a connection out, as stream_layer.open: 0 once it stands, and its flow's local
 * address is known; -EAGAIN: not yet; another negative errno. */
int tcp_layer_open(struct stream *s);

#endif
