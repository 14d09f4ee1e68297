/* check.c - see check.h. */
#include "check.h"

#include "credentials.h"
#include "groups.h"
#include "name_servers.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void check_complain(struct reader *r, const char *kind, const char *name, int line,
	const char *format, ...) __attribute__((format(printf, 5, 6)));
static void check_complain(
	struct reader *r, const char *kind, const char *name, int line, const char *format, ...)
{
	char message[CONFIG_ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	config_error_add(r->errors, r->c->path, line, "%s \"%s\": %s", kind, name, message);
}

/* ---- zones ---- */

static void check_zone(struct reader *r, const struct config_zone *z)
{
	if (z->trust && z->source_count == 0)
		check_complain(r, "zone", z->name, z->line,
			"a trusted zone must name its sources, as in sources = { \"192.0.2.9\" }: "
			"whoever else could reach its listeners would be trusted too");
	if (!z->trust && z->auth == ZONE_AUTH_NONE)
		reader_warn(r, z->line,
			"zone \"%s\" is untrusted and has auth = none: anyone may use the routes "
			"from it without credentials",
			z->name);
	for (size_t i = 0; z->trust && i < z->source_count; i++)
		if (z->sources[i].bits == 0)
			reader_warn(
				r, z->line, "zone \"%s\" trusts every address there is", z->name);
	for (size_t i = 0; i < z->deny_count; i++)
		if (z->deny[i].bits == 0)
			reader_warn(
				r, z->line, "zone \"%s\" denies every address there is", z->name);
}

/* ---- listeners ---- */

/* TLS, WS and WSS are TCP ports to the kernel. */
static bool check_same_port(const struct config_listener *a, const struct config_listener *b)
{
	if ((a->transport == TRANSPORT_UDP) != (b->transport == TRANSPORT_UDP))
		return false;
	if (a->bind.port != b->bind.port || a->bind.family != b->bind.family)
		return false;
	return endpoint_is_wildcard(&a->bind) || endpoint_is_wildcard(&b->bind) ||
	       endpoint_same_host(&a->bind, &b->bind);
}

static void check_listeners(struct reader *r)
{
	const struct config *c = r->c;
	char buffer[ENDPOINT_TEXT_SIZE];

	for (size_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *a = &c->listeners[i];

		if (!a->bind.family)
			continue;
		for (size_t k = 0; k < i; k++) {
			const struct config_listener *b = &c->listeners[k];

			if (!b->bind.family || !check_same_port(a, b))
				continue;
			endpoint_text(&b->bind, buffer);
			check_complain(r, "listener", a->name, a->line,
				"bind: the port is taken by listener \"%s\" (%s %s, line %d)",
				b->name, transport_name(b->transport), buffer, b->line);
			break;
		}
		if (a->transport == TRANSPORT_WS && !endpoint_is_loopback(&a->bind))
			reader_warn(r, a->line,
				"listener \"%s\": ws: is not encrypted, and no page that came over "
				"https may use it: "
				"it is for a proxy on this machine; bind \"wss:...\" for clients",
				a->name);
	}
	if (c->listener_count == 0)
		config_error_add(r->errors, c->path, 0,
			"there is no listener: expected at least one, as in listener \"udp\" { "
			"bind = \"udp:192.0.2.1:5060\" zone = \"access\" }");
}

/* What is in it is for others to check. */
static void check_readable(struct reader *r, const char *kind, const char *name, int line,
	const char *option, const char *path)
{
	if (path && access(path, R_OK) < 0)
		check_complain(r, kind, name, line, "%s: \"%s\" cannot be read: %s", option, path,
			strerror(errno));
}

static void check_certificates(struct reader *r)
{
	const struct config *c = r->c;

	for (size_t i = 0; i < c->certificate_count; i++) {
		const struct config_certificate *k = &c->certificates[i];
		struct stat st;

		check_readable(r, "certificate", k->name, k->chain_line, "chain", k->chain);
		check_readable(r, "certificate", k->name, k->key_line, "key", k->key);
		check_readable(r, "certificate", k->name, k->ocsp_line, "ocsp", k->ocsp);
		if (k->key && stat(k->key, &st) == 0 && (st.st_mode & 0007))
			reader_warn(r, k->line,
				"certificate \"%s\": everyone on this machine can read \"%s\"; its "
				"mode should be 0600",
				k->name, k->key);
	}
	for (size_t i = 0; i < c->listener_count; i++)
		check_readable(r, "listener", c->listeners[i].name, c->listeners[i].line,
			"client-ca", c->listeners[i].client_ca);
}

/* The web worker is there where it has something to listen at. */
static void check_web(struct reader *r)
{
	struct config *c = r->c;
	struct config_listener web = {.transport = TRANSPORT_TCP};

	if (!*c->web_bind) {
		c->workers[PEER_WEB] = 0;
		return;
	}
	if (!config_web_endpoint(c->web_bind, &web.bind)) {
		config_error_add(r->errors, c->path, c->line.web_bind,
			"web: bind: expected \"tcp:ADDRESS:PORT\" with a numeric address, as in "
			"\"tcp:127.0.0.1:9060\", found \"%s\"",
			c->web_bind);
		return;
	}
	for (size_t i = 0; i < c->listener_count; i++)
		if (c->listeners[i].bind.family && check_same_port(&c->listeners[i], &web))
			config_error_add(r->errors, c->path, c->line.web_bind,
				"web: bind: the port is taken by listener \"%s\" (line %d)",
				c->listeners[i].name, c->listeners[i].line);
	if (!endpoint_is_loopback(&web.bind))
		reader_warn(r, c->line.web_bind,
			"web: bind: \"%s\" is no loopback address: whoever reaches it reads who "
			"calls whom",
			c->web_bind);
}

/* Trunks over TLS need authorities, and certificates need a TLS worker. */
static void check_tls(struct reader *r)
{
	const struct config *c = r->c;
	bool needed = c->certificate_count != 0;

	for (size_t i = 0; i < c->trunk_count; i++) {
		const struct config_trunk *t = &c->trunks[i];

		if (config_trunk_uses_tls(t) && t->verify && c->trust && access(c->trust, R_OK) < 0)
			check_complain(r, "trunk", t->name, t->line,
				"its server's certificate is to be verified, but tls trust \"%s\" "
				"cannot be read: %s",
				c->trust, strerror(errno));
	}
	if (needed && c->workers[PEER_TLS] == 0)
		config_error_add(r->errors, c->path, 0,
			"workers: tls = 0, but there are certificates, whose keys only a TLS "
			"worker holds: expected at least 1");
}

/* ---- trunks ---- */

static bool check_speaks_as(const struct config_listener *l, const struct config_target *t)
{
	return l->transport == t->transport && l->bind.family == t->endpoint.family;
}

/* The listener of the zone that reaches the target: same transport and family, and where there is a
 * choice the one that is on loopback as the target is. */
static uint16_t check_sending_listener(
	const struct config *c, unsigned zone, const struct config_target *t)
{
	uint16_t found = NONE_INDEX;

	for (size_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];

		if (l->zone != zone || !check_speaks_as(l, t))
			continue;
		if (endpoint_is_wildcard(&l->bind) ||
			endpoint_is_loopback(&l->bind) == endpoint_is_loopback(&t->endpoint))
			return (uint16_t)i;
		if (found == NONE_INDEX)
			found = (uint16_t)i;
	}
	return found;
}

