/* print.h - an answer of the master, for people. */
#ifndef SIPWARD_SIPWARDCTL_PRINT_H
#define SIPWARD_SIPWARDCTL_PRINT_H

#include <jansson.h>
#include <stdio.h>

/* Prints "object" as lines, "rows" as a table, "text" as it is, "error" and "errors" to stderr, and
 * who is "missing". Whatever came from the network is printed without control characters. */
void ctl_print(const json_t *answer, FILE *to);

/* Prints text that may come from anybody, without control characters. */
void ctl_print_text(const char *text, FILE *to);

/* The columns of the terminal that to is; 0: it is none. COLUMNS comes first, as for other
 * programs. */
size_t print_terminal(FILE *to);

#endif
