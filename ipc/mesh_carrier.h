/* mesh_carrier.h - what mesh.c and the carriers below it share. For ipc/mesh*.c only. */
#ifndef SIPWARD_IPC_MESH_CARRIER_H
#define SIPWARD_IPC_MESH_CARRIER_H

#include "common/log_limit.h"
#include "batch.h"
#include "mesh.h"

struct mesh_carrier;

/* A peer. The carrier's own struct begins with it. */
struct link {
	struct mesh *mesh;
	uint16_t peer;
	struct outgoing out;
};

/* The carrier's own struct begins with it. */
struct mesh {
	const struct mesh_carrier *carrier;
	struct loop *loop;
	uint16_t self;
	mesh_record_callback callback;
	void *arg;
	struct link *by_peer[ROLE_COUNT][256];
	struct link *link[MESH_PEERS_MAX];
	unsigned links;
	unsigned edges; /* that stand */
	struct timer wake;
	struct log_limit limit; /* of lines that peers cause */
	struct batch_pool pool;
	unsigned char *buffer; /* BATCH_MAX bytes, aligned: for a batch being taken */
};

struct mesh_carrier {
	size_t mesh_size, link_size;     /* of its own structs */
	struct loop_gathering gathering; /* for mesh_set_gathering */
	void (*init)(struct mesh *m);
	int (*start)(struct mesh *m); /* NULL: nothing to do */
	void (*end)(struct mesh *m);  /* closes everything; links are freed afterwards */
	void (*link_init)(struct link *l);

	/* Records for it may be queued. */
	bool (*reachable)(const struct link *l);
	/* It can be sent to now. */
	bool (*ready)(const struct link *l);
	/* Takes b to the peer. 0: done; 1: done, and b comes back with batch_give later. -EAGAIN,
	 * and all else: not now. -EMSGSIZE: never. -EHOSTUNREACH: the peer is gone. */
	int (*send)(struct link *l, struct batch *b);
	/* All that could go has gone: error 0, or why the rest did not. May be NULL. */
	void (*flushed)(struct link *l, int error);
	/* The end of a turn: calls mesh_flush_links. True: there is more to do, without sleep. */
	bool (*turn)(struct mesh *m);

	/* The orders of the master; NULL: not of this carrier. */
	int (*edge)(struct mesh *m, uint16_t peer, int fd);
	int (*listen)(struct mesh *m, int fd, const char *path);
	int (*allow)(struct mesh *m, uint16_t peer, const uint8_t *token);
	int (*connect)(struct mesh *m, uint16_t peer, const char *path, const uint8_t *token);
	int (*hello)(struct mesh *m, uint16_t peer);
};
extern const struct mesh_carrier mesh_zeromq, mesh_pairs;

struct link *link_find(const struct mesh *m, uint16_t peer); /* NULL: none */
/* Makes it where there is none. -EINVAL, -ENOSPC, -ENOMEM. */
int link_need(struct mesh *m, uint16_t peer, struct link **out);

/* Sends from all links what they take. True: something is left for want of room. */
bool mesh_flush_links(struct mesh *m);
/* Checks and delivers a batch of peer's, 8-byte aligned; one that is none is refused whole. True:
 * it was one. */
bool mesh_deliver(struct mesh *m, uint16_t peer, const void *batch, size_t size);
/* Counts and logs a batch that is refused. */
void mesh_refuse_batch(struct mesh *m, uint16_t peer, size_t size);
/* An event that peers can cause as often as they like gets one line a second. */
bool mesh_may_log(struct mesh *m, uint64_t *left_out);
/* One edge more (1) or less (-1) stands. */
void mesh_count_edge(struct mesh *m, int change);

#endif
