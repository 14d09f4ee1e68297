/* from_sip.c - the orders of SIP workers, each checked to its exact end before it is carried out.
 *
 * Relies on: flow.c for sending and watching, admit.c for penalties, streams.c for closing the
 * streams of a source that was banned, stream_keep_alive.c for pings.
 */
#include "from_sip.h"

#include "common/counters.h"
#include "ipc/mesh.h"
#include "admit.h"
#include "flow.h"
#include "resolve.h"
#include "stream.h"
#include "streams.h"
#include "transport_worker.h"

#include <errno.h>

static bool from_sip_is_endpoint(const struct endpoint *e)
{
	return (e->family == 4 || e->family == 6) && e->port != 0;
}

/* Whether a record of size bytes is a sound order to send: a message of permitted size that follows
 * it to its exact end, on a listener of that transport, to a flow or an address. */
static bool from_sip_is_sound(
	const struct settings *settings, const struct record_send *r, size_t size)
{
	if (size < sizeof(*r) || r->size == 0 || r->size > MESSAGE_RAW_MAX)
		return false;
	if (size != sizeof(*r) + r->size || r->flow.listener >= settings->listeners.count)
		return false;
	if (r->flow.transport != settings_listener(settings, r->flow.listener)->transport)
		return false;
	return r->flow.id || from_sip_is_endpoint(&r->flow.peer);
}

static bool from_sip_send(
	struct transport_worker *t, uint16_t peer, const struct record_send *r, size_t size)
{
	int error;

	if (!from_sip_is_sound(t->settings, r, size))
		return false;
	error = flow_send(t, &r->flow,
		&(struct outgoing){.bytes = r + 1,
			.size = r->size,
			.cookie = r->cookie,
			.peer = peer,
			.close = r->close,
			.reserve = r->reserve});
	if (error)
		flow_report_failed(t, peer, r->cookie, error);
	return true;
}

static bool from_sip_penalty(struct transport_worker *t, const struct record_penalty *r)
{
	if (r->listener >= t->settings->listeners.count)
		return false;
	if (r->source.family != 4 && r->source.family != 6)
		return false;
	if (admit_penalty(t->admit, r->listener, &r->source, r->user, loop_now(t->loop)))
		streams_close_source(t->streams, r->listener, &r->source);
	return true;
}

static bool from_sip_keep_alive(struct transport_worker *t, const struct record_keep_alive *r)
{
	struct flow_node *n = flow_find(t->flows, r->flow);

	if (r->seconds < KEEP_ALIVE_LEAST_S || r->seconds > KEEP_ALIVE_MOST_S || r->zero)
		return false;
	/* one that has ended has been told of, or will be, to who watches it */
	return !n || stream_keep_alive(stream_of(n), r->seconds) != -EINVAL;
}

static bool from_sip_take(
	struct transport_worker *t, uint16_t peer, uint16_t type, const void *data, size_t size)
{
	if (!record_permits(type, PEER_ROLE(peer), PEER_TRANSPORT))
		return false;
	if (type == RECORD_SEND)
		return from_sip_send(t, peer, data, size);
	if (type == RECORD_WATCH && size == sizeof(struct record_watch)) {
		const struct record_watch *r = data;

		flow_watch(t->flows, r->flow, r->slot);
		return true;
	}
	if (type == RECORD_KEEP_ALIVE && size == sizeof(struct record_keep_alive))
		return from_sip_keep_alive(t, data);
	if (type == RECORD_PENALTY && size == sizeof(struct record_penalty))
		return from_sip_penalty(t, data);
	if (type == RECORD_LOOKUP)
		return resolver_ask(t->resolver, peer, data, size);
	return false;
}

bool from_sip_record(
	struct transport_worker *t, uint16_t peer, uint16_t type, const void *data, size_t size)
{
	bool good = from_sip_take(t, peer, type, data, size);

	if (!good)
		count(BAD_RECORDS);
	return good;
}