/* Whether a listener of the zone has an error of its own, and might send once that is mended. */
static bool check_has_open_listener(const struct config *c, unsigned zone)
{
	for (size_t i = 0; i < c->listener_count; i++)
		if (!c->listeners[i].bind.family &&
			(c->listeners[i].zone == zone || c->listeners[i].zone == NONE_INDEX))
			return true;
	return false;
}

/* A name is sent to by whichever listener reaches what it stands for: there must be one. */
static void check_named_target(
	struct reader *r, const struct config_trunk *trunk, const struct config_target *t)
{
	const struct config *c = r->c;
	bool any = !t->explicit_transport && t->transport != TRANSPORT_TLS;

	for (size_t i = 0; i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];

		if (l->zone == trunk->zone &&
			(l->transport == t->transport || (any && l->transport <= TRANSPORT_TLS)))
			return;
	}
	if (!check_has_open_listener(c, trunk->zone))
		check_complain(r, "trunk", trunk->name, t->line,
			"target: zone \"%s\" has no %s listener to send to \"%s\" from",
			c->zones[trunk->zone].name,
			any ? "udp, tcp or tls" : transport_name(t->transport), t->uri);
}

static void check_target(
	struct reader *r, const struct config_trunk *trunk, struct config_target *t)
{
	const struct config *c = r->c;
	const struct config_zone *z = &c->zones[trunk->zone];
	bool among = z->source_count == 0;

