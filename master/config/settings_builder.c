/* settings_builder.c - see settings_builder.h. An image is put together in memory, checked with the
 * same function that its reader uses, and written into a memfd that nobody can change any more. */
#include "settings_builder.h"

#include "master/memfd.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* An image as it grows: positions, never pointers, since growing moves it. */
struct image {
	enum peer_role role; /* whom it is for */
	char *p;
	size_t n, size;
	bool no_memory;
};

/* Appends n bytes (NULL: zeros) at a multiple of align; returns their position. */
static uint32_t image_append(struct image *m, const void *bytes, size_t n, size_t align)
{
	size_t at = (m->n + align - 1) / align * align, need = at + n;

	if (need > UINT32_MAX / 2)
		m->no_memory = true;
	if (need > m->size && !m->no_memory) {
		size_t size = need * 2;
		char *p = realloc(m->p, size);

		if (p) {
			memset(p + m->size, 0, size - m->size);
			m->p = p;
			m->size = size;
		} else {
			m->no_memory = true;
		}
	}
	if (m->no_memory)
		return 0;
	if (bytes && n)
		memcpy(m->p + at, bytes, n);
	m->n = need;
	return (uint32_t)at;
}

static struct text image_append_text(struct image *m, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (n == 0)
		return (struct text){0};
	return (struct text){image_append(m, s, n + 1, 1), (uint32_t)n};
}

static struct array image_append_array(struct image *m, const void *rows, size_t count, size_t size)
{
	if (count == 0)
		return (struct array){0};
	return (struct array){image_append(m, rows, count * size, 8), (uint32_t)count};
}

static void *image_rows(struct image *m, size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		m->no_memory = true;
	return p;
}

/* ---- plain options: the copy of those that the image's role receives ---- */

