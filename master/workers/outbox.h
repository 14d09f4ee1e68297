/* outbox.h - the bounded queue of packets to one worker, for when its lifeline is momentarily full.
 */
#ifndef SIPWARD_MASTER_WORKERS_OUTBOX_H
#define SIPWARD_MASTER_WORKERS_OUTBOX_H

#include "ipc/lifeline.h"

/* A start hands over a few packets per listener and per peer; a worker that leaves this many unread
 * does not read at all. */
#define OUTBOX_MAX 4096

struct outbox_packet;
struct outbox {
	struct outbox_packet *first, **last;
	unsigned count;
};

/* Makes o empty. */
void outbox_init(struct outbox *o);
/* Sends a packet over lifeline, or queues it behind what waits already. fd (-1: none) is duplicated
 * where it has to wait; it stays the caller's. Returns 0 sent, 1 queued (watch for EPOLLOUT and
 * call outbox_flush), -ENOBUFS the queue is full, or another negative errno of lifeline_send. */
int outbox_send(struct outbox *o, int lifeline, enum lifeline_type type, const void *body,
	size_t size, int fd);
/* Sends what waits. 0: nothing is left, 1: some is, or a negative errno. */
int outbox_flush(struct outbox *o, int lifeline);
/* Forgets and wipes what waits. */
void outbox_clear(struct outbox *o);

#endif