	if (t->name) {
		check_named_target(r, trunk, t);
		return;
	}

	t->listener = check_sending_listener(c, trunk->zone, t);
	if (t->listener == NONE_INDEX && !check_has_open_listener(c, trunk->zone))
		check_complain(r, "trunk", trunk->name, t->line,
			"target: zone \"%s\" has no %s listener on IPv%d to send to \"%s\" from",
			z->name, transport_name(t->transport), t->endpoint.family, t->uri);
	for (size_t i = 0; i < c->listener_count; i++)
		if (c->listeners[i].transport == t->transport &&
			endpoint_equal(&c->listeners[i].bind, &t->endpoint))
			check_complain(r, "trunk", trunk->name, t->line,
				"target: \"%s\" is our own listener \"%s\"", t->uri,
				c->listeners[i].name);
	for (size_t i = 0; i < z->source_count && !among; i++)
		among = prefix_contains(&z->sources[i], &t->endpoint);
	if (!among)
		reader_warn(r, t->line,
			"trunk \"%s\": target \"%s\" is not among the sources of zone \"%s\": what "
			"it sends to us is dropped",
			trunk->name, t->uri, z->name);
}

/* ---- users ---- */

/* Whether the domain takes the users of that realm from that file. */
static bool check_has_users(const struct config_domain *d, const char *path, const char *realm)
{
	return d->users_path && d->realm && strcmp(d->users_path, path) == 0 &&
	       strcmp(d->realm, realm) == 0;
}

static bool check_sibling_realm(
	const struct config *c, const struct config_domain *d, const char *realm)
{
	for (size_t i = 0; i < c->domain_count; i++)
		if (check_has_users(&c->domains[i], d->users_path, realm))
			return true;
	return false;
}

static int check_by_name(const void *a, const void *b)
{
	const struct userfile_entry *x = *(const struct userfile_entry *const *)a,
				    *y = *(const struct userfile_entry *const *)b;
	int order = strcmp(x->name, y->name);

	return order ? order : x->line - y->line;
}

/* Names each user that could not answer a challenge of the domain. */
static void check_algorithms(struct reader *r, const struct config_domain *d)
{
	const struct userfile_entry **sorted = reader_array(r, d->users.count, sizeof(*sorted));
	size_t n = 0, next;

	if (!sorted)
		return;
	for (size_t i = 0; i < d->users.count; i++)
		if (strcmp(d->users.entries[i].realm, d->realm) == 0)
			sorted[n++] = &d->users.entries[i];
	qsort(sorted, n, sizeof(*sorted), check_by_name);
	for (size_t i = 0; i < n; i = next) {
		uint8_t has = 0, lacks;

		for (next = i; next < n && strcmp(sorted[i]->name, sorted[next]->name) == 0; next++)
			has |= sorted[next]->algorithm;
		lacks = d->algorithms & (uint8_t)~has;
		for (uint8_t bit = 1; bit <= lacks; bit = (uint8_t)(bit << 1))
			if (lacks & bit)
				config_error_add(r->errors, d->users_path, sorted[i]->line,
					"user \"%s\" has no line for %s, which domain \"%s\" "
					"(%s:%d) asks for",
					sorted[i]->name, digest_algorithm_name(bit), d->name,
					r->c->path, d->line);
	}
	if (n == 0)
		reader_warn(r, d->users_line, "domain \"%s\" has no users in \"%s\"", d->name,
			d->users_path);
	free(sorted);
}

