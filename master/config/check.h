/* check.h - what can only be seen when all sections are read: ports used twice, trunks that no
 * listener can send to, users files, and what the start log has to repeat. */
#ifndef SIPWARD_MASTER_CONFIG_CHECK_H
#define SIPWARD_MASTER_CONFIG_CHECK_H

#include "reader.h"

/* Adds errors and warnings; fills in config_target.listener and config_domain.users. */
void config_check(struct reader *r);

/* Reads and checks the users files of all domains again, as config_load does, into domains[].users,
 * which must be empty (config_forget_users). 0; -EINVAL with all errors in *errors (cleared here);
 * -ENOMEM. */
int config_load_users(struct config *c, struct config_errors *errors);

#endif
