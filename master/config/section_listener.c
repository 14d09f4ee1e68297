/* section_listener.c - reads a listener: where it is bound, what it advertises and shows, and whom
 * it lets in. */
#include "section.h"

#include "options.h"

#include <stdlib.h>

static void listener_read_bind(struct reader *r, cfg_t *section, struct config_listener *l)
{
	const struct config_value *v = config_value(section, "bind");
	struct str text = str_of(v ? v->text : ""), transport;
	size_t colon = str_find(text, ':');

	if (!v)
		return;
	l->bind_line = v->line;
	transport = (struct str){text.p, colon};
	if (colon < text.n)
		l->transport = transport_of(transport);
	if (!l->transport || endpoint_parse(str_from(text, colon + 1), &l->bind) != 0 ||
		l->bind.port == 0) {
		reader_expected(r, section, "bind", v,
			"TRANSPORT:ADDRESS:PORT with a numeric address, as in "
			"\"udp:192.0.2.1:5060\" or \"tcp:[2001:db8::1]:5060\"");
		l->bind = (struct endpoint){0};
		return;
	}
}

/* "HOST", "HOST:PORT", "2001:db8::1", "[2001:db8::1]:PORT" */
static void listener_read_advertise(struct reader *r, cfg_t *section, struct config_listener *l)
{
	const struct config_value *v = config_value(section, "advertise");
	struct str text = str_of(v ? v->text : ""), host = text;
	char buffer[ENDPOINT_TEXT_SIZE];
	struct endpoint e;
	uint64_t port = 0;
	size_t colon;

	if (!v)
		return;
	if (endpoint_parse_host(text, 0, &e) == 0 || endpoint_parse(text, &e) == 0) {
		if (!endpoint_is_wildcard(&e)) {
			endpoint_host_text(&e, buffer);
			free(l->advertise_host);
			l->advertise_host = reader_copy(r, buffer);
			l->advertise_port = e.port;
			return;
		}
	} else {
		bool sane;

		colon = str_find(text, ':');
		host.n = colon;
		sane = host_name_valid(host) && host.p[host.n - 1] != '.';
		if (colon < text.n)
			sane = sane && str_number(str_from(text, colon + 1), 65535, &port) == 0 &&
			       port;
		if (sane) {
			free(l->advertise_host);
			l->advertise_host = strndup(host.p, host.n);
			if (!l->advertise_host)
				r->no_memory = true;
			text_lower(l->advertise_host);
			l->advertise_port = (uint16_t)port;
			return;
		}
	}
	reader_expected(r, section, "advertise", v,
		"the host by which peers reach this listener, as in \"203.0.113.7\" or "
		"\"sip.example.net:5060\"");
}

/* Via and Contact would say 0.0.0.0, and nobody could answer. */
static void listener_check_wildcard(
	struct reader *r, cfg_t *section, const struct config_listener *l)
{
	const struct config_value *v = config_value(section, "bind");

	if (endpoint_is_wildcard(&l->bind) && !config_value(section, "advertise"))
		reader_error(r, section, v->line,
			"bind: \"%.80s\" is every address of this machine, and peers have to be "
			"told one: add advertise = \"HOST\", the address or name by which they "
			"reach it, or bind to one address",
			v->text);
}

static void listener_read_certificates(struct reader *r, cfg_t *section, struct config_listener *l)
{
	size_t count = config_list_count(section, "certificate");

	if (count && l->transport && !config_transport_is_tls(l->transport)) {
		reader_error(r, section, config_list(section, "certificate", 0)->line,
			"certificate: only listeners on tls: and wss: have one");
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const struct config_value *v = config_list(section, "certificate", i);
		uint16_t found = reader_find(r, section, "certificate", v, "certificate",
			r->c->certificates, r->c->certificate_count, sizeof(*r->c->certificates));

		if (l->certificate_count == LISTENER_CERTIFICATES_MAX) {
			reader_error(r, section, v->line, "certificate: at most %d are possible",
				LISTENER_CERTIFICATES_MAX);
			return;
		}
		if (found != NONE_INDEX)
			l->certificates[l->certificate_count++] = found;
	}
	if (!count && config_transport_is_tls(l->transport))
		reader_required(r, section, "certificate", "\"main\"");
}

static void listener_read_client_auth(struct reader *r, cfg_t *section, struct config_listener *l)
{
	const struct config_value *auth = config_value(section, "client-auth"),
				  *ca = config_value(section, "client-ca");

	if ((auth || ca) && l->transport && !config_transport_is_tls(l->transport)) {
		reader_error(r, section, (auth ? auth : ca)->line,
			"%s: only listeners on tls: and wss: ask clients for certificates",
			auth ? "client-auth" : "client-ca");
		return;
	}
	if (l->client_auth != CLIENT_AUTH_NONE)
		reader_required(r, section, "client-ca", "\"clients.pem\"");
}

/* RFC 6454 section 6.2: scheme, host and port, nothing else. */
static bool origin_valid(struct str s)
{
	size_t slashes = 0, colon;
	uint64_t port;

	if (str_starts(s, S("https://")))
		slashes = 8;
	else if (str_starts(s, S("http://")))
		slashes = 7;
	else
		return false;
	s = str_from(s, slashes);
	colon = str_find(s, ':');
	return host_name_valid((struct str){s.p, colon}) &&
	       (colon == s.n || (str_number(str_from(s, colon + 1), 65535, &port) == 0 && port));
}

static void listener_read_origins(struct reader *r, cfg_t *section, struct config_listener *l)
{
	size_t count = config_list_count(section, "origins");

	if (count && l->transport && l->transport != TRANSPORT_WS &&
		l->transport != TRANSPORT_WSS) {
		reader_error(r, section, config_list(section, "origins", 0)->line,
			"origins: only listeners on ws: and wss: have them");
		return;
	}
	if (count > ORIGINS_MAX) {
		reader_error(r, section, config_list(section, "origins", ORIGINS_MAX)->line,
			"origins: at most %d are possible", ORIGINS_MAX);
		count = ORIGINS_MAX;
	}
	l->origins = reader_array(r, count, sizeof(*l->origins));
	for (size_t i = 0; l->origins && i < count; i++) {
		const struct config_value *v = config_list(section, "origins", i);
		char *origin = reader_copy(r, v->text);

		text_lower(origin);
		if (origin && (strcmp(origin, ORIGIN_NONE) == 0 || origin_valid(str_of(origin)))) {
			l->origins[l->origin_count++] = origin;
			continue;
		}
		free(origin);
		reader_expected(r, section, "origins", v,
			"the origin of a web page, as in \"https://phone.example.net\", or "
			"\"none\"");
	}
}

void section_read_listener(struct reader *r, cfg_t *section, struct config_listener *l)
{
	const struct config_value *v;

	l->line = config_section_line(section);
	l->name = section_name(r, section);
	l->advertise_host = reader_copy(r, "");
	l->zone = NONE_INDEX;
	options_read(r, section, "listener", l);
	listener_read_bind(r, section, l);
	listener_read_advertise(r, section, l);
	listener_check_wildcard(r, section, l);
	v = config_value(section, "zone");
	if (v)
		l->zone = reader_find(r, section, "zone", v, "zone", r->c->zones, r->c->zone_count,
			sizeof(*r->c->zones));
	listener_read_certificates(r, section, l);
	listener_read_client_auth(r, section, l);
	listener_read_origins(r, section, l);
}
