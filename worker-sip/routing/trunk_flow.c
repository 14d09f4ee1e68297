/* trunk_flow.c - the flow by which we are registered at a trunk: what its end means (RFC 5626
 * section 4.4). Relies on: trunk_registration.c, which registers anew. */
#include "trunk_registration_state.h"

/* At once, but for a server that closes each connection after its answer. */
static void trunk_flow_begin_anew(struct trunk_registration *g)
{
	uint64_t passed = loop_now(g->sip->loop) - g->accepted_at;

	g->stream = 0;
	if (g->client || g->state != REGISTERED || g->trunk == NONE_INDEX)
		return; /* its own outcome says what comes next */
	count(REGISTRATION_FLOWS_LOST);
	trunk_registration_log(g, "trunk-flow-lost");
	trunk_registration_wait(
		g, passed < REGISTRATION_REFRESH_LEAST_MS ? REGISTRATION_REFRESH_LEAST_MS : 0);
}

void trunk_registrations_flow_closed(struct sip *sip, uint64_t flow)
{
	for (struct trunk_registration *g = sip->trunk_registrations; g; g = g->next)
		if (g->stream && g->stream == flow)
			trunk_flow_begin_anew(g);
}

void trunk_registrations_transport_gone(struct sip *sip, uint8_t worker, uint32_t incarnation)
{
	const uint64_t life = FLOW_ID(worker, incarnation, 0);

	for (struct trunk_registration *g = sip->trunk_registrations; g; g = g->next)
		if (g->stream && g->stream - FLOW_CONNECTION(g->stream) == life)
			trunk_flow_begin_anew(g);
}