static void check_users(struct reader *r, struct config_domain *d)
{
	struct stat st;
	int error;

	if (!d->users_path || !d->realm)
		return;
	error = userfile_load(d->users_path, &d->users, r->errors);
	if (error == -ENOMEM)
		r->no_memory = true;
	else if (error && error != -EINVAL)
		check_complain(r, "domain", d->name, d->users_line,
			"users: \"%s\" cannot be read: %s", d->users_path, strerror(-error));
	if (error)
		return;
	if (stat(d->users_path, &st) == 0 && (st.st_mode & 0007))
		reader_warn(r, d->users_line,
			"domain \"%s\": everyone on this machine can read \"%s\"; its mode should "
			"be 0640",
			d->name, d->users_path);
	for (size_t i = 0; i < d->users.count; i++) {
		const struct userfile_entry *e = &d->users.entries[i];

		if (!check_sibling_realm(r->c, d, e->realm))
			config_error_add(r->errors, d->users_path, e->line,
				"user \"%s\" has realm \"%s\"; the realm of domain \"%s\" (%s:%d) "
				"is \"%s\"",
				e->name, e->realm, d->name, r->c->path, d->line, d->realm);
	}
	check_algorithms(r, d);
	groups_check(r, d);
}

/* ---- what has no effect ---- */

/* A pattern that every number matches. */
static bool check_takes_all(const char *number)
{
	static const char *const all[] = {
		"", ".", ".*", ".+", "^", "^.", "^.*", "^.+", "^.*$", "^.+$", ".*$", ".+$"};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		if (strcmp(number, all[i]) == 0)
			return true;
	return false;
}

/* Whether a, which takes all numbers, decides on all that b could match of the zones of both. */
static bool check_route_covers(const struct config_route *a, const struct config_route *b)
{
	if (a->to_domain != NONE_INDEX && a->to_domain != b->to_domain)
		return false;
	return !*a->number || *b->number; /* without a user part there is no number to match */
}

/* Routes behind those that take all of their zones. A rule for registered users is none of these:
 * it leaves those whom it does not find to the next. */
static void check_routes_are_met(struct reader *r)
{
	const struct config *c = r->c;
	const struct config_route **all = reader_array(r, c->route_count, sizeof(*all));
	size_t count = 0;

	for (size_t i = 0; all && i < c->route_count; i++) {
		const struct config_route *b = &c->routes[i], *last = NULL;
		uint64_t left = b->from;

		for (size_t k = 0; k < count && left; k++)
			if ((all[k]->from & left) && check_route_covers(all[k], b)) {
				left &= ~all[k]->from;
				last = all[k];
			}
		if (!left && last)
			reader_warn(r, b->line,
				"route \"%s\" can never match: route \"%s\" (line %d) takes all "
				"that it could",
				b->name, last->name, last->line);
		else if (b->action != ROUTE_REGISTERED && !b->event_count &&
			 check_takes_all(b->number))
			all[count++] = b;
	}
	free(all);
}

static void check_trunk_is_used(struct reader *r, size_t index)
{
	const struct config *c = r->c;

	for (size_t i = 0; i < c->route_count; i++)
		for (size_t k = 0; k < c->routes[i].trunk_count; k++)
			if (c->routes[i].trunks[k] == index)
				return;
	reader_warn(r, c->trunks[index].line, "trunk \"%s\" is not used: no route names it",
		c->trunks[index].name);
}

static void check_domain_is_used(struct reader *r, size_t index)
{
	const struct config *c = r->c;

	for (size_t i = 0; i < c->route_count; i++)
		if (c->routes[i].action == ROUTE_REGISTERED &&
			(c->routes[i].to_domain == NONE_INDEX || c->routes[i].to_domain == index))
			return;
	reader_warn(r, c->domains[index].line,
		"domain \"%s\": nobody can call its users: no route with action = \"registered\" "
		"is for it",
		c->domains[index].name);
}

static void check_certificate_is_used(struct reader *r, size_t index)
{
	const struct config *c = r->c;

	for (size_t i = 0; i < c->listener_count; i++)
		for (size_t k = 0; k < c->listeners[i].certificate_count; k++)
			if (c->listeners[i].certificates[k] == index)
				return;
	for (size_t i = 0; i < c->trunk_count; i++)
		if (c->trunks[i].certificate == index)
			return;
	reader_warn(r, c->certificates[index].line,
		"certificate \"%s\" is not used: no listener and no trunk names it",
		c->certificates[index].name);
}

/* A user may come later (sipwardctl user add). */
static void check_forward_has_user(struct reader *r, const struct config_forward *f)
{
	const struct config *c = r->c;

	for (size_t i = 0; i < c->domain_count; i++)
		for (size_t k = 0;
			strcmp(c->domains[i].name, f->domain) == 0 && k < c->domains[i].users.count;
			k++)
			if (strcmp(c->domains[i].users.entries[k].name, f->user) == 0)
				return;
	reader_warn(r, f->line, "forward \"%s\": there is no such user", f->name);
}

