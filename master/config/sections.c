/* sections.c - see config_sections.h. A section with an error keeps its place in its array, so that
 * references to it are not errors too. */
#include "sections.h"

#include "options.h"
#include "units.h"
#include "expression.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* Counts the sections of a kind, bounded, and makes room for them. */
static size_t begin(
	struct reader *r, cfg_t *root, const char *kind, size_t most, size_t size, void *rows)
{
	size_t count = cfg_size(root, kind);

	if (count > most) {
		reader_error(r, root, config_section_line(cfg_getnsec(root, kind, (unsigned)most)),
			"there are %zu %s sections; at most %zu are possible", count, kind, most);
		count = most;
	}
	*(void **)rows = reader_array(r, count, size);
	return *(void **)rows ? count : 0;
}

/* The title as the section's name: letters, digits, '.', '-', '_'. */
static char *take_name(struct reader *r, cfg_t *section)
{
	const char *title = section->title;
	size_t n = strlen(title);

	if (n == 0 || n > NAME_MAX_LENGTH ||
		strspn(title,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != n)
		reader_error(r, section, config_section_line(section),
			"expected a name of 1 to %d letters, digits, dots, hyphens or underscores",
			NAME_MAX_LENGTH);
	return reader_copy(r, title);
}

/* RFC 1035 labels and IPv4 addresses: a host as it may stand in a URI. An IPv6 address is for the
 * caller. */
static bool is_host_name(struct str s)
{
	if (s.n == 0 || s.n > 253 || s.p[0] == '.' || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '-' && s.p[i] != '.')
			return false;
		if (i && s.p[i] == '.' && s.p[i - 1] == '.')
			return false;
	}
	return true;
}

static void lower(char *s)
{
	for (; s && *s; s++)
		*s = (char)tolower((unsigned char)*s);
}

/* ---- zone ---- */

static void read_sources(struct reader *r, cfg_t *section, struct config_zone *z)
{
	size_t count = config_list_count(section, "sources");

	if (count > SOURCES_MAX) {
		reader_error(r, section, config_list(section, "sources", SOURCES_MAX)->line,
			"sources: at most %d are possible", SOURCES_MAX);
		count = SOURCES_MAX;
	}
	z->sources = reader_array(r, count, sizeof(*z->sources));
	for (size_t i = 0; z->sources && i < count; i++) {
		const struct config_value *v = config_list(section, "sources", i);

		if (prefix_parse(str_of(v->text), &z->sources[z->source_count]) == 0)
			z->source_count++;
		else
			reader_expected(r, section, "sources", v,
				"an address or a network without host bits, as in \"192.0.2.7\" or "
				"\"192.0.2.0/24\"");
	}
}

static void read_rate(struct reader *r, cfg_t *section, struct config_zone *z)
{
	const struct config_value *v = config_value(section, "rate");

	if (!z->trust)
		unit_rate(str_of(option_default("zone", "rate")), &z->rate, &z->rate_window_ms);
	if (!v)
		return;
	if (strcmp(v->text, "off") == 0)
		z->rate = 0;
	else if (unit_rate(str_of(v->text), &z->rate, &z->rate_window_ms) != 0)
		reader_expected(r, section, "rate", v, "off or a rate such as \"50/s per source\"");
}

static void read_ban(struct reader *r, cfg_t *section, struct config_zone *z)
{
	const struct config_value *v = config_value(section, "ban");

	if (!z->trust)
		unit_ban(str_of(option_default("zone", "ban")), &z->ban_failures, &z->ban_window_ms,
			&z->ban_ms);
	if (!v)
		return;
	if (strcmp(v->text, "off") == 0)
		z->ban_failures = 0;
	else if (unit_ban(str_of(v->text), &z->ban_failures, &z->ban_window_ms, &z->ban_ms) != 0)
		reader_expected(r, section, "ban", v,
			"off or a rule such as \"10 failures in 60s for 15m\"");
	else if (z->trust)
		reader_error(r, section, v->line,
			"ban: the sources of a trusted zone are never banned; take the ban out");
}

static void read_zone(struct reader *r, cfg_t *section, struct config_zone *z)
{
	z->line = config_section_line(section);
	z->name = take_name(r, section);
	options_read(r, section, "zone", z);
	/* the table has the defaults of an untrusted zone; a trusted one is not limited */
	if (z->trust && !config_value(section, "auth"))
		z->auth = ZONE_AUTH_NONE;
	if (z->trust && !config_value(section, "connections-per-source"))
		z->connections_per_source = 0;
	read_sources(r, section, z);
	read_rate(r, section, z);
	read_ban(r, section, z);
}

