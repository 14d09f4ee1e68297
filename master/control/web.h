/* web.h - what the web worker gets of the master: its listening socket, and answers in memfds. It
 * may ask for metrics, for the state and for a call, never for anything else, and each no more
 * often than WEB_ASK_MIN_MS. */
#ifndef SIPWARD_MASTER_CONTROL_WEB_H
#define SIPWARD_MASTER_CONTROL_WEB_H

#include "master/workers/worker_slot.h"

struct config;
struct master;
struct web;

/* The least time between two answers of one kind: a little less than the worker itself waits. */
#define WEB_ASK_MIN_MS 900
/* Rows of one table of the state; of calls and bindings beyond WEB_LIST_MAX none are listed, for
 * workers would have to look through them all. */
#define WEB_ROWS_MAX 200
#define WEB_LIST_MAX 2000

/* Opens the socket of section web, or sets *fd to -1 where there is none. -errno; logged. */
int web_listen(const struct config *c, int *fd);
/* The worker asks. False: that makes no sense. */
bool web_ask(struct master *m, struct worker_slot *w, const struct lifeline_web *ask);
/* What was asked must have been answered. NULL is a no-op. */
void web_free(struct web *web);

#endif
