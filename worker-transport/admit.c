/* admit.c - limits and bans per source.
 *
 * One table of fixed size, hashed with a key that nobody outside knows. A source stands on one of
 * two lists: the idle ones in order of their last use, from whose end room is made, and the banned
 * ones in order of their ban. A source with connections stands on neither, so its count cannot be
 * forgotten. Relies on: settings_zone_of.
 */
#include "admit.h"

#include "common/counters.h"
#include "common/hash.h"
#include "common/list.h"
#include "common/log.h"
#include "common/table.h"

#include "failed_users.h"
#include "stranger.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct source_key {
	uint64_t address; /* IPv4 address, or the upper half of an IPv6 one */
	uint32_t zone; /* hash of the zone's name: an index may name another zone after a reload */
	uint32_t family;
};

struct source_list {
	struct source *first, **end;
	size_t count;
};

struct source {
	struct table_node node;
	struct source *next, **link;
	struct source_list *list; /* the list it stands on, or NULL */
	struct source_key key;
	uint64_t level;  /* allowance left, in requests times rate_window_ms, so that it needs no
	                    fractions */
	uint64_t filled; /* when level was true */
	uint64_t failures_from; /* start of the window in which failures are counted */
	uint64_t banned_until;  /* 0: not banned */
	uint64_t serial;        /* of the ban */
	uint32_t failures;
	uint32_t connections;
	uint32_t handshakes;  /* of those connections, in progress */
	bool stranger;        /* no source of its zone, which is trusted */
	uint32_t emergencies; /* let in beyond its rate, in the second below */
	uint64_t emergency_second;
};

/* What a zone bans by, kept because settings are replaced. */
struct ban_rule {
	uint32_t zone; /* hash of its name */
	uint32_t failures, window_ms, ban_ms, attempts;
};

struct admit {
	const struct settings *settings;
	struct hash_key key;
	struct table table;
	struct source_list idle, banned;
	struct source *source; /* all of them */
	size_t used;           /* of source[] */
	uint32_t strangers;    /* connections of strangers */
	uint32_t zone[ZONES_MAX];
	struct ban_rule rule[ZONES_MAX]; /* of the settings */
	unsigned rules;
	struct failed_users failed;
	const struct lifeline_bans *orders; /* of an operator */
	uint64_t serial;                    /* of the last ban */
};

static void source_unlist(struct source *s)
{
	struct source_list *l = s->list;

	if (!l)
		return;
	queue_remove(l, s);
	s->list = NULL;
	l->count--;
}

static void source_list_append(struct source_list *l, struct source *s)
{
	source_unlist(s);
	queue_append(l, s);
	s->list = l;
	l->count++;
}

int admit_new(
	struct admit **out, const struct settings *settings, const struct lifeline_bans *orders)
{
	struct admit *a = calloc(1, sizeof(*a));
	int error;

	if (!a)
		return -ENOMEM;
	/* memory is touched only as sources come: an idle worker does not pay for the bound */
	a->source = calloc(SOURCES_MAX, sizeof(*a->source));
	error = a->source ? table_init(&a->table, 1024) : -ENOMEM;
	if (error) {
		admit_free(a);
		return error;
	}
	a->orders = orders;
	hash_key_random(&a->key);
	admit_settings(a, settings);
	*out = a;
	return 0;
}

void admit_free(struct admit *a)
{
	if (!a)
		return;
	table_free(&a->table);
	free(a->source);
	free(a);
}

/* The part of an address by which sources differ: all of it, or the /64 of an IPv6 address. */
static uint64_t source_address(const struct endpoint *peer)
{
	uint64_t part = 0;

	memcpy(&part, peer->address, peer->family == 6 ? 8 : 4);
	return part;
}

bool admit_same_source(const struct endpoint *a, const struct endpoint *b)
{
	return a->family == b->family && source_address(a) == source_address(b);
}

static bool source_same(const struct table_node *node, const void *key)
{
	const struct source *s = container_of(node, struct source, node);

	return memcmp(&s->key, key, sizeof(s->key)) == 0;
}

static struct source *source_find(const struct admit *a, unsigned zone, const struct endpoint *peer,
	struct source_key *key, uint64_t *hash)
{
	struct table_node *node;

	*key = (struct source_key){
		.address = source_address(peer), .zone = a->zone[zone], .family = peer->family};
	*hash = hash_bytes(&a->key, key, sizeof(*key));
	node = table_find(&a->table, *hash, source_same, key);
	return node ? container_of(node, struct source, node) : NULL;
}