#define ROLES_MASTER 0
#define ROLES_TRANSPORT (1u << PEER_TRANSPORT)
#define ROLES_SIP (1u << PEER_SIP)
#define ROLES_TRANSPORT_SIP (ROLES_TRANSPORT | ROLES_SIP)
#define COPY_NUMBER(value) (value)
#define COPY_TEXT_INTO_IMAGE(value) image_append_text(m, (value))
#define COPY_DURATION(least, most) COPY_NUMBER
#define COPY_SECONDS_OR_OFF(least, most) COPY_NUMBER
#define COPY_COUNT(least, most) COPY_NUMBER
#define COPY_COUNT_OR_OFF(least, most) COPY_NUMBER
#define COPY_SIZE(least, most) COPY_NUMBER
#define COPY_BOOL COPY_NUMBER
#define COPY_WORD(words) COPY_NUMBER
#define COPY_PATH COPY_TEXT_INTO_IMAGE
#define COPY_TEXT(most) COPY_TEXT_INTO_IMAGE
/* From *from (the config's struct) to *to (the image's). */
#define COPY_OPTION(section, name, kind, preset, field, receivers, help)                           \
	SETTINGS_FOR_##receivers(                                                                  \
		if (ROLES_##receivers & 1u << m->role) to->field = COPY_##kind(from->field);)

static void image_zone_options(
	struct image *m, const struct config_zone *from, struct zone_settings *to)
{
#define OPTION COPY_OPTION
#define OPTIONS OPTIONS_OF_ZONE
#include "ipc/options.def"
}

static void image_listener_options(
	struct image *m, const struct config_listener *from, struct listener_settings *to)
{
#define OPTION COPY_OPTION
#define OPTIONS OPTIONS_OF_LISTENER
#include "ipc/options.def"
}

static void image_domain_options(
	struct image *m, const struct config_domain *from, struct domain_settings *to)
{
#define OPTION COPY_OPTION
#define OPTIONS OPTIONS_OF_DOMAIN
#include "ipc/options.def"
}

static void image_trunk_options(
	struct image *m, const struct config_trunk *from, struct trunk_settings *to)
{
#define OPTION COPY_OPTION
#define OPTIONS OPTIONS_OF_TRUNK
#include "ipc/options.def"
}

static void image_numbers_options(
	struct image *m, const struct config_numbers *from, struct number_list_settings *to)
{
#define OPTION COPY_OPTION
#define OPTIONS OPTIONS_OF_NUMBERS
#include "ipc/options.def"
}

static void image_route_options(
	struct image *m, const struct config_route *from, struct route_settings *to)
{
	(void)m;
#define OPTION COPY_OPTION
#define OPTIONS OPTIONS_OF_ROUTE
#include "ipc/options.def"
}

static void image_options(struct image *m, const struct config *from, struct settings *to)
{
#define OPTION COPY_OPTION
#define OPTIONS (OPTIONS_OF_ROOT | OPTIONS_OF_SINGLE)
#include "ipc/options.def"
}

/* ---- one function per array ---- */

static struct array image_texts(struct image *m, char *const *texts, size_t count)
{
	struct text *rows = image_rows(m, count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < count; i++)
		rows[i] = image_append_text(m, texts[i]);
	if (rows)
		a = image_append_array(m, rows, count, sizeof(*rows));
	free(rows);
	return a;
}

/* The line of the file that it stands in. */
static uint32_t settings_line(const struct config *c, int line)
{
	config_sources_find(&c->sources, c->path, line, &line);
	return (uint32_t)line;
}

static struct array image_rules(
	struct image *m, const struct config *c, const struct config_rules *rules)
{
	struct rule_settings *rows = image_rows(m, rules->count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < rules->count; i++)
		rows[i] = (struct rule_settings){
			.text = image_append_text(m, rules->rule[i].text),
			.line = settings_line(c, rules->rule[i].line),
		};
	if (rows)
		a = image_append_array(m, rows, rules->count, sizeof(*rows));
	free(rows);
	return a;
}

/* What the zone never bans, and what none does. */
static struct array image_never_ban(
	struct image *m, const struct config *c, const struct config_zone *z)
{
	size_t count = c->never_ban_count + z->never_ban_count;
	struct prefix *rows = image_rows(m, count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < count; i++)
		rows[i] = i < c->never_ban_count ? c->never_ban[i]
		                                 : z->never_ban[i - c->never_ban_count];
	if (rows)
		a = image_append_array(m, rows, count, sizeof(*rows));
	free(rows);
	return a;
}

/* The transports by which calls to Contacts of ours may come to a zone (match of its trunks). A
 * server that was registered at over TLS calls over TLS; another may choose its transport by the
 * size of the message (RFC 3261 section 18.1.1). */
static uint64_t zone_strangers(const struct config *c, size_t zone)
{
	const uint64_t secure = UINT64_C(1) << TRANSPORT_TLS,
		       clear = UINT64_C(1) << TRANSPORT_UDP | UINT64_C(1) << TRANSPORT_TCP;
	uint64_t bits = 0;

	for (size_t i = 0; i < c->trunk_count; i++) {
		const struct config_trunk *t = &c->trunks[i];

		if (t->zone != zone || t->match != TRUNK_MATCH_REGISTRATION || !t->register_s)
			continue;
		for (size_t k = 0; k < t->target_count; k++)
			bits |= t->targets[k].transport == TRANSPORT_TLS ? secure : secure | clear;
	}
	return bits;
}

static struct array image_zones(struct image *m, const struct config *c)
{
	struct zone_settings *rows = image_rows(m, c->zone_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < c->zone_count; i++) {
		const struct config_zone *z = &c->zones[i];
		struct zone_settings *row = &rows[i];

		row->name = image_append_text(m, z->name);
		row->sources = image_append_array(
			m, z->sources, z->source_count, sizeof(*z->sources));
		if (m->role == PEER_TRANSPORT) {
			row->deny = image_append_array(m, z->deny, z->deny_count, sizeof(*z->deny));
			row->never_ban = image_never_ban(m, c, z);
		}
		if (m->role == PEER_SIP) {
			row->hidden_names = image_texts(m, z->hidden_names, z->hidden_name_count);
			row->rules = image_rules(m, c, &z->rules);
		}
		row->rate = z->rate;
		row->rate_window_ms = z->rate_window_ms;
		row->ban_failures = z->ban_failures;
		row->ban_window_ms = z->ban_window_ms;
		row->ban_ms = z->ban_ms;
		row->label = z->label;
		row->strangers = zone_strangers(c, i);
		image_zone_options(m, z, row);
	}
	if (rows)
		a = image_append_array(m, rows, c->zone_count, sizeof(*rows));
	free(rows);
	return a;
}

static struct array image_listeners(struct image *m, const struct config *c)
{
	struct listener_settings *rows = image_rows(m, c->listener_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];
		struct listener_settings *row = &rows[i];

		row->name = image_append_text(m, l->name);
		row->advertise_host = image_append_text(m, l->advertise_host);
		row->bind = l->bind;
		row->advertise_port = l->advertise_port;
		row->zone = l->zone;
		row->transport = l->transport;
		row->gone = l->gone;
		row->certificates = image_append_array(
			m, l->certificates, l->certificate_count, sizeof(l->certificates[0]));
		row->origins = image_texts(m, l->origins, l->origin_count);
		image_listener_options(m, l, row);
	}
	if (rows)
		a = image_append_array(m, rows, c->listener_count, sizeof(*rows));
	free(rows);
	return a;
}

