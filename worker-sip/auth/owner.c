/* owner.c - whose a request says it is (owner.h). Relies on address_of_record.h for what stands for
 * our own address. */
#include "owner.h"

#include "ipc/address_of_record.h"

/* No host is ever named so (RFC 2606 section 2). */
#define NO_HOST "invalid"

struct uri_parts owner_uri(const struct message *m)
{
	return uri_of(m, m->method == METHOD_REGISTER ? &m->to : &m->from);
}

/* Whether a host is "invalid" or a name below it, with or without the root's dot. */
static bool owner_host_is_none(struct str host)
{
	const size_t n = sizeof(NO_HOST) - 1;

	if (host.n && host.p[host.n - 1] == '.')
		host.n--;
	if (host.n < n || !str_equal_nocase(str_from(host, host.n - n), S(NO_HOST)))
		return false;
	return host.n == n || host.p[host.n - n - 1] == '.';
}

bool owner_is_anonymous(const struct message *m)
{
	return m->method != METHOD_REGISTER && owner_host_is_none(message_str(m, m->from.host));
}

/* The domain of ours that a URI names. */
static unsigned owner_domain_of(const struct settings *settings, const struct uri_parts *uri)
{
	return uri->scheme == URI_SIP || uri->scheme == URI_SIPS
	               ? settings_domain_of(settings, uri->host)
	               : NONE_INDEX;
}

unsigned owner_domain(const struct settings *settings, const struct message *m)
{
	struct uri_parts uri = owner_uri(m);
	unsigned domain = owner_domain_of(settings, &uri);

	if (domain == NONE_INDEX && owner_is_anonymous(m)) {
		struct str preferred = message_value(m, HEADER_P_PREFERRED_IDENTITY);
		struct address a;

		if (preferred.n && address_next(&preferred, &a) == 0)
			domain = owner_domain_of(settings, &a.uri);
	}
	return domain == NONE_INDEX ? settings->first_domain : domain;
}

bool owner_is(
	const struct settings *settings, const struct message *m, unsigned domain, struct str user)
{
	struct str name = settings_str(settings, settings_domain(settings, domain)->name);
	struct uri_parts uri = owner_uri(m);
	char buffer[AOR_MAX];

	if (owner_is_anonymous(m))
		return true;
	long n = address_of_record(settings, &uri, buffer);
	if (n < 0)
		return false;
	struct str own = {buffer, (size_t)n};
	if (!str_starts(own, S("sip:")))
		return false;
	own = str_from(own, 4);
	return own.n == user.n + 1 + name.n && memcmp(own.p, user.p, user.n) == 0 &&
	       own.p[user.n] == '@' && str_equal(str_from(own, user.n + 1), name);
}
