/* configure.h - what a life of a worker is told before it may go, and what the others are told of
 * it. */
#ifndef SIPWARD_MASTER_WORKERS_CONFIGURE_H
#define SIPWARD_MASTER_WORKERS_CONFIGURE_H

#include "worker_slot.h"

/* From exec to READY: stores may have to be checked. */
#define START_MAX_MS 30000

/* Over ZeroMQ a transport worker starts without the edges that have not been acknowledged by then.
 */
#define EDGE_WAIT_MS 2000

/* Tells a new life everything up to GO, and its peers of their ends of its edges. Over ZeroMQ GO
 * waits, for transport workers, until their edges are acknowledged. */
void configure_worker(struct worker_slot *w);
/* Hands a transport worker the sockets of listeners that settings in force have and that it has not
 * been given. */
void configure_tell_sockets(struct worker_slot *w);
/* Tells a transport worker of the collector of copies that there is, or that there is none. */
void configure_tell_collector(struct worker_slot *w);
/* Has it close the socket of a listener that it was given. */
void configure_tell_closed(struct worker_slot *w, unsigned listener);
/* Tells it to go, without waiting any longer. It has START_MAX_MS to become ready. */
void configure_go(struct worker_slot *w);
/* A SIP worker has acknowledged a token (LIFELINE_ACK): its connecter gets it. */
void configure_acknowledged(struct worker_slot *w, const struct lifeline_ack *ack);
/* Tells the peers of a worker that it is ready, where they have to know. */
void configure_tell_ready(struct worker_slot *w);
/* Tells the peers of a worker that it has died. */
void configure_tell_death(struct worker_slot *w);

#endif
