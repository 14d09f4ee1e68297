/* settings_builder.c - see settings_builder.h. An image is put together in memory, checked with the
 * same function that its reader uses, and written into a memfd that nobody can change any more. */
#include "settings_builder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* An image as it grows: positions, never pointers, since growing moves it. */
struct image {
	char *p;
	size_t n, size;
	bool no_memory;
};

/* Appends n bytes (NULL: zeros) at a multiple of align; returns their position. */
static uint32_t append(struct image *m, const void *bytes, size_t n, size_t align)
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

static struct text append_text(struct image *m, const char *s)
{
	size_t n = s ? strlen(s) : 0;

	if (n == 0)
		return (struct text){0};
	return (struct text){append(m, s, n + 1, 1), (uint32_t)n};
}

static struct array append_array(struct image *m, const void *rows, size_t count, size_t size)
{
	if (count == 0)
		return (struct array){0};
	return (struct array){append(m, rows, count * size, 8), (uint32_t)count};
}

static void *rows_of(struct image *m, size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		m->no_memory = true;
	return p;
}

/* ---- one function per array ---- */

static struct array build_zones(struct image *m, const struct config *c)
{
	struct zone_settings *rows = rows_of(m, c->zone_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < c->zone_count; i++) {
		const struct config_zone *z = &c->zones[i];

		rows[i] = (struct zone_settings){
			.name = append_text(m, z->name),
			.sources = append_array(
				m, z->sources, z->source_count, sizeof(*z->sources)),
			.trust = z->trust,
			.auth = z->auth,
			.rate = z->rate,
			.rate_window_ms = z->rate_window_ms,
			.ban_failures = z->ban_failures,
			.ban_window_ms = z->ban_window_ms,
			.ban_ms = z->ban_ms,
			.expires_max = z->nat_expires,
			.connections_per_source = z->connections_per_source,
		};
	}
	if (rows)
		a = append_array(m, rows, c->zone_count, sizeof(*rows));
	free(rows);
	return a;
}

static struct array build_texts(struct image *m, char *const *texts, size_t count)
{
	struct text *rows = rows_of(m, count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < count; i++)
		rows[i] = append_text(m, texts[i]);
	if (rows)
		a = append_array(m, rows, count, sizeof(*rows));
	free(rows);
	return a;
}

static struct array build_listeners(struct image *m, const struct config *c)
{
	struct listener_settings *rows = rows_of(m, c->listener_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < c->listener_count; i++) {
		const struct config_listener *l = &c->listeners[i];

		rows[i] = (struct listener_settings){
			.name = append_text(m, l->name),
			.advertise_host = append_text(m, l->advertise_host),
			.bind = l->bind,
			.advertise_port = l->advertise_port,
			.zone = l->zone,
			.transport = l->transport,
			.client_auth = l->client_auth,
			.certificates = append_array(m, l->certificates, l->certificate_count,
				sizeof(l->certificates[0])),
			.origins = build_texts(m, l->origins, l->origin_count),
		};
	}
	if (rows)
		a = append_array(m, rows, c->listener_count, sizeof(*rows));
	free(rows);
	return a;
}

static struct array build_domains(struct image *m, const struct config *c)
{
	struct domain_settings *rows = rows_of(m, c->domain_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < c->domain_count; i++) {
		const struct config_domain *d = &c->domains[i];

		rows[i] = (struct domain_settings){
			.name = append_text(m, d->name),
			.realm = append_text(m, d->realm),
			.expires_min = d->expires_min,
			.expires_max = d->expires_max,
			.expires_default = d->expires_default,
			.bindings_max = d->bindings_max,
			.algorithms = d->algorithms,
		};
	}
	if (rows)
		a = append_array(m, rows, c->domain_count, sizeof(*rows));
	free(rows);
	return a;
}

static struct array build_targets(struct image *m, const struct config_trunk *t)
{
	struct target_settings *rows = rows_of(m, t->target_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < t->target_count; i++) {
		const struct config_target *g = &t->targets[i];

		rows[i] = (struct target_settings){
			.uri = append_text(m, g->uri),
			.endpoint = g->endpoint,
			.transport = g->transport,
			.explicit_transport = g->explicit_transport,
			.listener = g->listener,
		};
	}
	if (rows)
		a = append_array(m, rows, t->target_count, sizeof(*rows));
	free(rows);
	return a;
}

static struct array build_trunks(struct image *m, const struct config *c)
{
	struct trunk_settings *rows = rows_of(m, c->trunk_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < c->trunk_count; i++) {
		const struct config_trunk *t = &c->trunks[i];

		rows[i] = (struct trunk_settings){
			.name = append_text(m, t->name),
			.targets = build_targets(m, t),
			.zone = t->zone,
			.answer_ms = t->answer_ms,
			.ring_ms = t->ring_ms,
			.certificate = t->certificate,
			.verify = t->verify,
			.tls_name = append_text(m, t->tls_name),
		};
	}
	if (rows)
		a = append_array(m, rows, c->trunk_count, sizeof(*rows));
	free(rows);
	return a;
}

static bool any_trunk_over_tls(const struct config *c)
{
	for (size_t i = 0; i < c->trunk_count; i++)
		if (config_trunk_uses_tls(&c->trunks[i]))
			return true;
	return false;
}

static struct array build_routes(struct image *m, const struct config *c)
{
	struct route_settings *rows = rows_of(m, c->route_count, sizeof(*rows));
	struct array a = {0};

