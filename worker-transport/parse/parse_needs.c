/* parse_needs.c - what a message needs (parse_needs.h). */
#include "parse_needs.h"

#define OF(method) (1u << METHOD_##method)
/* BYE, CANCEL and ACK end or confirm what stands: refusing one for a header would leave a call
 * behind. */
#define OF_ANY (~(OF(BYE) | OF(CANCEL) | OF(ACK)))
_Static_assert(METHOD_COUNT <= 32, "methods are bits");

/* The methods whose requests need a header. */
static const uint32_t needed_by[HEADER_COUNT] = {
	[HEADER_MAX_FORWARDS] = OF_ANY,
	[HEADER_ROUTE] = OF_ANY,
	[HEADER_REQUIRE] = OF_ANY,
	[HEADER_PROXY_REQUIRE] = OF_ANY,
	[HEADER_AUTHORIZATION] = OF_ANY,
	[HEADER_PROXY_AUTHORIZATION] = OF_ANY,
	[HEADER_CONTACT] = OF(INVITE) | OF(UPDATE) | OF(REGISTER) | OF(SUBSCRIBE) | OF(NOTIFY) |
                           OF(REFER),
	[HEADER_RECORD_ROUTE] = OF(INVITE),
	[HEADER_PATH] = OF(REGISTER),
	[HEADER_EXPIRES] = OF(REGISTER),
	[HEADER_EVENT] = OF(SUBSCRIBE) | OF(NOTIFY) | OF(PUBLISH),
	[HEADER_SUBSCRIPTION_STATE] = OF(NOTIFY),
	[HEADER_SIP_IF_MATCH] = OF(PUBLISH),
	[HEADER_REFER_TO] = OF(REFER),
	[HEADER_REPLACES] = OF(INVITE),
	[HEADER_JOIN] = OF(INVITE),
	[HEADER_TARGET_DIALOG] = OF(INVITE) | OF(SUBSCRIBE) | OF(REFER),
	[HEADER_RACK] = OF(PRACK),
};

/* Whether a response makes or confirms a dialog, or carries an offer or answer in one. */
static bool parse_needs_session(const struct message *m)
{
	return m->status > 100 && m->status < 300 &&
	       (m->method == METHOD_INVITE || m->method == METHOD_UPDATE ||
		       m->method == METHOD_PRACK);
}

bool parse_needs(const struct message *m, uint8_t id)
{
	if (id >= HEADER_COUNT)
		return false;
	if (parse_always_needs(id))
		return true;
	if (m->is_request) /* a route set is not learnt twice (RFC 3261 section 12.2.2) */
		return (needed_by[id] >> m->method & 1) &&
		       !(id == HEADER_RECORD_ROUTE && m->to_tag.length);
	if (id == HEADER_CONTACT)
		return m->status / 100 == 2 && m->method == METHOD_INVITE;
	return id == HEADER_RECORD_ROUTE && parse_needs_session(m) && m->method == METHOD_INVITE;
}

bool parse_needs_body(const struct message *m)
{
	return m->is_request ? OF_ANY >> m->method & 1 : parse_needs_session(m);
}
