/* route_set.c - loose and strict routing (route_set.h). Relies on route sets being lists of
 * addresses that were read before, of Record-Route or Path. */
#include "route_set.h"

#include "ipc/syntax.h"

/* Takes the first address of a set; *rest is what follows it. False where there is none. */
static bool route_set_first(struct str set, struct address *first, struct str *rest)
{
	*rest = set;
	return set.n && address_next(rest, first) == 0;
}

bool route_set_is_strict(struct str set)
{
	struct address first;
	struct str rest, value;

	if (!route_set_first(set, &first, &rest))
		return false;
	if (first.uri.scheme != URI_SIP && first.uri.scheme != URI_SIPS)
		return false;
	return !uri_param_find(first.uri.params, S("lr"), &value);
}

/* The URI before its parameters and headers. */
static struct str route_set_front(const struct uri_parts *uri)
{
	size_t end = uri->whole.n;

	if (uri->params.n)
		end = (size_t)(uri->params.p - uri->whole.p) - 1;
	else if (uri->headers.n)
		end = (size_t)(uri->headers.p - uri->whole.p) - 1;
	return (struct str){uri->whole.p, end};
}

void route_set_write_request_uri(struct writer *w, struct str set)
{
	struct address first;
	struct str rest, name, value;

	if (!route_set_first(set, &first, &rest))
		return;
	write_str(w, route_set_front(&first.uri));
	while (uri_param_next(&first.uri.params, &name, &value)) {
		if (uri_param_is(name, S("method")))
			continue;
		write_literal(w, ";");
		write_str(w, name);
		if (value.p) {
			write_literal(w, "=");
			write_str(w, value);
		}
	}
}

void route_set_write_rest(struct writer *w, struct str set, struct str target)
{
	struct address first;
	struct str rest;

	if (route_set_first(set, &first, &rest) && rest.n) {
		write_str(w, rest);
		write_literal(w, ", ");
	}
	write_literal(w, "<");
	write_str(w, target);
	write_literal(w, ">");
}
