/* trunk_flow.c - the flows by which we are registered at trunks: with outbound (RFC 5626) one to
 * each target, and what the end of a flow means. Relies on: trunk_registration.c, which registers
 * anew, trunk_binding.c, which tells who routes calls, and trunk_keep_alive.c. */
#include "trunk_registration_state.h"

#include "common/hash.h"
#include "target_state.h"
#include "trunk_binding.h"
#include "trunk_slot.h"

/* Section 4.5: the pauses begin with this while another flow of the trunk lives. */
#define FLOW_RETRY_FIRST_MS 90000
/* A flow that has lived so long was sound: what fails then begins with no failures (section 4.5).
 */
#define FLOW_STABLE_MS 120000
/* Seconds between keep-alives where the server does not say it (sections 4.4.1 and 4.4.2). */
#define FLOW_KEEP_ALIVE_STREAM_S 120
#define FLOW_KEEP_ALIVE_UDP_S 29
/* What is sent to a transport worker that is not there is dropped, and nobody is told. */
#define FLOW_SPARE_TRIES 2
/* Longer pauses than that need no more doubling. */
#define FLOW_DOUBLINGS_MAX 8

unsigned trunk_flow_count(const struct trunk_settings *t)
{
	if (!t->outbound)
		return 0;
	return t->targets.count < OUTBOUND_FLOWS_MAX ? t->targets.count : OUTBOUND_FLOWS_MAX;
}

const struct target_settings *trunk_flow_rows(
	const struct trunk_registration *g, unsigned *first, unsigned *count)
{
	unsigned all, at = 0, n = 0;
	const struct target_settings *rows = target_states_rows(
		g->sip->target_states, g->trunk, &all);

	if (g->reg_id) { /* the addresses of its target stand together */
		while (at < all && rows[at].written != g->reg_id - 1)
			at++;
		while (at + n < all && rows[at + n].written == g->reg_id - 1)
			n++;
	} else {
		n = all;
	}
	*first = at;
	*count = n;
	return n ? rows + at : NULL;
}

/* ---- in Contact ---- */

/* A URN of ours for the trunk, the same for as long as the state directory stays (section 4.1): by
 * its key, which never changes, so that no two trunks see that we are the same, and nobody sees the
 * key. */
static void flow_write_instance(struct writer *w, const struct trunk_registration *g)
{
	static const char digits[] = "0123456789abcdef";
	struct {
		char label[16];
		uint64_t trunk, half;
	} text = {"instance of us", g->id, 0};
	uint8_t id[16];

	for (text.half = 0; text.half < 2; text.half++) {
		uint64_t part = hash_bytes(&g->sip->keys.slot_key, &text, sizeof(text));

		memcpy(id + text.half * sizeof(part), &part, sizeof(part));
	}
	id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* as a random UUID's (RFC 9562 section 5.4) */
	id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
	for (unsigned i = 0; i < sizeof(id); i++) {
		char hex[] = {digits[id[i] >> 4], digits[id[i] & 15]};

		if (i == 4 || i == 6 || i == 8 || i == 10)
			write_literal(w, "-");
		write_bytes(w, hex, sizeof(hex));
	}
}

void trunk_flow_write_params(struct writer *w, const struct trunk_registration *g)
{
	if (!trunk_flow_is_outbound(g))
		return;
	write_literal(w, ";+sip.instance=\"<urn:uuid:");
	flow_write_instance(w, g);
	write_literal(w, ">\";reg-id=");
	write_number(w, g->reg_id);
}

bool trunk_flow_is_of_contact(const struct trunk_registration *g, struct str params)
{
	struct str value;
	uint64_t number;

	/* who knows nothing of outbound has one Contact of ours, whatever the flow */
	if (!trunk_flow_is_outbound(g) || !param_find(params, S("reg-id"), &value))
		return true;
	return str_number(value, UINT32_MAX, &number) == 0 && number == g->reg_id;
}

/* ---- its life ---- */

static bool flow_is_confirmed(const struct message *m)
{
	for (const struct message_header *h = message_first(m, HEADER_REQUIRE); h;
		h = message_next(m, h))
		if (list_has(message_header_value(m, h), S("outbound")))
			return true;
	return false;
}

/* In so many seconds the server wants to hear from us, as it says or as sections 4.4.1 and 4.4.2
 * have it; 0: it knows nothing of outbound. */
