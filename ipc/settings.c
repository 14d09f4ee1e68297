/* settings.c - checks and look-ups of the settings and users images. Relies on nothing but the
 * layout in settings.h; every look-up is over an image that has passed its check. */
#include "settings.h"
#include "lifeline.h"
#include "message.h"

#include <errno.h>

_Static_assert(sizeof(struct settings) % 8 == 0, "arrays follow the header, aligned");
_Static_assert(sizeof(struct zone_settings) % 8 == 0 && sizeof(struct listener_settings) % 8 == 0 &&
		       sizeof(struct domain_settings) % 8 == 0,
	"rows keep the next array aligned");
_Static_assert(sizeof(struct target_settings) % 8 == 0 && sizeof(struct trunk_settings) % 8 == 0 &&
		       sizeof(struct route_settings) % 8 == 0,
	"rows keep the next array aligned");

static bool settings_array_fits(const struct settings *s, struct array a, size_t row)
{
	if (a.at % 8 || a.at < sizeof(*s) || a.at > s->size)
		return a.count == 0 && a.at == 0;
	return a.count <= (s->size - a.at) / row;
}

/* Empty text may have no place at all. A text has its NUL, so that it can be handed to regcomp and
 * the like, and no other one. */
static bool settings_text_fits(const struct settings *s, struct text t)
{
	if (t.length == 0)
		return t.at < s->size;
	if (t.at < sizeof(*s) || t.at >= s->size || t.length >= s->size - t.at)
		return false;
	const char *p = (const char *)s + t.at;
	return p[t.length] == '\0' && !memchr(p, '\0', t.length);
}

static bool settings_endpoint_sane(const struct endpoint *e)
{
	return (e->family == 4 || e->family == 6) && e->zero == 0;
}

static bool settings_transport_sane(uint8_t transport)
{
	return transport >= TRANSPORT_UDP && transport < TRANSPORT_COUNT;
}

static bool settings_zones_sane(const struct settings *s)
{
	if (s->zones.count > ZONES_MAX ||
		!settings_array_fits(s, s->zones, sizeof(struct zone_settings)))
		return false;
	for (unsigned i = 0; i < s->zones.count; i++) {
		const struct zone_settings *z = settings_zone(s, i);

		if (!settings_text_fits(s, z->name) ||
			!settings_array_fits(s, z->sources, sizeof(struct prefix)) ||
			z->trust > 1 || z->auth > ZONE_AUTH_DIGEST)
			return false;
		if ((z->rate && !z->rate_window_ms) ||
			(z->ban_failures && !(z->ban_window_ms && z->ban_ms)))
			return false;
		for (unsigned k = 0; k < z->sources.count; k++) {
			const struct prefix *p = SETTINGS_ROW(s, struct prefix, z->sources, k);

			if (!settings_endpoint_sane(&p->network) ||
				p->bits > (p->network.family == 4 ? 32 : 128))
				return false;
		}
	}
	return true;
}

static bool settings_texts_fit(const struct settings *s, struct array a)
{
	if (!settings_array_fits(s, a, sizeof(struct text)))
		return false;
	for (unsigned i = 0; i < a.count; i++)
		if (!settings_text_fits(s, *SETTINGS_ROW(s, struct text, a, i)))
			return false;
	return true;
}

static bool settings_listeners_sane(const struct settings *s)
{
	if (s->listeners.count > LISTENERS_MAX ||
		!settings_array_fits(s, s->listeners, sizeof(struct listener_settings)))
		return false;
	for (unsigned i = 0; i < s->listeners.count; i++) {
		const struct listener_settings *l = settings_listener(s, i);

		if (!settings_text_fits(s, l->name) || !settings_text_fits(s, l->advertise_host) ||
			!settings_endpoint_sane(&l->bind) || l->zone >= s->zones.count ||
			!settings_transport_sane(l->transport) ||
			l->client_auth > CLIENT_AUTH_REQUIRED ||
			!settings_array_fits(s, l->certificates, sizeof(uint16_t)) ||
			!settings_texts_fit(s, l->origins))
			return false;
		for (unsigned k = 0; k < l->certificates.count; k++)
			if (*SETTINGS_ROW(s, uint16_t, l->certificates, k) >= CERTIFICATES_MAX)
				return false;
	}
	return true;
}

