/* name_servers.h - which resolvers names are asked of. */
#ifndef SIPWARD_MASTER_CONFIG_NAME_SERVERS_H
#define SIPWARD_MASTER_CONFIG_NAME_SERVERS_H

#include "reader.h"

/* Reads the servers of the section dns, and compares its bounds. */
void name_servers_read(struct reader *r, cfg_t *dns);
/* Where a target is a name and the config has no servers, takes those of /etc/resolv.conf; none
 * there are an error. After all sections. */
void name_servers_check(struct reader *r);

#endif
