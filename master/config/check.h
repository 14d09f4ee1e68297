/* check.h - what can only be seen when all sections are read: ports used twice, trunks that no
 * listener can send to, users files, and what the start log has to repeat. */
#ifndef SIPWARD_MASTER_CONFIG_CHECK_H
#define SIPWARD_MASTER_CONFIG_CHECK_H

#include "reader.h"

/* Adds errors and warnings; fills in config_target.listener and config_domain.users. */
void config_check(struct reader *r);

#endif