/* Puts s on the list that its state asks for, or on none. */
static void source_settle(struct admit *a, struct source *s)
{
	if (s->banned_until) {
		if (s->list != &a->banned)
			source_list_append(&a->banned, s);
	} else if (s->connections) {
		source_unlist(s);
	} else {
		source_list_append(&a->idle, s);
	}
}

/* The source of peer, which is made where it is new. NULL where every place is held by a connection
 * or a ban. */
static struct source *source_get(
	struct admit *a, unsigned zone, const struct endpoint *peer, uint64_t now)
{
	const struct zone_settings *z = settings_zone(a->settings, zone);
	struct source_key key;
	uint64_t hash;
	uint32_t window_ms, rate = stranger_limit_rate(z, &window_ms);
	struct source *s = source_find(a, zone, peer, &key, &hash);

	if (s) {
		source_settle(a, s);
		return s;
	}
	if (a->used < SOURCES_MAX) {
		s = &a->source[a->used++];
	} else if (a->idle.first) {
		s = a->idle.first;
		source_unlist(s);
		table_remove(&a->table, &s->node);
		count(ADMIT_FORGOTTEN);
	} else {
		return NULL;
	}
	*s = (struct source){.key = key,
		.level = (uint64_t)rate * window_ms,
		.filled = now,
		.stranger = z->trust};
	table_add(&a->table, &s->node, hash);
	source_settle(a, s);
	counter_set(COUNTER_SOURCES, a->table.count);
	return s;
}

static void source_unban(struct admit *a, struct source *s)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): a list with a count has a first */
	s->banned_until = 0;
	s->failures = 0;
	source_settle(a, s);
	counter_set(COUNTER_BANS, a->banned.count);
}

/* ---- never-ban, and bans that the config takes back ---- */

/* Whether one of the prefixes has the peer. */
static bool admit_is_among(
	const struct admit *a, struct array prefixes, const struct endpoint *peer)
{
	const struct prefix *p = settings_array(a->settings, prefixes);

	for (uint32_t i = 0; i < prefixes.count; i++)
		if (prefix_contains(&p[i], peer))
			return true;
	return false;
}

static bool admit_spares(
	const struct admit *a, const struct zone_settings *z, const struct endpoint *peer)
{
	return admit_is_among(a, z->never_ban, peer);
}

/* What is known of a source's address: of an IPv6 one the upper half. */
static struct endpoint source_endpoint(const struct source *s)
{
	struct endpoint e = {.family = (uint8_t)s->key.family};

	memcpy(e.address, &s->key.address, s->key.family == 6 ? 8 : 4);
	return e;
}

static struct ban_rule ban_rule_of(const struct admit *a, unsigned zone)
{
	const struct zone_settings *z = settings_zone(a->settings, zone);
	struct ban_rule rule = {.zone = a->zone[zone]};

	if (z->trust || z->ban_failures == 0)
		return rule;
	rule.failures = z->ban_failures;
	rule.window_ms = z->ban_window_ms;
	rule.ban_ms = z->ban_ms;
	rule.attempts = z->ban_attempts;
	return rule;
}

/* Whether the settings still have the rule that banned s, one of the old rules. */
static bool ban_stands(
	const struct admit *a, const struct ban_rule *old, unsigned rules, const struct source *s)
{
	struct endpoint peer = source_endpoint(s);
	unsigned zone = 0, i = 0;

	while (zone < a->rules && a->rule[zone].zone != s->key.zone)
		zone++;
	while (i < rules && old[i].zone != s->key.zone)
		i++;
	return zone < a->rules && i < rules &&
	       memcmp(&a->rule[zone], &old[i], sizeof(old[i])) == 0 &&
	       !admit_spares(a, settings_zone(a->settings, zone), &peer);
}

void admit_settings(struct admit *a, const struct settings *settings)
{
	struct ban_rule old[ZONES_MAX];
	unsigned rules = a->rules, lifted = 0;
	struct source *next;

	memcpy(old, a->rule, sizeof(old));
	a->settings = settings;
	a->rules = settings->zones.count < ZONES_MAX ? settings->zones.count : ZONES_MAX;
	for (unsigned i = 0; i < a->rules; i++) {
		a->zone[i] = (uint32_t)hash_str(
			&a->key, settings_str(settings, settings_zone(settings, i)->name));
		a->rule[i] = ban_rule_of(a, i);
	}
	for (struct source *s = a->banned.first; s; s = next) {
		next = s->next;
		if (ban_stands(a, old, rules, s))
			continue;
		source_unban(a, s);
		lifted++;
	}
	if (lifted) {
		counter_add(COUNTER_BANS_LIFTED, lifted);
		log_info("bans-lifted", "bans=%u reason=\"the config\"", lifted);
	}
}