/* ---- certificate ---- */

static void read_certificate(struct reader *r, cfg_t *section, struct config_certificate *c)
{
	size_t count = config_list_count(section, "names");

	c->line = config_section_line(section);
	c->name = take_name(r, section);
	options_read(r, section, "certificate", c);
	if (count > NAMES_MAX) {
		reader_error(r, section, config_list(section, "names", NAMES_MAX)->line,
			"names: at most %d are possible", NAMES_MAX);
		count = NAMES_MAX;
	}
	c->names = reader_array(r, count, sizeof(*c->names));
	for (size_t i = 0; c->names && i < count; i++) {
		const struct config_value *v = config_list(section, "names", i);
		struct str host = str_of(v->text);

		if (str_starts(host, S("*.")))
			host = str_from(host, 2);
		if (!is_host_name(host)) {
			reader_expected(r, section, "names", v, "a host name");
			continue;
		}
		c->names[c->name_count] = reader_copy(r, v->text);
		lower(c->names[c->name_count]);
		if (c->names[c->name_count])
			c->name_count++;
	}
}

/* ---- listener ---- */

static void read_bind(struct reader *r, cfg_t *section, struct config_listener *l)
{
	const struct config_value *v = config_value(section, "bind");
	struct str text = str_of(v ? v->text : ""), transport;
	size_t colon = str_find(text, ':');

	if (!v)
		return;
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
static void read_advertise(struct reader *r, cfg_t *section, struct config_listener *l)
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
		sane = is_host_name(host) && host.p[host.n - 1] != '.';
		if (colon < text.n)
			sane = sane && str_number(str_from(text, colon + 1), 65535, &port) == 0 &&
			       port;
		if (sane) {
			free(l->advertise_host);
			l->advertise_host = strndup(host.p, host.n);
			if (!l->advertise_host)
				r->no_memory = true;
			lower(l->advertise_host);
			l->advertise_port = (uint16_t)port;
			return;
		}
	}
	reader_expected(r, section, "advertise", v,
		"the host by which peers reach this listener, as in \"203.0.113.7\" or "
		"\"sip.example.net:5060\"");
}

static void read_listener_certificates(struct reader *r, cfg_t *section, struct config_listener *l)
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

static void read_client_auth(struct reader *r, cfg_t *section, struct config_listener *l)
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
static bool is_origin(struct str s)
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
	return is_host_name((struct str){s.p, colon}) &&
	       (colon == s.n || (str_number(str_from(s, colon + 1), 65535, &port) == 0 && port));
}

static void read_origins(struct reader *r, cfg_t *section, struct config_listener *l)
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

		lower(origin);
		if (origin && is_origin(str_of(origin))) {
			l->origins[l->origin_count++] = origin;
			continue;
		}
		free(origin);
		reader_expected(r, section, "origins", v,
			"the origin of a web page, as in \"https://phone.example.net\"");
	}
}

static void read_listener(struct reader *r, cfg_t *section, struct config_listener *l)
{
	const struct config_value *v;

	l->line = config_section_line(section);
	l->name = take_name(r, section);
	l->advertise_host = reader_copy(r, "");
	l->zone = NONE_INDEX;
	options_read(r, section, "listener", l);
	read_bind(r, section, l);
	read_advertise(r, section, l);
	v = config_value(section, "zone");
	if (v)
		l->zone = reader_find(r, section, "zone", v, "zone", r->c->zones, r->c->zone_count,
			sizeof(*r->c->zones));
	read_listener_certificates(r, section, l);
	read_client_auth(r, section, l);
	read_origins(r, section, l);
}

/* ---- domain ---- */

static void read_algorithms(struct reader *r, cfg_t *section, struct config_domain *d)
{
	size_t count = config_list_count(section, "algorithms");

	d->algorithms = count ? 0 : DIGEST_MD5 | DIGEST_SHA256;
	for (size_t i = 0; i < count; i++) {
		const struct config_value *v = config_list(section, "algorithms", i);
		uint8_t algorithm = digest_algorithm_of(str_of(v->text));

		if (algorithm)
			d->algorithms |= algorithm;
		else
			reader_expected(r, section, "algorithms", v, "\"SHA-256\" or \"MD5\"");
	}
}

