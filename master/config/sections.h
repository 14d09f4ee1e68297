/* sections.h - the sections that have a title (zone, listener, certificate, domain, trunk,
 * numbers, route),
 * read in this order into the arrays of the config. */
#ifndef SIPWARD_MASTER_CONFIG_SECTIONS_H
#define SIPWARD_MASTER_CONFIG_SECTIONS_H

#include "reader.h"

/* Reads all of them with their options and references by name; what concerns several sections is
 * config_check's. */
void config_sections_read(struct reader *r, cfg_t *root);

#endif
