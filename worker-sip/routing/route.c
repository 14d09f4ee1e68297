/* route.c - the rules: which targets a request has. Pure over message, settings, users and location
 * store. */
#include "route.h"

#include "number_prefix.h"
#include "worker-sip/registrar/location.h"

#include <errno.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

/* The longest user part that a number rule looks at; what is longer matches none. */
#define NUMBER_MAX 128

struct routes {
	const struct settings *settings;
	unsigned count;
	struct prefixes *prefixes; /* of all routes; those without expression have an empty one */
	regex_t *number;           /* one a route: set where compiled says so */
	bool *compiled;
};

static int compile(struct routes *r, unsigned i)
{
	if (regcomp(&r->number[i],
		    settings_str(r->settings, settings_route(r->settings, i)->number).p,
		    REG_EXTENDED | REG_NOSUB)) {
		log_error("route-expression-bad", "route=%u", i);
		return -EINVAL;
	}
	r->compiled[i] = true;
	return 0;
}

/* All expressions are compiled here, for the settings are not believed; kept are those that any
 * number may match. The others wait, uncompiled again, for a number that begins as they do: ten
 * thousand would take 80 MB. */
static int prepare(struct routes *r, unsigned i)
{
	struct str expression = settings_str(r->settings, settings_route(r->settings, i)->number);
	struct prefix_start start[2] = {{{0}, 0}};
	unsigned starts = 1;

	if (expression.n) {
		int error = compile(r, i);

		if (error)
			return error;
		starts = prefix_of_expression(expression.p, start);
		if (start[0].length && (starts == 1 || start[1].length)) {
			regfree(&r->number[i]);
			r->compiled[i] = false;
		}
	}
	for (unsigned k = 0; k < starts; k++)
		prefix_add(r->prefixes, &start[k], i);
	return 0;
}

int routes_new(struct routes **out, const struct settings *settings)
{
	struct routes *r = calloc(1, sizeof(*r));
	unsigned count = settings->routes.count;
	int error;

	if (!r)
		return -ENOMEM;
	r->settings = settings;
	r->count = count;
	r->number = calloc(count ? count : 1, sizeof(*r->number));
	r->compiled = calloc(count ? count : 1, sizeof(*r->compiled));
	error = r->number && r->compiled ? prefixes_new(&r->prefixes, count) : -ENOMEM;
	for (unsigned i = 0; i < count && !error; i++)
		error = prepare(r, i);
	if (error) {
		routes_free(r);
		return error;
	}
	prefixes_sort(r->prefixes);
	*out = r;
	return 0;
}

void routes_free(struct routes *r)
{
	if (!r)
		return;
	for (unsigned i = 0; r->compiled && r->number && i < r->count; i++)
		if (r->compiled[i])
			regfree(&r->number[i]);
	prefixes_free(r->prefixes);
	free(r->number);
	free(r->compiled);
	free(r);
}

static bool number_matches(struct routes *r, unsigned i, const char *number)
{
	if (!r->compiled[i] && compile(r, i))
		return false;
	return regexec(&r->number[i], number, 0, NULL, 0) == 0;
}

/* The called number or user as the rules see it: unescaped, for tel: without visual separators (RFC
 * 3966 section 5.1.1). Returns its length, 0 where there is none that fits. */
static size_t called(const struct uri_parts *uri, char buffer[NUMBER_MAX + 1])
{
	long n = uri_unescape(uri->user, buffer, NUMBER_MAX);

	if (n <= 0)
		return 0;
	size_t length = (size_t)n;
	if (uri->scheme == URI_TEL) {
		size_t keep = 0;

		for (size_t i = 0; i < length; i++)
			if (!strchr("-.()", buffer[i]))
				buffer[keep++] = buffer[i];
		length = keep;
	}
	buffer[length] = '\0';
	return length;
}

_Static_assert(TARGET_TEXT_MAX >= BINDING_CONTACT_MAX + BINDING_PATH_MAX,
	"a target holds what a binding has");

