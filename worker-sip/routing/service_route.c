/* service_route.c - see service_route.h. Pure over message and settings. */
#include "service_route.h"

#include <errno.h>

/* Whether a request may be told to pass by that one. */
static bool service_route_is_hop(const struct settings *s, const struct address *a)
{
	const struct uri_parts *uri = &a->uri;
	struct str value;

	return (uri->scheme == URI_SIP || uri->scheme == URI_SIPS) && uri->host.n &&
	       !uri->headers.n && uri_param_find(uri->params, S("lr"), &value) &&
	       settings_listener_at(s, uri->host, uri->port) == NONE_INDEX;
}

/* What ends a header line, or cannot stand in one. */
static bool service_route_has_controls(struct str set)
{
	for (size_t i = 0; i < set.n; i++)
		if ((unsigned char)set.p[i] < ' ' || set.p[i] == 0x7f)
			return true;
	return false;
}

bool service_route_valid(const struct settings *s, struct str set)
{
	struct str rest = set;
	struct address a;
	unsigned hops = 0;
	int error;

	if (!set.n)
		return true;
	if (set.n > SERVICE_ROUTE_MAX || service_route_has_controls(set))
		return false;
	while ((error = address_next(&rest, &a)) == 0)
		if (++hops > SERVICE_ROUTE_HOPS_MAX || !service_route_is_hop(s, &a))
			return false;
	return error == -ENOENT && hops;
}

int service_route_read(const struct settings *s, const struct message *m, struct writer *w)
{
	size_t before = w->n;
	bool good = true;

	for (const struct message_header *h = message_first(m, HEADER_SERVICE_ROUTE); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h);
		struct address a;
		int error;

		while ((error = address_next(&rest, &a)) == 0) {
			write_str(w, w->n > before ? S(", ") : STR_EMPTY);
			write_str(w, a.whole);
		}
		good &= error == -ENOENT;
	}
	if (good && !w->full && service_route_valid(s, (struct str){w->p + before, w->n - before}))
		return 0;
	w->n = before;
	w->full = false;
	return -EBADMSG;
}
