/* role_setup.h - what workers of a role need before the first of them can be started. */
#ifndef SIPWARD_MASTER_ROLE_SETUP_H
#define SIPWARD_MASTER_ROLE_SETUP_H

#include "master/workers/worker_slot.h"

/* Raises our own limit of open files as far as it goes. Once, at the start. */
void role_setup_begin(void);
/* Finds program, account and limits of the role as the config has them, for s. What has been found
 * stays. -errno, with the reason in the log. */
int role_setup(struct supervisor *s, const struct config *c, unsigned role);

#endif
