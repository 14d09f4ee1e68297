/* hep.h - the socket by which transport workers send copies of messages to the collector of the
 * section hep: made and connected here, for their jails let them make no datagram socket. */
#ifndef SIPWARD_MASTER_HEP_H
#define SIPWARD_MASTER_HEP_H

#include <stdbool.h>
#include <stddef.h>

struct master;

/* Before the loop runs. */
void hep_init(struct master *m);

/* Makes it as the config in force has it, and hands it to the workers, in place of the one that
 * they had; none where the section names no collector. A collector that cannot be reached now is
 * tried again from time to time. -errno, logged: the workers go on with what they have. */
int hep_reopen(struct master *m);

/* What an operator is told of the collector: where it is, and whether copies go there. False: the
 * config in force names none. */
bool hep_state(const struct master *m, char *text, size_t size);

#endif