static void read_expires(struct reader *r, cfg_t *section, struct config_domain *d)
{
	const struct config_value *v = config_value(section, "expires");
	uint64_t least, most;

	unit_duration_range(str_of(option_default("domain", "expires")), &least, &most);
	if (v && (unit_duration_range(str_of(v->text), &least, &most) != 0 || least < SECOND ||
			 most > 30 * DAY || least % SECOND || most % SECOND)) {
		reader_expected(r, section, "expires", v,
			"a range from 1s to 30d with units, as in \"60s..3600s\"");
		unit_duration_range(str_of(option_default("domain", "expires")), &least, &most);
	}
	d->expires_min = (uint32_t)(least / SECOND);
	d->expires_max = (uint32_t)(most / SECOND);
	d->expires_default = d->expires_max;
	read_duration_s(r, section, "expires-default", least, most, &d->expires_default);
}

static void read_domain(struct reader *r, cfg_t *section, struct config_domain *d)
{
	const struct config_value *v = config_value(section, "realm");
	struct endpoint e;

	d->line = config_section_line(section);
	d->name = reader_copy(r, section->title);
	lower(d->name);
	if (!is_host_name(str_of(section->title)) &&
		endpoint_parse_host(str_of(section->title), 0, &e) != 0)
		reader_error(r, section, d->line,
			"expected a host name as the domain's name, as in domain \"example.net\" { "
			"... }");
	d->realm = d->name ? reader_copy(r, d->name) : NULL;
	if (v && userfile_realm_valid(str_of(v->text))) {
		free(d->realm);
		d->realm = reader_copy(r, v->text);
	} else if (v) {
		reader_expected(r, section, "realm", v,
			"1 to %d bytes without colon, quote, backslash or control characters",
			REALM_MAX);
	}
	options_read(r, section, "domain", d);
	v = config_value(section, "users");
	d->users_line = v ? v->line : d->line;
	read_algorithms(r, section, d);
	read_expires(r, section, d);
}

/* ---- trunk ---- */

/* The transport of ";transport=tcp"; false with an error for anything else. */
static bool read_target_params(struct reader *r, cfg_t *section, const struct config_value *v,
	struct str params, struct config_target *t)
{
	struct str value;

	if (params.n == 0)
		return true;
	if (params.n <= 10 || strncasecmp(params.p, "transport=", 10) != 0) {
		reader_expected(r, section, "target", v,
			"no other URI parameter than transport, as in "
			"\"sip:192.0.2.9:5060;transport=tcp\"");
		return false;
	}
	value = str_from(params, 10);
	t->explicit_transport = true;
	/* sips: is TLS over whatever is named (RFC 3261 section 26.2.2) */
	if (t->transport == TRANSPORT_TLS &&
		(str_equal_nocase(value, S("tcp")) || str_equal_nocase(value, S("tls"))))
		return true;
	if (t->transport != TRANSPORT_TLS) {
		t->transport = transport_of(value);
		if (t->transport == TRANSPORT_UDP || t->transport == TRANSPORT_TCP ||
			t->transport == TRANSPORT_TLS)
			return true;
	}
	reader_expected(r, section, "target", v,
		"transport=udp, transport=tcp or transport=tls (of a sips: URI: tcp or tls)");
	return false;
}

/* "sip:ADDRESS[:PORT][;transport=...]", "sips:..." */
static bool read_target(
	struct reader *r, cfg_t *section, const struct config_value *v, struct config_target *t)
{
	struct str text = str_of(v->text), host;
	bool sips = text.n > 5 && strncasecmp(text.p, "sips:", 5) == 0;
	size_t end;

