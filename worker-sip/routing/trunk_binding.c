/* trunk_binding.c - see trunk_binding.h. Relies on: nobody but siblings for what is told, which is
 * bounded and forgotten with the trunk that it is of. */
#include "trunk_binding.h"

#include "common/log.h"
#include "ipc/mesh.h"
#include "service_route.h"
#include "target_state.h"

#include <stdlib.h>

/* As many as a config has trunks at most, and they flows. */
#define TRUNK_BINDINGS_MAX (LIFELINE_TRUNKS_MAX * OUTBOUND_FLOWS_MAX)

struct trunk_binding {
	struct trunk_binding *next;
	struct record_binding known;
	uint16_t trunk; /* in the settings in force; NONE_INDEX: it is not there, or not yet */
	bool spared;    /* other settings have come since it was told, which have it neither */
};

static struct trunk_binding *binding_find(const struct sip *sip, uint64_t id, uint32_t reg_id)
{
	struct trunk_binding *b = sip->trunk_bindings;

	while (b && (b->known.trunk != id || b->known.reg_id != reg_id))
		b = b->next;
	return b;
}

static unsigned binding_count(const struct sip *sip)
{
	unsigned count = 0;

	for (const struct trunk_binding *b = sip->trunk_bindings; b; b = b->next)
		count++;
	return count;
}

/* Whether the trunk registers by such a flow. */
static bool binding_is_wanted(const struct trunk_settings *t, uint32_t reg_id)
{
	return t->register_s && t->outbound == (reg_id != 0) && reg_id <= t->targets.count;
}

/* The index of the trunk that it is of; NONE_INDEX: there is none. */
static uint16_t binding_trunk(const struct settings *s, const struct record_binding *known)
{
	for (unsigned i = 0; i < s->trunks.count; i++) {
		const struct trunk_settings *t = settings_trunk(s, i);

		if (binding_is_wanted(t, known->reg_id) &&
			trunk_id(settings_str(s, t->name)) == known->trunk)
			return (uint16_t)i;
	}
	return NONE_INDEX;
}

/* Whether a was found out before b. Of two findings of one millisecond it is told by what they say,
 * the same in all workers, for these may hear of them in either order. */
static bool binding_is_older(const struct record_binding *a, const struct record_binding *b)
{
	if (a->found_at != b->found_at)
		return a->found_at < b->found_at;
	return memcmp(a, b, sizeof(*a)) < 0;
}

/* Notes what is known now. False: something later is known, or there is no room. */
static bool binding_set(struct sip *sip, const struct record_binding *known)
{
	struct trunk_binding *b = binding_find(sip, known->trunk, known->reg_id);

	if (b && binding_is_older(known, &b->known))
		return false;
	if (!b) {
		b = binding_count(sip) < TRUNK_BINDINGS_MAX ? calloc(1, sizeof(*b)) : NULL;
		if (!b)
			return false;
		b->trunk = binding_trunk(sip->settings, known);
		b->next = sip->trunk_bindings;
		sip->trunk_bindings = b;
	}
	b->known = *known;
	b->spared = false;
	return true;
}

static void binding_tell(struct sip *sip, unsigned worker, const struct record_binding *known)
{
	void *data;

	if (worker == sip->index || mesh_record(sip->mesh, PEER(PEER_SIP, worker), RECORD_BINDING,
					    sizeof(*known), true, &data))
		return;
	memcpy(data, known, sizeof(*known));
}

void trunk_binding_found(
	struct sip *sip, unsigned trunk, unsigned reg_id, uint64_t until, struct str route)
{
	struct record_binding known = {.trunk = trunk_id(settings_trunk_name(sip->settings, trunk)),
		.found_at = loop_now(sip->loop),
		.until = until,
		.reg_id = reg_id};
	const struct trunk_binding *b = binding_find(sip, known.trunk, reg_id);

