/* worker_table.h - makes the table of workers, what each one needs to be started and what all of
 * them share: their pages, and over ZeroMQ sockets, folders and tokens.
 */
#ifndef SIPWARD_MASTER_WORKERS_WORKER_TABLE_H
#define SIPWARD_MASTER_WORKERS_WORKER_TABLE_H

#include "worker_slot.h"

/* Makes as many workers of each role as s->role_count says, with room for as many as there may ever
 * be: nothing of a worker moves. fired is called when a worker's timer fires, with the worker.
 * -errno, logged: worker_table_close frees what was made. */
int worker_table_open(struct supervisor *s, timer_callback fired);
/* Makes the row of another one, within the bounds of its role, with its page. -errno, logged: there
 * is none such. */
int worker_table_add(struct supervisor *s, unsigned role, unsigned index, timer_callback fired);
/* Makes what it lacks of all else that a life needs: over ZeroMQ, a way to reach its peers, and for
 * these to reach it. -errno, logged: it can be tried again. */
int worker_table_equip(struct worker_slot *w);
/* Frees all, also where nothing was made. */
void worker_table_close(struct supervisor *s);

#endif
