/* explain_lines.h - where in the config that stands which an explanation names. Workers say what
 * they decide by; the files and lines of it the master knows. */
#ifndef SIPWARD_MASTER_CONTROL_EXPLAIN_LINES_H
#define SIPWARD_MASTER_CONTROL_EXPLAIN_LINES_H

#include "master/config/config.h"

#include <jansson.h>

/* Adds to each row of an explanation the line of the section, or of the trunk's target, that it
 * names ("line"), and the file where that is one that the config includes ("file"). Rows are a
 * worker's word: what they name and is not there is passed over. */
void explain_add_lines(const struct config *c, json_t *rows);

#endif
