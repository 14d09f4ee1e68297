/* edge.h - the pairs of sockets over which two workers talk. */
#ifndef SIPWARD_MASTER_WORKERS_EDGE_H
#define SIPWARD_MASTER_WORKERS_EDGE_H

#include "worker_slot.h"

/* Makes a pair for two living workers and hands each its end. It takes the place of the one that a
 * worker had with an earlier life of the other. What fails is logged: they do without it. */
void edge_make(struct worker_slot *a, struct worker_slot *b);

#endif
