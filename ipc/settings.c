/* settings.c - checks and look-ups of the settings and users images. Relies on nothing but the
 * layout in settings.h; every look-up is over an image that has passed its check. */
#include "settings.h"
#include "dns.h"
#include "lifeline.h"
#include "message.h"
#include "rule.h"

#include <errno.h>

_Static_assert(sizeof(struct settings) % 8 == 0, "arrays follow the header, aligned");
_Static_assert(ROLE_COUNT <= 8, "settings.workers has a number for each role");
_Static_assert(sizeof(struct zone_settings) % 8 == 0 && sizeof(struct listener_settings) % 8 == 0 &&
		       sizeof(struct domain_settings) % 8 == 0,
	"rows keep the next array aligned");
_Static_assert(sizeof(struct target_settings) % 8 == 0 && sizeof(struct trunk_settings) % 8 == 0 &&
		       sizeof(struct route_settings) % 8 == 0 &&
		       sizeof(struct number_list_settings) % 8 == 0,
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

/* All rows of an array are sane, and there are at most so many. */
#define ROWS_SANE(s, array, type, most, row_sane)                                                  \
	((array).count <= (most) && settings_array_fits((s), (array), sizeof(type)) &&             \
		settings_rows_sane((s), (array), sizeof(type), (row_sane)))

typedef bool (*settings_row_sane)(const struct settings *s, const void *row);

static bool settings_rows_sane(
	const struct settings *s, struct array a, size_t size, settings_row_sane row_sane)
{
	for (size_t i = 0; i < a.count; i++)
		if (!row_sane(s, (const char *)settings_array(s, a) + i * size))
			return false;
	return true;
}

static bool settings_prefix_sane(const struct settings *s, const void *row)
{
	const struct prefix *p = row;

	(void)s;
	return settings_endpoint_sane(&p->network) &&
	       p->bits <= (p->network.family == 4 ? 32 : 128);
}

static bool settings_text_row_sane(const struct settings *s, const void *row)
{
	return settings_text_fits(s, *(const struct text *)row);
}

static bool settings_rule_sane(const struct settings *s, const void *row)
{
	const struct rule_settings *r = row;

	return settings_text_fits(s, r->text) && r->text.length <= RULE_TEXT_MAX;
}

static bool settings_rules_fit(const struct settings *s, struct array rules)
{
	return ROWS_SANE(s, rules, struct rule_settings, RULES_MAX, settings_rule_sane);
}

/* How many words an option chooses from. */
static unsigned settings_words(const char *words)
{
	unsigned n = 1;

	for (; *words; words++)
		n += *words == ',';
	return n;
}

/* The plain options of a row: texts lie inside the image, words are among those that there are. */
#define NUMBER_FITS(s, value) ((void)(value), true)
#define VALUE(s, value) (value)
#define FITS_DURATION(least, most) NUMBER_FITS
#define FITS_SECONDS_OR_OFF(least, most) NUMBER_FITS
#define FITS_COUNT(least, most) NUMBER_FITS
#define FITS_COUNT_OR_OFF(least, most) NUMBER_FITS
#define FITS_SIZE(least, most) NUMBER_FITS
#define FITS_BOOL 2 > VALUE
#define FITS_WORD(words) settings_words(words) > VALUE
#define FITS_PATH settings_text_fits
#define FITS_TEXT(most) settings_text_fits
#define OPTION_FITS(section, name, kind, preset, field, receivers, help)                           \
	SETTINGS_FOR_##receivers(if (!(FITS_##kind(s, row->field))) return false;)

static bool settings_zone_options_sane(const struct settings *s, const struct zone_settings *row)
{
	(void)s;
#define OPTION OPTION_FITS
#define OPTIONS OPTIONS_OF_ZONE
#include "options.def"
	return true;
}

static bool settings_listener_options_sane(
	const struct settings *s, const struct listener_settings *row)
{
	(void)s;
#define OPTION OPTION_FITS
#define OPTIONS OPTIONS_OF_LISTENER
#include "options.def"
	return true;
}

static bool settings_trunk_options_sane(const struct settings *s, const struct trunk_settings *row)
{
	(void)s;
#define OPTION OPTION_FITS
#define OPTIONS OPTIONS_OF_TRUNK
#include "options.def"
	return true;
}

static bool settings_scanner_sane(const struct settings *s, const void *row)
{
	return settings_text_row_sane(s, row) &&
	       ((const struct text *)row)->length >= SCANNER_WORD_LEAST;
}

static bool settings_zone_sane(const struct settings *s, const void *row)
{
	const struct zone_settings *z = row;

	if (!settings_text_fits(s, z->name) || !settings_zone_options_sane(s, z) ||
		z->label >= LABEL_ZONES)
		return false;
	if (z->rate && !z->rate_window_ms)
		return false;
	if (z->ban_failures && !(z->ban_window_ms && z->ban_ms))
		return false;
	if (z->strangers >> TRANSPORT_COUNT)
		return false;
	if (!settings_rules_fit(s, z->rules))
		return false;
	return ROWS_SANE(s, z->sources, struct prefix, UINT32_MAX, settings_prefix_sane) &&
	       ROWS_SANE(s, z->deny, struct prefix, UINT32_MAX, settings_prefix_sane) &&
	       ROWS_SANE(s, z->never_ban, struct prefix, UINT32_MAX, settings_prefix_sane) &&
	       ROWS_SANE(s, z->hidden_names, struct text, UINT32_MAX, settings_text_row_sane);
}

static bool settings_certificate_index_sane(const struct settings *s, const void *row)
{
	(void)s;
	return *(const uint16_t *)row < CERTIFICATES_MAX;
}

static bool settings_listener_sane(const struct settings *s, const void *row)
{
	const struct listener_settings *l = row;

	if (!settings_text_fits(s, l->name) || !settings_text_fits(s, l->advertise_host))
		return false;
	if (!settings_endpoint_sane(&l->bind) || !settings_transport_sane(l->transport))
		return false;
	if (l->zone >= s->zones.count || !settings_listener_options_sane(s, l))
		return false;
	return ROWS_SANE(
		       s, l->certificates, uint16_t, UINT32_MAX, settings_certificate_index_sane) &&
	       ROWS_SANE(s, l->origins, struct text, UINT32_MAX, settings_text_row_sane);
}

static bool settings_algorithms_sane(uint8_t algorithms)
{
	return algorithms && !(algorithms & ~DIGEST_ALL);
}

static bool settings_domain_sane(const struct settings *s, const void *row)
{
	const struct domain_settings *d = row;

	if (!settings_text_fits(s, d->name) || d->name.length == 0)
		return false;
	if (!settings_text_fits(s, d->realm) || d->realm.length == 0)
		return false;
	if (d->expires_default < d->expires_min || d->expires_default > d->expires_max)
		return false;
	return d->bindings_max && settings_algorithms_sane(d->algorithms);
}

static bool settings_target_sane(
	const struct settings *s, const struct trunk_settings *t, const struct target_settings *g)
{
	if (!settings_text_fits(s, g->uri) || !settings_transport_sane(g->transport))
		return false;
	if (!settings_text_fits(s, g->name) || g->explicit_transport > 1)
		return false;
	if (target_is_name(g))
		return !g->endpoint.family && g->name.length <= DNS_NAME_MAX;
	if (!settings_endpoint_sane(&g->endpoint) || !g->endpoint.port)
		return false;
	return g->listener < s->listeners.count &&
	       settings_listener(s, g->listener)->zone == t->zone;
}

static bool settings_trunk_sane(const struct settings *s, const void *row)
{
	const struct trunk_settings *t = row;

	if (!settings_text_fits(s, t->name) || !settings_text_fits(s, t->tls_name))
		return false;
	if (t->zone >= s->zones.count || !settings_trunk_options_sane(s, t) ||
		t->label >= LABEL_TRUNKS)
		return false;
	if (!settings_rules_fit(s, t->rules))
		return false;
	if (t->certificate != NONE_INDEX && t->certificate >= CERTIFICATES_MAX)
		return false;
	if (t->targets.count == 0 ||
		!settings_array_fits(s, t->targets, sizeof(struct target_settings)))
		return false;
	for (unsigned k = 0; k < t->targets.count; k++)
		if (!settings_target_sane(
			    s, t, SETTINGS_ROW(s, struct target_settings, t->targets, k)))
			return false;
	return true;
}

static bool settings_server_sane(const struct settings *s, const void *row)
{
	const struct endpoint *e = row;

	(void)s;
	return settings_endpoint_sane(e) && e->port;
}

static bool settings_trunk_index_sane(const struct settings *s, const void *row)
{
	return *(const uint16_t *)row < s->trunks.count;
}

static bool settings_route_sane(const struct settings *s, const void *row)
{
	const struct route_settings *r = row;

	if (!settings_text_fits(s, r->name) || !settings_text_fits(s, r->number))
		return false;
	if (r->to_domain != NONE_INDEX && r->to_domain >= s->domains.count)
		return false;
	if (s->zones.count < 64 && r->from >> s->zones.count)
		return false;
	if (!ROWS_SANE(s, r->events, struct text, ROUTE_EVENTS_MAX, settings_text_row_sane))
		return false;
	if (!settings_rules_fit(s, r->rules))
		return false;
	switch (r->action) {
	case ROUTE_REGISTERED: break;
	case ROUTE_TRUNK:
		if (r->trunks.count == 0)
			return false;
		break;
	case ROUTE_REFUSE:
		if (r->status < 400 || r->status > 699)
			return false;
		break;
	default: return false;
	}
	return ROWS_SANE(s, r->trunks, uint16_t, UINT32_MAX, settings_trunk_index_sane);
}

static bool settings_emergency_sane(const struct settings *s, const void *row)
{
	const struct emergency_settings *e = row;

	return e->number.length && settings_text_fits(s, e->number) &&
	       settings_text_fits(s, e->service);
}

static bool settings_group_sane(const struct settings *s, const void *row)
{
	const struct group_settings *g = row;

	return g->id && settings_text_fits(s, g->name);
}

static bool settings_number_list_sane(const struct settings *s, const void *row)
{
	const struct number_list_settings *l = row;

	if (!settings_text_fits(s, l->name) || (s->zones.count < 64 && l->from >> s->zones.count))
		return false;
	return ROWS_SANE(s, l->groups, struct group_settings, UINT32_MAX, settings_group_sane) &&
	       ROWS_SANE(s, l->permit, struct text, LIST_NUMBERS_MAX, settings_text_row_sane) &&
	       ROWS_SANE(s, l->block, struct text, LIST_NUMBERS_MAX, settings_text_row_sane);
}

/* Outside of sections with a title there is one number that buffers are sized by. */
static bool settings_options_sane(const struct settings *s)
{
	const struct settings *row = s;

#define OPTION OPTION_FITS
#define OPTIONS (OPTIONS_OF_ROOT | OPTIONS_OF_SINGLE)
#include "options.def"
	return s->message_max <= MESSAGE_RAW_MAX;
}

int settings_check(const void *image, size_t size)
{
	const struct settings *s = image;

	if (size < sizeof(*s) || (uintptr_t)image % 8)
		return -EBADMSG;
	if (s->magic != SETTINGS_MAGIC || s->version != SETTINGS_VERSION || s->size != size)
		return -EBADMSG;
	if (!ROWS_SANE(s, s->emergency, struct emergency_settings, EMERGENCY_MAX,
		    settings_emergency_sane))
		return -EBADMSG;
	if (!ROWS_SANE(s, s->scanners, struct text, SCANNERS_MAX, settings_scanner_sane))
		return -EBADMSG;
	/* zones, listeners and trunks come first: what follows names them */
	if (!ROWS_SANE(s, s->zones, struct zone_settings, ZONES_MAX, settings_zone_sane))
		return -EBADMSG;
	if (!ROWS_SANE(s, s->listeners, struct listener_settings, LISTENERS_MAX,
		    settings_listener_sane))
		return -EBADMSG;
	if (!ROWS_SANE(s, s->domains, struct domain_settings, NONE_INDEX - 1, settings_domain_sane))
		return -EBADMSG;
	if (!ROWS_SANE(s, s->domain_names, struct text, NONE_INDEX - 1, settings_text_row_sane))
		return -EBADMSG;
	if (!ROWS_SANE(s, s->trunks, struct trunk_settings, NONE_INDEX - 1, settings_trunk_sane))
		return -EBADMSG;
	if (!ROWS_SANE(s, s->routes, struct route_settings, NONE_INDEX - 1, settings_route_sane))
		return -EBADMSG;
	if (!ROWS_SANE(s, s->number_lists, struct number_list_settings, NUMBER_LISTS_MAX,
		    settings_number_list_sane))
		return -EBADMSG;
	if (!ROWS_SANE(s, s->dns_servers, struct endpoint, DNS_SERVERS_MAX, settings_server_sane))
		return -EBADMSG;
	return settings_options_sane(s) ? 0 : -EBADMSG;
}

/* Numbers of trunks come first, then those of all targets. */
uint16_t settings_profile(const struct settings *s, unsigned trunk, unsigned written)
{
	const struct trunk_settings *t = settings_trunk(s, trunk);
	unsigned number = s->trunks.count + 1 + written;

	if (written >= t->targets.count ||
		!target_is_name(SETTINGS_ROW(s, struct target_settings, t->targets, written)))
		return (uint16_t)(trunk + 1);
	for (unsigned i = 0; i < trunk; i++)
		number += settings_trunk(s, i)->targets.count;
	return number <= UINT16_MAX ? (uint16_t)number : (uint16_t)(trunk + 1);
}

bool settings_profile_of(
	const struct settings *s, uint16_t profile, unsigned *trunk, unsigned *written)
{
	unsigned number = profile - 1u;

	*written = NONE_INDEX;
	*trunk = number;
	if (number < s->trunks.count)
		return true;
	number -= s->trunks.count;
	for (unsigned i = 0; i < s->trunks.count; i++) {
		unsigned count = settings_trunk(s, i)->targets.count;

		*trunk = i;
		*written = number;
		if (number < count)
			return true;
		number -= count;
	}
	return false;
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

unsigned settings_listener_for(
	const struct settings *s, unsigned zone, uint8_t transport, uint8_t family)
{
	unsigned gone = NONE_INDEX;

	for (unsigned i = 0; i < s->listeners.count; i++) {
		const struct listener_settings *l = settings_listener(s, i);

		if (l->zone != zone || l->transport != transport || l->bind.family != family)
			continue;
		if (!l->gone)
			return i;
		if (gone == NONE_INDEX)
			gone = i;
	}
	return gone;
}

unsigned settings_domain_of(const struct settings *s, struct str name)
{
	for (unsigned i = 0; i < s->domains.count; i++)
		if (!settings_domain(s, i)->gone &&
			str_equal_nocase(settings_str(s, settings_domain(s, i)->name), name))
			return i;
	return NONE_INDEX;
}

uint16_t settings_default_port(uint8_t transport)
{
	switch (transport) {
	case TRANSPORT_TLS: return 5061;
	case TRANSPORT_WS: return 80;
	case TRANSPORT_WSS: return 443;
	default: return 5060;
	}
}

/* Whether a listener says in Via and Contact that it is at host, an address where numeric is not
 * NULL. */
static bool settings_is_advertised_as(
	struct str advertised, struct str host, const struct endpoint *numeric)
{
	struct endpoint e;

	if (!numeric)
		return str_equal_nocase(advertised, host);
	return endpoint_parse_host(advertised, 0, &e) == 0 && endpoint_same_host(numeric, &e);
}

/* numeric: host as an address, NULL: it is a name. */
static unsigned settings_listener_find(
	const struct settings *s, struct str host, const struct endpoint *numeric, uint16_t port)
{
	for (unsigned i = 0; i < s->listeners.count; i++) {
		const struct listener_settings *l = settings_listener(s, i);
		uint16_t asked = port ? port : settings_default_port(l->transport);
		struct str advertised = settings_str(s, l->advertise_host);

		if (numeric && asked == l->bind.port && !endpoint_is_wildcard(&l->bind) &&
			endpoint_same_host(numeric, &l->bind))
			return i;
		if (advertised.n == 0 ||
			asked != (l->advertise_port ? l->advertise_port : l->bind.port))
			continue;
		if (settings_is_advertised_as(advertised, host, numeric))
			return i;
	}
	return NONE_INDEX;
}

unsigned settings_listener_at(const struct settings *s, struct str host, uint16_t port)
{
	struct endpoint numeric;

	return settings_listener_find(
		s, host, endpoint_parse_host(host, 0, &numeric) == 0 ? &numeric : NULL, port);
}

unsigned settings_listener_at_address(const struct settings *s, const struct endpoint *address)
{
	return settings_listener_find(s, STR_NONE, address, address->port);
}

uint64_t trunk_id(struct str name)
{
	static const struct hash_key same; /* the operator's names: nobody chooses collisions */

	return hash_str(&same, name);
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

uint32_t group_id(struct str name)
{
	return users_hash(0, name);
}

size_t users_trunk_key(uint64_t trunk, struct str realm, char buffer[USER_NAME_MAX])
{
	static const char digit[] = "0123456789abcdef";

	if (realm.n > TRUNK_REALM_MAX)
		return 0;
	for (unsigned i = 0; i < 16; i++)
		buffer[i] = digit[trunk >> (60 - 4 * i) & 15];
	buffer[16] = ':';
	if (realm.n)
		memcpy(buffer + 17, realm.p, realm.n);
	return 17 + realm.n;
}

static bool settings_user_row_sane(const struct user_row *row)
{
	if (row->name_length == 0 || row->name_length > USER_NAME_MAX)
		return false;
	if (!settings_algorithms_sane(row->algorithms))
		return false;
	return row->hash == users_hash(row->domain, (struct str){row->name, row->name_length});
}

/* Whether an image of that size holds so many rows, a power of two. */
static bool settings_user_rows_fit(uint64_t rows, size_t size)
{
	size_t room = size - sizeof(struct users);

	return (rows & (rows - 1)) == 0 && rows <= room / sizeof(struct user_row) &&
	       rows * sizeof(struct user_row) == room;
}

int users_check(const void *image, size_t size)
{
	const struct users *u = image;
	uint64_t rows;
	uint32_t used = 0;

	if (size < sizeof(*u) || (uintptr_t)image % 8 || u->magic != USERS_MAGIC || u->size != size)
		return -EBADMSG;
	rows = (uint64_t)u->mask + 1;
	if (!settings_user_rows_fit(rows, size))
		return -EBADMSG;
	for (uint64_t i = 0; i < rows; i++) {
		if (u->row[i].hash == 0)
			continue;
		if (!settings_user_row_sane(&u->row[i]))
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

		if (user_row_is(row, hash, domain, name))
			return row;
	}
	return NULL;
}
