/* runtime.h - the runtime directory: who owns it, what stands in it, and that nothing of it stays
 * behind.
 *
 *     PATH/lock               flock: one master at a time
 *     PATH/control.sock       operators (made by control.c)
 *     PATH/root/              nothing: the root folder of every worker that connects to none
 *     PATH/mesh/sip-N.sock    over ZeroMQ: the SIP workers' endpoints, listened on by the master
 *     PATH/edge/ROLE-N/       over ZeroMQ: the root folder of worker ROLE N, with hard links to
 *                             the endpoints that it may reach and nothing else
 */
#ifndef SIPWARD_MASTER_RUNTIME_H
#define SIPWARD_MASTER_RUNTIME_H

#include "ipc/lifeline.h"

#include <sys/types.h>

struct runtime {
	char path[LIFELINE_PATH_MAX];
	int fd; /* the directory */
	int lock;
	bool made; /* it did not exist before */
};

/* Makes the directory where it is missing (its parent must exist), takes the lock and clears away
 * what a killed master left. -EBUSY: another master runs there; -EPERM: the directory is somebody
 * else's or writable by others; -ENAMETOOLONG: paths below it would not fit a Unix socket address.
 * Logged. */
int runtime_open(struct runtime *r, const char *path);
/* Removes everything in it, and the directory itself where runtime_open made it. */
void runtime_close(struct runtime *r);

/* The folder that a worker is confined to, writable by nobody else: its edges folder over ZeroMQ,
 * which holds links to its own edges' endpoints; else the one that is empty. */
void runtime_root(const struct runtime *r, enum carrier carrier, unsigned role, unsigned index,
	char out[LIFELINE_PATH_MAX]);

/* ---- over ZeroMQ ---- */

/* Makes the folders of endpoints and edges. -errno, logged. */
int runtime_mesh(struct runtime *r);
/* Makes the endpoint of SIP worker index: a listening Unix stream socket, which the caller owns.
 * -errno, logged. */
int runtime_endpoint(struct runtime *r, unsigned index, int *fd);
/* The path of that endpoint, for the worker that listens on it. */
void runtime_endpoint_path(const struct runtime *r, unsigned index, char out[LIFELINE_PATH_MAX]);
/* Makes the edges folder of a worker, reachable by uid and gid only, with a link to the endpoint of
 * each of those SIP workers (bits by index, endpoints made before) but itself; what there is of it
 * stays. Where the process is not root, uid and gid must be its own. -errno, logged. */
int runtime_edges(
	struct runtime *r, unsigned role, unsigned index, uint32_t sips, uid_t uid, gid_t gid);
/* Adds a link to the endpoint of a SIP worker that came later. -errno, logged. */
int runtime_edge_add(struct runtime *r, unsigned role, unsigned index, unsigned sip);
/* The path by which a worker reaches SIP worker to. It is relative: the working directory is the
 * edges folder, whether the worker could make that its root or not. */
void runtime_edge_path(unsigned to, char out[LIFELINE_PATH_MAX]);

/* A listening Unix stream socket at path with that mode; the caller owns *fd. */
int listen_unix(const char *path, mode_t mode, int *fd);

#endif
