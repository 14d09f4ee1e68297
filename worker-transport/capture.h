/* capture.h - who gets a copy of each message that comes or goes: the ring of trace.h, and the
 * collector of hep.h. */
#ifndef SIPWARD_TRANSPORT_CAPTURE_H
#define SIPWARD_TRANSPORT_CAPTURE_H

#include "transport_worker.h"

/* Whether anybody does. */
static inline bool capture_wanted(const struct transport_worker *t)
{
	return t->trace.ring || t->hep;
}
/* Copies a message that came from the flow, or is going to it. Returns whether the collector gets
 * it. */
bool capture_add(struct transport_worker *t, const struct flow *flow, const struct endpoint *local,
	bool out, struct str message);
/* The message that was copied last could not be sent; collected: what capture_add returned. */
void capture_unsent(struct transport_worker *t, bool collected, int error);

#endif
