/* mesh.h - batches of records between workers over ZeroMQ ipc://; the mesh*.c are the only files that include zmq.h.
 *
 * A worker listens on at most one ROUTER (a listening fd that the master made, adopted with ZMQ_USE_FD) and connects to any number of peers with a DEALER each. Each edge
 * authenticates with its 32-byte token through ZAP (PLAIN; user name: the connecter's peer number in decimal). A peer is known by the User-Id that ZAP returned.
 */
#ifndef SIPWARD_IPC_MESH_H
#define SIPWARD_IPC_MESH_H

#include "../common/loop.h"
#include "record.h"

#define MESH_TOKEN_SIZE 32
#define MESH_PEERS_MAX 128

/* Peers by role and index. */
enum peer_role { PEER_TRANSPORT = 1, PEER_SIP = 2, PEER_TLS = 3 };
#define PEER(role, index) ((uint16_t)((role) << 8 | (index)))
#define PEER_ROLE(peer) ((peer) >> 8)
#define PEER_INDEX(peer) ((peer) & 0xff)

struct mesh;

/* Called for each record of a checked batch. data is 8-byte aligned and valid until the callback returns. */
typedef void (*mesh_record_callback)(void *arg, uint16_t peer, uint16_t type, const void *data, size_t size);

/* Makes the context (and with it libzmq's threads, at the first socket). self: this worker's peer number. Registers its fds and its end-of-turn
 * flush with the loop. -errno. */
int mesh_new(struct mesh **out, struct loop *loop, uint16_t self, mesh_record_callback callback, void *arg);
void mesh_free(struct mesh *m); /* linger 0; the loop must not run again */

/* Adopts the listening Unix socket fd bound at path. */
int mesh_listen(struct mesh *m, int fd, const char *path);
/* Listener: from now on peer must show this token (NULL: may not connect); earlier tokens of that peer are void. Takes effect before return. */
int mesh_allow(struct mesh *m, uint16_t peer, const uint8_t token[MESH_TOKEN_SIZE]);

/* Connecter: an edge to peer at path ("/run/.../sip-0.sock", resolved in this process's root) with token; replaces the edge it had, keeping what was not sent. After a refusal it
 * disconnects and tries again. Says hello. mesh_hello says hello again (the peer has a new incarnation). */
int mesh_connect(struct mesh *m, uint16_t peer, const char *path, const uint8_t token[MESH_TOKEN_SIZE]);
int mesh_hello(struct mesh *m, uint16_t peer);
int mesh_disconnect(struct mesh *m, uint16_t peer);

/* Logs that a record was refused by whoever takes them; all peers together get one line a second. Counting is the caller's. */
void mesh_refused(struct mesh *m, uint16_t peer, uint16_t type, size_t size);

/* Room for one record of size bytes in the open batch to peer: the caller writes the data at *data (8-byte aligned, not cleared) before the next mesh call. Every listener can answer a peer once that one has said hello.
 * When the peer's queue is full: -EAGAIN for ordinary records; reserve records (responses, in-dialog) are taken until the reserve is full too. -ENOTCONN: no such peer (yet). -EMSGSIZE. Counted. */
int mesh_record(struct mesh *m, uint16_t peer, uint16_t type, size_t size, bool reserve, void **data);
/* Shrinks the record last reserved for peer to size bytes (0: takes it back). */
void mesh_shrink(struct mesh *m, uint16_t peer, size_t size);

/* Sends all open batches without blocking; what ZeroMQ does not take stays queued (bounded). Runs by itself at the end of each turn. */
void mesh_flush(struct mesh *m);

/* Records queued for peer that ZeroMQ has not taken yet. */
size_t mesh_backlog(const struct mesh *m, uint16_t peer);

#endif
