/* listen.h - the SIP listeners' sockets: one for each listener and transport worker (SO_REUSEPORT),
 * made and kept open by the master.
 *
 * What one peer sends always reaches the same socket, so its order is kept; what waits in a killed
 * worker's socket waits for its successor.
 */
#ifndef SIPWARD_MASTER_LISTEN_H
#define SIPWARD_MASTER_LISTEN_H

#include "master/config/config.h"

/* Asked of the kernel for each datagram socket, bytes: a second of 1 KB messages at 4,000 a second,
 * the time that a respawn may take under load. */
#define LISTEN_RECEIVE_BUFFER (4 * 1024 * 1024)
/* Connections that may wait for accept: what comes while a worker is respawned. */
#define LISTEN_BACKLOG 4096

struct listen_row; /* what is known of a listener */

struct listen {
	unsigned listeners, workers; /* workers: that had sockets so far */
	unsigned offered;            /* listeners that settings in force have: the first so many */
	uint32_t away;               /* bits: workers that stay away */
	struct listen_row *row;
	int *fd; /* [worker * LISTENERS_MAX + listener]; -1: not open */
};

/* Opens everything. A port that another process holds is -EADDRINUSE, even where that process would
 * share it: two gateways must not split one port's traffic. Logged. */
int listen_open(
	struct listen *l, const struct config_listener *rows, unsigned listeners, unsigned workers);
void listen_close(struct listen *l);
/* Opens those of rows that are not open and not gone: new ones, and ones that come back. Followed
 * by listen_commit or listen_abort. A listener that cannot be opened: its index is in *failed, and
 * nothing has changed. Logged. */
int listen_follow(
	struct listen *l, const struct config_listener *rows, unsigned listeners, unsigned *failed);
/* The rows are in force. Whether any was opened for them. */
bool listen_commit(struct listen *l);
/* Closes what was opened for them. */
void listen_abort(struct listen *l);
/* Closes a listener that is gone, until it comes back. */
void listen_close_listener(struct listen *l, unsigned listener);
bool listen_is_open(const struct listen *l, unsigned listener);
/* Why a listener cannot be opened, in words. */
const char *listen_error_text(int error);
/* Whether the address of a listener could be bound now, by nobody else: 0, or -errno. */
int listen_try(const struct config_listener *row);
/* The socket of listener for transport worker, or -1. It stays the listen's. */
int listen_socket(const struct listen *l, unsigned worker, unsigned listener);

/* A worker that stays away must not keep its share of the traffic: closes its sockets, and opens
 * them again. */
void listen_suspend(struct listen *l, unsigned worker);
int listen_resume(struct listen *l, unsigned worker);
bool listen_is_suspended(const struct listen *l, unsigned worker);
uint8_t listen_transport(const struct listen *l, unsigned listener);

/* Bytes or connections wait in one of worker's sockets. */
bool listen_pending(const struct listen *l, unsigned worker);

#endif
