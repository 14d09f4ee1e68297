/* users_builder.h - from the users of the checked config, and the credentials of its trunks, to the
 * table that SIP workers map (struct users, ipc/settings.h). */
#ifndef SIPWARD_MASTER_CONFIG_USERS_BUILDER_H
#define SIPWARD_MASTER_CONFIG_USERS_BUILDER_H

#include "config.h"

/* Builds the users image for SIP workers into a sealed memfd, as settings_build does. To be called
 * before config_forget_users. 0 and *memfd (close-on-exec, the caller's to close); -errno. */
int users_build(const struct config *c, int *memfd);

#endif
