/* admission.c - see admission.h. */
#include "admission.h"

#include "ipc/line.h"
#include "stranger.h"
#include "worker-sip/message/refusal_log.h"
#include "worker-sip/routing/trunk_source.h"

/* A message from none of its zone's sources is dropped. */
static void admission_drop(struct sip *sip, const struct message *m)
{
	struct str line;

	count(SOURCE_REFUSED);
	if (!m->is_request)
		refusal_log_response(sip, m, "not a source of its zone");
	else if (sip->trunk_lines && line_of_request(m, &line))
		refusal_log_dropped(sip, m, "its line is no trunk's, and not a source of its zone");
	else
		refusal_log_dropped(sip, m, "not a source of its zone");
}

/* Whether a message of none of its zone's sources is served all the same. */
static bool admission_hears_stranger(const struct incoming *in)
{
	const struct message *m = in->message;

	return settings_hears_strangers(in->sip->settings, m->flow.listener) &&
	       (in->shown || stranger_is_known(in->sip, m, in->zone));
}

/* The trunk that a request comes from, as its address says; a token says it better. */
static void admission_explain_trunk(const struct incoming *in, struct explanation *x)
{
	unsigned trunk = in->message->is_request && in->trunk == NONE_INDEX
	                         ? trunk_of_source(in->sip, in->zone, &in->message->flow.peer)
	                         : NONE_INDEX;

	if (trunk != NONE_INDEX)
		explanation_trunk(x, in->sip->settings, trunk,
			"it comes from there: it is the address of a target");
}

bool admission_permits(const struct incoming *in, bool permitted, struct explanation *x)
{
	const struct settings *s = in->sip->settings;
	bool served = permitted || admission_hears_stranger(in);

	if (x) {
		explanation_zone(x, s, in->zone, served);
		if (served && !permitted)
			explanation_say(x, "zone", settings_zone_name(s, in->zone), 0,
				"the source is none of its sources, but the message shows what "
				"only we gave out");
		admission_explain_trunk(in, x);
	} else if (!served) {
		admission_drop(in->sip, in->message);
	} else if (!permitted) {
		count(STRANGERS_SERVED);
	}
	return served;
}
