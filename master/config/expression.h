/* expression.h - regular expressions of the config, before they are compiled: regcomp takes
 * exponential time and memory for some that a slip of the finger makes ("***…",
 * "((a{255}){255}){255}"). */
#ifndef SIPWARD_MASTER_CONFIG_EXPRESSION_H
#define SIPWARD_MASTER_CONFIG_EXPRESSION_H

/* Repetitions (* + ? {n,m}) of one expression, and copies of one part that intervals inside each
 * other may make. */
#define EXPRESSION_REPETITIONS_MAX 24
#define EXPRESSION_COPIES_MAX 10000

/* NULL: text may be given to regcomp (REG_EXTENDED), which finds all other faults; otherwise what
 * is wrong with it, a static text. */
const char *expression_fault(const char *text);

#endif
