/* flow_users.c - a table of flows, each with the list of what it carries. A flow is in it as long as it carries something. */
#include "flow_users.h"

#include <stdlib.h>

struct carrier {
	struct table_node node;
	uint64_t flow;
	struct carried *first;
};

int carriers_init(struct carriers *cs)
{
	return table_init(&cs->by_flow, 64);
}

static bool free_carrier(struct table_node *node, void *arg)
{
	(void)arg;
	free(container_of(node, struct carrier, node));
	return true;
}

void carriers_free(struct carriers *cs)
{
	table_each(&cs->by_flow, free_carrier, NULL); /* no-op before carriers_init */
	table_free(&cs->by_flow);
}

/* Flow ids count up, and say which worker's they are: mixed by an odd multiplier, whose upper bits depend on all. */
static uint64_t hash_of(uint64_t flow)
{
	return flow * UINT64_C(0x9e3779b97f4a7c15) >> 20;
}

static bool same_flow(const struct table_node *node, const void *key)
{
	return container_of(node, const struct carrier, node)->flow == *(const uint64_t *)key;
}

static struct carrier *find(struct carriers *cs, uint64_t flow)
{
	struct table_node *node = table_find(&cs->by_flow, hash_of(flow), same_flow, &flow);

	return node ? container_of(node, struct carrier, node) : NULL;
}

void carried_end(struct carriers *cs, struct carried *c)
{
	struct carrier *carrier = c->carrier;

	if (!carrier)
		return;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	*c = (struct carried){0};
	if (!carrier->first) {
		table_remove(&cs->by_flow, &carrier->node);
		free(carrier);
	}
}

void carried_by(struct carriers *cs, struct carried *c, uint64_t flow)
{
	struct carrier *carrier;

	if (c->carrier && c->carrier->flow == flow)
		return;
	carried_end(cs, c);
	if (!flow)
		return;
	carrier = find(cs, flow);
	if (!carrier) {
		carrier = calloc(1, sizeof(*carrier));
		if (!carrier)
			return;
		carrier->flow = flow;
		table_add(&cs->by_flow, &carrier->node, hash_of(flow));
	}
	*c = (struct carried){.next = carrier->first, .link = &carrier->first, .carrier = carrier};
	if (c->next)
		c->next->link = &c->next;
	carrier->first = c;
}

struct carried *carried_pop(struct carriers *cs, uint64_t flow)
{
	struct carrier *carrier = find(cs, flow);
	struct carried *c = carrier ? carrier->first : NULL;

	if (c)
		carried_end(cs, c);
	return c;
}
