/* groups.h - the groups that users of domains are in: those that a domain has, and whether what
 * names them means one. */
#ifndef SIPWARD_MASTER_CONFIG_GROUPS_H
#define SIPWARD_MASTER_CONFIG_GROUPS_H

#include "reader.h"

/* A copy of the name of a group that a domain of the config has; NULL: none has it, which adds an
 * error that names what is near, or there is no memory. For section_texts. */
char *groups_find(
	struct reader *r, cfg_t *section, const char *option, const struct config_value *v);

/* Adds an error for each line of the domain's users that names a group which it does not have. */
void groups_check(struct reader *r, const struct config_domain *d);

#endif
