/* name_servers.c - see name_servers.h. */
#include "name_servers.h"

#include "section.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define RESOLV_CONF "/etc/resolv.conf"
#define NAME_SERVER_PORT 53

static bool name_server_parse(struct str text, struct endpoint *out)
{
	if (endpoint_parse_host(text, NAME_SERVER_PORT, out) && endpoint_parse(text, out))
		return false;
	return out->port && !endpoint_is_wildcard(out);
}

void name_servers_read(struct reader *r, cfg_t *dns)
{
	size_t count = section_list_count(r, dns, "servers", DNS_SERVERS_MAX);
	const struct config_value *most = config_value(dns, "ttl-max"),
				  *least = config_value(dns, "ttl-min");

	for (size_t i = 0; i < count; i++) {
		const struct config_value *v = config_list(dns, "servers", i);
		struct endpoint server;

		if (name_server_parse(str_of(v->text), &server))
			r->c->dns_servers[r->c->dns_server_count++] = server;
		else
			reader_expected(r, dns, "servers", v,
				"numeric addresses, as in \"192.0.2.53\" or \"127.0.0.1:5353\"");
	}
	if (r->errors->count == 0 && r->c->dns_ttl_max_ms < r->c->dns_ttl_min_ms)
		reader_error(r, dns, most ? most->line : least->line,
			"ttl-max must not be shorter than ttl-min");
}

/* Takes the lines "nameserver ADDRESS"; others, and addresses that are none, are not for us. */
static int name_servers_of_system(struct config *c)
{
	FILE *f = fopen(RESOLV_CONF, "re");
	char line[512], address[128];

	if (!f)
		return -errno;
	while (c->dns_server_count < DNS_SERVERS_MAX && fgets(line, sizeof(line), f)) {
		struct endpoint server;

		if (sscanf(line, " nameserver %127s", address) == 1 &&
			name_server_parse(str_of(address), &server))
			c->dns_servers[c->dns_server_count++] = server;
	}
	fclose(f);
	return 0;
}

static const struct config_target *name_servers_wanted(const struct config *c)
{
	for (size_t i = 0; i < c->trunk_count; i++)
		for (size_t k = 0; k < c->trunks[i].target_count; k++)
			if (c->trunks[i].targets[k].name)
				return &c->trunks[i].targets[k];
	return NULL;
}

void name_servers_check(struct reader *r)
{
	const struct config_target *target = name_servers_wanted(r->c);
	int error;

	if (!target || r->c->dns_server_count || r->errors->count)
		return;
	error = name_servers_of_system(r->c);
	if (!r->c->dns_server_count)
		config_error_add(r->errors, r->c->path, target->line,
			"target \"%s\" is a name, and there is no server to ask: dns has no "
			"servers, and " RESOLV_CONF " %s",
			target->uri, error ? strerror(-error) : "names none");
}
