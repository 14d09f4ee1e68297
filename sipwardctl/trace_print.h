/* trace_print.h - a message of a trace whole: as JSON, and as text. */
#ifndef SIPWARD_SIPWARDCTL_TRACE_PRINT_H
#define SIPWARD_SIPWARDCTL_TRACE_PRINT_H

#include "ipc/trace/trace_set.h"

/* A new string in which each byte is the code point of its number. */
json_t *trace_json_text(struct str bytes);
/* A new object, whose texts are such strings. */
json_t *trace_json_message(const struct trace_event *e);
/* Prints a message, or a note. Other than ASCII is "?". */
void trace_raw(const struct trace_event *e);

#endif