static bool settings_domains_sane(const struct settings *s)
{
	if (s->domains.count >= NONE_INDEX ||
		!settings_array_fits(s, s->domains, sizeof(struct domain_settings)))
		return false;
	for (unsigned i = 0; i < s->domains.count; i++) {
		const struct domain_settings *d = settings_domain(s, i);

		if (!settings_text_fits(s, d->name) || !settings_text_fits(s, d->realm) ||
			d->name.length == 0 || d->realm.length == 0)
			return false;
		if (d->expires_min > d->expires_max || d->expires_default < d->expires_min ||
			d->expires_default > d->expires_max)
			return false;
		if (!d->bindings_max || !d->algorithms ||
			(d->algorithms & ~(DIGEST_MD5 | DIGEST_SHA256)))
			return false;
	}
	return true;
}

static bool settings_trunks_sane(const struct settings *s)
{
	if (s->trunks.count >= NONE_INDEX ||
		!settings_array_fits(s, s->trunks, sizeof(struct trunk_settings)))
		return false;
	for (unsigned i = 0; i < s->trunks.count; i++) {
		const struct trunk_settings *t = settings_trunk(s, i);

		if (!settings_text_fits(s, t->name) || t->zone >= s->zones.count ||
			t->targets.count == 0 ||
			!settings_array_fits(s, t->targets, sizeof(struct target_settings)) ||
			t->verify > 1 ||
			(t->certificate != NONE_INDEX && t->certificate >= CERTIFICATES_MAX) ||
			!settings_text_fits(s, t->tls_name))
			return false;
		for (unsigned k = 0; k < t->targets.count; k++) {
			const struct target_settings *g = SETTINGS_ROW(
				s, struct target_settings, t->targets, k);

			if (!settings_text_fits(s, g->uri) ||
				!settings_endpoint_sane(&g->endpoint) || !g->endpoint.port ||
				!settings_transport_sane(g->transport) || g->explicit_transport > 1)
				return false;
			if (g->listener >= s->listeners.count ||
				settings_listener(s, g->listener)->zone != t->zone)
				return false;
		}
	}
	return true;
}

static bool settings_routes_sane(const struct settings *s)
{
	if (s->routes.count >= NONE_INDEX ||
		!settings_array_fits(s, s->routes, sizeof(struct route_settings)))
		return false;
	for (unsigned i = 0; i < s->routes.count; i++) {
		const struct route_settings *r = settings_route(s, i);

		if (!settings_text_fits(s, r->name) || !settings_text_fits(s, r->number) ||
			!settings_array_fits(s, r->trunks, sizeof(uint16_t)))
			return false;
		if (r->action < ROUTE_REGISTERED || r->action > ROUTE_REFUSE ||
			(r->to_domain != NONE_INDEX && r->to_domain >= s->domains.count))
			return false;
		if (s->zones.count < 64 && r->from >> s->zones.count)
			return false;
		if ((r->action == ROUTE_TRUNK && r->trunks.count == 0) ||
			(r->action == ROUTE_REFUSE && (r->status < 400 || r->status > 699)))
			return false;
		for (unsigned k = 0; k < r->trunks.count; k++)
			if (*SETTINGS_ROW(s, uint16_t, r->trunks, k) >= s->trunks.count)
				return false;
	}
	return true;
}

/* The plain options outside of sections with a title: texts inside the image, and the one number
 * that buffers are sized by. */
#define NUMBER_FITS(s, value) ((void)(value), true)
#define FITS_DURATION(least, most) NUMBER_FITS
#define FITS_COUNT(least, most) NUMBER_FITS
#define FITS_SIZE(least, most) NUMBER_FITS
#define FITS_BOOL NUMBER_FITS
#define FITS_WORD(words) NUMBER_FITS
#define FITS_PATH settings_text_fits
#define FITS_TEXT(most) settings_text_fits
#define OPTION_FITS(section, name, kind, preset, field, receivers, help)                           \
	SETTINGS_FOR_##receivers(if (!FITS_##kind(s, s->field)) return false;)

static bool settings_options_sane(const struct settings *s)
{
#define OPTION OPTION_FITS
#define OPTIONS (OPTIONS_OF_ROOT | OPTIONS_OF_SINGLE)
#include "options.def"
	return s->message_max <= MESSAGE_RAW_MAX;
}

int settings_check(const void *image, size_t size)
{
	const struct settings *s = image;

	if (size < sizeof(*s) || (uintptr_t)image % 8 || s->magic != SETTINGS_MAGIC ||
		s->version != SETTINGS_VERSION || s->size != size)
		return -EBADMSG;
	if (!settings_zones_sane(s) || !settings_listeners_sane(s) || !settings_domains_sane(s) ||
		!settings_trunks_sane(s) || !settings_routes_sane(s))
		return -EBADMSG;
	return settings_options_sane(s) ? 0 : -EBADMSG;
}

