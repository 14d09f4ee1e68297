/* flow_users.c - a table of flows, each with the list of what it carries. A flow is in it as long
 * as it carries something. */
#include "flow_users.h"

#include "common/list.h"

#include <stdlib.h>

struct used_flow {
	struct table_node node;
	uint64_t flow;
	struct flow_user *first;
};

int flow_users_init(struct flow_users *cs)
{
	return table_init(&cs->by_flow, 64);
}

static bool free_carrier(struct table_node *node, void *arg)
{
	(void)arg;
	free(container_of(node, struct used_flow, node));
	return true;
}

void flow_users_free(struct flow_users *cs)
{
	table_each(&cs->by_flow, free_carrier, NULL); /* no-op before carriers_init */
	table_free(&cs->by_flow);
}

/* Flow ids count up, and say which worker's they are: mixed by an odd multiplier, whose upper bits
 * depend on all. */
static uint64_t hash_of(uint64_t flow)
{
	return flow * UINT64_C(0x9e3779b97f4a7c15) >> 20;
}

static bool same_flow(const struct table_node *node, const void *key)
{
	return container_of(node, const struct used_flow, node)->flow == *(const uint64_t *)key;
}

static struct used_flow *find(struct flow_users *cs, uint64_t flow)
{
	struct table_node *node = table_find(&cs->by_flow, hash_of(flow), same_flow, &flow);

	return node ? container_of(node, struct used_flow, node) : NULL;
}

void flow_users_remove(struct flow_users *cs, struct flow_user *c)
{
	struct used_flow *used_flow = c->used_flow;

	if (!used_flow)
		return;
	list_remove(c);
	*c = (struct flow_user){0};
	if (!used_flow->first) {
		table_remove(&cs->by_flow, &used_flow->node);
		free(used_flow);
	}
}

void flow_users_add(struct flow_users *cs, struct flow_user *c, uint64_t flow)
{
	struct used_flow *used_flow;

	if (c->used_flow && c->used_flow->flow == flow)
		return;
	flow_users_remove(cs, c);
	if (!flow)
		return;
	used_flow = find(cs, flow);
	if (!used_flow) {
		used_flow = calloc(1, sizeof(*used_flow));
		if (!used_flow)
			return;
		used_flow->flow = flow;
		table_add(&cs->by_flow, &used_flow->node, hash_of(flow));
	}
	*c = (struct flow_user){.used_flow = used_flow};
	list_insert(&used_flow->first, c);
}

struct flow_user *flow_users_pop(struct flow_users *cs, uint64_t flow)
{
	struct used_flow *used_flow = find(cs, flow);
	struct flow_user *c = used_flow ? used_flow->first : NULL;

	if (c)
		flow_users_remove(cs, c);
	return c;
}
