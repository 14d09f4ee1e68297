/* forward.c - one request to one target. */
#include "forward.h"

/* Writes the request, under a fresh branch. */
static int forward_write(struct splice *s, const struct flow *to, struct wire **out)
{
	s->to = to;
	s->branch = random_u64();
	return splice_request(s, out);
}

/* Whether a request leaves UDP for a congestion-controlled transport. */
static bool forward_too_large(const struct wire *bytes, const struct target *target)
{
	return bytes->size > UDP_REQUEST_MAX && target->flow.transport == TRANSPORT_UDP &&
	       !target->explicit_transport;
}

int forward_send(struct splice *s, const struct target *target, bool udp,
	const struct client_user *ops, void *user, struct forwarded *out)
{
	struct forwarded f = {.flow = target->flow};
	struct wire *bytes;
	int error = forward_write(s, &f.flow, &bytes);

	if (error)
		return error;
	if (!udp && forward_too_large(bytes, target)) {
		unsigned listener = settings_listener_for(
			s->sip->settings, target->zone, TRANSPORT_TCP, target->flow.peer.family);

		if (listener != NONE_INDEX) {
			wire_drop(bytes);
			f.switched = true;
			f.flow = (struct flow){.transport = TRANSPORT_TCP,
				.listener = (uint16_t)listener,
				.peer = target->flow.peer};
			error = forward_write(s, &f.flow, &bytes);
			if (error)
				return error;
		}
	}
	error = transaction_send(s->sip->transactions, s->in->method, s->branch, s->slot, &f.flow,
		bytes, ops, user, &f.client);
	wire_drop(bytes);
	s->to = NULL;
	if (error)
		return error;
	*out = f;
	return 0;
}
