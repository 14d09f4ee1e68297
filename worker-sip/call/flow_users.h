/* flow_users.h - the users of a stream flow: found when the flow ends, without a look at all
 * others. One flow (a trunk's connection) may have many users. */
#ifndef SIPWARD_SIP_CALL_FLOW_USERS_H
#define SIPWARD_SIP_CALL_FLOW_USERS_H

#include "common/table.h"

struct used_flow;

/* Embedded in whatever uses a flow; zeroed while it uses none. */
struct flow_user {
	struct flow_user *next, **link;
	struct used_flow *used_flow;
};

struct flow_users {
	struct table by_flow;
};
int flow_users_init(struct flow_users *users); /* -ENOMEM */
/* Users that are left are forgotten. A no-op where users is zeroed. */
void flow_users_free(struct flow_users *users);

/* The user uses that flow from now on, and no other; flow 0: it uses none. Where there is no memory
 * it uses none: the end of its flow then goes unnoticed, and timers find out. */
void flow_users_add(struct flow_users *users, struct flow_user *user, uint64_t flow);
/* The user uses no flow any more. A no-op where it uses none. */
void flow_users_remove(struct flow_users *users, struct flow_user *user);
/* A user of the flow, which uses none from now on; NULL: there is none left. */
struct flow_user *flow_users_pop(struct flow_users *users, uint64_t flow);

#endif
