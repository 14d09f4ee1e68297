/* memory_trim.h - gives the memory of a peak of load back: what was freed stays in the heap
 * otherwise, and a burst of an hour ago counts for ever. */
#ifndef SIPWARD_SIP_MEMORY_TRIM_H
#define SIPWARD_SIP_MEMORY_TRIM_H

#include "common/loop.h"

/* Fewer transactions than that are no peak: some megabytes. */
#define MEMORY_TRIM_LEAST 4096

struct memory_trim {
	uint64_t most; /* transactions since the last time */
};

/* From now on, at the end of the turn in which the transactions (the gauge of the counters' page)
 * have become an eighth of what they were at most since the last time, free pages of the heap go
 * back to the kernel. It walks the heap and holds this worker up meanwhile: a load that wavers
 * never causes it, one that ends does it a few times. -ENOSPC of loop_on_turn. *t is the caller's
 * and lives as long as the loop. */
int memory_trim_start(struct memory_trim *t, struct loop *loop);

#endif
