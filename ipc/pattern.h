/* pattern.h - the regular expressions of the config: what Perl and most tools understand by one
 * (PCRE2). The master checks with it what SIP workers compile.
 *
 * A pattern is matched against what a stranger wrote, so that a match is bounded in time and
 * memory. "$" stands for the very end and "." for every octet, a line feed too: a rule is not
 * evaded by one. Octets are octets: \d, \w, \s and classes know ASCII alone.
 */
#ifndef SIPWARD_IPC_PATTERN_H
#define SIPWARD_IPC_PATTERN_H

#include "common/str.h"

#define PATTERN_MAX 512            /* bytes of a pattern */
#define PATTERN_PARENTHESES_MAX 32 /* inside each other */
/* Of one match. A pattern such as "^\\+?[0-9]{3,15}$" takes some 20 steps, one that tries all ways
 * to halve a user part of 512 octets a thousand; 20,000 take about half a millisecond. */
#define PATTERN_STEPS_MAX 20000
#define PATTERN_DEPTH_MAX 5000    /* steps that may have to be taken back */
#define PATTERN_HEAP_MAX_KIB 1024 /* memory for these */

/* $0, all that a pattern matches, and its first groups in parentheses, $1 to $9. */
#define PATTERN_GROUPS 10

struct pattern;

/* What is wrong with a pattern. */
struct pattern_fault {
	size_t at; /* offset in bytes */
	char text[128];
};

/* 0 and *out; -EINVAL and *fault (where it is not NULL); -ENOMEM. */
int pattern_new(struct pattern **out, struct str text, struct pattern_fault *fault);
void pattern_free(struct pattern *p); /* NULL is a no-op */

/* The room that matches take, which is kept from one to the next; for one thread. */
struct pattern_matcher;
int pattern_matcher_new(struct pattern_matcher **out); /* -ENOMEM */
void pattern_matcher_free(struct pattern_matcher *m);  /* NULL is a no-op */

/* 1: some part of text matches; 0: none does; -E2BIG: that cannot be said within the bounds. */
int pattern_match(const struct pattern *p, struct pattern_matcher *m, struct str text);
/* The same of the first part that matches, and what each group stands for in text: STR_NONE for one
 * that took no part, or that there is not. group is written where the answer is 1. */
int pattern_match_groups(const struct pattern *p, struct pattern_matcher *m, struct str text,
	struct str group[PATTERN_GROUPS]);
/* How many groups a pattern has beside $0. */
unsigned pattern_groups(const struct pattern *p);

#endif
