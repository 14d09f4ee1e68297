/* source_text.h - the text of one file of the config, as libconfuse is given it. */
#ifndef SIPWARD_MASTER_CONFIG_SOURCE_TEXT_H
#define SIPWARD_MASTER_CONFIG_SOURCE_TEXT_H

#include "common/config_errors.h"

/* Reads a file into *out, to be freed, with comments blanked out, and with everything closed that
 * is opened in it. 0, or -errno with an error added. */
int source_text_read(const char *path, char **out, struct config_errors *errors);

/* Past blanks and ends of lines. */
char *source_text_skip_space(char *p);
/* Past one token of libconfuse: a quoted string, a sign, or a bare word. */
char *source_text_skip_token(char *p);

#endif
