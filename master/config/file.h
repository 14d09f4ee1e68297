/* file.h - the config file's text as sections and values, each with its line; what they mean is
 * for the readers above it (reader.h). */
#ifndef SIPWARD_MASTER_CONFIG_FILE_H
#define SIPWARD_MASTER_CONFIG_FILE_H

#include "common/config_errors.h"

#include <confuse.h>

/* A value as it was written, without its quotes. */
struct config_value {
	int line;
	char text[];
};

/* Reads and parses the file. Errors of syntax, unknown names, repeated options and sections are
 * added to errors, as many as there are where the rest can still be read. 0 and *out (cfg_free),
 * also where errors were added and the rest can be looked at; -EINVAL where it cannot; another
 * -errno where the file cannot be read (an error is added too). What it includes is looked for in
 * folder; sources, which is cleared by the caller, says which line of the whole is whose, and
 * errors refers to it from then on. Not reentrant. */
int config_file_parse(const char *path, const char *folder, cfg_t **out,
	struct config_sources *sources, struct config_errors *errors);

/* The value of an option of a section, or NULL where it is not set; the number of a list's values
 * and one of them. */
const struct config_value *config_value(cfg_t *section, const char *option);
size_t config_list_count(cfg_t *section, const char *option);
const struct config_value *config_list(cfg_t *section, const char *option, size_t index);

/* The line where a section with a title begins. */
int config_section_line(cfg_t *section);

#endif
