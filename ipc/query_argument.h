/* query_argument.h - the arguments of a question to workers: lines "name=value" in the argument of
 * struct lifeline_query, which the master writes and the workers read. */
#ifndef SIPWARD_IPC_QUERY_ARGUMENT_H
#define SIPWARD_IPC_QUERY_ARGUMENT_H

#include "common/str.h"

#include <stdint.h>

/* Adds a line to text, which is NUL-terminated and has room for size bytes. -EINVAL: the value has
 * a control byte; -ENOBUFS: it does not fit. */
int query_argument_add(char *text, size_t size, const char *name, const char *value);
/* The value of the first line of that name, in text; STR_NONE where there is none. */
struct str query_argument(const char *text, const char *name);
/* The same as a number; otherwise where there is none, or what stands there is no number. */
uint64_t query_argument_number(const char *text, const char *name, uint64_t otherwise);
/* Reads all of s as a decimal number. False: it is none, or too great. */
bool query_number(struct str s, uint64_t *out);

#endif
