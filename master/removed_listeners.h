/* removed_listeners.h - closes the sockets of listeners that a reload has removed, as soon as
 * nobody needs them any more. */
#ifndef SIPWARD_MASTER_REMOVED_LISTENERS_H
#define SIPWARD_MASTER_REMOVED_LISTENERS_H

#include "master.h"

/* Between two looks at who needs them, milliseconds. */
#define REMOVED_LOOK_MS 1000

void removed_listeners_init(struct master *m);
/* A config is in force: begins to look where it has listeners that are gone and open. */
void removed_listeners_watch(struct master *m);

#endif
