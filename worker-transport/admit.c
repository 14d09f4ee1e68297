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
	uint32_t failures;
	uint32_t connections;
	uint32_t handshakes; /* of those connections, in progress */
};

struct admit {
	const struct settings *settings;
	struct hash_key key;
	struct table table;
	struct source_list idle, banned;
	struct source *source; /* all of them */
	size_t used;           /* of source[] */
	uint32_t zone[ZONES_MAX];
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

int admit_new(struct admit **out, const struct settings *settings)
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

void admit_settings(struct admit *a, const struct settings *settings)
{
	a->settings = settings;
	for (unsigned i = 0; i < settings->zones.count && i < ZONES_MAX; i++)
		a->zone[i] = (uint32_t)hash_str(
			&a->key, settings_str(settings, settings_zone(settings, i)->name));
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
	*s = (struct source){
		.key = key, .level = (uint64_t)z->rate * z->rate_window_ms, .filled = now};
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

int admit_source(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now)
{
	bool permitted;
	unsigned zone = settings_zone_of(a->settings, listener, peer, &permitted);
	struct source *s;
	struct source_key key;
	uint64_t hash;

	if (settings_zone(a->settings, zone)->trust) {
		if (permitted)
			return 0;
		count(DROP_NOT_A_SOURCE);
		return -EACCES;
	}
	if (a->banned.count == 0) /* the usual case costs no look-up */
		return 0;
	s = source_find(a, zone, peer, &key, &hash);
	if (!s || !s->banned_until)
		return 0;
	if (now >= s->banned_until) {
		source_unban(a, s);
		return 0;
	}
	count(DROP_BANNED);
	return -EPERM;
}

int admit_request(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now)
{
	bool permitted;
	unsigned zone = settings_zone_of(a->settings, listener, peer, &permitted);
	const struct zone_settings *z = settings_zone(a->settings, zone);
	uint64_t full = (uint64_t)z->rate * z->rate_window_ms;
	struct source *s;

	if (z->trust || z->rate == 0)
		return 0;
	s = source_get(a, zone, peer, now);
	if (s) {
		uint64_t passed = now > s->filled ? now - s->filled : 0;

		s->filled = now;
		/* at most a window's worth counts, so the product cannot wrap */
		s->level += (passed < z->rate_window_ms ? passed : z->rate_window_ms) * z->rate;
		if (s->level > full)
			s->level = full;
		if (s->level >= z->rate_window_ms) {
			s->level -= z->rate_window_ms;
			return 0;
		}
	}
	count(DROP_RATE);
	return -EBUSY;
}

int admit_connect(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now,
	struct source **held)
{
	bool permitted;
	unsigned zone = settings_zone_of(a->settings, listener, peer, &permitted);
	const struct zone_settings *z = settings_zone(a->settings, zone);
	struct source *s;

	if (z->trust) {
		*held = NULL;
		return 0;
	}
	s = source_get(a, zone, peer, now);
	if (!s || (z->connections_per_source && s->connections >= z->connections_per_source)) {
		count(STREAM_REFUSED_SOURCE);
		return -EMFILE;
	}
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

bool admit_penalty(struct admit *a, unsigned listener, const struct endpoint *peer, uint64_t now)
{
	char host[ENDPOINT_TEXT_SIZE], name[64];
	bool permitted;
	unsigned zone = settings_zone_of(a->settings, listener, peer, &permitted);
	const struct zone_settings *z = settings_zone(a->settings, zone);
	struct source *s;

	if (z->trust || z->ban_failures == 0)
		return false;
	s = source_get(a, zone, peer, now);
	if (!s)
		return false;
	if (s->banned_until) {
		if (now < s->banned_until)
			return false;
		source_unban(a, s);
	}
	if (s->failures == 0 || now - s->failures_from >= z->ban_window_ms) {
		s->failures = 0;
		s->failures_from = now;
	}
	if (++s->failures < z->ban_failures)
		return false;
	admit_make_room(a, now);
	s->banned_until = now + (z->ban_ms ? z->ban_ms : 1);
	source_settle(a, s);
	count(BANS_MADE);
	counter_set(COUNTER_BANS, a->banned.count);
	endpoint_host_text(peer, host);
	log_warn("banned", "source=%s zone=%s for=%us", host,
		log_value(settings_str(a->settings, z->name), name, sizeof(name)),
		z->ban_ms / 1000);
	return true;
}
