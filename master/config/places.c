/* places.c - see places.h. Relies on both configs having been checked: within one of them no two
 * zones, listeners or domains are the same. */
#include "places.h"

#include <errno.h>
#include <stdlib.h>

/* The place of each row of then, and how many places there are. */
struct places {
	uint16_t *of;
	size_t count, kept; /* all; those of now, which come first */
};

typedef bool (*places_same)(
	const struct config *now, size_t i, const struct config *then, size_t k);

static bool places_same_zone(
	const struct config *now, size_t i, const struct config *then, size_t k)
{
	return strcmp(now->zones[i].name, then->zones[k].name) == 0;
}

static bool places_same_listener(
	const struct config *now, size_t i, const struct config *then, size_t k)
{
	const struct config_listener *a = &now->listeners[i], *b = &then->listeners[k];

	return a->transport == b->transport && endpoint_equal(&a->bind, &b->bind);
}

static bool places_same_domain(
	const struct config *now, size_t i, const struct config *then, size_t k)
{
	return strcmp(now->domains[i].name, then->domains[k].name) == 0;
}

/* kept: rows of now; rows: of then. */
static int places_find(struct places *p, const struct config *now, size_t kept,
	const struct config *then, size_t rows, places_same same)
{
	*p = (struct places){
		.of = calloc(rows ? rows : 1, sizeof(*p->of)), .count = kept, .kept = kept};
	if (!p->of)
		return -ENOMEM;
	for (size_t k = 0; k < rows; k++) {
		size_t i = 0;

		while (i < kept && !same(now, i, then, k))
			i++;
		p->of[k] = (uint16_t)(i < kept ? i : p->count++);
	}
	return 0;
}

/* Moves the rows of then to their places. The places in between are zeroed: no name. */
static int places_move(const struct places *p, void *array, size_t *rows, size_t size)
{
	char **from = array, *to = calloc(p->count ? p->count : 1, size);

	if (!to)
		return -ENOMEM;
	for (size_t k = 0; k < *rows; k++)
		memcpy(to + p->of[k] * size, *from + k * size, size);
	free(*from);
	*from = to;
	*rows = p->count;
	return 0;
}

/* ---- what is gone, as it was ---- */

static char *places_text(const char *text, bool *failed)
{
	char *copy = text ? strdup(text) : NULL;

	*failed |= text && !copy;
	return copy;
}

static char **places_texts(char *const *texts, size_t *count, bool *failed)
{
	char **copy = calloc(*count ? *count : 1, sizeof(*copy));

	*failed |= !copy;
	for (size_t i = 0; copy && i < *count; i++)
		copy[i] = places_text(texts[i], failed);
	if (!copy)
		*count = 0;
	return copy;
}

#define KEEP_NUMBER(field)
#define KEEP_STRING(field) field = places_text(field, failed)
#define KEEP_DURATION(least, most) KEEP_NUMBER
#define KEEP_SECONDS_OR_OFF(least, most) KEEP_NUMBER
#define KEEP_COUNT(least, most) KEEP_NUMBER
#define KEEP_COUNT_OR_OFF(least, most) KEEP_NUMBER
#define KEEP_SIZE(least, most) KEEP_NUMBER
#define KEEP_BOOL KEEP_NUMBER
#define KEEP_WORD(words) KEEP_NUMBER
#define KEEP_PATH KEEP_STRING
#define KEEP_TEXT(most) KEEP_STRING
#define CONFIG_KEEP(section, name, kind, preset, field, receivers, help) KEEP_##kind(x->field);

static struct prefix *places_prefixes(const struct prefix *from, size_t count, bool *failed)
{
	struct prefix *copy = calloc(count ? count : 1, sizeof(*copy));

	*failed |= !copy;
	if (copy && count)
		memcpy(copy, from, count * sizeof(*copy));
	return copy;
}

static struct config_rules places_rules(const struct config_rules *from, bool *failed)
{
	struct config_rules copy = {
		.rule = calloc(from->count ? from->count : 1, sizeof(*copy.rule))};

	*failed |= !copy.rule;
	for (; copy.rule && copy.count < from->count; copy.count++) {
		copy.rule[copy.count] = from->rule[copy.count];
		copy.rule[copy.count].text = places_text(from->rule[copy.count].text, failed);
	}
	return copy;
}

/* What comes from a zone that is gone are requests within calls and responses: its rules for those
 * go on. */
static void places_keep_zone(struct config_zone *x, const struct config_zone *from, bool *failed)
{
	*x = *from;
	x->gone = true;
	x->name = places_text(from->name, failed);
	x->sources = places_prefixes(from->sources, x->source_count, failed);
	x->deny = places_prefixes(from->deny, x->deny_count, failed);
	x->never_ban = places_prefixes(from->never_ban, x->never_ban_count, failed);
	x->hidden_names = places_texts(from->hidden_names, &x->hidden_name_count, failed);
	x->rules = places_rules(&from->rules, failed);
#define OPTION CONFIG_KEEP
#define OPTIONS OPTIONS_OF_ZONE
#include "ipc/options.def"
}

/* Its connections go on; for new ones it has no certificate, and no authority to ask. */
static void places_keep_listener(
	struct config_listener *x, const struct config_listener *from, bool *failed)
{
	*x = *from;
	x->gone = true;
	x->name = places_text(from->name, failed);
	x->advertise_host = places_text(from->advertise_host, failed);
	x->origins = places_texts(from->origins, &x->origin_count, failed);
	x->certificate_count = 0;
#define OPTION CONFIG_KEEP
#define OPTIONS OPTIONS_OF_LISTENER
#include "ipc/options.def"
	free(x->client_ca);
	x->client_ca = NULL;
	x->client_auth = CLIENT_AUTH_NONE;
}

