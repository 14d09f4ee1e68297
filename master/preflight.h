/* preflight.h - what a start needs beyond a config that can be read: accounts, programs, folders,
 * ports, and certificates that can be served. `sipward -n` and every start look for it here, so
 * that they agree. */
#ifndef SIPWARD_MASTER_PREFLIGHT_H
#define SIPWARD_MASTER_PREFLIGHT_H

#include "common/config_errors.h"
#include "master/config/config.h"

/* Changes nothing and leaves nothing behind. starts: sipward is about to run; else this is a check,
 * and a gateway that runs from the same runtime-directory may well hold the ports. 0; -EINVAL with
 * all that is missing in *errors, by line of the config; another -errno, with an error. Adds to the
 * config's warnings. */
int preflight(struct config *c, bool starts, struct config_errors *errors);

#endif