static struct array image_domains(struct image *m, const struct config *c)
{
	struct domain_settings *rows = image_rows(m, c->domain_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < c->domain_count; i++) {
		const struct config_domain *d = &c->domains[i];
		struct domain_settings *row = &rows[i];

		row->name = image_append_text(m, d->name);
		row->realm = image_append_text(m, d->realm);
		row->expires_min = d->expires_min;
		row->expires_max = d->expires_max;
		row->expires_default = d->expires_default;
		row->algorithms = d->algorithms;
		row->gone = d->gone;
		image_domain_options(m, d, row);
	}
	if (rows)
		a = image_append_array(m, rows, c->domain_count, sizeof(*rows));
	free(rows);
	return a;
}

static struct array image_domain_names(struct image *m, const struct config *c)
{
	struct text *rows = image_rows(m, c->domain_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < c->domain_count; i++)
		rows[i] = image_append_text(m, c->domains[i].gone ? "" : c->domains[i].name);
	if (rows)
		a = image_append_array(m, rows, c->domain_count, sizeof(*rows));
	free(rows);
	return a;
}

static struct array image_targets(struct image *m, const struct config_trunk *t)
{
	struct target_settings *rows = image_rows(m, t->target_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < t->target_count; i++) {
		const struct config_target *g = &t->targets[i];

		rows[i] = (struct target_settings){
			.uri = image_append_text(m, g->uri),
			.endpoint = g->endpoint,
			.transport = g->transport,
			.explicit_transport = g->explicit_transport,
			.listener = g->listener,
			.priority = g->priority,
			.weight = g->weight,
			.name = image_append_text(m, g->name ? g->name : ""),
		};
	}
	if (rows)
		a = image_append_array(m, rows, t->target_count, sizeof(*rows));
	free(rows);
	return a;
}

static struct array image_trunks(struct image *m, const struct config *c)
{
	struct trunk_settings *rows = image_rows(m, c->trunk_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < c->trunk_count; i++) {
		const struct config_trunk *t = &c->trunks[i];
		struct trunk_settings *row = &rows[i];

		row->name = image_append_text(m, t->name);
		row->targets = image_targets(m, t);
		row->zone = t->zone;
		row->certificate = t->certificate;
		row->label = t->label;
		row->tls_name = image_append_text(m, t->tls_name);
		if (m->role == PEER_SIP) {
			memcpy(row->failover, t->failover, sizeof(row->failover));
			row->rules = image_rules(m, c, &t->rules);
		}
		image_trunk_options(m, t, row);
	}
	if (rows)
		a = image_append_array(m, rows, c->trunk_count, sizeof(*rows));
	free(rows);
	return a;
}

static bool settings_any_trunk_over_tls(const struct config *c)
{
	for (size_t i = 0; i < c->trunk_count; i++)
		if (config_trunk_uses_tls(&c->trunks[i]))
			return true;
	return false;
}

static struct array image_routes(struct image *m, const struct config *c)
{
	struct route_settings *rows = image_rows(m, c->route_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < c->route_count; i++) {
		const struct config_route *t = &c->routes[i];

