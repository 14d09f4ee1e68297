/* mesh.h - batches of records between workers: one interface over two carriers (carrier.h).
 *
 * mesh.c has peers, batches, reserve, back-pressure and counters, once for both. A carrier takes a
 * batch to the other worker whole (record.h), or says that there is no room:
 *
 * - zeromq: SIP workers listen, transport workers and other SIP workers connect. The master makes
 *   the listening sockets and the tokens of the edges; libzmq has threads of its own.
 * - pairs: an edge is a pair of sockets that the master makes for two living workers.
 *
 * Over either a peer is who the master says, never who it says it is. What a worker that has died
 * left behind is still taken; what it had not taken is lost with it, and what waits here for a SIP
 * worker waits for its successor.
 */
#ifndef SIPWARD_IPC_MESH_H
#define SIPWARD_IPC_MESH_H

#include "carrier.h"
#include "common/loop.h"
#include "record.h"
#include "role.h"

#define MESH_PEERS_MAX 128

struct mesh;
struct lifeline_packet;
struct lifeline_ack;

/* Called for each record of a checked batch. data is 8-byte aligned and valid until the callback
 * returns. */
typedef void (*mesh_record_callback)(
	void *arg, uint16_t peer, uint16_t type, const void *data, size_t size);

/* A mesh over that carrier, for the worker self (PEER). It takes what the master says of edges from
 * now on; nothing is opened that needs a thread. -ENOMEM; -EINVAL: no such carrier. */
int mesh_new(struct mesh **out, struct loop *loop, unsigned carrier, uint16_t self,
	mesh_record_callback callback, void *arg);
/* Opens what the carrier needs, libzmq's threads among it: before the filter of system calls
 * closes, and after the identity and the root have changed, for a thread keeps what it started
 * with. Registers the flush at the end of each turn: after everything else that makes records at
 * the end of a turn, for what came after the flush would wait for the next turn, whenever that is.
 * -ENOSPC, -errno. */
int mesh_start(struct mesh *m);
/* Tells the mesh's loop how long to gather while it is busy, by what the carrier's wake-ups cost.
 * After loop_gather. */
void mesh_set_gathering(const struct mesh *m);
void mesh_free(struct mesh *m); /* closes the edges; the loop must not run again. NULL is a no-op */

/* ---- edges, as the master makes them ---- */

/* A packet of the lifeline. 0: it was taken (an fd in it, too, which is -1 then); 1: it was, and
 * *ack is to be sent to the master. -EPROTO: it is not one of the mesh, or not one of this carrier;
 * -errno. */
int mesh_packet(struct mesh *m, struct lifeline_packet *packet, struct lifeline_ack *ack);

/* Pairs. fd is this process's end of a new pair with peer, and the mesh's on success. It takes the
 * place of the one that the mesh had with an earlier life of peer, of which the rest is delivered
 * first. -EINVAL: no such role; -ENOSPC: MESH_PEERS_MAX; -EPROTO: not this carrier; -errno. */
int mesh_edge(struct mesh *m, uint16_t peer, int fd);

/* ZeroMQ, the listening side. fd is a listening Unix stream socket bound at path, and the mesh's on
 * success. Before mesh_start. -EALREADY, -ENAMETOOLONG, -EPROTO. */
int mesh_listen(struct mesh *m, int fd, const char *path);
/* ZeroMQ, the listening side: from now on peer must show this token (NULL: it may not connect);
 * earlier tokens of that peer are void. It has taken effect on return. -EINVAL, -ENOSPC, -ENOMEM,
 * -EPROTO. */
int mesh_allow(struct mesh *m, uint16_t peer, const uint8_t token[MESH_TOKEN_SIZE]);
/* ZeroMQ, the connecting side: an edge to peer at path (resolved in this process's root and working
 * directory) with that token. Takes the place of the one that there was, and keeps what was not
 * sent. After a refusal it tries again. -EINVAL, -ENOSPC, -ENOMEM, -ENAMETOOLONG, -EPROTO, -errno.
 */
int mesh_connect(
	struct mesh *m, uint16_t peer, const char *path, const uint8_t token[MESH_TOKEN_SIZE]);
/* ZeroMQ, the connecting side: peer has a new life, which must hear of us before it can answer.
 * -ENOTCONN: there is no edge to it; -EPROTO. */
int mesh_hello(struct mesh *m, uint16_t peer);

/* ---- records ---- */

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

/* Sends all open batches without blocking; what there is no room for stays queued (bounded). Runs
 * by itself at the end of each turn. */
void mesh_flush(struct mesh *m);

/* Records queued for peer that the carrier has not taken yet. */
size_t mesh_backlog(const struct mesh *m, uint16_t peer);

#endif
