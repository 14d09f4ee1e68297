/* number_prefix.h - which of many number rules can match a number at all: those whose expression
 * begins with what the number begins with. */
#ifndef SIPWARD_SIP_ROUTING_NUMBER_PREFIX_H
#define SIPWARD_SIP_ROUTING_NUMBER_PREFIX_H

#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Characters of a prefix that are looked at; longer ones are cut, which only lets more rules be
 * tried. */
#define PREFIX_MAX 27

struct prefix_start {
	char text[PREFIX_MAX];
	uint8_t length;
};

/* What every text that a POSIX extended expression matches begins with: "^\\+49[0-9]+$" gives
 * "+49"; "^\\+?49" gives "+49" and "49". Length 0: anything. Returns how many (1 or 2) of start are
 * set. */
unsigned prefix_of_expression(const char *expression, struct prefix_start start[2]);

struct prefixes;
/* rules: how many prefix_add will follow at most twice each. -ENOMEM. */
int prefixes_new(struct prefixes **out, unsigned rules);
void prefixes_free(struct prefixes *p);
void prefix_add(struct prefixes *p, const struct prefix_start *start, uint32_t rule);
/* After the last prefix_add, before the first walk. */
void prefixes_sort(struct prefixes *p);

/* Walks the rules that may match text, in ascending order, each once. */
struct prefix_walk {
	struct {
		const void *at, *end;
	} list[PREFIX_MAX + 1];
	unsigned lists;
	int64_t last;
};
void prefix_walk(const struct prefixes *p, struct str text, struct prefix_walk *w);
/* False: no more. */
bool prefix_next(struct prefix_walk *w, uint32_t *rule);

#endif
