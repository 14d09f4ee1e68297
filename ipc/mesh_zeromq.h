/* mesh_zeromq.h - what the files of the ZeroMQ carrier share: its sockets and links. For
 * ipc/mesh_zeromq*.c only, which are the only files that include zmq.h.
 *
 * All rely on libzmq 4.3's behaviour as measured:
 * - ZMQ_FD is edge-triggered, so whoever calls into a socket sets used, and ZMQ_EVENTS is read
 *   before the loop sleeps, or what came meanwhile would raise no edge any more. Receiving until
 *   EAGAIN is such a look, too.
 * - A DEALER that was refused tries no more, so it is made anew.
 * - A ROUTER with ZMQ_ROUTER_MANDATORY says EHOSTUNREACH and EAGAIN instead of dropping. With PAIR
 *   or a fixed routing id the successor of a killed connecter was shut out silently and for good,
 *   and with ZMQ_ROUTER_HANDOVER whoever has a token could steal what is for another: neither is
 *   used.
 * - A message's data is freed in the I/O thread.
 */
#ifndef SIPWARD_IPC_MESH_ZEROMQ_H
#define SIPWARD_IPC_MESH_ZEROMQ_H

#include "mesh_carrier.h"

#include <zmq.h>

/* A routing id that libzmq made: a zero and a running number. */
#define ROUTING_ID_SIZE 5
/* A Unix socket address has room for no longer path. */
#define EDGE_PATH_MAX 104

struct zsocket;
/* Takes one message off the socket. 0, or -EAGAIN where there is none. */
typedef int (*zsocket_take)(struct zsocket *s);

struct zsocket {
	struct zmesh *mesh;
	struct zlink *link; /* whose edge it is; NULL for the ROUTER and ZAP */
	void *zmq;          /* NULL: closed */
	struct loop_source *source;
	zsocket_take take;
	bool more; /* left unread for the next turn */
	bool used; /* called since ZMQ_EVENTS was last read */
};

/* A peer: as a connecter that we listen for, as a listener that we connect to, or both. */
struct zlink {
	struct link link;
	/* it connects to us */
	bool allowed;
	uint8_t token[MESH_TOKEN_SIZE];
	uint32_t generation; /* of token: a new life, a new number */
	bool routed;         /* it has said hello */
	uint8_t routing_id[ROUTING_ID_SIZE];
	uint32_t routing_generation;
	/* we connect to it */
	struct zsocket dealer, monitor;
	char path[EDGE_PATH_MAX]; /* "": no edge */
	uint8_t own_token[MESH_TOKEN_SIZE];
	bool up;    /* its handshake stands */
	bool hello; /* to be said before anything else */
	struct timer retry;
	uint64_t backoff;
};

struct zmesh {
	struct mesh mesh;
	void *context; /* NULL until mesh_start: then threads run */
	struct zsocket router, zap;
	int listen_fd; /* until mesh_start; -1 none */
	char listen_path[EDGE_PATH_MAX];
	uint32_t serial; /* of monitors: their addresses are never used twice */
	struct timer stalled;
	struct batch *returned; /* by libzmq's I/O thread, to be given back to the pool */
};

static inline struct zmesh *zmesh_of(const struct mesh *m)
{
	return (struct zmesh *)(uintptr_t)m;
}
static inline struct zlink *zlink_of(const struct link *l)
{
	return (struct zlink *)(uintptr_t)l;
}

/* An empty batch: a connecter says it before anything else, so that the listener knows the way
 * back. */
extern const struct batch_header zmesh_hello;
bool zmesh_is_hello(const void *data, size_t size);

/* mesh_zeromq_socket.c. Not bound or connected yet: */
int zsocket_open(struct zmesh *z, struct zsocket *s, struct zlink *l, int type, zsocket_take take);
int zsocket_set(struct zsocket *s, int option, int value);
int zsocket_set_limits(struct zsocket *s); /* of what crosses process borders */
int zsocket_watch(struct zsocket *s, bool answers);
void zsocket_close(struct zsocket *s); /* no-op where closed */
void zsocket_drain(struct zsocket *s); /* takes what is there, at most its share of a turn */
/* Reads ZMQ_EVENTS where it was called; true where there is something to read. */
bool zsocket_look(struct zsocket *s);
bool frame_receive(struct zsocket *s, zmq_msg_t *frame); /* false: none there, frame is closed */
/* Drops the frames that follow last; how many. */
unsigned frames_drop(struct zsocket *s, zmq_msg_t *last);
/* Delivers what is in frame, as peer's. True: it was a batch. */
bool frame_deliver(struct zmesh *z, uint16_t peer, zmq_msg_t *frame);

/* mesh_zeromq_listen.c */
int zlisten_open(struct zmesh *z); /* on listen_fd; a no-op where there is none */
int zlisten_take_fd(struct mesh *m, int fd, const char *path);
int zlisten_allow(struct mesh *m, uint16_t peer, const uint8_t *token);
void zlink_unroute(struct zlink *l);

/* mesh_zeromq_edge.c */
void zedge_init(struct zlink *l);
int zedge_open(struct zlink *l);
void zedge_close(struct zlink *l); /* no-op where closed */
int zedge_hello(struct zlink *l);  /* sends it; -EAGAIN */
int zedge_connect(struct mesh *m, uint16_t peer, const char *path, const uint8_t *token);
int zedge_say_hello(struct mesh *m, uint16_t peer);

/* mesh_zeromq_accept.c: see there. Once, before the filter of system calls closes. */
void accept_limit(int listening);

#endif
