/* probe.h - acts that a jail must prevent, tried by a throw-away process that is in it. probe.def
 * is their table. */
#ifndef SIPWARD_WORKER_PROBE_H
#define SIPWARD_WORKER_PROBE_H

#include "ipc/lifeline.h"

enum probe_act {
	PROBE_NONE,
#define PROBE(id, text, roles) PROBE_##id,
#include "probe.def"
#undef PROBE
	PROBE_COUNT
};
/* The attempt in words of probe.def, or "?". */
const char *probe_text(unsigned act);
/* Whether the role, joined to the others by that carrier, may do it by design. */
bool probe_permitted(unsigned act, enum peer_role role, enum carrier carrier);
/* The number of variants of an act (families of sockets): lifeline_probe.variant counts from 0. */
unsigned probe_variants(unsigned act);

/* Tries. 0: it could be done; -errno: it was refused. May not return at all. */
int probe_try(const struct lifeline_probe *probe);

#endif
