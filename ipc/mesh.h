/* mesh.h - batches of records between workers, over SOCK_SEQPACKET pairs that the master makes.
 *
 * An edge is one pair: the worker at its other end is who the master says, and can be nobody else;
 * there is no listener, no name in a file system and no thread. One packet is one batch (record.h).
 * What a worker that has died left in its pairs is still taken; what it had not taken is lost with
 * it, and what waits here waits for its successor.
 */
#ifndef SIPWARD_IPC_MESH_H
#define SIPWARD_IPC_MESH_H

#include "common/loop.h"
#include "record.h"
#include "role.h"

#define MESH_PEERS_MAX 128

struct mesh;

/* Called for each record of a checked batch. data is 8-byte aligned and valid until the callback
 * returns. */
typedef void (*mesh_record_callback)(
	void *arg, uint16_t peer, uint16_t type, const void *data, size_t size);

/* Takes edges from now on, and delivers what comes once the loop runs. -ENOMEM. */
int mesh_new(struct mesh **out, struct loop *loop, mesh_record_callback callback, void *arg);
/* Registers the flush at the end of each turn. After everything else that makes records at the end
 * of a turn: what came after the flush would wait for the next turn, whenever that is. -ENOSPC. */
int mesh_start(struct mesh *m);
void mesh_free(struct mesh *m); /* closes the edges; the loop must not run again. NULL is a no-op */

/* fd is this process's end of a new pair with peer, and the mesh's on success. It takes the place
 * of the one that the mesh had with an earlier life of peer, of which the rest is delivered first.
 * -EINVAL: no such role; -ENOSPC: MESH_PEERS_MAX; -errno. */
int mesh_edge(struct mesh *m, uint16_t peer, int fd);

/* Logs that a record was refused by whoever takes them; all peers together get one line a second.
 * Counting is the caller's. */
void mesh_refused(struct mesh *m, uint16_t peer, uint16_t type, size_t size);

/* Room for one record of size bytes in the open batch to peer: the caller writes the data at *data
 * (8-byte aligned, not cleared) before the next mesh call. Records for a SIP worker that has died
 * wait for its successor. When the peer's queue is full: -EAGAIN for ordinary records; reserve
 * records (responses, in-dialog) are taken until the reserve is full too. -ENOTCONN: there is no
 * such peer, or it is a transport worker that has died. -EMSGSIZE. Counted. */
int mesh_record(
	struct mesh *m, uint16_t peer, uint16_t type, size_t size, bool reserve, void **data);
/* Shrinks the record last reserved for peer to size bytes (0: takes it back). */
void mesh_shrink(struct mesh *m, uint16_t peer, size_t size);

/* Sends all open batches without blocking; what a pair has no room for stays queued (bounded). Runs
 * by itself at the end of each turn. */
void mesh_flush(struct mesh *m);

/* Records queued for peer that are not in its pair yet. */
size_t mesh_backlog(const struct mesh *m, uint16_t peer);

#endif
