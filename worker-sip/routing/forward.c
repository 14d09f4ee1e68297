/* forward.c - one request to one target. */
#include "forward.h"

#include <errno.h>

/* A TCP listener of the target's zone that can stand in for its UDP one, or NONE_INDEX. */
static unsigned stream_listener(const struct settings *s, const struct target *target)
{
	for (unsigned i = 0; i < s->listeners.count; i++) {
		const struct listener_settings *l = settings_listener(s, i);

		if (l->zone == target->zone && l->transport == TRANSPORT_TCP &&
			l->bind.family == target->flow.peer.family)
			return i;
	}
	return NONE_INDEX;
}

int forward_send(struct splice *s, const struct target *target, bool udp,
	const struct client_user *ops, void *user, struct forwarded *out)
{
	struct forwarded f = {.flow = target->flow};
	struct wire *bytes;

	s->to = &f.flow;
	s->branch = random_u64();
	int error = splice_request(s, &bytes);
	if (error)
		return error;
	if (bytes->size > UDP_REQUEST_MAX && f.flow.transport == TRANSPORT_UDP && !udp &&
		!target->explicit_transport) {
		unsigned listener = stream_listener(s->sip->settings, target);

		if (listener != NONE_INDEX) {
			f.flow = (struct flow){.transport = TRANSPORT_TCP,
				.listener = (uint16_t)listener,
				.peer = target->flow.peer};
			f.switched = true;
			wire_drop(bytes);
			s->branch = random_u64();
			error = splice_request(s, &bytes);
			if (error)
				return error;
		}
	}
	error = transaction_send(s->sip->transactions, s->in->method, s->branch, s->slot, &f.flow,
		bytes, ops, user, &f.client);
	wire_drop(bytes);
	if (error)
		return error;
	s->to = NULL;
	*out = f;
	return 0;
}