unsigned admit_lift(struct admit *a, const struct prefix *sources, uint64_t now)
{
	struct prefix in = sources ? *sources : (struct prefix){0};
	struct source *next;
	unsigned lifted = 0;

	if (in.network.family == 6 && in.bits > 64)
		in.bits = 64;
	for (struct source *s = a->banned.first; s; s = next) {
		struct endpoint peer = source_endpoint(s);

		next = s->next;
		if (sources && !prefix_contains(&in, &peer))
			continue;
		lifted += now < s->banned_until;
		source_unban(a, s);
	}
	counter_add(COUNTER_BANS_LIFTED, lifted);
	return lifted;
}

void admit_bans_each(struct admit *a, uint64_t after, uint64_t now,
	void (*visit)(const struct ban_view *ban, void *arg), void *arg)
{
	for (const struct source *s = a->banned.first; s; s = s->next) {
		struct ban_view ban = {.serial = s->serial,
			.source = source_endpoint(s),
			.network = s->key.family == 6,
			.zone = NONE_INDEX,
			.left = s->banned_until - now};

		if (s->serial <= after || now >= s->banned_until)
			continue;
		for (unsigned i = 0; i < a->rules; i++)
			if (a->rule[i].zone == s->key.zone)
				ban.zone = i;
		visit(&ban, arg);
	}
}

/* ---- what sources are asked ---- */

/* Whether an operator has banned it. There are few such bans, if any. */
static bool admit_is_ordered(const struct admit *a, const struct endpoint *peer, uint64_t now)
{
	for (uint32_t i = 0; i < a->orders->count; i++)
		if (prefix_contains(&a->orders->ban[i].sources, peer) &&
			(a->orders->ban[i].until == 0 || now < a->orders->ban[i].until))
			return true;
	return false;
}

/* Whether a source of that zone, which is not trusted, is banned. The usual case costs no
 * look-up. */
static bool admit_zone_bans(
	struct admit *a, unsigned zone, const struct endpoint *peer, uint64_t now)
{
	struct source_key key;
	uint64_t hash;
	struct source *s = a->banned.count ? source_find(a, zone, peer, &key, &hash) : NULL;
	bool banned = s && s->banned_until;

	if (banned && now >= s->banned_until) {
		source_unban(a, s);
		banned = false;
	}
	banned = banned || (a->orders->count && admit_is_ordered(a, peer, now));
	/* what is banned as a whole may hold an address that is spared */
	return banned && !admit_spares(a, settings_zone(a->settings, zone), peer);
}

int admit_source(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now)
{
	bool permitted;
	unsigned zone = settings_zone_of(a->settings, listener, peer, &permitted);

	if (admit_is_among(a, settings_zone(a->settings, zone)->deny, peer)) {
		count(DROP_DENIED);
		return -ENOENT;
	}
	if (!stranger_is_heard(a->settings, listener, permitted)) {
		count(DROP_NOT_A_SOURCE);
		return -EACCES;
	}
	if (stranger_is_none(settings_zone(a->settings, zone), permitted) ||
		!admit_zone_bans(a, zone, peer, now))
		return 0;
	count(DROP_BANNED);
	return -EPERM;
}

bool admit_is_banned(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now)
{
	bool permitted;
	unsigned zone = settings_zone_of(a->settings, listener, peer, &permitted);

	return !stranger_is_none(settings_zone(a->settings, zone), permitted) &&
	       admit_zone_bans(a, zone, peer, now);
}

bool admit_is_denied(const struct admit *a, unsigned listener, const struct endpoint *peer)
{
	bool permitted;
	unsigned zone = settings_zone_of(a->settings, listener, peer, &permitted);

	return admit_is_among(a, settings_zone(a->settings, zone)->deny, peer);
}

int admit_request(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now)
{
	bool permitted;
	unsigned zone = settings_zone_of(a->settings, listener, peer, &permitted);
	const struct zone_settings *z = settings_zone(a->settings, zone);
	uint32_t window_ms, rate = stranger_limit_rate(z, &window_ms);
	uint64_t full = (uint64_t)rate * window_ms;
	struct source *s;

	if (stranger_is_none(z, permitted) || rate == 0)
		return 0;
	s = source_get(a, zone, peer, now);
	if (s) {
		uint64_t passed = now > s->filled ? now - s->filled : 0;

		s->filled = now;
		/* at most a window's worth counts, so the product cannot wrap */
		s->level += (passed < window_ms ? passed : window_ms) * rate;
		if (s->level > full)
			s->level = full;
		if (s->level >= window_ms) {
			s->level -= window_ms;
			return 0;
		}
	}
	return -EBUSY;
}

