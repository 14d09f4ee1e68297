/* settings_builder.h - from the checked config to the flat images that workers map
 * (ipc/settings.h). */
#ifndef SIPWARD_MASTER_CONFIG_SETTINGS_BUILDER_H
#define SIPWARD_MASTER_CONFIG_SETTINGS_BUILDER_H

#include "config.h"

/* Builds the slice of a role into a sealed memfd (write, grow, shrink, seal). Transport workers:
 * zones, listeners. SIP workers: these and domains, trunks, routes, the state directory, the server
 * text. TLS workers: neither. All: timers, limits and numbers of workers. The image has passed
 * settings_check. 0 and *memfd (close-on-exec, the caller's to close); -errno. */
int settings_build(const struct config *c, enum peer_role role, uint64_t generation, int *memfd);

#endif