	t->line = v->line;
	t->transport = sips ? TRANSPORT_TLS : TRANSPORT_UDP;
	if (text.n <= 4 || (!sips && strncasecmp(text.p, "sip:", 4) != 0) ||
		memchr(text.p, '@', text.n) || memchr(text.p, '?', text.n)) {
		reader_expected(r, section, "target", v,
			"a SIP URI without user part, as in \"sip:192.0.2.9:5060\"");
		return false;
	}
	host = str_from(text, sips ? 5 : 4);
	end = str_find(host, ';');
	if (!read_target_params(
		    r, section, v, end < host.n ? str_from(host, end + 1) : STR_EMPTY, t))
		return false;
	host.n = end;
	if (endpoint_parse_host(host, t->transport == TRANSPORT_TLS ? 5061 : 5060, &t->endpoint) !=
			0 &&
		endpoint_parse(host, &t->endpoint) != 0) {
		size_t colon = str_find(host, ':');

		if (is_host_name((struct str){host.p, colon}) &&
			!isdigit((unsigned char)host.p[colon - 1]))
			reader_error(r, section, v->line,
				"target: \"%.80s\" has a host name; names are not resolved yet: "
				"expected a numeric address, as in \"sip:192.0.2.9:5060\"",
				v->text);
		else
			reader_expected(r, section, "target", v,
				"a SIP URI with a numeric address and a port from 1 to 65535, as "
				"in \"sip:192.0.2.9:5060\"");
		return false;
	}
	if (t->endpoint.port == 0 || endpoint_is_wildcard(&t->endpoint)) {
		reader_expected(r, section, "target", v,
			"an address and a port to send to, as in \"sip:192.0.2.9:5060\"");
		return false;
	}
	t->uri = reader_copy(r, v->text);
	return t->uri != NULL;
}

static void read_trunk_tls(struct reader *r, cfg_t *section, struct config_trunk *t)
{
	static const char *const options[] = {"certificate", "verify", "tls-name"};
	const struct config_value *v = config_value(section, "certificate");
	bool tls = config_trunk_uses_tls(t);

	t->certificate = NONE_INDEX;
	t->tls_name = reader_copy(r, "");
	for (size_t i = 0; i < 3 && !tls && t->target_count; i++)
		if (config_value(section, options[i]))
			reader_error(r, section, config_value(section, options[i])->line,
				"%s: only trunks with a target over TLS have one", options[i]);
	if (v)
		t->certificate = reader_find(r, section, "certificate", v, "certificate",
			r->c->certificates, r->c->certificate_count, sizeof(*r->c->certificates));
	v = config_value(section, "tls-name");
	if (v && is_host_name(str_of(v->text))) {
		free(t->tls_name);
		t->tls_name = reader_copy(r, v->text);
		lower(t->tls_name);
	} else if (v) {
		reader_expected(r, section, "tls-name", v,
			"the SIP domain or the host that the server's certificate must name");
	}
	if (tls && !t->verify)
		reader_warn(r, config_value(section, "verify")->line,
			"trunk \"%s\": verify = no: whoever answers at its targets is taken for it",
			t->name ? t->name : "");
}

static void read_trunk(struct reader *r, cfg_t *section, struct config_trunk *t)
{
	const struct config_value *v = config_value(section, "zone");
	size_t count = config_list_count(section, "target");

	t->line = config_section_line(section);
	t->name = take_name(r, section);
	t->zone = NONE_INDEX;
	options_read(r, section, "trunk", t);
	if (v)
		t->zone = reader_find(r, section, "zone", v, "zone", r->c->zones, r->c->zone_count,
			sizeof(*r->c->zones));
	if (count > TARGETS_MAX) {
		reader_error(r, section, config_list(section, "target", TARGETS_MAX)->line,
			"target: at most %d are possible", TARGETS_MAX);
		count = TARGETS_MAX;
	}
	t->targets = reader_array(r, count, sizeof(*t->targets));
	for (size_t i = 0; t->targets && i < count; i++) {
		t->targets[t->target_count].listener = NONE_INDEX;
		if (read_target(r, section, config_list(section, "target", i),
			    &t->targets[t->target_count]))
			t->target_count++;
		else
			memset(&t->targets[t->target_count], 0, sizeof(*t->targets));
	}
	read_trunk_tls(r, section, t);
}

/* ---- route ---- */

static void read_from(struct reader *r, cfg_t *section, struct config_route *t)
{
	for (size_t i = 0; i < config_list_count(section, "from"); i++) {
		uint16_t zone = reader_find(r, section, "from", config_list(section, "from", i),
			"zone", r->c->zones, r->c->zone_count, sizeof(*r->c->zones));

		if (zone != NONE_INDEX)
			t->from |= UINT64_C(1) << zone;
	}
}

