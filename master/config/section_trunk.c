/* section_trunk.c - reads a trunk: its targets, and whom it takes for them. */
#include "section.h"

#include "options.h"

#include <ctype.h>
#include <stdlib.h>

/* Reads the transport that a parameter names. */
static bool target_read_transport(struct reader *r, cfg_t *section, const struct config_value *v,
	struct str value, struct config_target *t)
{
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

/* A number of up to five digits, from least to 65535. */
static bool target_read_number(struct reader *r, cfg_t *section, const struct config_value *v,
	const char *name, struct str value, unsigned least, uint16_t *out)
{
	unsigned n = 0;
	bool good = value.n >= 1 && value.n <= 5;

	for (size_t i = 0; good && i < value.n; i++) {
		good = isdigit((unsigned char)value.p[i]);
		n = n * 10 + (unsigned)(value.p[i] - '0');
	}
	if (!good || n < least || n > UINT16_MAX) {
		reader_expected(r, section, "target", v, "%s=%u to %s=65535", name, least, name);
		return false;
	}
	*out = (uint16_t)n;
	return true;
}

/* One of "transport=tcp", "priority=1", "weight=10". False, with an error, for anything else. */
static bool target_read_param(struct reader *r, cfg_t *section, const struct config_value *v,
	struct str name, struct str value, struct config_target *t)
{
	if (str_equal_nocase(name, S("transport")) && value.n)
		return target_read_transport(r, section, v, value, t);
	if (str_equal_nocase(name, S("priority")))
		return target_read_number(r, section, v, "priority", value, 0, &t->priority);
	if (str_equal_nocase(name, S("weight"))) {
		t->has_weight = true;
		return target_read_number(r, section, v, "weight", value, 1, &t->weight);
	}
	reader_expected(r, section, "target", v,
		"no other parameters than transport, priority and weight, as in "
		"\"sip:192.0.2.9:5060;transport=tcp;priority=1;weight=10\"");
	return false;
}

/* The parameters behind a target's first semicolon. */
static bool target_read_params(struct reader *r, cfg_t *section, const struct config_value *v,
	struct str params, struct config_target *t)
{
	while (params.n) {
		size_t end = str_find(params, ';');
		struct str param = {params.p, end};
		size_t equals = str_find(param, '=');
		struct str value = str_from(param, equals < end ? equals + 1 : end);

		if (!target_read_param(r, section, v, (struct str){param.p, equals}, value, t))
			return false;
		params = str_from(params, end < params.n ? end + 1 : end);
	}
	return true;
}

static bool target_has_scheme(struct str text, const char *scheme)
{
	size_t n = strlen(scheme);

	return text.n > n && strncasecmp(text.p, scheme, n) == 0;
}

/* Without brackets it could not be told where an IPv6 address ends and its port begins. */
static bool target_lacks_brackets(struct str host)
{
	size_t colon = str_find(host, ':');

	return host.n && host.p[0] != '[' && colon < host.n &&
	       str_find(str_from(host, colon + 1), ':') < host.n - colon - 1;
}

/* The address and port of host, with the scheme's port where it names none. False: it has another
 * form. */
static bool target_endpoint(struct str host, uint8_t transport, struct endpoint *out)
{
	uint16_t port = transport == TRANSPORT_TLS ? 5061 : 5060;

	return endpoint_parse_host(host, port, out) == 0 || endpoint_parse(host, out) == 0;
}

/* A label of 1 to 63 characters that neither begins nor ends with a hyphen, and of the last label
 * that it begins with a letter (RFC 3261 section 25.1), which tells a name from an address. */
static bool target_labels_valid(struct str name)
{
	while (name.n) {
		size_t n = str_find(name, '.');
		bool last = n == name.n;

		if (n == 0 || n > 63 || name.p[0] == '-' || name.p[n - 1] == '-')
			return false;
		if (last && !isalpha((unsigned char)name.p[0]))
			return false;
		name = str_from(name, last ? n : n + 1);
	}
	return true;
}

/* "NAME", "NAME:PORT". False: it has another form, or there is no memory. */
static bool target_read_name(struct reader *r, struct str host, struct config_target *t)
{
	struct str name = {host.p, str_find(host, ':')}, port = str_from(host, name.n);
	char text[256];
	struct endpoint any;

	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	if (!host_name_valid(name) || !target_labels_valid(name) ||
		str_copy(name, text, sizeof(text)))
		return false;
	t->endpoint = (struct endpoint){0};
	if (port.n) {
		char number[32];

		/* the port as one of an address is read */
		snprintf(number, sizeof(number), "192.0.2.1%.*s", (int)(port.n < 8 ? port.n : 8),
			port.p);
		if (endpoint_parse(str_of(number), &any) || !any.port)
			return false;
		t->endpoint.port = any.port;
	}
	text_lower(text);
	t->name = reader_copy(r, text);
	return t->name != NULL;
}

/* "sip:HOST[:PORT][;transport=...]", "sips:..." */
static bool trunk_read_target(
	struct reader *r, cfg_t *section, const struct config_value *v, struct config_target *t)
{
	struct str text = str_of(v->text), host;
	bool sips = target_has_scheme(text, "sips:"), sip = target_has_scheme(text, "sip:");
	size_t end;

