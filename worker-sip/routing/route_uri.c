/* route_uri.c - see route_uri.h. */
#include "route_uri.h"

/* The last URI of Route. False where there is none. */
static bool route_uri_last(const struct message *m, struct uri_parts *out)
{
	bool found = false;

	for (const struct message_header *h = message_first(m, HEADER_ROUTE); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h);
		struct address a;

		for (; address_next(&rest, &a) == 0; found = true)
			*out = a.uri;
	}
	return found;
}

struct uri_parts route_uri(const struct incoming *in)
{
	if (in->forwarded_to)
		return *in->forwarded_to;
	const struct message *m = in->message;
	struct uri_parts uri = uri_of(m, &m->request_uri), last;
	bool sip = uri.scheme == URI_SIP || uri.scheme == URI_SIPS;

	if (!sip || uri.user.n ||
		settings_listener_at(in->sip->settings, uri.host, uri.port) == NONE_INDEX)
		return uri;
	return route_uri_last(m, &last) && last.user.n ? last : uri;
}
