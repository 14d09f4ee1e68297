/* credentials.h - the files that hold what a trunk's server asks for. */
#ifndef SIPWARD_MASTER_CONFIG_CREDENTIALS_H
#define SIPWARD_MASTER_CONFIG_CREDENTIALS_H

#include "reader.h"

/* Reads the trunk's credentials, where it has some, into t->credentials; adds errors for what is
 * wrong with them. */
void credentials_check(struct reader *r, struct config_trunk *t);

#endif
