/* flow_users.h - what hangs on a stream flow: found when the flow ends, without a look at all else.
 * One flow (a trunk's connection) may carry many. */
#ifndef SIPWARD_SIP_CALL_FLOW_USERS_H
#define SIPWARD_SIP_CALL_FLOW_USERS_H

#include "common/table.h"

struct used_flow;

/* Embedded in what is carried; zeroed where it is not. */
struct flow_user {
	struct flow_user *next, **link;
	struct used_flow *used_flow;
};

struct flow_users {
	struct table by_flow;
};
int flow_users_init(struct flow_users *cs); /* -ENOMEM */
void flow_users_free(struct flow_users *cs);

/* c is carried by that flow from now on, and by no other; 0: by none. Where there is no memory it
 * is by none: the end of its flow then goes unnoticed, and timers find out. */
void flow_users_add(struct flow_users *cs, struct flow_user *c, uint64_t flow);
void flow_users_remove(struct flow_users *cs, struct flow_user *c); /* no-op where it is by none */
/* One that the flow carries, which then is by none; NULL: no more. */
struct flow_user *flow_users_pop(struct flow_users *cs, uint64_t flow);

#endif
