/* flow_users.c - a table of flows, each with the list of its users. A flow is in it as long as it
 * has one. */
#include "flow_users.h"

#include "common/list.h"

#include <stdlib.h>

struct used_flow {
	struct table_node node;
	uint64_t flow;
	struct flow_user *first;
};

int flow_users_init(struct flow_users *users)
{
	return table_init(&users->by_flow, 64);
}

static bool flow_users_free_one(struct table_node *node, void *arg)
{
	(void)arg;
	free(container_of(node, struct used_flow, node));
	return true;
}

void flow_users_free(struct flow_users *users)
{
	table_each(&users->by_flow, flow_users_free_one, NULL);
	table_free(&users->by_flow);
}

/* Flow ids count up, and say which worker's they are: mixed by an odd multiplier, whose upper bits
 * depend on all. */
static uint64_t flow_users_hash(uint64_t flow)
{
	return flow * UINT64_C(0x9e3779b97f4a7c15) >> 20;
}

static bool flow_users_same(const struct table_node *node, const void *key)
{
	return container_of(node, const struct used_flow, node)->flow == *(const uint64_t *)key;
}

static struct used_flow *flow_users_find(struct flow_users *users, uint64_t flow)
{
	struct table_node *node = table_find(
		&users->by_flow, flow_users_hash(flow), flow_users_same, &flow);

	return node ? container_of(node, struct used_flow, node) : NULL;
}

void flow_users_remove(struct flow_users *users, struct flow_user *user)
{
	struct used_flow *used_flow = user->used_flow;

	if (!used_flow)
		return;
	list_remove(user);
	user->used_flow = NULL;
	if (!used_flow->first) {
		table_remove(&users->by_flow, &used_flow->node);
		free(used_flow);
	}
}

void flow_users_add(struct flow_users *users, struct flow_user *user, uint64_t flow)
{
	struct used_flow *used_flow;

	if (user->used_flow && user->used_flow->flow == flow)
		return;
	flow_users_remove(users, user);
	if (!flow)
		return;
	used_flow = flow_users_find(users, flow);
	if (!used_flow) {
		used_flow = calloc(1, sizeof(*used_flow));
		if (!used_flow)
			return;
		used_flow->flow = flow;
		table_add(&users->by_flow, &used_flow->node, flow_users_hash(flow));
	}
	user->used_flow = used_flow;
	list_insert(&used_flow->first, user);
}

struct flow_user *flow_users_pop(struct flow_users *users, uint64_t flow)
{
	struct used_flow *used_flow = flow_users_find(users, flow);
	struct flow_user *user = used_flow ? used_flow->first : NULL;

	if (user)
		flow_users_remove(users, user);
	return user;
}
