/* labels.h - what SIP workers count by zone, trunk, method and class of response
 * (common/labelled.h): one store an event. */
#ifndef SIPWARD_SIP_LABELS_H
#define SIPWARD_SIP_LABELS_H

#include "sip.h"

_Static_assert(METHOD_COUNT <= LABEL_METHODS, "each method has its cell");

/* A request has come from a zone. */
static inline void labels_request(const struct settings *s, unsigned zone, uint8_t method)
{
	labelled_add(&counters_page->labelled.zone_requests[settings_zone(s, zone)->label][method]);
}

/* A response, 100 to 699, goes out to the zone of that flow's listener. */
static inline void labels_response(
	const struct settings *s, const struct flow *to, uint8_t method, unsigned status)
{
	unsigned label = LABEL_OTHER;

	if (to->listener < s->listeners.count)
		label = settings_zone(s, settings_listener(s, to->listener)->zone)->label;
	labelled_add(&counters_page->labelled.zone_responses[label][method][status / 100]);
}

/* A request outside of dialogs goes to a target of that trunk, by its label. */
static inline void labels_trunk_request(unsigned label, uint8_t method)
{
	labelled_add(&counters_page->labelled.trunk_requests[label][method]);
}

/* Its response has come; status 0: none will. */
static inline void labels_trunk_response(unsigned label, uint8_t method, unsigned status)
{
	labelled_add(&counters_page->labelled.trunk_responses[label][method][status / 100]);
}

/* A call has begun (1) or is over (-1). */
static inline void sip_count_call(struct sip *sip, int more)
{
	sip->calls += (uint32_t)more;
	counter_set(COUNTER_CALLS_ACTIVE, sip->calls);
}

#endif
