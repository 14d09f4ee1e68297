/* options.h - reads the plain options of a section as ipc/options.def describes them: defaults,
 * units, bounds, which ones the file must have, and which cannot change while sipward runs. */
#ifndef SIPWARD_MASTER_CONFIG_OPTIONS_H
#define SIPWARD_MASTER_CONFIG_OPTIONS_H

#include "reader.h"

/* Reads the plain options of a section into holder, the struct that has their fields (struct config
 * for root and the sections without a title, struct config_zone for a zone and so on). What the
 * file does not set, or sets wrongly, gets its default. Adds an error for each option, plain or
 * not, that is missing though the table says NEEDED. name: the section's in options.def. */
void options_read(struct reader *r, cfg_t *section, const char *name, void *holder);

/* Adds an error for each FIXED_OPTION that has another value in then than in now. */
void options_refuse_changes(
	const struct config *now, const struct config *then, struct config_errors *errors);

/* The default of an option as it would stand in the file; NULL where the table has none. */
const char *option_default(const char *section, const char *name);

#endif
