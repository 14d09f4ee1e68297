/* trim.h - gives the memory of a peak of load back: what was freed stays in the heap otherwise, and a burst of an hour ago counts for ever. */
#ifndef SIPWARD_SIP_TRIM_H
#define SIPWARD_SIP_TRIM_H

#include "../common/loop.h"

/* Fewer transactions than that are no peak: some megabytes. */
#define TRIM_LEAST 4096

/* From now on, at the end of the turn in which the transactions (the gauge of the counters' page) have become an eighth of what they were at most since the last time, free pages of the heap go back to the kernel. It walks the heap and
 * holds this worker up meanwhile: a load that wavers never causes it, one that ends does it a few times. -ENOMEM, -ENOSPC of loop_on_turn. For the life of the process. */
int trim_start(struct loop *loop);

#endif
