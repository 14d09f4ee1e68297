/* udp.h - SIP over UDP (RFC 3261 section 18): this worker's sockets of the UDP listeners. */
#ifndef SIPWARD_TRANSPORT_UDP_H
#define SIPWARD_TRANSPORT_UDP_H

#include "flow.h"

struct transport_worker;
struct udp;

/* Datagrams in one system call, in and out. */
#define UDP_BATCH 64
/* Datagrams read from one socket before others get their turn. */
#define UDP_TURN 512
/* One socket may hold that much to be written, in bytes and datagrams; a share of either is kept
 * for responses and requests inside dialogs. */
#define UDP_QUEUE_BYTES (1024u * 1024)
#define UDP_QUEUE_DATAGRAMS 2048
#define UDP_QUEUE_RESERVE(whole) ((whole) / 4)

/* Makes UDP without a socket, which sends the datagrams of t->flows. 0; -ENOMEM. */
int udp_new(struct udp **out, struct transport_worker *t);
/* Closes its sockets. NULL is a no-op. */
void udp_free(struct udp *u);

/* Serves fd, bound for the settings' listener with that index, and owns it on success. 0; -EINVAL
 * for an fd that is not bound; another negative errno. */
int udp_add(struct udp *u, int fd, uint16_t listener);
/* Closes the listener's socket, where it has one. */
void udp_remove(struct udp *u, uint16_t listener);

/* Queues one datagram from the listener's socket to to->peer. The source address is to->local where
 * that is set and the socket is bound to a wildcard. 0; -EAGAIN: the queue is full; -ENOTCONN:
 * there is no socket for that listener here; -EAFNOSUPPORT: the socket cannot reach that family. */
int udp_send(struct udp *u, const struct flow *to, const struct outgoing *out);
/* Writes what is queued, as far as the kernel takes it. A datagram that it refuses is reported as
 * failed. */
void udp_flush(struct udp *u);
/* The number of datagrams that are still queued. */
size_t udp_queued(const struct udp *u);
/* Reads no more. */
void udp_stop(struct udp *u);

#endif
