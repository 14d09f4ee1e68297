/* dns_sockets.h - the sockets by which a transport worker asks the DNS: datagram sockets without
 * address and port. It connects one to a server for one query, which gives it a random port, and
 * dissolves that after it. Its jail lets it make none. */
#ifndef SIPWARD_MASTER_WORKERS_DNS_SOCKETS_H
#define SIPWARD_MASTER_WORKERS_DNS_SOCKETS_H

#include "worker_slot.h"

/* Hands a new life of a transport worker its sockets. A family that the kernel does not have is
 * left out. */
void dns_sockets_tell(struct worker_slot *w);

#endif