void target_copy(struct target *to, const struct target *from)
{
	*to = *from;
	to->request_uri.p = to->buffer + (from->request_uri.p - from->buffer);
	if (from->route.n)
		to->route.p = to->buffer + (from->route.p - from->buffer);
}

struct gathering {
	struct sip *sip;
	struct target *targets;
	unsigned count, limit;
	bool secure; /* of a sips: URI: TLS on every hop (RFC 3261 section 26.2.2) */
};

static bool is_secure(uint8_t transport)
{
	return transport == TRANSPORT_TLS || transport == TRANSPORT_WSS;
}

static void add_binding(void *arg, const struct binding *b)
{
	struct gathering *g = arg;
	const struct settings *s = g->sip->settings;
	bool permitted;

	if (b->contact.n > BINDING_CONTACT_MAX || b->path.n > BINDING_PATH_MAX ||
		b->flow.listener >= s->listeners.count ||
		settings_listener(s, b->flow.listener)->transport != b->flow.transport)
		return; /* stored under another config */
	unsigned zone = settings_zone_of(s, b->flow.listener, &b->flow.peer, &permitted);
	if (!permitted || (g->secure && !is_secure(b->flow.transport)))
		return;
	unsigned at = g->count;
	while (at && g->targets[at - 1].q < b->q)
		at--;
	if (at >= g->limit)
		return;
	if (g->count == g->limit)
		g->count--;
	struct target *to = &g->targets[at];
	memmove(to + 1, to, (g->count - at) * sizeof(*to));
	for (unsigned i = at + 1; i <= g->count; i++) {
		g->targets[i].request_uri.p = g->targets[i].buffer;
		g->targets[i].route.p = g->targets[i].buffer + BINDING_CONTACT_MAX;
	}
	g->count++;
	memset(to, 0, offsetof(struct target, buffer));
	memcpy(to->buffer, b->contact.p, b->contact.n);
	if (b->path.n)
		memcpy(to->buffer + BINDING_CONTACT_MAX, b->path.p, b->path.n);
	to->flow = b->flow;
	to->request_uri = (struct str){to->buffer, b->contact.n};
	to->route = (struct str){to->buffer + BINDING_CONTACT_MAX, b->path.n};
	to->zone = zone;
	to->q = b->q;
	to->trunk = NONE_INDEX;
	to->explicit_transport = 1;
}

/* Bindings of the user of uri in domain. False where the domain has no such user: the next rule is
 * tried. */
static bool registered(
	struct gathering *g, const struct uri_parts *uri, unsigned domain, struct decision *out)
{
	char user[NUMBER_MAX + 1], aor[AOR_MAX];
	size_t n = called(uri, user);

	if (!n || !g->sip->users || !users_find(g->sip->users, domain, (struct str){user, n}))
		return false;
	struct uri_parts record = *uri;
	record.scheme = URI_SIP;
	record.host = settings_str(
		g->sip->settings, settings_domain(g->sip->settings, domain)->name);
	record.port = 0;
	long length = aor_of(&record, aor);
	if (length < 0)
		return false;
	location_lookup(g->sip->location, (struct str){aor, (size_t)length}, add_binding, g);
	out->status = g->count ? 0 : 480;
	return true;
}

static void trunk_targets(
	struct gathering *g, const struct uri_parts *uri, uint16_t index, struct decision *out)
{
	const struct settings *s = g->sip->settings;
	const struct trunk_settings *trunk = settings_trunk(s, index);

