/* hep.h - copies of messages for the collector of the section hep, by a socket that the master has
 * connected to it. They are gathered in a turn and sent at its end, or where there is no room for
 * more; what the kernel does not take at once is dropped and counted. */
#ifndef SIPWARD_TRANSPORT_HEP_H
#define SIPWARD_TRANSPORT_HEP_H

#include "ipc/flow.h"
#include "ipc/lifeline.h"

struct hep;

/* Takes the socket, which is its own then, in place of the one that there was in *hep, which may be
 * NULL. -ENOMEM; -EPROTO. */
int hep_use(struct hep **hep, int fd, const struct lifeline_hep *how);
/* Closes the socket and frees *hep; no copies go out from now on. NULL is a no-op. */
void hep_drop(struct hep **hep);

/* Copies a message that came from the flow, or is going to it, without its secrets. */
void hep_add(struct hep *h, const struct flow *flow, const struct endpoint *local, bool out,
	struct str message);
/* The message that was added last did not go. To be called before another one is. */
void hep_take_back(struct hep *h);
/* Sends what was gathered; now in loop time. NULL is a no-op. */
void hep_flush(struct hep *h, uint64_t now);

#endif
