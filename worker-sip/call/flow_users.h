/* flow_users.h - what hangs on a stream flow: found when the flow ends, without a look at all else. One flow (a trunk's connection) may carry many. */
#ifndef SIPWARD_SIP_CALL_FLOW_USERS_H
#define SIPWARD_SIP_CALL_FLOW_USERS_H

#include "common/table.h"

struct carrier;

/* Embedded in what is carried; zeroed where it is not. */
struct carried {
	struct carried *next, **link;
	struct carrier *carrier;
};

struct carriers {
	struct table by_flow;
};
int carriers_init(struct carriers *cs); /* -ENOMEM */
void carriers_free(struct carriers *cs);

/* c is carried by that flow from now on, and by no other; 0: by none. Where there is no memory it is by none: the end of its flow then goes unnoticed, and timers find out. */
void carried_by(struct carriers *cs, struct carried *c, uint64_t flow);
void carried_end(struct carriers *cs, struct carried *c); /* no-op where it is by none */
/* One that the flow carries, which then is by none; NULL: no more. */
struct carried *carried_pop(struct carriers *cs, uint64_t flow);

#endif
