/* capture.c - see capture.h. */
#include "capture.h"

#include "hep.h"

bool capture_add(struct transport_worker *t, const struct flow *flow, const struct endpoint *local,
	bool out, struct str message)
{
	unsigned zone;

	trace_add(&t->trace, flow, local, out, message);
	if (!t->hep)
		return false;
	zone = settings_listener(t->settings, flow->listener)->zone;
	if (!settings_zone(t->settings, zone)->hep)
		return false;
	hep_add(t->hep, flow, local, out, message);
	return true;
}

void capture_unsent(struct transport_worker *t, bool collected, int error)
{
	trace_unsent(&t->trace, error);
	if (collected)
		hep_take_back(t->hep);
}
