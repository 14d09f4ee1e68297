/* name_permit.c - see name_permit.h. Pure over settings. */
#include "name_permit.h"

static bool name_is_ourselves(
	const struct settings *s, uint8_t transport, const struct endpoint *to)
{
	for (unsigned i = 0; i < s->listeners.count; i++) {
		const struct listener_settings *l = settings_listener(s, i);

		if (l->transport == transport && endpoint_equal(&l->bind, to))
			return true;
	}
	return false;
}

bool name_permit(const struct settings *s, unsigned trunk, uint8_t transport,
	const struct endpoint *to, uint16_t *listener)
{
	unsigned zone = settings_trunk(s, trunk)->zone;
	unsigned found = settings_listener_for(s, zone, transport, to->family);
	bool permitted;

	if (found == NONE_INDEX || !to->port || endpoint_is_wildcard(to) ||
		name_is_ourselves(s, transport, to))
		return false;
	settings_zone_of(s, found, to, &permitted);
	if (settings_zone(s, zone)->trust && !permitted)
		return false;
	*listener = (uint16_t)found;
	return true;
}
