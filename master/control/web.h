/* web.h - what the web worker gets of the master: its listening socket, and answers in memfds. It
 * may ask for metrics and for the state, never for anything else, and each no more often than
 * WEB_ASK_MIN_MS. */
#ifndef SIPWARD_MASTER_CONTROL_WEB_H
#define SIPWARD_MASTER_CONTROL_WEB_H

#include "master/workers/worker_slot.h"

#include <jansson.h>

struct master;
struct config;

/* The least time between two answers of one kind: a little less than the worker itself waits. */
#define WEB_ASK_MIN_MS 900
/* Rows of one table of the state; of calls and bindings beyond WEB_LIST_MAX none are listed, for
 * workers would have to write them all. */
#define WEB_ROWS_MAX 200
#define WEB_LIST_MAX 2000

struct web {
	struct master *master;
	struct worker_slot *worker; /* that asked for the state; NULL: nothing is gathered */
	uint32_t incarnation;       /* of that life */
	unsigned step;
	json_t *state;
	uint64_t answered[WEB_WHAT_COUNT]; /* loop time */
};

/* Opens the socket of section web, or sets *fd to -1 where there is none. -errno; logged. */
int web_listen(const struct config *c, int *fd);
/* Reads web.bind, "tcp:ADDRESS:PORT". False: it is something else. */
bool web_endpoint(const char *text, struct endpoint *out);

/* The worker asks. False: that makes no sense. */
bool web_ask(struct master *m, struct worker_slot *w, const struct lifeline_web *ask);

#endif
