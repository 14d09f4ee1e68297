/* event.c - event packages: see event.h. */
#include "event.h"

#include "ipc/syntax.h"

/* Packages whose state a server has: a mailbox (RFC 3842), bindings (RFC 3680), configuration (RFC
 * 6080), documents (RFC 5875). */
static const char *const event_server_packages[] = {
	"message-summary", "reg", "ua-profile", "xcap-diff"};

struct str event_package(const struct message *m)
{
	return value_without_params(message_value(m, HEADER_EVENT));
}

bool event_is_among(const struct message *m, const struct settings *s, struct array events)
{
	const struct text *event = settings_array(s, events);
	struct str package = event_package(m);

	for (uint32_t i = 0; i < events.count; i++)
		if (str_equal_nocase(settings_str(s, event[i]), package))
			return true;
	return false;
}

/* Whether it is about the watchers of another package (RFC 3857), whom its server knows. */
static bool event_is_of_watchers(struct str package)
{
	struct str suffix = S(".winfo");

	return package.n > suffix.n &&
	       str_equal_nocase(str_from(package, package.n - suffix.n), suffix);
}

bool event_is_for_server(const struct message *m)
{
	if (m->method != METHOD_SUBSCRIBE)
		return m->method == METHOD_PUBLISH;
	struct str package = event_package(m);

	for (size_t i = 0; i < sizeof(event_server_packages) / sizeof(*event_server_packages); i++)
		if (str_equal_nocase(package, str_of(event_server_packages[i])))
			return true;
	return event_is_of_watchers(package);
}
