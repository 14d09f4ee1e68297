/* flow_bindings.h - the bindings of addresses of record by their stream flow, so that a flow's end
 * removes them (RFC 5626 section 4.2.2). In memory only: a new life finds the stored ones again
 * while it tends the store, and asks anew to be told of their end; of one that is gone already it
 * is told at once. */
#ifndef SIPWARD_SIP_REGISTRAR_FLOW_BINDINGS_H
#define SIPWARD_SIP_REGISTRAR_FLOW_BINDINGS_H

#include "location.h"

/* Stream bindings of one worker whose flow's end is watched; further ones end by their expiry. */
#define FLOW_INDEX_MAX (1u << 20)

struct flow_bindings;

/* Makes an index without bindings. -ENOMEM. */
int flow_bindings_new(struct flow_bindings **out, struct sip *sip);
/* NULL is a no-op. The bindings stay in the store. */
void flow_bindings_free(struct flow_bindings *r);
/* A stream binding of aor: its flow is watched for the slot. No-op for one that is known, and for a
 * datagram flow. */
void flow_bindings_add(
	struct flow_bindings *r, struct str aor, const struct flow *flow, uint8_t slot);
/* The flow has ended: the bindings by it of that slot's addresses of record go, some in each
 * turn. */
void flow_bindings_closed(struct flow_bindings *r, uint64_t flow, uint8_t slot);
/* All flows of one life of a transport worker have ended. */
void flow_bindings_worker_gone(struct flow_bindings *r, uint8_t worker, uint32_t incarnation);
/* Forgets those of slots that are another worker's now. */
void flow_bindings_slots_changed(struct flow_bindings *r);

#endif
