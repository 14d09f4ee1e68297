/* master_jail.h - what the master keeps once it runs. */
#ifndef SIPWARD_MASTER_JAIL_MASTER_JAIL_H
#define SIPWARD_MASTER_JAIL_MASTER_JAIL_H

/* No new privileges, of root's capabilities only those that starting, confining and ending workers
 * and reloading take, and a system call filter. All of it is inherited by workers. -errno,
 * logged. */
int master_jail_enter(void);

#endif
