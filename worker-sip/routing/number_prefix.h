/* number_prefix.h - which of many number rules can match a number at all: those whose expression
 * begins with what the number begins with. */
#ifndef SIPWARD_SIP_ROUTING_NUMBER_PREFIX_H
#define SIPWARD_SIP_ROUTING_NUMBER_PREFIX_H

#include "common/str.h"

#include <stdbool.h>
#include <stdint.h>

/* Characters of a prefix that are looked at; longer ones are cut, which only lets more rules be
 * tried. */
#define NUMBER_PREFIX_MAX 27

struct number_prefix {
	char text[NUMBER_PREFIX_MAX];
	uint8_t length;
};

/* Finds the beginnings of all texts that a pattern (ipc/pattern.h) matches: "^\\+49[0-9]+$" gives
 * "+49"; "^\\+?49" gives "+49" and "49". Length 0: anything. Returns how many (1 or 2) of start are
 * set. */
unsigned number_prefix_of_expression(const char *expression, struct number_prefix start[2]);

/* An index of rules by their prefixes. */
struct number_prefixes;
/* rules: number_prefixes_add follows at most twice for each. -ENOMEM. */
int number_prefixes_new(struct number_prefixes **out, unsigned rules);
void number_prefixes_free(struct number_prefixes *p); /* NULL is a no-op */
void number_prefixes_add(
	struct number_prefixes *p, const struct number_prefix *start, uint32_t rule);
/* After the last number_prefixes_add, before the first walk. */
void number_prefixes_sort(struct number_prefixes *p);

/* A walk over the rules that may match a text, in ascending order, each once. */
struct number_prefix_walk {
	struct {
		const void *at, *end;
	} list[NUMBER_PREFIX_MAX + 1];
	unsigned lists;
	int64_t last;
};
/* Begins a walk; the rules have to stay until it is over. */
void number_prefix_walk(
	const struct number_prefixes *p, struct str text, struct number_prefix_walk *w);
/* The next rule. False where there is no more. */
bool number_prefix_next(struct number_prefix_walk *w, uint32_t *rule);

#endif
