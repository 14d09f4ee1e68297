/* batch.h - what waits to be sent to one peer: an open batch that records are written into, and
 * closed ones behind which it stands. mesh.c takes closed batches off and gives them to the
 * carrier.
 */
#ifndef SIPWARD_IPC_BATCH_H
#define SIPWARD_IPC_BATCH_H

#include "record.h"

/* A batch is closed before it grows past this: enough to share the cost of waking its receiver,
 * little enough that that one starts early and that the kernel finds room for it in an edge. */
#define BATCH_TARGET (64u * 1024)
/* Bytes that may wait for one peer: ordinary records up to the first, those of the reserve
 * (responses, in-dialog requests) up to the second. */
#define OUTGOING_SOFT_MAX (4u * 1024 * 1024)
#define OUTGOING_HARD_MAX (8u * 1024 * 1024)
/* Spare buffers, for use again: one open for each of a few peers, and those that wait for one that
 * is behind. */
#define BATCH_POOL_SIZE 16

struct batch {
	struct batch *next;
	size_t capacity;
	size_t used;
	bool handed_over; /* to a carrier that gives it back later (mesh_zeromq.c) */
	_Alignas(8) unsigned char data[];
};

struct batch_pool {
	struct batch *spare[BATCH_POOL_SIZE];
	unsigned count;
};
/* An empty batch with room for size bytes at least, its header included. NULL: no memory. */
struct batch *batch_take(struct batch_pool *pool, size_t size);
/* Gives a batch back, to be used again or freed. */
void batch_give(struct batch_pool *pool, struct batch *b);
/* Frees the spare buffers. */
void batch_pool_free(struct batch_pool *pool);
/* The number of records in a batch. */
uint32_t batch_records(const struct batch *b);

struct outgoing {
	struct batch_pool *pool;
	struct batch *open;         /* or NULL */
	struct batch *first, **end; /* closed, oldest first */
	size_t last;                /* where the record last reserved in open starts; 0: none */
	size_t bytes;               /* of open and closed */
	size_t records;
};
/* Makes o empty; its batches come from pool. */
void outgoing_init(struct outgoing *o, struct batch_pool *pool);

/* Room for one record: as mesh_record. -EAGAIN, -EMSGSIZE, -ENOMEM. */
int outgoing_record(struct outgoing *o, uint16_t type, size_t size, bool reserve, void **data);
/* Makes the record last reserved smaller; 0 takes it back. */
void outgoing_shrink(struct outgoing *o, size_t size);
/* Closes the open batch where it has records. */
void outgoing_close(struct outgoing *o);
/* Takes the oldest closed batch (first) off; it is the caller's. */
struct batch *outgoing_pop(struct outgoing *o);
void outgoing_put_back(struct outgoing *o, struct batch *b); /* as the oldest again */
/* Drops everything; returns how many records that were. */
size_t outgoing_clear(struct outgoing *o);

#endif
