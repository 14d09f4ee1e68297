/* flow_bindings.c - flow -> addresses of record (flow_bindings.h). Closed entries wait in a list,
 * worked off a bounded number a turn: the death of a transport worker ends tens of thousands of
 * flows at once. */
#include "flow_bindings.h"

#include "binding_removal.h"

#include "common/hash.h"
#include "common/table.h"

#include <errno.h>
#include <stdlib.h>

/* Entries worked off in one turn, and the pause where the store takes no more, ms. */
#define CLOSED_PER_TURN 512
#define CLOSED_PAUSE_MS 1

struct flow_binding {
	struct table_node node;
	struct flow_binding *next; /* once closed */
	uint64_t flow;
	uint8_t slot;
	uint16_t aor_length;
	char aor[];
};
struct flow_bindings {
	struct sip *sip;
	struct hash_key key;
	struct table table;
	struct flow_binding *closed, **last;
	struct timer timer;
};

struct place {
	uint64_t flow;
	uint8_t slot;
	struct str aor; /* p == NULL: any */
};

static bool flow_binding_same(const struct table_node *node, const void *key)
{
	const struct flow_binding *e = container_of(node, const struct flow_binding, node);
	const struct place *p = key;

	return e->flow == p->flow && e->slot == p->slot &&
	       (!p->aor.p || str_equal((struct str){e->aor, e->aor_length}, p->aor));
}

/* Ids are given out by transport workers: keyed, so that none of them can choose a chain. */
static uint64_t flow_bindings_hash(const struct flow_bindings *r, uint64_t flow)
{
	return hash_bytes(&r->key, &flow, sizeof(flow));
}

/* ---- what a closed flow leaves ---- */

static bool flow_binding_goes(void *arg, const struct binding *b)
{
	const uint64_t *flow = arg;

	return b->flow.id == *flow;
}

/* Whether its slot has gone, or goes, to another worker, which alone writes its bindings. */
static bool flow_binding_is_foreign(const struct flow_bindings *r, const struct flow_binding *e)
{
	return r->sip->slots.next[e->slot] != r->sip->index;
}

/* 0: done with it. */
static int flow_binding_remove(struct flow_bindings *r, const struct flow_binding *e)
{
	struct str aor = {e->aor, e->aor_length};
	uint64_t flow = e->flow;
	unsigned removed = 0;

	if (flow_binding_is_foreign(r, e))
		return 0;
	int error = binding_remove(r->sip->location, aor, flow_binding_goes, &flow, &removed);

	counter_add(COUNTER_BINDINGS_FLOW_CLOSED, removed);
	return error == -EAGAIN || error == -ENOMEM ? error : 0;
}

static void flow_bindings_work_off(struct flow_bindings *r)
{
	unsigned left = CLOSED_PER_TURN;

	while (r->closed && left--) {
		struct flow_binding *e = r->closed;

		if (flow_binding_remove(r, e))
			break;
		r->closed = e->next;
		if (!r->closed)
			r->last = &r->closed;
		free(e);
	}
	if (r->closed && !timer_armed(&r->timer))
		loop_set(r->sip->loop, &r->timer, CLOSED_PAUSE_MS);
}

static void flow_bindings_on_timer(struct timer *t, void *arg)
{
	(void)t;
	flow_bindings_work_off(arg);
}

static void flow_binding_close(struct flow_bindings *r, struct flow_binding *e)
{
	table_remove(&r->table, &e->node);
	e->next = NULL;
	*r->last = e;
	r->last = &e->next;
}

void flow_bindings_closed(struct flow_bindings *r, uint64_t flow, uint8_t slot)
{
	struct place place = {.flow = flow, .slot = slot};
	struct table_node *node;

	uint64_t hash = flow_bindings_hash(r, flow);

	while ((node = table_find(&r->table, hash, flow_binding_same, &place)))
		flow_binding_close(r, container_of(node, struct flow_binding, node));
	flow_bindings_work_off(r);
}

struct life {
	struct flow_bindings *r;
	uint8_t worker;
	uint32_t incarnation;
};

static bool life_has(const struct life *life, uint64_t flow)
{
	return FLOW_WORKER(flow) == life->worker &&
	       FLOW_INCARNATION(flow) == (life->incarnation & 0xffffff);
}

static bool flow_binding_close_of_life(struct table_node *node, void *arg)
{
	struct life *life = arg;
	struct flow_binding *e = container_of(node, struct flow_binding, node);

	if (life_has(life, e->flow))
		flow_binding_close(life->r, e);
	return true;
}

void flow_bindings_worker_gone(struct flow_bindings *r, uint8_t worker, uint32_t incarnation)
{
	struct life life = {r, worker, incarnation};

	table_each(&r->table, flow_binding_close_of_life, &life);
	flow_bindings_work_off(r);
}

static bool flow_binding_forget_foreign(struct table_node *node, void *arg)
{
	struct flow_bindings *r = arg;
	struct flow_binding *e = container_of(node, struct flow_binding, node);

	if (flow_binding_is_foreign(r, e)) {
		table_remove(&r->table, &e->node);
		free(e);
	}
	return true;
}

void flow_bindings_slots_changed(struct flow_bindings *r)
{
	table_each(&r->table, flow_binding_forget_foreign, r);
}

void flow_bindings_add(
	struct flow_bindings *r, struct str aor, const struct flow *flow, uint8_t slot)
{
	struct place place = {flow->id, slot, aor};

	if (flow->id == 0 || aor.n >= AOR_MAX)
		return;
	if (table_find(&r->table, flow_bindings_hash(r, flow->id), flow_binding_same, &place))
		return;
	struct flow_binding *e = r->table.count < FLOW_INDEX_MAX ? malloc(sizeof(*e) + aor.n)
	                                                         : NULL;
	if (!e) {
		count(FLOW_INDEX_FULL);
		return;
	}
	*e = (struct flow_binding){.flow = flow->id, .slot = slot, .aor_length = (uint16_t)aor.n};
	memcpy(e->aor, aor.p, aor.n);
	table_add(&r->table, &e->node, flow_bindings_hash(r, flow->id));
	sip_watch(r->sip, flow, slot);
}

int flow_bindings_new(struct flow_bindings **out, struct sip *sip)
{
	struct flow_bindings *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->sip = sip;
	r->last = &r->closed;
	hash_key_random(&r->key);
	timer_init(&r->timer, flow_bindings_on_timer, r);
	int error = table_init(&r->table, 1024);
	if (error)
		free(r);
	else
		*out = r;
	return error;
}

static bool flow_binding_free(struct table_node *node, void *arg)
{
	struct flow_bindings *r = arg;
	struct flow_binding *e = container_of(node, struct flow_binding, node);

	table_remove(&r->table, node);
	free(e);
	return true;
}

void flow_bindings_free(struct flow_bindings *r)
{
	if (!r)
		return;
	table_each(&r->table, flow_binding_free, r);
	for (struct flow_binding *e = r->closed, *next; e; e = next) {
		next = e->next;
		free(e);
	}
	loop_unset(r->sip->loop, &r->timer);
	table_free(&r->table);
	free(r);
}
