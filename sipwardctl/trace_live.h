/* trace_live.h - messages as they come (sipwardctl trace --live): as ladders that grow row by row,
 * as lines of JSON, or whole. */
#ifndef SIPWARD_SIPWARDCTL_TRACE_LIVE_H
#define SIPWARD_SIPWARDCTL_TRACE_LIVE_H

#include "ipc/trace/ladder.h"
#include "trace_collect.h"

struct trace_live_how {
	struct trace_wish wish;
	struct ladder_screen screen;
	bool raw;
	uint64_t messages;   /* ends after so many; 0: it does not */
	uint64_t timeout_ms; /* ends then; 0: it does not */
};

/* Shows what comes, until it is told to end by SIGINT or SIGTERM, nobody reads it any more, or one
 * of the limits is reached: EXIT_DONE. Another exit code after having said why. */
int trace_live(const struct trace_live_how *how);

#endif
