/* include.h - the text of the config with what it includes in its place. */
#ifndef SIPWARD_MASTER_CONFIG_INCLUDE_H
#define SIPWARD_MASTER_CONFIG_INCLUDE_H

#include "common/config_errors.h"
#include "common/config_sources.h"

/* Files within files, and files of one config. */
#define INCLUDE_DEPTH_MAX 8
#define INCLUDE_FILES_MAX 256

/* Reads the file and, in the place of each line include "PATTERN" outside of all sections, the
 * files that the pattern (glob(7)) stands for, by their names' order; relative ones begin in
 * folder. A pattern without wildcards has to be there. Each file has its quotes, comments and
 * braces closed in itself. 0, and *out, to be freed, and sources, cleared by the caller in any
 * case; or -errno with an error added, by file and line. */
int include_read(const char *path, const char *folder, char **out, struct config_sources *sources,
	struct config_errors *errors);

#endif
