/* route_log.c - the answer of the rules for a request, for the log level debug (route.h). */
#include "route.h"

#include "common/log.h"

/* Bytes of a value in a line: a Call-ID or a name. */
#define VALUE_MAX 160

void route_log(const struct incoming *in, const struct decision *d)
{
	const struct settings *s = in->sip->settings;
	const struct message *m = in->message;
	struct str route = d->route < s->routes.count
	                           ? settings_str(s, settings_route(s, d->route)->name)
	                           : STR_EMPTY;
	char call_id[VALUE_MAX], zone[VALUE_MAX], name[VALUE_MAX], uri[VALUE_MAX];

	log_debug("request-routed",
		"call-id=%s method=%s uri=%s zone=%s route=%s status=%u targets=%u to-self=%s",
		log_value(message_str(m, m->call_id), call_id, sizeof(call_id)),
		method_name(m->method),
		log_value(message_str(m, m->request_uri.whole), uri, sizeof(uri)),
		log_value(settings_zone_name(s, in->zone), zone, sizeof(zone)),
		log_value(route, name, sizeof(name)), d->status, d->count,
		d->to_self ? "yes" : "no");
}
