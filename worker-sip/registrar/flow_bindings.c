/* flow_bindings.c - flow -> addresses of record (reachable.h). Closed entries wait in a list,
 * worked off a bounded number a turn: the death of a transport worker ends tens of thousands of
 * flows at once. */
#include "flow_bindings.h"

#include "common/hash.h"
#include "common/table.h"
#include "registrar.h"

#include <errno.h>
#include <stdlib.h>

/* Entries worked off in one turn, and the pause where the store takes no more, ms. */
#define CLOSED_PER_TURN 512
#define CLOSED_PAUSE_MS 1

struct entry {
	struct table_node node;
	struct entry *next; /* once closed */
	uint64_t flow;
	uint8_t slot;
	uint16_t aor_length;
	char aor[];
};
struct reachable {
	struct sip *sip;
	struct hash_key key;
	struct table table;
	struct entry *closed, **last;
	struct timer timer;
};

struct place {
	uint64_t flow;
	uint8_t slot;
	struct str aor; /* p == NULL: any */
};

static bool same(const struct table_node *node, const void *key)
{
	const struct entry *e = container_of(node, const struct entry, node);
	const struct place *p = key;

	return e->flow == p->flow && e->slot == p->slot &&
	       (!p->aor.p || str_equal((struct str){e->aor, e->aor_length}, p->aor));
}

/* Ids are given out by transport workers: keyed, so that none of them can choose a chain. */
static uint64_t hash_of(const struct reachable *r, uint64_t flow)
{
	return hash_bytes(&r->key, &flow, sizeof(flow));
}

/* ---- what a closed flow leaves ---- */

struct rest {
	struct binding binding[BINDINGS_MAX];
	unsigned count, gone;
	uint64_t flow;
	struct writer strings;
};

static struct str keep(struct writer *w, struct str s)
{
	struct str out = {w->p + w->n, s.n};

	write_str(w, s);
	return out;
}

static void keep_binding(void *arg, const struct binding *b)
{
	struct rest *rest = arg;

	if (b->flow.id == rest->flow) {
		rest->gone++;
		return;
	}
	struct binding *to = &rest->binding[rest->count++];
	*to = *b;
	to->contact = keep(&rest->strings, b->contact);
	to->call_id = keep(&rest->strings, b->call_id);
	to->path = keep(&rest->strings, b->path);
	to->instance = keep(&rest->strings, b->instance);
	to->user_agent = keep(&rest->strings, b->user_agent);
}

/* 0: done with it. */
static int remove_bindings(struct reachable *r, const struct entry *e)
{
	static const size_t buffer_size =
		BINDINGS_MAX * (BINDING_CONTACT_MAX + BINDING_CALL_ID_MAX + BINDING_PATH_MAX +
				       BINDING_INSTANCE_MAX + BINDING_USER_AGENT_MAX);
	struct str aor = {e->aor, e->aor_length};
	char *buffer = malloc(buffer_size);

	if (!buffer)
		return -ENOMEM;
	struct rest rest = {.flow = e->flow, .strings = {.p = buffer, .size = buffer_size}};
	int error = location_lookup(r->sip->location, aor, keep_binding, &rest);
	if (error > 0 && rest.gone) {
		error = location_put(r->sip->location, aor, rest.binding, rest.count, NULL, NULL);
		if (!error)
			counter_add(COUNTER_BINDINGS_FLOW_CLOSED, rest.gone);
	}
	free(buffer);
	return error == -EAGAIN || error == -ENOMEM ? error : 0;
}

static void work_off(struct reachable *r)
{
	unsigned left = CLOSED_PER_TURN;

	while (r->closed && left--) {
		struct entry *e = r->closed;

		if (remove_bindings(r, e))
			break;
		r->closed = e->next;
		if (!r->closed)
			r->last = &r->closed;
		free(e);
	}
	if (r->closed && !timer_armed(&r->timer))
		loop_set(r->sip->loop, &r->timer, CLOSED_PAUSE_MS);
}

static void fired(struct timer *t, void *arg)
{
	(void)t;
	work_off(arg);
}

static void close_entry(struct reachable *r, struct entry *e)
{
	table_remove(&r->table, &e->node);
	e->next = NULL;
	*r->last = e;
	r->last = &e->next;
}

void reachable_closed(struct reachable *r, uint64_t flow, uint8_t slot)
{
	struct place place = {.flow = flow, .slot = slot};
	struct table_node *node;

	while ((node = table_find(&r->table, hash_of(r, flow), same, &place)))
		close_entry(r, container_of(node, struct entry, node));
	work_off(r);
}

struct life {
	struct reachable *r;
	uint8_t worker;
	uint32_t incarnation;
};

static bool close_of_life(struct table_node *node, void *arg)
{
	struct life *life = arg;
	struct entry *e = container_of(node, struct entry, node);

	if (FLOW_WORKER(e->flow) == life->worker &&
		FLOW_INCARNATION(e->flow) == (life->incarnation & 0xffffff))
		close_entry(life->r, e);
	return true;
}

void reachable_worker_gone(struct reachable *r, uint8_t worker, uint32_t incarnation)
{
	struct life life = {r, worker, incarnation};

	table_each(&r->table, close_of_life, &life);
	work_off(r);
}

void reachable_add(struct reachable *r, struct str aor, const struct flow *flow, uint8_t slot)
{
	struct place place = {flow->id, slot, aor};

	if (flow->id == 0 || aor.n >= AOR_MAX ||
		table_find(&r->table, hash_of(r, flow->id), same, &place))
		return;
	struct entry *e = r->table.count < FLOW_INDEX_MAX ? malloc(sizeof(*e) + aor.n) : NULL;
	if (!e) {
		count(FLOW_INDEX_FULL);
		return;
	}
	*e = (struct entry){.flow = flow->id, .slot = slot, .aor_length = (uint16_t)aor.n};
	memcpy(e->aor, aor.p, aor.n);
	table_add(&r->table, &e->node, hash_of(r, flow->id));
	sip_watch(r->sip, flow, slot);
}

int reachable_new(struct reachable **out, struct sip *sip)
{
	struct reachable *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->sip = sip;
	r->last = &r->closed;
	hash_key_random(&r->key);
	timer_init(&r->timer, fired, r);
	int error = table_init(&r->table, 1024);
	if (error)
		free(r);
	else
		*out = r;
	return error;
}

static bool free_entry(struct table_node *node, void *arg)
{
	struct reachable *r = arg;
	struct entry *e = container_of(node, struct entry, node);

	table_remove(&r->table, node);
	free(e);
	return true;
}

void reachable_free(struct reachable *r)
{
	if (!r)
		return;
	table_each(&r->table, free_entry, r);
	for (struct entry *e = r->closed, *next; e; e = next) {
		next = e->next;
		free(e);
	}
	loop_unset(r->sip->loop, &r->timer);
	table_free(&r->table);
	free(r);
}
