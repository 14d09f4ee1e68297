/* address_of_record.c - our own address as the first domain (address_of_record.h). Relies on
 * aor_of (uri.h) for the canonical form. */
#include "address_of_record.h"

/* Whether the first domain's name takes the place of that host and port. */
static bool address_of_record_is_own(const struct settings *s, const struct uri_parts *uri)
{
	if (s->first_domain >= s->domain_names.count)
		return false;
	for (unsigned i = 0; i < s->domain_names.count; i++)
		if (str_equal_nocase(settings_str(s, *settings_domain_name(s, i)), uri->host))
			return false;
	return settings_listener_at(s, uri->host, uri->port) != NONE_INDEX;
}

long address_of_record(
	const struct settings *settings, const struct uri_parts *uri, char buffer[AOR_MAX])
{
	struct uri_parts known = *uri;

	if (settings && uri->host.n && address_of_record_is_own(settings, uri)) {
		known.host = settings_str(
			settings, *settings_domain_name(settings, settings->first_domain));
		known.port = 0;
	}
	return aor_of(&known, buffer);
}
