/* stranger.c - see stranger.h. Pure over settings and messages. */
#include "stranger.h"

#include "ipc/line.h"
#include "ipc/token.h"

uint32_t stranger_limit_rate(const struct zone_settings *z, uint32_t *window_ms)
{
	bool unsaid = z->trust && !z->rate;

	*window_ms = unsaid ? 1000 : z->rate_window_ms;
	return unsaid ? STRANGER_RATE : z->rate;
}

bool stranger_limit_connects(
	const struct zone_settings *z, uint32_t connections, uint32_t strangers)
{
	uint32_t most = z->connections_per_source;

	if (z->trust && !most)
		most = STRANGER_CONNECTIONS;
	return (!most || connections <= most) &&
	       (!z->trust || strangers <= STRANGERS_CONNECTIONS_MAX);
}

bool stranger_is(const struct settings *s, unsigned listener, const struct endpoint *peer)
{
	bool permitted;

	if (!settings_hears_strangers(s, listener))
		return false; /* none is heard: who was let in is a source */
	settings_zone_of(s, listener, peer, &permitted);
	return !permitted;
}

bool stranger_may_prove(const struct message *m)
{
	struct str line, branch = message_str(m, m->via_branch);
	uint8_t slot;

	if (!m->is_request)
		return branch.n == BRANCH_LENGTH &&
		       token_slot(str_from(branch, BRANCH_LENGTH - TOKEN_LENGTH), &slot) == 0;
	return token_slot(message_str(m, m->to_tag), &slot) == 0 || line_of_request(m, &line);
}
