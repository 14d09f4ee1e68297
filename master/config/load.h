/* load.h - reads the operator's config file. */
#ifndef SIPWARD_MASTER_CONFIG_LOAD_H
#define SIPWARD_MASTER_CONFIG_LOAD_H

#include "common/config_errors.h"
#include "config.h"

/* Loads and checks the file. 0 and *out, the caller's to free with config_free; -EINVAL with at
 * least one error added; -ENOMEM; another -errno where the file cannot be read (an error is added
 * too). *errors is the caller's, cleared here. Not reentrant: libconfuse's error function has no
 * argument of ours. */
int config_load(const char *path, struct config **out, struct config_errors *errors);

#endif