	t->line = v->line;
	t->weight = 1;
	t->transport = sips ? TRANSPORT_TLS : TRANSPORT_UDP;
	if ((!sip && !sips) || strpbrk(v->text, "@?")) {
		reader_expected(r, section, "target", v,
			"a SIP URI without user part, as in \"sip:192.0.2.9:5060\"");
		return false;
	}
	host = str_from(text, sips ? 5 : 4);
	end = str_find(host, ';');
	if (!target_read_params(
		    r, section, v, end < host.n ? str_from(host, end + 1) : STR_EMPTY, t))
		return false;
	host.n = end;
	if (target_lacks_brackets(host)) {
		reader_expected(r, section, "target", v,
			"an IPv6 address in brackets (RFC 3261 section 25.1), as in "
			"\"sip:[2001:db8::1]:5060\"");
		return false;
	}
	if (!target_endpoint(host, t->transport, &t->endpoint) && !target_read_name(r, host, t)) {
		reader_expected(r, section, "target", v,
			"a SIP URI with an address or a name, and a port from 1 to 65535, as in "
			"\"sip:192.0.2.9:5060\" or \"sip:carrier.example.net\"");
		return false;
	}
	if (!t->name && (t->endpoint.port == 0 || endpoint_is_wildcard(&t->endpoint))) {
		reader_expected(r, section, "target", v,
			"an address and a port to send to, as in \"sip:192.0.2.9:5060\"");
		return false;
	}
	t->uri = reader_copy(r, v->text);
	return t->uri != NULL;
}

static void trunk_read_tls(struct reader *r, cfg_t *section, struct config_trunk *t)
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
	if (v && host_name_valid(str_of(v->text))) {
		free(t->tls_name);
		t->tls_name = reader_copy(r, v->text);
		text_lower(t->tls_name);
	} else if (v) {
		reader_expected(r, section, "tls-name", v,
			"the SIP domain or the host that the server's certificate must name");
	}
	if (tls && !t->verify)
		reader_warn(r, config_value(section, "verify")->line,
			"trunk \"%s\": verify = no: whoever answers at its targets is taken for it",
			t->name ? t->name : "");
}

/* "503", or "500..599". False: it has another form. */
static bool trunk_read_statuses(const char *text, unsigned *first, unsigned *last)
{
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return false;
	*first = *last = (unsigned)strtoul(text, &end, 10);
	if (end[0] == '.' && end[1] == '.' && isdigit((unsigned char)end[2]))
		*last = (unsigned)strtoul(end + 2, &end, 10);
	return *end == '\0' && *first >= FAILOVER_FIRST && *last <= FAILOVER_LAST &&
	       *first <= *last;
}

