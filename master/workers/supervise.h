/* supervise.h - the lives of the workers.
 *
 * A worker that dies is respawned at once; only lives that never became READY are backed off.
 * Everything here runs in the master's one thread on its loop.
 */
#ifndef SIPWARD_MASTER_WORKERS_SUPERVISE_H
#define SIPWARD_MASTER_WORKERS_SUPERVISE_H

#include "common/log.h"
#include "worker_slot.h"

/* Back-off of a worker that dies before it is ready: doubling, milliseconds. */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 30000
/* A back-off from this length on means that a transport worker stays away: its sockets are closed,
 * so that the others get its share. */
#define AWAY_MS 5000
/* Between STOP and SIGKILL. */
#define STOP_GRACE_MS 2000
/* Between a closed lifeline and SIGKILL. */
#define HANG_UP_MS 1000
/* Lines a second that a worker may log. */
#define LOG_RATE_MAX 2000

/* Makes the table, pages and what the mesh needs; starts nothing. -errno, logged. */
int supervise_open(struct supervisor *s);
/* Starts all workers. */
void supervise_start(struct supervisor *s);
/* SIGCHLD has come. */
void supervise_reap(struct supervisor *s);
/* Stops transport, SIP and TLS workers in this order, each with STOP_GRACE_MS; now: with SIGKILL at
 * once. Ends with the stopped callback, from the loop. */
void supervise_stop(struct supervisor *s, bool now);
/* Frees; all workers have left. */
void supervise_close(struct supervisor *s);

/* Hands the settings and users in force (s->settings, s->users) to all living workers. */
void supervise_settings(struct supervisor *s);
void supervise_users(struct supervisor *s);
/* The same for s->forwards. */
void supervise_forwards(struct supervisor *s);
/* Has all living workers, those to come and the master itself log what is at least so severe. */
void supervise_log_level(struct supervisor *s, enum log_level level);
/* Hands living transport workers the sockets of listeners that have come with the settings. */
void supervise_sockets(struct supervisor *s);
/* Has transport workers close a listener's sockets. */
void supervise_close_listener(struct supervisor *s, unsigned listener);
/* Takes fd (-1: none) as the listening socket of the web worker, whose next life serves it: that of
 * now is told to leave. */
void supervise_web(struct supervisor *s, int fd);
/* Takes fd (-1: none) as the one of call records, and hands it to them. */
void supervise_cdr(struct supervisor *s, int fd);
/* Takes fd (-1: none) as the socket to the collector of copies, and hands it to transport workers.
 */
void supervise_hep(struct supervisor *s, int fd, const struct lifeline_hep *how);

#endif