	for (unsigned i = 0; i < trunk->targets.count && g->count < g->limit; i++) {
		const struct target_settings *t = SETTINGS_ROW(
			s, struct target_settings, trunk->targets, i);
		char host[ENDPOINT_TEXT_SIZE];
		struct target *to = &g->targets[g->count];
		size_t length = endpoint_host_text(&t->endpoint, host);

		if (settings_listener_at(s, (struct str){host, length}, t->endpoint.port) !=
			NONE_INDEX) {
			out->status = 482; /* it would come back to us */
			continue;
		}
		if (g->secure && !is_secure(t->transport))
			continue;
		memset(to, 0, offsetof(struct target, buffer));
		struct writer w = WRITER(to->buffer);
		if (g->secure)
			write_literal(&w, "sips:");
		else
			write_literal(&w, "sip:");
		if (uri->user.n) {
			write_str(&w, uri->user);
			write_literal(&w, "@");
		}
		write_bytes(&w, host, length);
		write_literal(&w, ":");
		write_number(&w, t->endpoint.port);
		if (t->transport == TRANSPORT_TCP)
			write_literal(&w, ";transport=tcp");
		else if (t->transport == TRANSPORT_TLS && !g->secure)
			write_literal(&w, ";transport=tls");
		if (w.full)
			continue;
		to->flow = (struct flow){
			.transport = t->transport, .listener = t->listener, .peer = t->endpoint};
		if (t->transport == TRANSPORT_TLS)
			to->flow.profile = (uint16_t)(index + 1);
		to->request_uri = writer_text(&w);
		to->zone = trunk->zone;
		to->q = 1000;
		to->trunk = index;
		to->explicit_transport = t->explicit_transport;
		g->count++;
	}
}

void route_request(
	const struct incoming *in, struct target *targets, unsigned limit, struct decision *out)
{
	struct sip *sip = in->sip;
	const struct message *m = in->message;
	const struct settings *s = sip->settings;
	struct uri_parts uri = uri_of(m, &m->request_uri);
	struct gathering g = {
		.sip = sip, .targets = targets, .limit = limit < TARGETS_MAX ? limit : TARGETS_MAX};
	char number[NUMBER_MAX + 1];

	*out = (struct decision){.route = NONE_INDEX};
	unsigned domain = NONE_INDEX;
	if (uri.scheme == URI_SIPS && !is_secure(m->flow.transport)) {
		out->status = 416; /* it promises TLS on every hop, and came over one without (RFC
		                      5630 section 5.3) */
		return;
	}
	g.secure = uri.scheme == URI_SIPS;
	if (uri.scheme == URI_SIP || uri.scheme == URI_SIPS) {
		bool ours = settings_listener_at(s, uri.host, uri.port) != NONE_INDEX;

		domain = settings_domain_of(s, uri.host);
		if (domain == NONE_INDEX && ours && s->domains.count)
			domain = 0;
		if (!uri.user.n && (ours || domain != NONE_INDEX)) {
			out->to_self = true;
			return;
		}
	}
	if (uri_unescape(uri.user, number, NUMBER_MAX) == -EINVAL) {
		out->status = in->sender.trusted ? 404
		                                 : 403; /* "%00": behind us another user could be
		                                        read in it, the one before the NUL */
		return;
	}
	size_t n = called(&uri, number);
	struct prefix_walk walk;
	uint32_t i;
	prefix_walk(sip->routes->prefixes, (struct str){number, n}, &walk);
	while (prefix_next(&walk, &i)) {
		const struct route_settings *r = settings_route(s, i);

		if (!(r->from >> in->zone & 1) ||
			(r->to_domain != NONE_INDEX && r->to_domain != domain))
			continue;
		if (r->number.length && (!n || !number_matches(sip->routes, i, number)))
			continue;
		if (r->action == ROUTE_REGISTERED &&
			(domain == NONE_INDEX || !registered(&g, &uri, domain, out)))
			continue;
		if (r->action == ROUTE_TRUNK) {
			const uint16_t *trunks = settings_array(s, r->trunks);

			for (unsigned k = 0; k < r->trunks.count; k++)
				trunk_targets(&g, &uri, trunks[k], out);
			if (g.count)
				out->status = 0;
			else if (!out->status)
				out->status = 480;
		}
		if (r->action == ROUTE_REFUSE)
			out->status = r->status;
		out->route = (uint16_t)i;
		out->count = g.count;
		return;
	}
	out->status = in->sender.trusted ? 404 : 403;
}