static void trunk_read_failover(struct reader *r, cfg_t *section, struct config_trunk *t)
{
	size_t count = config_list_count(section, "failover");
	unsigned first, last;

	if (count == 0) {
		failover_add(t->failover, 408);
		failover_add(t->failover, 503);
	}
	for (size_t i = 0; i < count; i++) {
		const struct config_value *v = config_list(section, "failover", i);

		if (!trunk_read_statuses(v->text, &first, &last)) {
			reader_expected(r, section, "failover", v,
				"a status from %d to %d, or a range as in \"500..599\"",
				FAILOVER_FIRST, FAILOVER_LAST);
			continue;
		}
		for (; first <= last; first++)
			failover_add(t->failover, first);
	}
}

/* Lower priorities first; those of one stay as they are written. */
static void trunk_sort_targets(struct config_trunk *t)
{
	for (size_t i = 1; i < t->target_count; i++) {
		struct config_target moved = t->targets[i];
		size_t at = i;

		for (; at && t->targets[at - 1].priority > moved.priority; at--)
			t->targets[at] = t->targets[at - 1];
		t->targets[at] = moved;
	}
}

static void trunk_check_weights(struct reader *r, const struct config_trunk *t)
{
	for (size_t i = 0; i < t->target_count && t->balance == BALANCE_ORDER; i++)
		if (t->targets[i].has_weight) {
			reader_warn(r, t->targets[i].line,
				"trunk \"%s\": target \"%s\" has a weight, which counts only "
				"with another balance than order",
				t->name ? t->name : "", t->targets[i].uri);
			return;
		}
}

/* Which targets are over TLS, or may be when NAPTR or SRV say so. */
static void trunk_note_tls(const struct config *c, struct config_trunk *t)
{
	bool listener = false;

	for (size_t i = 0; i < c->listener_count; i++)
		listener |= c->listeners[i].zone == t->zone &&
		            c->listeners[i].transport == TRANSPORT_TLS;
	for (size_t i = 0; i < t->target_count; i++) {
		struct config_target *g = &t->targets[i];

		g->over_tls = g->transport == TRANSPORT_TLS ||
		              (g->name && !g->endpoint.port && !g->explicit_transport && listener);
	}
}

/* What credentials_check needs of the section. */
static void trunk_note_lines(cfg_t *section, struct config_trunk *t)
{
	const struct config_value *registers = config_value(section, "register");

	t->at.username = reader_line(section, "username");
	t->at.credentials = reader_line(section, "credentials");
	t->at.registers = reader_line(section, "register");
	t->at.outbound = reader_line(section, "outbound");
	t->at.match = reader_line(section, "match");
	t->at.contact_user = reader_line(section, "contact-user");
	t->at.from_domain = reader_line(section, "from-domain");
	t->register_wrong = registers && !t->register_s && strcmp(registers->text, "off") != 0;
}

void section_read_trunk(struct reader *r, cfg_t *section, struct config_trunk *t)
{
	const struct config_value *v = config_value(section, "zone");
	size_t count = section_list_count(r, section, "target", TARGETS_MAX);

	t->line = config_section_line(section);
	t->name = section_name(r, section);
	t->zone = NONE_INDEX;
	options_read(r, section, "trunk", t);
	trunk_note_lines(section, t);
	section_rules(r, section, &t->rules);
	if (v)
		t->zone = reader_find(r, section, "zone", v, "zone", r->c->zones, r->c->zone_count,
			sizeof(*r->c->zones));
	t->targets = reader_array(r, count, sizeof(*t->targets));
	for (size_t i = 0; t->targets && i < count; i++) {
		t->targets[t->target_count].listener = NONE_INDEX;
		if (trunk_read_target(r, section, config_list(section, "target", i),
			    &t->targets[t->target_count]))
			t->target_count++;
		else
			memset(&t->targets[t->target_count], 0, sizeof(*t->targets));
	}
	trunk_note_tls(r->c, t);
	trunk_sort_targets(t);
	trunk_check_weights(r, t);
	trunk_read_failover(r, section, t);
	trunk_read_tls(r, section, t);
}