	/* what is known already was found out before, be it in this millisecond */
	if (b && known.found_at <= b->known.found_at)
		known.found_at = b->known.found_at + 1;
	if (route.n && route.n <= sizeof(known.route)) {
		memcpy(known.route, route.p, route.n);
		known.route_size = (uint32_t)route.n;
	}
	if (!binding_set(sip, &known))
		return;
	if (sip->target_states)
		target_states_gauge(sip->target_states);
	for (unsigned i = 0; sip->mesh && i < sip->settings->workers[PEER_SIP]; i++)
		binding_tell(sip, i, &known);
}

bool trunk_binding_told(struct sip *sip, const struct record_binding *told)
{
	if (told->route_size > sizeof(told->route) || told->reg_id > OUTBOUND_FLOWS_MAX ||
		!service_route_valid(sip->settings, (struct str){told->route, told->route_size}))
		return false;
	/* another's clock is ours; what claims to be later than now would never be overruled */
	if (told->found_at <= loop_now(sip->loop) + TARGET_CLOCK_MS)
		binding_set(sip, told);
	return true;
}

void trunk_bindings_tell(struct sip *sip, unsigned worker)
{
	for (const struct trunk_binding *b = sip->trunk_bindings; sip->mesh && b; b = b->next)
		binding_tell(sip, worker, &b->known);
}

/* What has been of no trunk stays until the next time: it may be of one that this worker's next
 * settings have. */
void trunk_bindings_take(struct sip *sip)
{
	struct trunk_binding **at = &sip->trunk_bindings, *b;

	while ((b = *at)) {
		bool over = b->trunk != NONE_INDEX || b->spared;

		b->trunk = binding_trunk(sip->settings, &b->known);
		b->spared = b->trunk == NONE_INDEX;
		if (over && b->trunk == NONE_INDEX) {
			*at = b->next;
			free(b);
		} else {
			at = &b->next;
		}
	}
}

static bool binding_is_alive(const struct sip *sip, const struct trunk_binding *b)
{
	return loop_now(sip->loop) < b->known.until;
}

/* The binding that stands at the trunk of that index by that flow; NULL: none does. */
static const struct trunk_binding *binding_at(
	const struct sip *sip, unsigned trunk, uint32_t reg_id)
{
	const struct trunk_binding *b = sip->trunk_bindings;

	while (b && (b->trunk != trunk || b->known.reg_id != reg_id))
		b = b->next;
	return b && binding_is_alive(sip, b) ? b : NULL;
}

bool trunk_binding_stands(const struct sip *sip, unsigned trunk)
{
	const struct trunk_binding *b = sip->trunk_bindings;

	while (b && (b->trunk != trunk || !binding_is_alive(sip, b)))
		b = b->next;
	return b != NULL;
}

bool trunk_binding_stands_by(const struct sip *sip, unsigned trunk, unsigned reg_id)
{
	return binding_at(sip, trunk, reg_id) != NULL;
}

/* The reg-id of the flow to a target; 0: it is of no such trunk. */
static uint32_t binding_reg_id(const struct trunk_settings *t, unsigned written)
{
	return t->outbound ? written + 1 : 0;
}

struct str trunk_binding_route(const struct sip *sip, unsigned trunk, unsigned written)
{
	const struct trunk_settings *t = settings_trunk(sip->settings, trunk);
	const struct trunk_binding *b = NULL;

	if (t->register_s)
		b = binding_at(sip, trunk, binding_reg_id(t, written));
	return b ? (struct str){b->known.route, b->known.route_size} : STR_EMPTY;
}

bool trunk_binding_is_missed(const struct sip *sip, unsigned trunk)
{
	const struct trunk_settings *t = settings_trunk(sip->settings, trunk);

	return t->register_s && t->register_required && !trunk_binding_stands(sip, trunk);
}

bool trunk_binding_flow_is_missed(const struct sip *sip, unsigned trunk, unsigned written)
{
	const struct trunk_settings *t = settings_trunk(sip->settings, trunk);

	return t->outbound && t->register_required && !binding_at(sip, trunk, written + 1);
}

void trunk_bindings_free(struct sip *sip)
{
	while (sip->trunk_bindings) {
		struct trunk_binding *b = sip->trunk_bindings;

		sip->trunk_bindings = b->next;
		free(b);
	}
}
