/* scale.h - the number of workers, changed while they run.
 *
 * A worker that comes is started like all others. Slots move to a new SIP worker once everybody can
 * reach it, each when nothing of it is left where it was. A worker that is to go finishes what it
 * has: a SIP worker its calls, a transport worker its connections, those for leave_ms at most. A
 * TLS worker has nothing of its own: what it has not signed yet transport workers ask of another
 * one, and the last one stays until no handshake may need a key any more.
 */
#ifndef SIPWARD_MASTER_WORKERS_SCALE_H
#define SIPWARD_MASTER_WORKERS_SCALE_H

#include "worker_slot.h"

/* How often it is looked whether something has come or gone, milliseconds. */
#define SCALE_LOOK_MS 200
/* A transport worker that is to go keeps its listeners for so long: until then SIP workers, which
 * have been told by the settings, may still send datagrams by them. */
#define SCALE_CLOSE_MS 1000

/* Makes s->scale. add has the worker of that index, which the config has from now on: it makes and
 * starts it, or takes back that it is to leave. What it cannot make is asked for again with the
 * next reload. leave tells a worker that is ready to leave. */
void scale_init(struct supervisor *s,
	void (*add)(struct supervisor *s, unsigned role, unsigned index),
	void (*leave)(struct worker_slot *w));
/* From now on there are to be count[role] workers of each role, within its bounds. After the
 * settings that say so have been handed out. */
void scale_to(struct supervisor *s, const unsigned count[ROLE_COUNT]);
/* Has so many TLS workers at least: certificates are to be checked, by those that are to come with
 * them, too. scale_to takes it back. */
void scale_tls_at_least(struct supervisor *s, unsigned count);
/* Something may have come that was waited for. */
void scale_watch(struct supervisor *s);
/* A SIP worker has nothing left in slots that move away from it. */
void scale_slots_free(struct worker_slot *w, const struct lifeline_slots_free *body);
/* A worker that was to leave has. */
void scale_left(struct worker_slot *w);

#endif