static uint32_t flow_keep_alive(const struct trunk_registration *g, const struct message *m)
{
	struct str value = message_value(m, HEADER_FLOW_TIMER);
	uint64_t seconds;

	if (!trunk_flow_is_outbound(g))
		return 0;
	if (!value.n || str_number(value, UINT32_MAX, &seconds) || !seconds) {
		if (!flow_is_confirmed(m))
			return 0;
		return transport_is_stream(m->flow.transport) ? FLOW_KEEP_ALIVE_STREAM_S
		                                              : FLOW_KEEP_ALIVE_UDP_S;
	}
	if (seconds < KEEP_ALIVE_LEAST_S)
		return KEEP_ALIVE_LEAST_S;
	return seconds > KEEP_ALIVE_MOST_S ? KEEP_ALIVE_MOST_S : (uint32_t)seconds;
}

static bool flow_is_stable(const struct trunk_registration *g)
{
	return loop_now(g->sip->loop) - g->formed_at >= FLOW_STABLE_MS;
}

void trunk_flow_accepted(struct trunk_registration *g, const struct message *m, bool news)
{
	if (news)
		g->formed_at = g->accepted_at;
	if (!g->reg_id || flow_is_stable(g))
		g->failures = 0;
	trunk_keep_alive_begin(g, &m->flow, flow_keep_alive(g, m));
}

/* Whether the trunk has another flow that lives. */
static bool flow_is_not_last(const struct trunk_registration *g)
{
	for (unsigned i = 1; g->reg_id && i <= OUTBOUND_FLOWS_MAX; i++)
		if (i != g->reg_id && trunk_binding_stands_by(g->sip, g->trunk, i))
			return true;
	return false;
}

uint64_t trunk_flow_pause(const struct trunk_registration *g)
{
	uint64_t most = flow_is_not_last(g) ? FLOW_RETRY_FIRST_MS : REGISTRATION_RETRY_FIRST_MS;
	/* without outbound the first pause is half as long */
	unsigned doublings = g->reg_id ? g->failures : g->failures - 1;

	most <<= doublings < FLOW_DOUBLINGS_MAX ? doublings : FLOW_DOUBLINGS_MAX;
	if (most > REGISTRATION_RETRY_MOST_MS)
		most = REGISTRATION_RETRY_MOST_MS;
	return trunk_registration_jitter(most / 2, most);
}

/* One of RFC 5626: nothing goes by it until it has been made anew, at once where it was sound. */
static void flow_failed_outbound(struct trunk_registration *g, uint64_t pause)
{
	trunk_keep_alive_end(g);
	g->state = UNREGISTERED;
	trunk_binding_found(g->sip, g->trunk, g->reg_id, 0, STR_EMPTY);
	if (flow_is_stable(g))
		g->failures = 0;
	trunk_registration_wait(g, g->failures ? trunk_flow_pause(g) : pause);
	g->failures++;
}

/* It is made anew after pause milliseconds, where nothing asks for more. */
static void flow_failed(struct trunk_registration *g, uint64_t pause)
{
	uint64_t passed = loop_now(g->sip->loop) - g->accepted_at;

	g->stream = 0;
	if (g->client || g->state != REGISTERED || g->trunk == NONE_INDEX)
		return; /* its own outcome says what comes next */
	count(REGISTRATION_FLOWS_LOST);
	trunk_registration_log(g, "trunk-flow-lost");
	/* a server may close each connection after its answer */
	if (!g->reg_id && passed < REGISTRATION_REFRESH_LEAST_MS)
		pause = REGISTRATION_REFRESH_LEAST_MS;
	if (g->reg_id)
		flow_failed_outbound(g, pause);
	else
		trunk_registration_wait(g, pause);
}

void trunk_flow_failed(struct trunk_registration *g)
{
	flow_failed(g, 0);
}

void trunk_registrations_flow_closed(struct sip *sip, uint64_t flow)
{
	for (struct trunk_registration *g = sip->trunk_registrations; g; g = g->next)
		if (g->stream && g->stream == flow)
			trunk_flow_failed(g);
}

bool trunk_flow_may_be_lost_here(struct trunk_registration *g)
{
	if (!g->spare_tries)
		return false;
	g->spare_tries--;
	return true;
}

void trunk_registrations_transport_gone(struct sip *sip, uint8_t worker, uint32_t incarnation)
{
	const uint64_t life = FLOW_ID(worker, incarnation, 0);

	for (struct trunk_registration *g = sip->trunk_registrations; g; g = g->next)
		if (g->stream && g->stream - FLOW_CONNECTION(g->stream) == life) {
			g->spare_tries = FLOW_SPARE_TRIES;
			flow_failed(g, REGISTRATION_SPREAD_MS); /* its successor comes first */
		}
}
