/* mesh_private.h - what the files of the mesh share: its sockets and links. For ipc/mesh*.c only, which are the only files that include
 * zmq.h.
 *
 * All rely on libzmq 4.3's behaviour as measured: ZMQ_FD is edge-triggered (so whoever calls into a socket sets used, and ZMQ_EVENTS is
 * read before the loop sleeps); a refused DEALER tries no more (so it is made anew); a ROUTER with ZMQ_ROUTER_MANDATORY says EHOSTUNREACH
 * and EAGAIN instead of dropping; data is freed in the I/O thread.
 */
#ifndef SIPWARD_IPC_MESH_PRIVATE_H
#define SIPWARD_IPC_MESH_PRIVATE_H

#include "../common/counters.h"
#include "../common/log.h"
#include "batch.h"
#include "mesh.h"

#include <zmq.h>

/* Peers are found by role and index: one more than the last role. */
#define ROLES 4
/* A routing id that libzmq made: a zero and a running number. */
#define ROUTING_ID_SIZE 5

struct socket;
/* Takes one message off the socket. 0, or -EAGAIN where there is none. */
typedef int (*socket_take)(struct socket *s);

struct socket {
	struct mesh *mesh;
	struct link *link; /* whose edge it is; NULL for the ROUTER and ZAP */
	void *zmq;         /* NULL: closed */
	struct loop_source *source;
	socket_take take;
	bool more;         /* left unread for the next turn */
	bool used;         /* called since ZMQ_EVENTS was last read */
};

/* A peer: as a connecter that we listen for, as a listener that we connect to, or both. */
struct link {
	struct mesh *mesh;
	uint16_t peer;
	struct outgoing out;
	/* it connects to us */
	bool allowed;
	uint8_t token[MESH_TOKEN_SIZE];
	uint32_t generation;      /* of token: a new life, a new number */
	bool routed;              /* it has said hello */
	uint8_t routing_id[ROUTING_ID_SIZE];
	uint32_t routing_generation;
	/* we connect to it */
	struct socket dealer, monitor;
	char *path;               /* NULL: no edge */
	uint8_t own_token[MESH_TOKEN_SIZE];
	bool up;                  /* its handshake stands */
	bool hello;               /* to be said before anything else */
	struct timer retry;
	uint64_t backoff;
};

struct mesh {
	struct loop *loop;
	uint16_t self;
	mesh_record_callback callback;
	void *arg;
	void *context;
	struct socket router, zap;
	struct link *by_peer[ROLES][256];
	struct link *link[MESH_PEERS_MAX];
	unsigned links;
	unsigned edges;           /* that stand */
	uint32_t serial;          /* of monitors: their addresses are never used twice */
	struct timer wake, stalled;
	uint64_t log_due;
	uint64_t log_left_out;
	struct batch_pool pool;
	unsigned char *aligned;   /* BATCH_MAX bytes for batches that libzmq delivers unaligned */
};

/* mesh.c */
struct link *link_find(const struct mesh *m, uint16_t peer);          /* NULL: none */
int link_need(struct mesh *m, uint16_t peer, struct link **out);      /* makes it where there is none; -EINVAL, -ENOSPC, -ENOMEM */

/* mesh_socket.c */
int socket_open(struct mesh *m, struct socket *s, struct link *l, int type, socket_take take); /* not bound or connected yet */
int socket_set(struct socket *s, int option, int value);
int socket_set_limits(struct socket *s); /* of what crosses process borders */
int socket_watch(struct socket *s);
void socket_close(struct socket *s);     /* no-op where closed */
void socket_drain(struct socket *s);     /* takes what is there, at most its share of a turn */
bool socket_look(struct socket *s);      /* reads ZMQ_EVENTS where it was called; true where there is something to read */
bool frame_receive(struct socket *s, zmq_msg_t *frame);      /* false: none there, frame is closed */
unsigned frames_drop(struct socket *s, zmq_msg_t *last);     /* those that follow last; how many */
void batch_refuse(struct mesh *m, uint16_t peer, size_t size);
/* The batch in frame, aligned, good until the next call; NULL: refused. */
const void *batch_checked(struct mesh *m, uint16_t peer, zmq_msg_t *frame);
void batch_deliver(struct mesh *m, uint16_t peer, const void *batch, size_t size); /* record by record */
bool may_log(struct mesh *m, uint64_t *left_out);

/* mesh_edge.c */
void edge_init(struct link *l);
void edge_close(struct link *l); /* no-op where closed */
int edge_hello(struct link *l);  /* sends it: before anything else; -EAGAIN */

#endif