		rows[i] = (struct route_settings){
			.name = image_append_text(m, t->name),
			.from = t->from,
			.number = image_append_text(m, t->number),
			.trunks = image_append_array(
				m, t->trunks, t->trunk_count, sizeof(t->trunks[0])),
			.rules = image_rules(m, c, &t->rules),
			.events = image_texts(m, t->events, t->event_count),
			.to_domain = t->to_domain,
			.status = t->status,
			.action = t->action,
			.line = settings_line(c, t->line),
		};
		image_route_options(m, t, &rows[i]);
	}
	if (rows)
		a = image_append_array(m, rows, c->route_count, sizeof(*rows));
	free(rows);
	return a;
}

static struct array image_emergency(struct image *m, const struct config *c)
{
	struct emergency_settings *rows = image_rows(m, c->emergency_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < c->emergency_count; i++) {
		rows[i].number = image_append_text(m, c->emergency[i].number);
		rows[i].service = image_append_text(m, c->emergency[i].service);
	}
	if (rows)
		a = image_append_array(m, rows, c->emergency_count, sizeof(*rows));
	free(rows);
	return a;
}

static struct array image_groups(struct image *m, char *const *groups, size_t count)
{
	struct group_settings *rows = image_rows(m, count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < count; i++) {
		rows[i].name = image_append_text(m, groups[i]);
		rows[i].id = group_id(str_of(groups[i]));
	}
	if (rows)
		a = image_append_array(m, rows, count, sizeof(*rows));
	free(rows);
	return a;
}

static struct array image_number_lists(struct image *m, const struct config *c)
{
	struct number_list_settings *rows = image_rows(m, c->numbers_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < c->numbers_count; i++) {
		const struct config_numbers *n = &c->numbers[i];

		rows[i] = (struct number_list_settings){
			.name = image_append_text(m, n->name),
			.from = n->from,
			.groups = image_groups(m, n->groups, n->group_count),
			.permit = image_texts(m, n->permit, n->permit_count),
			.block = image_texts(m, n->block, n->block_count),
		};
		image_numbers_options(m, n, &rows[i]);
	}
	if (rows)
		a = image_append_array(m, rows, c->numbers_count, sizeof(*rows));
	free(rows);
	return a;
}

/* ---- the image ---- */

int settings_build(const struct config *c, enum peer_role role, uint64_t generation, int *memfd)
{
	struct image m = {.role = role};
	struct settings s;
	int error;

	memset(&s, 0, sizeof(s)); /* the bytes between the fields, too */
	s.magic = SETTINGS_MAGIC;
	s.version = SETTINGS_VERSION;
	s.generation = generation;
	s.first_domain = c->first_domain;
	for (unsigned r = ROLE_FIRST; r < ROLE_COUNT; r++)
		s.workers[r] = (uint8_t)c->workers[r];
	image_append(&m, NULL, sizeof(s), 8);
	image_options(&m, c, &s);
	if (role_has(role, ROLE_MESSAGES)) {
		s.emergency = image_emergency(&m, c);
		s.zones = image_zones(&m, c);
		s.listeners = image_listeners(&m, c);
		s.domain_names = image_domain_names(&m, c);
		/* a transport worker verifies the servers of trunks over TLS, and has no other use
		 * for trunks */
		if (role == PEER_SIP || settings_any_trunk_over_tls(c))
			s.trunks = image_trunks(&m, c);
	}
	if (role == PEER_TRANSPORT)
		s.scanners = image_texts(&m, c->scanners, c->scanner_count);
	if (role_has(role, ROLE_MESSAGES) && c->dns_server_count)
		s.dns_servers = image_append_array(
			&m, c->dns_servers, c->dns_server_count, sizeof(c->dns_servers[0]));
	if (role == PEER_SIP) {
		s.domains = image_domains(&m, c);
		s.number_lists = image_number_lists(&m, c);
		s.routes = image_routes(&m, c);
	}
	image_append(&m, NULL, 0, 8);
	s.size = (uint32_t)m.n;
	if (m.no_memory) {
		free(m.p);
		return -ENOMEM;
	}
	memcpy(m.p, &s, sizeof(s));
	error = settings_check(m.p, m.n);
	assert(error == 0); /* a checked config gives a sane image, or one of the two is wrong */
	if (error == 0)
		error = memfd_of("sipward-settings", m.p, m.n, memfd);
	free(m.p);
	return error;
}
