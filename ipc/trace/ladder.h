/* ladder.h - the messages of one call between those who take part, as a ladder: for the terminal
 * and as SVG. */
#ifndef SIPWARD_IPC_LADDER_H
#define SIPWARD_IPC_LADDER_H

#include "trace_set.h"

#include <stdio.h>

#define LADDER_PARTIES_MAX 12

/* Who takes part, in columns: the first peer, sipward, and the others. */
struct ladder {
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

/* A peer takes part: gives it the next column, or none where it has one. At most most columns, the
 * last of which is that of all others then. Whether name has become that of a column; it is kept
 * as it is. */
bool ladder_join(struct ladder *l, const char *name, unsigned most);

/* Where a ladder is drawn as text. Widths of 40 columns to LADDER_WIDTH_MAX are kept to. */
struct ladder_screen {
	unsigned width;
	bool ascii;
	FILE *to;
};
#define LADDER_WIDTH_MAX 512

/* How many columns may stand there, at least 3. */
unsigned ladder_most(const struct ladder_screen *s);
/* The first lines: the Call-ID, and who takes part. */
void ladder_head(const struct ladder *l, const struct ladder_screen *s);
/* The row of one event, a note or a message of one of the parties. */
void ladder_row(const struct ladder *l, const struct ladder_screen *s, const struct trace_event *e);
/* The whole ladder of a group. */
void ladder_print(const struct trace_set *t, size_t group, const struct ladder_screen *s);
/* How much of a text stands in one line with room for so many characters: it ends at a blank, where
 * there is one. */
size_t ladder_line_end(const char *text, size_t room);
/* Draws all groups below each other. */
void ladder_svg(const struct trace_set *t, FILE *to);

#endif
