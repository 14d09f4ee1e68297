/* udp.h - SIP over UDP (RFC 3261 section 18): this worker's sockets of the UDP listeners. */
#ifndef SIPWARD_TRANSPORT_UDP_H
#define SIPWARD_TRANSPORT_UDP_H

#include "flow.h"

struct transport_worker;
struct udp;

/* Datagrams per system call, in and out. */
#define UDP_BATCH 64
/* Datagrams read from one socket before others get their turn. */
#define UDP_TURN 512
/* What one socket may hold to be written: bytes and datagrams, and the share of it that is kept for
 * responses and requests inside dialogs. */
#define UDP_QUEUE_BYTES (1024u * 1024)
#define UDP_QUEUE_DATAGRAMS 2048
#define UDP_QUEUE_RESERVE(whole) ((whole) / 4)

int udp_new(struct udp **out, struct transport_worker *t); /* -ENOMEM */
void udp_free(struct udp *u);

/* Serves fd, bound for the settings' listener, and owns it on success. -errno; -EINVAL for an fd
 * that is no bound datagram socket. */
int udp_add(struct udp *u, int fd, uint16_t listener);

/* Queues one datagram from the listener's socket to flow.peer; flow.local, where it is set and the
 * socket is a wildcard's, is the source address. 0; -EAGAIN the queue is full; -ENOTCONN no socket
 * for that listener here; -EAFNOSUPPORT the socket cannot reach that family. */
int udp_send(struct udp *u, const struct flow *to, const struct outgoing *out);
/* Writes what is queued, as far as the kernel takes it. */
void udp_flush(struct udp *u);
/* Datagrams that are still queued. */
size_t udp_queued(const struct udp *u);
/* Reads no more. */
void udp_stop(struct udp *u);

#endif