static void read_number(struct reader *r, cfg_t *section, struct config_route *t)
{
	const struct config_value *v = config_value(section, "number");
	const char *fault;
	regex_t compiled;
	char why[128];
	int error;

	if (!v)
		return;
	if (!v->text[0] || strlen(v->text) > PATTERN_MAX) {
		reader_expected(r, section, "number", v, "a regular expression of 1 to %d bytes",
			PATTERN_MAX);
		return;
	}
	fault = expression_fault(v->text);
	if (fault) {
		reader_error(r, section, v->line,
			"number: expected a POSIX extended regular expression, found \"%.80s\": %s",
			v->text, fault);
		return;
	}
	error = regcomp(&compiled, v->text, REG_EXTENDED | REG_NOSUB);
	if (error) {
		regerror(error, &compiled, why, sizeof(why));
		reader_error(r, section, v->line,
			"number: expected a POSIX extended regular expression, found \"%.80s\": %s",
			v->text, why);
		return;
	}
	regfree(&compiled);
	free(t->number);
	t->number = reader_copy(r, v->text);
}

static void read_route_trunks(struct reader *r, cfg_t *section, struct config_route *t)
{
	size_t count = config_list_count(section, "trunk");

	if (count && t->action != ROUTE_TRUNK) {
		reader_error(r, section, config_list(section, "trunk", 0)->line,
			"trunk: only action = \"trunk\" has trunks");
		return;
	}
	if (t->action == ROUTE_TRUNK)
		reader_required(r, section, "trunk", "{ \"pbx\" }");
	for (size_t i = 0; i < count; i++) {
		const struct config_value *v = config_list(section, "trunk", i);
		uint16_t trunk = reader_find(r, section, "trunk", v, "trunk", r->c->trunks,
			r->c->trunk_count, sizeof(*r->c->trunks));

		if (t->trunk_count == ROUTE_TRUNKS_MAX) {
			reader_error(r, section, v->line, "trunk: at most %d are possible",
				ROUTE_TRUNKS_MAX);
			return;
		}
		if (trunk != NONE_INDEX)
			t->trunks[t->trunk_count++] = trunk;
	}
}

static void read_route(struct reader *r, cfg_t *section, struct config_route *t)
{
	static const char *const actions[] = {"registered", "trunk", "refuse"};
	const struct config_value *v;
	uint32_t action = ROUTE_REFUSE - ROUTE_REGISTERED;
	uint32_t status = (uint32_t)strtoul(option_default("route", "status"), NULL, 10);

	t->line = config_section_line(section);
	t->name = take_name(r, section);
	t->number = reader_copy(r, "");
	t->to_domain = NONE_INDEX;
	options_read(r, section, "route", t);
	read_from(r, section, t);
	v = config_value(section, "to-domain");
	if (v)
		t->to_domain = reader_find(r, section, "to-domain", v, "domain", r->c->domains,
			r->c->domain_count, sizeof(*r->c->domains));
	read_number(r, section, t);
	read_word(r, section, "action", actions, 3, &action);
	t->action = (uint8_t)(ROUTE_REGISTERED + action);
	read_route_trunks(r, section, t);
	read_count(r, section, "status", 400, 699, &status);
	v = config_value(section, "status");
	if (t->action == ROUTE_REFUSE)
		t->status = (uint16_t)status;
	else if (v)
		reader_error(r, section, v->line, "status: only action = \"refuse\" has one");
	if (t->action == ROUTE_REGISTERED && config_value(section, "action") &&
		r->c->domain_count == 0)
		reader_error(r, section, config_value(section, "action")->line,
			"action: \"registered\" needs a domain whose users can be registered, and "
			"there is none");
}

/* ---- all ---- */

#define READ_ALL(kind, rows, row_count, most)                                                      \
	do {                                                                                       \
		size_t n_ = begin(r, root, #kind, (most), sizeof(*r->c->rows), &r->c->rows);       \
		for (size_t i_ = 0; i_ < n_; i_++) {                                               \
			read_##kind(r, cfg_getnsec(root, #kind, (unsigned)i_), &r->c->rows[i_]);   \
			r->c->row_count = i_ + 1;                                                  \
		}                                                                                  \
	} while (0)

void config_sections_read(struct reader *r, cfg_t *root)
{
	READ_ALL(zone, zones, zone_count, ZONES_MAX);
	READ_ALL(certificate, certificates, certificate_count, CERTIFICATES_MAX);
	READ_ALL(listener, listeners, listener_count, LISTENERS_MAX);
	READ_ALL(domain, domains, domain_count, DOMAINS_MAX);
	READ_ALL(trunk, trunks, trunk_count, TRUNKS_MAX);
	READ_ALL(route, routes, route_count, ROUTES_MAX);
}
