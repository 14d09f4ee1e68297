/* ladder.h - the messages of one call between those who take part, as a ladder: for the terminal
 * and as SVG. */
#ifndef SIPWARD_IPC_LADDER_H
#define SIPWARD_IPC_LADDER_H

#include "trace_set.h"

#include <stdio.h>

#define LADDER_PARTIES_MAX 12

/* Who takes part, in columns: the first peer, sipward, and the others. */
struct ladder {
	const struct trace_set *set;
	size_t group;
	uint64_t began_us;
	const char *call_id; /* of the first message */
	const char *party[LADDER_PARTIES_MAX];
	unsigned parties;
	bool more; /* the last column is that of all others */
};

/* Column of sipward in a ladder that has somebody else. */
#define LADDER_OWN 1

/* most: columns at most, from 3 to LADDER_PARTIES_MAX. */
void ladder_of(struct ladder *l, const struct trace_set *t, size_t group, unsigned most);
/* The column of an event's peer. */
unsigned ladder_column(const struct ladder *l, const struct trace_event *e);

/* Draws within width columns, 40 at least. */
void ladder_print(const struct trace_set *t, size_t group, unsigned width, bool ascii, FILE *to);
/* Draws all groups below each other. */
void ladder_svg(const struct trace_set *t, FILE *to);

#endif