static void check_uses(struct reader *r)
{
	check_routes_are_met(r);
	for (size_t i = 0; i < r->c->trunk_count; i++)
		check_trunk_is_used(r, i);
	for (size_t i = 0; i < r->c->domain_count; i++)
		check_domain_is_used(r, i);
	for (size_t i = 0; i < r->c->certificate_count; i++)
		check_certificate_is_used(r, i);
	for (size_t i = 0; i < r->c->forward_count; i++)
		check_forward_has_user(r, &r->c->forwards[i]);
}

/* The folder of a file that is to be made has to be there. */
static void check_cdr_folder(struct reader *r)
{
	const struct config *c = r->c;
	char folder[CONFIG_PATH_MAX];
	struct stat st;

	snprintf(folder, sizeof(folder), "%s", c->cdr_file);
	char *slash = strrchr(folder, '/'); /* paths are absolute */
	slash[slash == folder] = '\0';
	int error = stat(folder, &st) < 0 ? errno : S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
	if (error)
		config_error_add(r->errors, c->path, c->line.cdr_file,
			"section cdr: file: \"%s\" cannot be made: %s", c->cdr_file,
			strerror(error));
}

/* What a start would find wrong, without making anything. */
static void check_cdr(struct reader *r)
{
	const struct config *c = r->c;
	struct stat st;

	if (c->cdr_file && c->cdr_socket)
		config_error_add(r->errors, c->path, c->line.cdr_socket,
			"section cdr: records go to a file or to a socket, not to both");
	if (c->cdr_socket && strlen(c->cdr_socket) > CDR_SOCKET_MAX)
		config_error_add(r->errors, c->path, c->line.cdr_socket,
			"section cdr: socket: expected at most %d bytes; \"%.100s\" has %zu",
			CDR_SOCKET_MAX, c->cdr_socket, strlen(c->cdr_socket));
	if (c->cdr_file && lstat(c->cdr_file, &st) < 0)
		check_cdr_folder(r);
	else if (c->cdr_file && !S_ISREG(st.st_mode))
		config_error_add(r->errors, c->path, c->line.cdr_file,
			"section cdr: file: \"%s\" is no regular file", c->cdr_file);
}

void config_check(struct reader *r)
{
	struct config *c = r->c;

	for (size_t i = 0; i < c->zone_count; i++)
		check_zone(r, &c->zones[i]);
	check_listeners(r);
	check_certificates(r);
	check_web(r);
	check_tls(r);
	check_cdr(r);
	for (size_t i = 0; i < c->trunk_count; i++)
		for (size_t k = 0; c->trunks[i].zone != NONE_INDEX && k < c->trunks[i].target_count;
			k++)
			check_target(r, &c->trunks[i], &c->trunks[i].targets[k]);
	name_servers_check(r);
	for (size_t i = 0; i < c->domain_count; i++)
		check_users(r, &c->domains[i]);
	for (size_t i = 0; i < c->trunk_count; i++)
		credentials_check(r, &c->trunks[i]);
	for (size_t i = 0; i < c->zone_count && c->domain_count == 0; i++)
		if (c->zones[i].auth == ZONE_AUTH_DIGEST)
			reader_warn(r, c->zones[i].line,
				"zone \"%s\" asks for credentials, but there is no domain whose "
				"users could have any",
				c->zones[i].name);
	if (r->errors->count == 0)
		check_uses(r);
}

int config_load_users(struct config *c, struct config_errors *errors)
{
	struct reader r = {.c = c, .errors = errors};
	size_t warnings = c->warning_count;

	*errors = (struct config_errors){.sources = &c->sources};
	for (size_t i = 0; i < c->domain_count; i++)
		check_users(&r, &c->domains[i]);
	for (size_t i = 0; i < c->trunk_count; i++)
		credentials_check(&r, &c->trunks[i]);
	/* The start log has said them. */
	while (c->warning_count > warnings)
		free(c->warnings[--c->warning_count]);
	return r.no_memory ? -ENOMEM : errors->count || errors->dropped ? -EINVAL : 0;
}
