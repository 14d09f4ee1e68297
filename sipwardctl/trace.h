/* trace.h - sipwardctl trace: what a gateway keeps of messages and calls, as ladders, messages,
 * JSON or files. */
#ifndef SIPWARD_SIPWARDCTL_TRACE_H
#define SIPWARD_SIPWARDCTL_TRACE_H

#include "client.h"

/* Carries the command out with its arguments. Returns an exit code. */
int trace_run(const struct options *o, const json_t *arguments);

#endif