/* Nobody is its user any more. */
static void places_keep_domain(
	struct config_domain *x, const struct config_domain *from, bool *failed)
{
	*x = *from;
	x->gone = true;
	x->name = places_text(from->name, failed);
	x->realm = places_text(from->realm, failed);
	x->groups = places_texts(from->groups, &x->group_count, failed);
	x->users = (struct userfile){.count = 0};
#define OPTION CONFIG_KEEP
#define OPTIONS OPTIONS_OF_DOMAIN
#include "ipc/options.def"
	free(x->users_path);
	x->users_path = NULL;
}

/* ---- what names them ---- */

/* The bits of zones that have these places. */
static uint64_t places_bits(uint64_t bits, size_t zones, const struct places *p)
{
	uint64_t out = 0;

	for (size_t k = 0; k < zones; k++)
		if (bits >> k & 1)
			out |= UINT64_C(1) << p->of[k];
	return out;
}

static void places_rename_zones(struct config *c, const struct places *p)
{
	for (size_t i = 0; i < c->listener_count; i++)
		c->listeners[i].zone = p->of[c->listeners[i].zone];
	for (size_t i = 0; i < c->trunk_count; i++)
		c->trunks[i].zone = p->of[c->trunks[i].zone];
	for (size_t i = 0; i < c->route_count; i++)
		c->routes[i].from = places_bits(c->routes[i].from, c->zone_count, p);
	for (size_t i = 0; i < c->numbers_count; i++)
		c->numbers[i].from = places_bits(c->numbers[i].from, c->zone_count, p);
}

static void places_rename_listeners(struct config *c, const struct places *p)
{
	for (size_t i = 0; i < c->trunk_count; i++)
		for (size_t k = 0; k < c->trunks[i].target_count; k++) {
			uint16_t *listener = &c->trunks[i].targets[k].listener;

			if (*listener != NONE_INDEX)
				*listener = p->of[*listener];
		}
}

static void places_rename_domains(struct config *c, const struct places *p)
{
	for (size_t i = 0; i < c->route_count; i++)
		if (c->routes[i].to_domain != NONE_INDEX)
			c->routes[i].to_domain = p->of[c->routes[i].to_domain];
	c->first_domain = c->domain_count ? p->of[0] : NONE_INDEX;
}

/* ---- all of it ---- */

static bool places_refuse_moves(
	const struct config *now, const struct config *then, struct config_errors *errors)
{
	bool refused = false;

	for (size_t k = 0; k < then->listener_count; k++)
		for (size_t i = 0; i < now->listener_count; i++) {
			const struct config_listener *a = &now->listeners[i],
						     *b = &then->listeners[k];
			const char *from = now->zones[a->zone].name,
				   *to = then->zones[b->zone].name;

			if (!places_same_listener(now, i, then, k) || strcmp(from, to) == 0)
				continue;
			config_error_add(errors, then->path, b->line,
				"listener \"%s\" cannot move from zone \"%s\" to \"%s\" while "
				"running: restart sipward",
				b->name, from, to);
			refused = true;
		}
	return refused;
}

static bool places_refuse_number(const struct places *p, size_t most, const char *what,
	const struct config *then, struct config_errors *errors)
{
	if (p->count <= most)
		return false;
	config_error_add(errors, then->path, 0,
		"there are %zu places for %s, and those that were removed while running keep "
		"theirs: restart sipward",
		most, what);
	return true;
}

static int places_take(const struct config *now, struct config *then, const struct places *zones,
	const struct places *listeners, const struct places *domains)
{
	bool failed = false;
	int error;

	places_rename_zones(then, zones);
	places_rename_listeners(then, listeners);
	places_rename_domains(then, domains);
	error = places_move(zones, &then->zones, &then->zone_count, sizeof(*then->zones));
	if (error == 0)
		error = places_move(listeners, &then->listeners, &then->listener_count,
			sizeof(*then->listeners));
	if (error == 0)
		error = places_move(
			domains, &then->domains, &then->domain_count, sizeof(*then->domains));
	if (error)
		return error;
	for (size_t i = 0; i < zones->kept; i++)
		if (!then->zones[i].name)
			places_keep_zone(&then->zones[i], &now->zones[i], &failed);
	for (size_t i = 0; i < listeners->kept; i++)
		if (!then->listeners[i].name)
			places_keep_listener(&then->listeners[i], &now->listeners[i], &failed);
	for (size_t i = 0; i < domains->kept; i++)
		if (!then->domains[i].name)
			places_keep_domain(&then->domains[i], &now->domains[i], &failed);
	return failed ? -ENOMEM : 0;
}

int places_keep(const struct config *now, struct config *then, struct config_errors *errors)
{
	struct places zones = {0}, listeners = {0}, domains = {0};
	bool refused = places_refuse_moves(now, then, errors);
	int error = places_find(
		&zones, now, now->zone_count, then, then->zone_count, places_same_zone);

	if (error == 0)
		error = places_find(&listeners, now, now->listener_count, then,
			then->listener_count, places_same_listener);
	if (error == 0)
		error = places_find(&domains, now, now->domain_count, then, then->domain_count,
			places_same_domain);
	if (error == 0) {
		refused |= places_refuse_number(&zones, ZONES_MAX, "zones", then, errors);
		refused |= places_refuse_number(
			&listeners, LISTENERS_MAX, "listeners", then, errors);
		refused |= places_refuse_number(&domains, DOMAINS_MAX, "domains", then, errors);
		error = refused ? -EINVAL : places_take(now, then, &zones, &listeners, &domains);
	}
	free(zones.of);
	free(listeners.of);
	free(domains.of);
	return error;
}