unsigned settings_zone_of(
	const struct settings *s, unsigned listener, const struct endpoint *peer, bool *permitted)
{
	unsigned zone = settings_listener(s, listener)->zone;
	const struct zone_settings *z = settings_zone(s, zone);

	*permitted = z->sources.count == 0;
	for (unsigned i = 0; i < z->sources.count && !*permitted; i++)
		*permitted = prefix_contains(SETTINGS_ROW(s, struct prefix, z->sources, i), peer);
	return zone;
}

unsigned settings_domain_of(const struct settings *s, struct str name)
{
	for (unsigned i = 0; i < s->domains.count; i++)
		if (str_equal_nocase(settings_str(s, settings_domain(s, i)->name), name))
			return i;
	return NONE_INDEX;
}

/* RFC 3261 section 19.1.2 and RFC 7118 section 5: what a URI without port means. */
static uint16_t settings_default_port(uint8_t transport)
{
	switch (transport) {
	case TRANSPORT_TLS: return 5061;
	case TRANSPORT_WS: return 80;
	case TRANSPORT_WSS: return 443;
	default: return 5060;
	}
}

unsigned settings_listener_at(const struct settings *s, struct str host, uint16_t port)
{
	struct endpoint wanted;
	bool numeric = endpoint_parse_host(host, 0, &wanted) == 0;

	for (unsigned i = 0; i < s->listeners.count; i++) {
		const struct listener_settings *l = settings_listener(s, i);
		uint16_t asked = port ? port : settings_default_port(l->transport);
		struct str advertised = settings_str(s, l->advertise_host);
		struct endpoint e;

		if (numeric && asked == l->bind.port && !endpoint_is_wildcard(&l->bind) &&
			endpoint_same_host(&wanted, &l->bind))
			return i;
		if (advertised.n == 0 ||
			asked != (l->advertise_port ? l->advertise_port : l->bind.port))
			continue;
		if (numeric ? endpoint_parse_host(advertised, 0, &e) == 0 &&
					endpoint_same_host(&wanted, &e)
			    : str_equal_nocase(advertised, host))
			return i;
	}
	return NONE_INDEX;
}

/* FNV-1a: the names are the operator's, so nobody chooses collisions, and the image is the same for
 * every process without a key. */
uint32_t users_hash(unsigned domain, struct str name)
{
	uint32_t h = 2166136261u;

	h = (h ^ (domain & 0xff)) * 16777619u;
	h = (h ^ (domain >> 8 & 0xff)) * 16777619u;
	for (size_t i = 0; i < name.n; i++)
		h = (h ^ (uint8_t)name.p[i]) * 16777619u;
	return h ? h : 1;
}

static bool user_row_sane(const struct user_row *row)
{
	if (row->name_length == 0 || row->name_length > USER_NAME_MAX || !row->algorithms ||
		(row->algorithms & ~(DIGEST_MD5 | DIGEST_SHA256)))
		return false;
	return row->hash == users_hash(row->domain, (struct str){row->name, row->name_length});
}

int users_check(const void *image, size_t size)
{
	const struct users *u = image;
	uint64_t rows;
	uint32_t used = 0;

	if (size < sizeof(*u) || (uintptr_t)image % 8 || u->magic != USERS_MAGIC || u->size != size)
		return -EBADMSG;
	rows = (uint64_t)u->mask + 1;
	if (rows & u->mask || rows > (size - sizeof(*u)) / sizeof(struct user_row) ||
		sizeof(*u) + rows * sizeof(struct user_row) != size)
		return -EBADMSG;
	for (uint64_t i = 0; i < rows; i++) {
		if (u->row[i].hash == 0)
			continue;
		if (!user_row_sane(&u->row[i]))
			return -EBADMSG;
		used++;
	}
	/* a full table would let users_find go round for ever */
	return used == u->count && used < rows ? 0 : -EBADMSG;
}

const struct user_row *users_find(const struct users *u, unsigned domain, struct str name)
{
	uint32_t hash = users_hash(domain, name);

	for (uint32_t i = hash & u->mask; u->row[i].hash; i = (i + 1) & u->mask) {
		const struct user_row *row = &u->row[i];

		if (row->hash == hash && row->domain == domain &&
			str_equal((struct str){row->name, row->name_length}, name))
			return row;
	}
	return NULL;
}
