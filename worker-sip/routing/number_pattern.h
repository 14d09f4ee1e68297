/* number_pattern.h - many regular expressions over a called number, indexed by what the numbers
 * that they match begin with: those of routes, and those of lists of numbers. */
#ifndef SIPWARD_SIP_ROUTING_NUMBER_PATTERN_H
#define SIPWARD_SIP_ROUTING_NUMBER_PATTERN_H

#include "number_prefix.h"

struct number_patterns;

/* Room for so many. -ENOMEM. */
int number_patterns_new(struct number_patterns **out, unsigned count);
void number_patterns_free(struct number_patterns *p); /* NULL is a no-op */

/* The next of them, from index 0 on; it has to stay as long as p. Empty: any number matches. 0,
 * -EINVAL or -ENOMEM: it is not one, though the master has checked it. */
int number_patterns_add(struct number_patterns *p, struct str text);
/* After the last one, before the first walk. */
void number_patterns_sort(struct number_patterns *p);

/* Begins a walk over those that may match a number, in ascending order: number_prefix_next. */
void number_patterns_walk(
	const struct number_patterns *p, struct str number, struct number_prefix_walk *w);
/* 1: it matches; 0: it does not; -E2BIG: the number was made to cost too much, and it was given
 * up, which is counted. */
int number_patterns_match(struct number_patterns *p, unsigned index, struct str number);

#endif
