/* emergency.c - see emergency.h. */
#include "emergency.h"

#define SERVICE_PREFIX "urn:service:"

static const struct emergency_settings *emergency_row(const struct settings *s, unsigned i)
{
	return SETTINGS_ROW(s, struct emergency_settings, s->emergency, i);
}

bool emergency_has(const struct settings *s, struct str number)
{
	for (uint32_t i = 0; i < s->emergency.count; i++)
		if (str_equal(settings_str(s, emergency_row(s, i)->number), number))
			return true;
	return false;
}

/* Whether service is above, or is it: "sos" is above "sos.police". Neither has case (RFC 5031
 * section 4.2). */
static bool emergency_covers(struct str above, struct str service)
{
	if (above.n > service.n || (above.n < service.n && service.p[above.n] != '.'))
		return false;
	return str_equal_nocase(above, (struct str){service.p, above.n});
}

bool emergency_service(const struct settings *s, struct str uri, struct str *number)
{
	const size_t prefix = sizeof(SERVICE_PREFIX) - 1;
	const struct emergency_settings *best = NULL;

	if (!s->emergency.count || uri.n <= prefix ||
		!str_equal_nocase((struct str){uri.p, prefix}, S(SERVICE_PREFIX)))
		return false;
	struct str service = str_from(uri, prefix);
	if (!emergency_covers(S("sos"), service))
		return false;
	for (uint32_t i = 0; i < s->emergency.count; i++) {
		const struct emergency_settings *e = emergency_row(s, i);

		if (e->service.length && emergency_covers(settings_str(s, e->service), service) &&
			(!best || best->service.length < e->service.length))
			best = e;
	}
	*number = settings_str(s, (best ? best : emergency_row(s, 0))->number);
	return true;
}

bool emergency_call(const struct settings *s, const struct message *m)
{
	struct str number;

	if (!s->emergency.count || !m->is_request || m->method != METHOD_INVITE || m->to_tag.length)
		return false;
	if (m->request_uri.scheme == URI_OTHER)
		return emergency_service(s, message_str(m, m->request_uri.whole), &number);
	number = message_str(m, m->request_uri.user);
	number.n = str_find(number, ';');
	return emergency_has(s, number);
}
