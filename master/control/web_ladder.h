/* web_ladder.h - what the web worker draws a call from: its records and the messages of its legs.
 */
#ifndef SIPWARD_MASTER_CONTROL_WEB_LADDER_H
#define SIPWARD_MASTER_CONTROL_WEB_LADDER_H

#include <jansson.h>

struct master;

/* Legs of a call whose messages are gathered, and rows of them, which are parts of messages. */
#define WEB_LADDER_LEGS 8
#define WEB_LADDER_ROWS 2000

/* Gathers what there is of the call with that Call-ID on one of its legs: done has an object with
 * the arrays "calls" and "messages", which is its own then. NULL: there was no memory. */
void web_ladder_gather(
	struct master *m, const char *call, void (*done)(void *arg, json_t *object), void *arg);

#endif
