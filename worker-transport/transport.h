/* transport.h - the beginning, turns and end of all parts of a transport worker. */
#ifndef SIPWARD_TRANSPORT_TRANSPORT_H
#define SIPWARD_TRANSPORT_TRANSPORT_H

#include "transport_worker.h"

/* Makes the parts of TLS from the loop, which the caller has set. To be called before
 * transport_start. 0, or a negative errno; nothing stays then. */
int transport_prepare(struct transport_worker *t);
/* The settings are new: connections out that were made as they no longer say serve no new
 * request. */
void transport_settings(struct transport_worker *t);
/* Takes the bans of an operator, before transport_start or later; streams of sources that are
 * banned end. 0; -EPROTO. */
int transport_bans(struct transport_worker *t, const struct lifeline_bans *bans);
/* Makes the parts above from loop, settings, slots, keys, index and incarnation, which the caller
 * has set. 0, or a negative errno; nothing stays then. */
int transport_start(struct transport_worker *t);
/* Ends all parts that there are. */
void transport_end(struct transport_worker *t);

/* Serves a socket of the settings' listener with that index; fd is the transport's on success. 0;
 * -EINVAL: no such listener; -EPROTONOSUPPORT; another negative errno. */
int transport_listen(struct transport_worker *t, int fd, uint16_t listener);
/* Closes the socket of that listener; its connections stay. */
void transport_unlisten(struct transport_worker *t, uint16_t listener);

/* The end of a turn, as a loop_turn: writes what was gathered. True where work is left that needs
 * no waiting. To be registered before the mesh's, so that reports of failures leave in this turn.
 */
bool transport_turn(void *arg);

/* Takes nothing new from now on. */
void transport_stop(struct transport_worker *t);
/* Whether everything that was queued is written. */
bool transport_idle(const struct transport_worker *t);

#endif
