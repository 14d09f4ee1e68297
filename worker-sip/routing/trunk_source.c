/* trunk_source.c - see trunk_source.h. */
#include "trunk_source.h"

#include "target_state.h"

static bool trunk_is_at(const struct sip *sip, unsigned trunk, const struct endpoint *peer)
{
	unsigned count;
	const struct target_settings *rows = target_states_rows(sip->target_states, trunk, &count);

	for (unsigned i = 0; i < count; i++)
		if (endpoint_same_host(&rows[i].endpoint, peer))
			return true;
	return false;
}

unsigned trunk_of_source(const struct sip *sip, unsigned zone, const struct endpoint *peer)
{
	const struct settings *s = sip->settings;

	if (!sip->target_states || !settings_zone(s, zone)->sources.count)
		return NONE_INDEX;
	for (unsigned i = 0; i < s->trunks.count; i++)
		if (settings_trunk(s, i)->zone == zone && trunk_is_at(sip, i, peer))
			return i;
	return NONE_INDEX;
}
