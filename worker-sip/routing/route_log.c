/* route_log.c - the answer of the rules for a request, for the log level debug and for
 * explanations (route.h). */
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

void route_explain(const struct incoming *in, unsigned rule, enum route_match match)
{
	const struct settings *s = in->sip->settings;
	const struct route_settings *r = settings_route(s, rule);
	struct str number = settings_str(s, r->number), domain = STR_EMPTY;
	struct explanation *x = in->explanation;
	struct str name = settings_str(s, r->name);

	if (r->to_domain != NONE_INDEX)
		domain = settings_str(s, settings_domain(s, r->to_domain)->name);
	switch (match) {
	case ROUTE_MATCHES: explanation_say(x, "route", name, r->line, "matches"); break;
	case ROUTE_OTHER_ZONE:
		explanation_say(x, "route", name, r->line, "no: it is not for calls from zone %.*s",
			STR(settings_zone_name(s, in->zone)));
		break;
	case ROUTE_NOT_EMERGENCY:
		explanation_say(x, "route", name, r->line, "no: an emergency call is not refused");
		break;
	case ROUTE_OTHER_DOMAIN:
		explanation_say(x, "route", name, r->line, "no: it is for calls to domain %.*s",
			STR(domain));
		break;
	case ROUTE_OTHER_EVENT:
		explanation_say(x, "route", name, r->line, "no: it is not of its events");
		break;
	case ROUTE_FOR_SERVER:
		explanation_say(x, "route", name, r->line,
			"no: it is for registered phones, and such a request for a server");
		break;
	case ROUTE_NO_NUMBER:
		explanation_say(x, "route", name, r->line, "no: no number and no user is called");
		break;
	case ROUTE_OTHER_NUMBER:
		explanation_say(x, "route", name, r->line, "no: what is called does not match %.*s",
			STR(number));
		break;
	case ROUTE_NO_USER:
		explanation_say(x, "route", name, r->line,
			"no: what is called is no user of a domain of this gateway");
		break;
	}
}

void route_explain_decision(const struct incoming *in, const struct decision *d)
{
	if (d->to_self)
		explanation_say(in->explanation, "route", STR_EMPTY, 0,
			"none: it is for the gateway itself");
	else if (d->status && d->route == NONE_INDEX)
		explanation_say(in->explanation, "route", STR_EMPTY, 0, "none");
	if (d->emergency)
		explanation_say(in->explanation, "route", STR_EMPTY, 0,
			"an emergency call: no limit of calls holds");
}
