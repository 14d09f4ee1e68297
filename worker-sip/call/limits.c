/* limits.c - see limits.h. */
#include "limits.h"

#include "common/hash.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

int limits_map(struct limit_page **out, int fd, unsigned index)
{
	struct stat st;
	void *at;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size != sizeof(struct limit_page) || index >= ROLE_WORKERS_MAX)
		return -EBADMSG;
	at = mmap(NULL, sizeof(struct limit_page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*out = at;
	/* gives the memory back, too */
	if (madvise((*out)->row[index], sizeof((*out)->row[index]), MADV_REMOVE))
		memset((*out)->row[index], 0, sizeof((*out)->row[index]));
	return 0;
}

/* ---- the page ---- */

#define LIMIT_LOAD(place) __atomic_load_n(&(place), __ATOMIC_RELAXED)
#define LIMIT_STORE(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELAXED)

/* The second or the hour; the same in all workers, to what a turn of the loop takes. */
static uint32_t limit_time(const struct sip *sip, bool hourly)
{
	return (uint32_t)(loop_now(sip->loop) / (hourly ? 3600000 : 1000));
}

static struct limit_row *limit_find(struct limit_page *page, unsigned column, uint64_t key)
{
	for (unsigned i = 0; i < LIMIT_PROBES; i++) {
		struct limit_row *row = &page->row[column][(key + i) % LIMIT_ROWS];
		uint64_t found = LIMIT_LOAD(row->key);

		if (found == key)
			return row;
		if (found == 0)
			return NULL;
	}
	return NULL;
}

/* The row of key in this worker's own column, made where it has none. NULL: no room. */
static struct limit_row *limit_own(struct sip *sip, uint64_t key, bool hourly)
{
	struct limit_row *row = limit_find(sip->limits, sip->index, key);

	for (unsigned i = 0; i < LIMIT_PROBES && !row; i++) {
		struct limit_row *r = &sip->limits->row[sip->index][(key + i) % LIMIT_ROWS];

		if (r->key && (r->calls || r->second == limit_time(sip, r->hourly)))
			continue;
		row = r;
		LIMIT_STORE(row->hourly, hourly);
		LIMIT_STORE(row->begun, 0);
		LIMIT_STORE(row->key, key);
	}
	return row;
}

static bool limits_add(struct sip *sip, uint64_t key, uint32_t begins, bool hourly)
{
	if (!key || !sip->limits)
		return true;
	uint32_t second = limit_time(sip, hourly);
	struct limit_row *row = limit_own(sip, key, hourly);

	if (!row) {
		count(LIMITS_FULL);
		return false;
	}
	LIMIT_STORE(row->calls, row->calls + 1);
	LIMIT_STORE(row->begun, row->second == second ? row->begun + begins : begins);
	LIMIT_STORE(row->second, second);
	return true;
}

bool limits_take(struct sip *sip, uint64_t key)
{
	return limits_add(sip, key, 1, false);
}

bool limits_take_again(struct sip *sip, uint64_t key)
{
	return limits_add(sip, key, 0, false);
}

void limits_take_all(struct sip *sip, uint64_t key[LIMIT_KEYS])
{
	for (unsigned i = 0; i < LIMIT_KEYS; i++)
		if (!limits_add(sip, key[i], 1, i == LIMIT_HOURLY))
			key[i] = 0;
}

void limits_give(struct sip *sip, uint64_t key)
{
	struct limit_row *row = key && sip->limits ? limit_find(sip->limits, sip->index, key)
	                                           : NULL;

	if (row && row->calls)
		LIMIT_STORE(row->calls, row->calls - 1);
}

struct limit_sum {
	uint64_t calls, begun;
};

void limits_slots_changed(struct sip *sip)
{
	sip->limit_columns = 0;
	for (unsigned i = 0; i < SLOT_COUNT; i++)
		if (sip->slots.worker[i] >= sip->limit_columns)
			sip->limit_columns = sip->slots.worker[i] + 1u;
}

/* So many have a worker: those of the config, and one that is to go owns slots until its calls are
 * over. */
unsigned limits_columns(const struct sip *sip)
{
	unsigned n = sip->settings->workers[PEER_SIP];

	if (n < sip->limit_columns)
		n = sip->limit_columns;
	return n < ROLE_WORKERS_MAX ? n : ROLE_WORKERS_MAX;
}

static struct limit_sum limit_sum(const struct sip *sip, uint64_t key, bool hourly)
{
	struct limit_sum sum = {0, 0};
	uint32_t second = limit_time(sip, hourly);
	unsigned columns = limits_columns(sip);

	for (unsigned i = 0; i < columns; i++) {
		const struct limit_row *row = limit_find(sip->limits, i, key);

		if (!row)
			continue;
		sum.calls += LIMIT_LOAD(row->calls);
		if (LIMIT_LOAD(row->second) == second)
			sum.begun += LIMIT_LOAD(row->begun);
	}
	return sum;
}

uint64_t limits_held(const struct sip *sip, uint64_t key)
{
	return key && sip->limits ? limit_sum(sip, key, false).calls : 0;
}

/* ---- keys ---- */

enum limit_kind {
	LIMIT_OF_ZONE = 1,
	LIMIT_OF_SOURCE,
	LIMIT_OF_USER,
	LIMIT_OF_TRUNK,
	LIMIT_OF_CALLEE,
	LIMIT_OF_NUMBERS,
	LIMIT_OF_MINUTES,
	LIMIT_OF_ALL_MINUTES,
	LIMIT_OF_SUBSCRIPTIONS,
	LIMIT_OF_SUBSCRIBER
};

/* name: of the zone, the user's domain or the trunk, for an index may name another one after a
 * reload. */
static uint64_t limit_key(
	const struct sip *sip, enum limit_kind kind, struct text name, struct str of)
{
	const struct hash_key *key = &sip->keys.slot_key;
	uint64_t part[] = {
		kind, hash_str(key, settings_str(sip->settings, name)), hash_str(key, of)};
	uint64_t hash = hash_bytes(key, part, sizeof(part));

	return hash ? hash : 1;
}

/* One of the limits that a request meets. */
struct limit {
	uint64_t key;               /* 0: there is none */
	uint32_t calls, per_second; /* or per hour */
	bool hourly;
};

static struct limit limit_of(const struct sip *sip, enum limit_kind kind, struct text name,
	struct str of, uint32_t calls, uint32_t per_second)
{
	struct limit l = {.calls = calls, .per_second = per_second};

	if (sip->limits && (calls || per_second))
		l.key = limit_key(sip, kind, name, of);
	return l;
}

/* The address of a source, or its IPv6 /64. */
static struct str limit_source(const struct incoming *in)
{
	const struct endpoint *peer = &in->message->flow.peer;

	return (struct str){(const char *)peer->address, peer->family == 6 ? 8 : 4};
}

static struct limit limit_of_trunk(const struct sip *sip, unsigned trunk)
{
	if (trunk >= sip->settings->trunks.count)
		return (struct limit){0};
	const struct trunk_settings *t = settings_trunk(sip->settings, trunk);

	return limit_of(sip, LIMIT_OF_TRUNK, t->name, STR_EMPTY, t->max_calls, t->calls_per_second);
}

/* Who calls, as a list of numbers knows him: by user and domain, in buffer, or by his source. */
#define LIMIT_CALLER_MAX (USER_NAME_MAX + sizeof(uint64_t))
static struct str limit_caller(const struct incoming *in, char buffer[LIMIT_CALLER_MAX])
{
	const struct sip *sip = in->sip;
	const struct identity *sender = &in->sender;

	if (!sender->authenticated || sender->domain >= sip->settings->domains.count)
		return limit_source(in);
	uint64_t domain = hash_str(&sip->keys.slot_key,
		settings_str(sip->settings, settings_domain(sip->settings, sender->domain)->name));
	memcpy(buffer, &domain, sizeof(domain));
	memcpy(buffer + sizeof(domain), sender->name, sender->name_length);
	return (struct str){buffer, sizeof(domain) + sender->name_length};
}

/* The list of numbers that permits the call; NULL: none does. */
static const struct number_list_settings *limit_number_list(const struct incoming *in)
{
	const struct settings *s = in->sip->settings;

	return in->number_list < s->number_lists.count
	               ? SETTINGS_ROW(
				 s, struct number_list_settings, s->number_lists, in->number_list)
	               : NULL;
}

/* That of the list of numbers which permits the call, for who calls. */
static struct limit limit_of_numbers(const struct incoming *in)
{
	const struct number_list_settings *l = limit_number_list(in);
	char caller[LIMIT_CALLER_MAX];

	if (!l)
		return (struct limit){0};
	struct limit limit = limit_of(
		in->sip, LIMIT_OF_NUMBERS, l->name, limit_caller(in, caller), 0, l->calls_per_hour);
	limit.hourly = true;
	return limit;
}

uint64_t limits_minutes_key(const struct incoming *in, bool caller)
{
	const struct number_list_settings *l = limit_number_list(in);
	char text[LIMIT_CALLER_MAX];

	if (!l)
		return 0;
	return limit_key(in->sip, caller ? LIMIT_OF_MINUTES : LIMIT_OF_ALL_MINUTES, l->name,
		caller ? limit_caller(in, text) : STR_EMPTY);
}

/* Those of zone, source, user, who is called and the list of numbers, in this order. */
static void limits_of(const struct incoming *in, struct limit limit[LIMIT_KEYS])
{
	const struct sip *sip = in->sip;
	const struct zone_settings *z = settings_zone(sip->settings, in->zone);
	const struct identity *sender = &in->sender;

	limit[0] = limit_of(
		sip, LIMIT_OF_ZONE, z->name, STR_EMPTY, z->max_calls, z->calls_per_second);
	limit[1] = limit_of(sip, LIMIT_OF_SOURCE, z->name, limit_source(in),
		z->max_calls_per_source, z->calls_per_second_per_source);
	limit[2] = (struct limit){0};
	if (sender->authenticated && sender->domain < sip->settings->domains.count) {
		const struct domain_settings *d = settings_domain(sip->settings, sender->domain);

		limit[2] = limit_of(sip, LIMIT_OF_USER, d->name,
			(struct str){sender->name, sender->name_length}, d->max_calls_per_user,
			d->calls_per_second_per_user);
	}
	limit[3] = (struct limit){.key = in->callee};
	if (in->callee && in->callee_domain < sip->settings->domains.count)
		limit[3].calls =
			settings_domain(sip->settings, in->callee_domain)->max_calls_to_user;
	limit[LIMIT_HOURLY] = limit_of_numbers(in);
}

uint64_t limits_subscription_key(const struct incoming *in, bool user)
{
	const struct identity *sender = &in->sender;
	const struct text nothing = {0, 0};

	if (!in->sip->limits)
		return 0;
	if (!user)
		return limit_key(in->sip, LIMIT_OF_SUBSCRIPTIONS, nothing, STR_EMPTY);
	return limit_key(in->sip, LIMIT_OF_SUBSCRIBER,
		settings_domain(in->sip->settings, sender->domain)->name,
		(struct str){sender->name, sender->name_length});
}

uint64_t limits_callee_key(const struct sip *sip, unsigned domain, struct str aor)
{
	const struct domain_settings *d = settings_domain(sip->settings, domain);

	return limit_of(sip, LIMIT_OF_CALLEE, d->name, aor, d->max_calls_to_user, 0).key;
}

uint64_t limits_trunk_key(struct sip *sip, unsigned trunk)
{
	return limit_of_trunk(sip, trunk).key;
}

/* ---- what they say ---- */

enum limit_met { LIMIT_MET_NONE, LIMIT_MET_CALLS, LIMIT_MET_RATE };

static enum limit_met limit_meets(const struct sip *sip, const struct limit *l)
{
	if (!l->key)
		return LIMIT_MET_NONE;
	struct limit_sum sum = limit_sum(sip, l->key, l->hourly);

	if (l->calls && sum.calls >= l->calls)
		return LIMIT_MET_CALLS;
	return l->per_second && sum.begun >= l->per_second ? LIMIT_MET_RATE : LIMIT_MET_NONE;
}

/* How each is answered. */
static const struct {
	enum counter calls, rate;
	unsigned status;
	struct str headers;
} limit_answers[LIMIT_KEYS] = {
	{COUNTER_LIMIT_ZONE_CALLS, COUNTER_LIMIT_ZONE_RATE, 503,
		S("Retry-After: 2\r\nWarning: 399 gateway \"limit of the zone\"\r\n")},
	{COUNTER_LIMIT_SOURCE_CALLS, COUNTER_LIMIT_SOURCE_RATE, 503,
		S("Retry-After: 2\r\nWarning: 399 gateway \"limit of the source\"\r\n")},
	{COUNTER_LIMIT_USER_CALLS, COUNTER_LIMIT_USER_RATE, 486,
		S("Retry-After: 2\r\nWarning: 399 gateway \"limit of the user\"\r\n")},
	{COUNTER_LIMIT_CALLEE_CALLS, COUNTER_LIMIT_CALLEE_CALLS, 486,
		S("Retry-After: 2\r\nWarning: 399 gateway \"limit of the called user\"\r\n")},
	{COUNTER_LIMIT_NUMBERS_HOUR, COUNTER_LIMIT_NUMBERS_HOUR, 403,
		S("Warning: 399 gateway \"limit of calls an hour to such numbers\"\r\n")},
};

static void limit_explain(const struct incoming *in, const struct limit *l, const char *what,
	const char *section, struct str of)
{
	const struct explanation_place place = {section, of, NONE_INDEX, 0};

	if (!l->key)
		return;
	struct limit_sum sum = limit_sum(in->sip, l->key, l->hourly);

	explanation_say_of(in->explanation, "limit", str_of(what), &place,
		"%llu calls of %u, %llu this %s of %u (0: no limit)%s",
		(unsigned long long)sum.calls, l->calls, (unsigned long long)sum.begun,
		l->hourly ? "hour" : "second", l->per_second,
		in->emergency ? ", which does not hold for emergency calls" : "");
}

static void limits_explain(const struct incoming *in, const struct limit limit[LIMIT_KEYS])
{
	const struct settings *s = in->sip->settings;
	struct str zone = settings_zone_name(s, in->zone), of[LIMIT_KEYS] = {zone, zone};

	if (in->sender.authenticated && in->sender.domain < s->domains.count)
		of[2] = settings_str(s, settings_domain(s, in->sender.domain)->name);
	if (in->callee && in->callee_domain < s->domains.count)
		of[3] = settings_str(s, settings_domain(s, in->callee_domain)->name);
	if (in->number_list < s->number_lists.count)
		of[LIMIT_HOURLY] = settings_str(s, SETTINGS_ROW(s, struct number_list_settings,
							   s->number_lists, in->number_list)
							   ->name);
	limit_explain(in, &limit[0], "zone", "zone", of[0]);
	limit_explain(in, &limit[1], "source", "zone", of[1]);
	limit_explain(in, &limit[2], "user", "domain", of[2]);
	limit_explain(in, &limit[3], "called user", "domain", of[3]);
	limit_explain(in, &limit[LIMIT_HOURLY], "numbers", "numbers", of[LIMIT_HOURLY]);
}

/* The first of the limits that is met, which has been counted; LIMIT_KEYS: none is. */
static unsigned limits_meet(const struct sip *sip, const struct limit limit[LIMIT_KEYS])
{
	for (unsigned i = 0; i < LIMIT_KEYS; i++) {
		enum limit_met met = limit_meets(sip, &limit[i]);

		if (met == LIMIT_MET_NONE)
			continue;
		counter_add(
			met == LIMIT_MET_CALLS ? limit_answers[i].calls : limit_answers[i].rate, 1);
		return i;
	}
	return LIMIT_KEYS;
}

bool limits_admit(const struct incoming *in, uint64_t key[LIMIT_KEYS])
{
	struct limit limit[LIMIT_KEYS];

	limits_of(in, limit);
	for (unsigned i = 0; i < LIMIT_KEYS; i++)
		key[i] = limit[i].key;
	if (in->explanation)
		limits_explain(in, limit);
	unsigned met = in->emergency ? LIMIT_KEYS : limits_meet(in->sip, limit);
	if (met == LIMIT_KEYS)
		return true;
	incoming_answer(in, limit_answers[met].status, limit_answers[met].headers);
	return false;
}

bool limits_admit_forward(const struct incoming *in, uint64_t key[LIMIT_KEYS], unsigned *status)
{
	struct limit limit[LIMIT_KEYS];

	limits_of(in, limit);
	limit[LIMIT_ZONE].key = limit[LIMIT_SOURCE].key = 0; /* the caller's, which count it */
	for (unsigned i = 0; i < LIMIT_KEYS; i++)
		key[i] = limit[i].key;
	unsigned met = limits_meet(in->sip, limit);
	if (met == LIMIT_KEYS)
		return true;
	*status = limit_answers[met].status;
	return false;
}

bool limits_admit_trunk(struct sip *sip, unsigned trunk)
{
	struct limit limit = limit_of_trunk(sip, trunk);
	enum limit_met met = limit_meets(sip, &limit);

	if (met == LIMIT_MET_CALLS)
		count(LIMIT_TRUNK_CALLS);
	if (met == LIMIT_MET_RATE)
		count(LIMIT_TRUNK_RATE);
	return met == LIMIT_MET_NONE;
}

/* The shorter of two times, of which 0 is none. */
static uint32_t limit_shorter(uint32_t a, uint32_t b)
{
	return !a || (b && b < a) ? b : a;
}

uint32_t limits_duration(const struct sip *sip, unsigned zone, unsigned domain, unsigned trunk)
{
	const struct settings *s = sip->settings;
	uint32_t duration = settings_zone(s, zone)->max_duration;

	if (domain < s->domains.count)
		duration = limit_shorter(duration, settings_domain(s, domain)->max_duration);
	if (trunk < s->trunks.count)
		duration = limit_shorter(duration, settings_trunk(s, trunk)->max_duration);
	return duration;
}
