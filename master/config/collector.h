/* collector.h - the section hep: where copies of messages go. */
#ifndef SIPWARD_MASTER_CONFIG_COLLECTOR_H
#define SIPWARD_MASTER_CONFIG_COLLECTOR_H

#include "ipc/lifeline.h"
#include "reader.h"

/* Reads the option collector, "udp:ADDRESS:PORT". False: it is something else. */
bool collector_endpoint(const char *text, struct endpoint *out);
/* Reads the first line of that file into how, which its caller wipes; a NULL path: there is no
 * password. -EINVAL: it is empty, too long, or has control characters; -EPERM: everyone on this
 * machine can read or write the file; another -errno. */
int collector_password(const char *path, struct lifeline_hep *how);
/* Adds errors for what is wrong with the section, whose plain options have been read. */
void collector_read(struct reader *r, cfg_t *hep);

#endif
