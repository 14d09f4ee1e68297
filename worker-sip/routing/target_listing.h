/* target_listing.h - the rows that sipwardctl shows of the targets of trunks. */
#ifndef SIPWARD_SIP_ROUTING_TARGET_LISTING_H
#define SIPWARD_SIP_ROUTING_TARGET_LISTING_H

#include "target_state.h"

/* Gives add a JSON object for each target of the trunk of that name, or of all where it is empty:
 * what this worker knows, and whether it is the one that pings it ("owner"). */
void target_listing(struct target_states *ts, struct str trunk,
	void (*add)(void *arg, struct str json), void *arg);

#endif