	for (size_t i = 0; rows && i < c->route_count; i++) {
		const struct config_route *t = &c->routes[i];

		rows[i] = (struct route_settings){
			.name = append_text(m, t->name),
			.from = t->from,
			.number = append_text(m, t->number),
			.trunks = append_array(m, t->trunks, t->trunk_count, sizeof(t->trunks[0])),
			.to_domain = t->to_domain,
			.status = t->status,
			.action = t->action,
		};
	}
	if (rows)
		a = append_array(m, rows, c->route_count, sizeof(*rows));
	free(rows);
	return a;
}

/* ---- memfds ---- */

static int sealed(const char *name, const void *bytes, size_t n, int *out)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING), error = 0;
	const char *p = bytes;

	if (fd < 0)
		return -errno;
	while (n && error == 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0) {
			error = -errno;
			break;
		}
		p += w;
		n -= (size_t)w;
	}
	if (error == 0 && fcntl(fd, F_ADD_SEALS,
				  F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	*out = fd;
	return 0;
}

int settings_build(const struct config *c, enum peer_role role, uint64_t generation, int *memfd)
{
	struct image m = {0};
	struct settings s = {
		.magic = SETTINGS_MAGIC,
		.version = SETTINGS_VERSION,
		.generation = generation,
		.transport_workers = (uint8_t)c->workers[PEER_TRANSPORT],
		.sip_workers = (uint8_t)c->workers[PEER_SIP],
		.tls_workers = (uint8_t)c->workers[PEER_TLS],
		.t1_ms = c->t1_ms,
		.t2_ms = c->t2_ms,
		.t4_ms = c->t4_ms,
		.connect_ms = c->connect_ms,
		.idle_ms = c->idle_ms,
		.message_ms = c->message_ms,
		.connections_max = c->connections_max,
		.connection_queue = c->connection_queue,
		.message_max = c->message_max,
		.transactions_max = c->transactions_max,
		.calls_max = c->calls_max,
		.forks_max = c->forks_max,
		.nonce_ms = c->nonce_ms,
		.max_forwards = c->max_forwards,
		.handshake_ms = c->handshake_ms,
		.handshakes_max = c->handshakes_max,
		.handshakes_per_source = c->handshakes_per_source,
		.tickets = c->tickets,
	};
	int error;

	append(&m, NULL, sizeof(s), 8);
	if (role != PEER_TLS) {
		s.zones = build_zones(&m, c);
		s.listeners = build_listeners(&m, c);
		/* a transport worker verifies the servers of trunks over TLS, and has no other use
		 * for trunks */
		if (role == PEER_SIP || any_trunk_over_tls(c))
			s.trunks = build_trunks(&m, c);
	}
	if (role == PEER_SIP) {
		s.domains = build_domains(&m, c);
		s.routes = build_routes(&m, c);
		s.state_directory = append_text(&m, c->state_directory);
		s.server = append_text(&m, c->server);
	}
	append(&m, NULL, 0, 8);
	s.size = (uint32_t)m.n;
	if (m.no_memory) {
		free(m.p);
		return -ENOMEM;
	}
	memcpy(m.p, &s, sizeof(s));
	error = settings_check(m.p, m.n);
	assert(error == 0); /* a checked config gives a sane image, or one of the two is wrong */
	if (error == 0)
		error = sealed("sipward-settings", m.p, m.n, memfd);
	free(m.p);
	return error;
}

/* ---- users ---- */

/* The row of name in domain, made where it is missing. */
static struct user_row *row_for(struct users *u, unsigned domain, const char *name)
{
	struct str s = str_of(name);
	uint32_t hash = users_hash(domain, s), i;

	for (i = hash & u->mask; u->row[i].hash; i = (i + 1) & u->mask)
		if (u->row[i].hash == hash && u->row[i].domain == domain &&
			str_equal((struct str){u->row[i].name, u->row[i].name_length}, s))
			return &u->row[i];
	u->row[i].hash = hash;
	u->row[i].domain = (uint16_t)domain;
	u->row[i].name_length = (uint8_t)s.n;
	memcpy(u->row[i].name, s.p, s.n);
	u->count++;
	return &u->row[i];
}

int users_build(const struct config *c, int *memfd)
{
	size_t entries = 0, rows = 8, size;
	struct users *u;
	int error;

	for (size_t i = 0; i < c->domain_count; i++)
		entries += c->domains[i].users.count;
	while (rows < entries * 2) /* half empty at least: short probes */
		rows *= 2;
	size = sizeof(*u) + rows * sizeof(u->row[0]);
	if (size > UINT32_MAX)
		return -EFBIG;
	u = calloc(1, size);
	if (!u)
		return -ENOMEM;
	u->magic = USERS_MAGIC;
	u->size = (uint32_t)size;
	u->mask = (uint32_t)rows - 1;
	for (size_t i = 0; i < c->domain_count; i++) {
		const struct config_domain *d = &c->domains[i];

		for (size_t k = 0; k < d->users.count; k++) {
			const struct userfile_entry *e = &d->users.entries[k];
			struct user_row *row;

			if (strcmp(e->realm, d->realm) !=
				0) /* of another domain that shares the file */
				continue;
			row = row_for(u, (unsigned)i, e->name);
			row->algorithms |= e->algorithm;
			if (e->algorithm == DIGEST_MD5)
				memcpy(row->ha1_md5, e->ha1, sizeof(row->ha1_md5));
			else
				memcpy(row->ha1_sha256, e->ha1, sizeof(row->ha1_sha256));
		}
	}
	error = users_check(u, size);
	assert(error == 0);
	if (error == 0)
		error = sealed("sipward-users", u, size, memfd);
	sodium_memzero(u, size);
	free(u);
	return error;
}