int admit_emergency(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now)
{
	bool permitted;
	unsigned zone = settings_zone_of(a->settings, listener, peer, &permitted);
	struct source *s = source_get(a, zone, peer, now);

	if (!s)
		return -EBUSY;
	if (s->emergency_second != now / 1000) {
		s->emergency_second = now / 1000;
		s->emergencies = 0;
	}
	if (s->emergencies == EMERGENCY_REQUESTS)
		return -EBUSY;
	s->emergencies++;
	count(EMERGENCY_PAST_RATE);
	return 0;
}

int admit_connect(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now,
	struct source **held)
{
	bool permitted;
	unsigned zone = settings_zone_of(a->settings, listener, peer, &permitted);
	const struct zone_settings *z = settings_zone(a->settings, zone);
	struct source *s;

	if (stranger_is_none(z, permitted)) {
		*held = NULL;
		return 0;
	}
	s = source_get(a, zone, peer, now);
	if (!s || !stranger_limit_connects(z, s->connections + 1, a->strangers + 1)) {
		count(STREAM_REFUSED_SOURCE);
		return -EMFILE;
	}
	a->strangers += s->stranger;
	s->connections++;
	source_settle(a, s);
	*held = s;
	return 0;
}

void admit_disconnect(struct admit *a, struct source *held)
{
	if (!held)
		return;
	assert(held->connections > 0);
	held->connections--;
	a->strangers -= held->stranger;
	source_settle(a, held);
}

int admit_handshake(struct source *held, unsigned limit)
{
	if (!held)
		return 0;
	if (limit && held->handshakes >= limit)
		return -EBUSY;
	held->handshakes++;
	return 0;
}

void admit_handshake_done(struct source *held)
{
	if (!held)
		return;
	assert(held->handshakes > 0);
	held->handshakes--;
}

/* Makes room for a ban: ends those that are over, and the oldest where all places are still taken.
 */
static void admit_make_room(struct admit *a, uint64_t now)
{
	struct source *next;

	if (a->banned.count < BANS_MAX)
		return;
	for (struct source *s = a->banned.first; s; s = next) {
		next = s->next;
		if (now >= s->banned_until)
			source_unban(a, s);
	}
	if (a->banned.count >= BANS_MAX) {
		count(BANS_CUT);
		source_unban(a, a->banned.first);
	}
}

/* Whether an attempt with that name is a failure in the sense of the zone's rule. */
static bool admit_attempt_counts(struct admit *a, const struct zone_settings *z,
	const struct source *s, uint64_t user, uint64_t now)
{
	/* after a ban that is over all count anew */
	uint64_t part[] = {
		s->key.address, (uint64_t)s->key.zone << 32 | s->key.family, s->serial, user};

	return user == 0 || failed_users_count(&a->failed, hash_bytes(&a->key, part, sizeof(part)),
				    now, z->ban_window_ms, z->ban_attempts);
}

/* The one line that deploy/fail2ban reads: it has addresses without brackets. */
static void admit_log_ban(
	const struct admit *a, const struct zone_settings *z, const struct endpoint *peer)
{
	char address[ENDPOINT_TEXT_SIZE], name[80];

	endpoint_address_text(peer, address);
	log_warn("banned", "source=%s zone=%s for=%us", address,
		log_value(settings_str(a->settings, z->name), name, sizeof(name)),
		z->ban_ms / 1000);
}

bool admit_penalty(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t user,
	uint64_t now)
{
	bool permitted;
	unsigned zone = settings_zone_of(a->settings, listener, peer, &permitted);
	const struct zone_settings *z = settings_zone(a->settings, zone);
	struct source *s;

	if (z->trust || z->ban_failures == 0)
		return false;
	if (admit_spares(a, z, peer)) {
		count(BANS_SPARED);
		return false;
	}
	s = source_get(a, zone, peer, now);
	if (!s)
		return false;
	if (s->banned_until) {
		if (now < s->banned_until)
			return false;
		source_unban(a, s);
	}
	if (!admit_attempt_counts(a, z, s, user, now)) {
		count(BAN_ATTEMPTS_ALIKE);
		return false;
	}
	if (s->failures == 0 || now - s->failures_from >= z->ban_window_ms) {
		s->failures = 0;
		s->failures_from = now;
	}
	if (++s->failures < z->ban_failures)
		return false;
	admit_make_room(a, now);
	s->banned_until = now + (z->ban_ms ? z->ban_ms : 1);
	s->serial = ++a->serial;
	source_settle(a, s);
	count(BANS_MADE);
	counter_set(COUNTER_BANS, a->banned.count);
	admit_log_ban(a, z, peer);
	return true;
}
