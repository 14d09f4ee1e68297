/* trace_collect.h - a gateway is asked for what a trace shows. */
#ifndef SIPWARD_SIPWARDCTL_TRACE_COLLECT_H
#define SIPWARD_SIPWARDCTL_TRACE_COLLECT_H

#include "client.h"
#include "ipc/trace/trace_set.h"

/* What a trace is of. NULL: not that. */
struct trace_wish {
	const struct options *options;
	const char *call, *user, *trunk, *source;
};

/* Asks for what the wish names, and for the other legs of the same calls; puts it in order. 0, or
 * an exit code after having said why. trace_set_free in any case. */
int trace_set_collect(struct trace_set *t, const struct trace_wish *w);
/* The same of what is new since a time, with the records of the calls that these messages are of.
 * follow: an object of Call-IDs whose messages are asked for, too, where the wish names something.
 */
int trace_set_collect_new(
	struct trace_set *t, const struct trace_wish *w, uint64_t since_us, const json_t *follow);

#endif
