/* resolve.h - queries to the DNS for SIP workers, which have no network.
 *
 * Each query goes out from a port of its own, with a random id and a random spelling of its name
 * (capital letters here and there, which a server repeats), so that who does not see it cannot
 * answer it. What comes from another than the server that was asked the kernel drops, and what does
 * not match the query is dropped and counted. The rest is handed on as it came: nothing is believed
 * or cached here. An answer that did not fit into a datagram is asked for again over TCP.
 *
 * c-ares' own channels are not used: they keep one port per server, and say nothing of answers that
 * they drop.
 */
#ifndef SIPWARD_TRANSPORT_RESOLVE_H
#define SIPWARD_TRANSPORT_RESOLVE_H

#include "ipc/record.h"

struct transport_worker;
struct resolver;

/* Queries that wait for a socket; one more is answered -EAGAIN. */
#define RESOLVE_WAITING_MAX 256
/* Connections for queries over TCP at once: a server may say of each answer that it did not fit.
 * One that finds no room has that server fail. */
#define RESOLVE_STREAMS_MAX 16

/* Makes a resolver without sockets, *out. -ENOMEM. */
int resolver_new(struct resolver **out, struct transport_worker *t);
/* NULL is a no-op. */
void resolver_free(struct resolver *r);
/* Takes a datagram socket without address and port, and then owns it. -ENOSPC, or another -errno:
 * it is the caller's still. */
int resolver_socket(struct resolver *r, int fd);
/* Carries out a SIP worker's order, whose answer is sent to that peer. False: it is malformed. */
bool resolver_ask(
	struct resolver *r, uint16_t peer, const struct record_lookup *order, size_t size);

#endif
