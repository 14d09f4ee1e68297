/* explain.h - sipwardctl explain: a message from a file, and what a gateway says of it. */
#ifndef SIPWARD_SIPWARDCTL_EXPLAIN_H
#define SIPWARD_SIPWARDCTL_EXPLAIN_H

#include "client.h"

/* Carries the command out with its arguments. Returns an exit code. */
int explain_run(const struct options *o, const json_t *arguments);

#endif
