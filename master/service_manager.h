/* service_manager.h - tells the service manager that started us what we are doing (sd_notify(3)):
 * READY, RELOADING, STOPPING, and WATCHDOG while the master's loop turns.
 *
 * The protocol is one datagram of lines to the Unix socket that NOTIFY_SOCKET names. libsystemd
 * would bring its own constructors, memory and a further library into the process that holds all
 * sockets and starts all workers, for a connect and a send. Without NOTIFY_SOCKET nothing is done.
 */
#ifndef SIPWARD_MASTER_SERVICE_MANAGER_H
#define SIPWARD_MASTER_SERVICE_MANAGER_H

#include "common/loop.h"
#include "common/log_limit.h"

/* Begin with fd -1. */
struct service_manager {
	struct loop *loop;
	int fd;               /* -1: there is none */
	bool ready, stopping; /* READY, STOPPING were said */
	uint64_t watchdog_ms; /* from one WATCHDOG to the next; 0: nobody waits for it */
	struct timer timer;
	struct log_limit limit;
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID of the environment, and takes them out of it,
 * so that nobody else speaks in our name. Before the master's jail is closed. A socket that cannot
 * be reached is logged, and costs nothing else: -errno. 0: there is one, or none was named. */
int service_manager_open(struct service_manager *s, struct loop *l);
void service_manager_close(struct service_manager *s);

/* All workers are ready for the first time. */
void service_manager_ready(struct service_manager *s);
/* A reload begins, and has ended, whatever has come of it. Nothing is said before READY and after
 * STOPPING. */
void service_manager_reload_begins(struct service_manager *s);
void service_manager_reload_ends(struct service_manager *s);
/* The stop begins, and may take most_ms, for which the manager is asked to wait. */
void service_manager_stopping(struct service_manager *s, uint64_t most_ms);

#endif
