/* names.c - see names.h. Relies on: name_lookup.c for what is asked, dns_answer.c for what is
 * understood; a transport worker asks. */
#include "names.h"

#include "common/log.h"
#include "ipc/mesh.h"
#include "name_lookup.h"
#include "trunk_slot.h"

#include <errno.h>
#include <stdlib.h>

/* How far another worker's clock may be ahead of ours, which stands still for a turn of the loop.
 */
#define NAME_CLOCK_MS 1000
/* What an answer may take beyond the time in which all servers have been asked: it waits for a
 * socket, and for the mesh. */
#define NAME_ANSWER_SPARE_MS 3000

/* When it is tried again where no transport worker takes the query. */
#define NAME_EDGE_MS 100

struct name {
	struct names *owner;
	uint64_t id;                   /* the same in all SIP workers */
	uint16_t trunk, written;       /* in the settings in force */
	struct record_addresses known; /* found_at 0: nothing yet */
	int error;                     /* of the last time that this worker asked */
	uint32_t pause_ms;             /* until it asks again after that */
	struct timer timer;            /* of the next look-up, or of the answer */
	struct name_lookup *lookup;    /* NULL: none is under way */
	uint64_t cookie;               /* of the query under way */
	uint16_t peer;                 /* whom it was given to */
	unsigned worker;               /* the transport worker that has the next turn */
};

struct names {
	struct sip *sip;
	names_changed *changed;
	struct log_limit log;
	unsigned count;
	struct name **name;
};

static void name_timer(struct timer *timer, void *arg);

/* ---- which there are ---- */

static const struct trunk_settings *name_trunk(const struct name *n)
{
	return settings_trunk(n->owner->sip->settings, n->trunk);
}

static struct str name_text(const struct name *n)
{
	const struct settings *s = n->owner->sip->settings;

	return settings_str(s,
		SETTINGS_ROW(s, struct target_settings, name_trunk(n)->targets, n->written)->name);
}

static bool name_is_ours(const struct name *n)
{
	return trunk_is_ours(n->owner->sip, n->trunk);
}

/* The names are the operator's: nobody chooses collisions. */
static uint64_t name_id(const struct settings *s, unsigned trunk, const struct target_settings *t)
{
	static const struct hash_key key;
	const struct trunk_settings *row = settings_trunk(s, trunk);
	const uint64_t text[] = {trunk_id(settings_str(s, row->name)),
		hash_str(&key, settings_str(s, t->uri)), row->zone};

	return hash_bytes(&key, text, sizeof(text));
}

static struct name *names_find(const struct names *ns, uint64_t id)
{
	for (unsigned i = 0; ns && i < ns->count; i++)
		if (ns->name[i]->id == id)
			return ns->name[i];
	return NULL;
}

static struct name *names_at(const struct names *ns, unsigned trunk, unsigned written)
{
	for (unsigned i = 0; ns && i < ns->count; i++)
		if (ns->name[i]->trunk == trunk && ns->name[i]->written == written)
			return ns->name[i];
	return NULL;
}

static void name_drop_lookup(struct name *n)
{
	free(n->lookup);
	n->lookup = NULL;
}

static void name_free(struct name *n)
{
	loop_unset(n->owner->sip->loop, &n->timer);
	name_drop_lookup(n);
	free(n);
}

int names_new(struct names **out, struct sip *sip, names_changed *changed)
{
	struct names *ns = calloc(1, sizeof(*ns));

	if (!ns)
		return -ENOMEM;
	ns->sip = sip;
	ns->changed = changed;
	*out = ns;
	return 0;
}

void names_free(struct names *ns)
{
	if (!ns)
		return;
	for (unsigned i = 0; i < ns->count; i++)
		name_free(ns->name[i]);
	free(ns->name);
	free(ns);
}

/* Adds that target to the list, with what was known. */
static bool names_add(struct names *ns, struct name **list, unsigned *count, unsigned trunk,
	unsigned written, const struct target_settings *t)
{
	uint64_t id = name_id(ns->sip->settings, trunk, t);
	struct name *n = calloc(1, sizeof(*n));
	const struct name *before = names_find(ns, id);

	if (!n)
		return false;
	n->owner = ns;
	n->id = id;
	n->trunk = (uint16_t)trunk;
	n->written = (uint16_t)written;
	n->pause_ms = NAME_RETRY_FIRST_MS;
	if (before) {
		n->known = before->known;
		n->error = before->error;
	}
	timer_init(&n->timer, name_timer, n);
	list[(*count)++] = n;
	return true;
}

int names_take(struct names *ns)
{
	const struct settings *s = ns->sip->settings;
	unsigned most = 0, count = 0;
	bool whole;

	for (unsigned i = 0; i < s->trunks.count; i++)
		most += settings_trunk(s, i)->targets.count;
	struct name **list = calloc(most + 1, sizeof(struct name *));
	whole = list != NULL;
	for (unsigned i = 0; whole && i < s->trunks.count; i++) {
		struct array targets = settings_trunk(s, i)->targets;

		for (unsigned k = 0; whole && k < targets.count; k++) {
			const struct target_settings *t = SETTINGS_ROW(
				s, struct target_settings, targets, k);

			if (target_is_name(t))
				whole = names_add(ns, list, &count, i, k, t);
		}
	}
	if (!whole) {
		while (count)
			name_free(list[--count]);
		free(list);
		/* what is under way refers to the settings before */
		for (unsigned i = 0; i < ns->count; i++)
			name_drop_lookup(ns->name[i]);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < ns->count; i++)
		name_free(ns->name[i]);
	free(ns->name);
	ns->name = list;
	ns->count = count;
	names_schedule(ns);
	return 0;
}

void names_schedule(struct names *ns)
{
	for (unsigned i = 0; ns && i < ns->count; i++) {
		struct name *n = ns->name[i];
		uint64_t now = loop_now(ns->sip->loop);

		if (!name_is_ours(n)) {
			name_drop_lookup(n);
			loop_unset(ns->sip->loop, &n->timer);
		} else if (!n->lookup) {
			loop_set(ns->sip->loop, &n->timer,
				n->known.expires_at > now ? n->known.expires_at - now : 0);
		}
	}
}

const struct record_addresses *names_addresses(
	const struct names *ns, unsigned trunk, unsigned written)
{
	const struct name *n = names_at(ns, trunk, written);

	return n && n->known.count ? &n->known : NULL;
}

/* ---- what is known ---- */

const char *name_error_text(int error)
{
	switch (error) {
	case 0: return "";
	case -ENOENT: return "no such name";
	case -ENODATA: return "the name has no address that can be used";
	case -ETIMEDOUT: return "no server of the DNS answers";
	case -EREMOTEIO: return "the servers of the DNS fail";
	case -EBADMSG: return "the answer of the DNS is malformed";
	case -ENOTCONN: return "no server of the DNS can be asked";
	default: return error_text(error);
	}
}

static void name_tell(const struct name *n, unsigned worker)
{
	struct sip *sip = n->owner->sip;
	void *data;

	if (mesh_record(sip->mesh, PEER(PEER_SIP, worker), RECORD_ADDRESSES, sizeof(n->known), true,
		    &data) == 0)
		memcpy(data, &n->known, sizeof(n->known));
}

static void name_tell_all(const struct name *n)
{
	const struct sip *sip = n->owner->sip;

	for (unsigned i = 0; sip->mesh && i < sip->settings->workers[PEER_SIP]; i++)
		if (i != sip->index)
			name_tell(n, i);
}

void names_tell(struct names *ns, unsigned worker)
{
	for (unsigned i = 0; ns && ns->sip->mesh && i < ns->count; i++)
		if (ns->name[i]->known.found_at && worker != ns->sip->index)
			name_tell(ns->name[i], worker);
}

static bool name_same_addresses(const struct record_addresses *a, const struct record_addresses *b)
{
	return a->count == b->count &&
	       memcmp(a->address, b->address, a->count * sizeof(a->address[0])) == 0;
}

static void name_set(struct name *n, const struct record_addresses *found)
{
	bool same = name_same_addresses(&n->known, found);

	n->known = *found;
	n->known.name = n->id;
	if (!same)
		n->owner->changed(n->owner->sip);
}

static bool names_address_sane(const struct record_address *a)
{
	return (a->endpoint.family == 4 || a->endpoint.family == 6) && a->endpoint.port &&
	       a->transport >= TRANSPORT_UDP && a->transport <= TRANSPORT_TLS;
}

void names_told(struct names *ns, const struct record_addresses *told)
{
	struct name *n = names_find(ns, told->name);

	if (!n || told->count > ADDRESSES_MAX || told->found_at <= n->known.found_at ||
		told->found_at > loop_now(ns->sip->loop) + NAME_CLOCK_MS)
		return;
	for (unsigned i = 0; i < told->count; i++)
		if (!names_address_sane(&told->address[i]))
			return;
	name_set(n, told);
	n->error = told->error;
	if (name_is_ours(n) && !n->lookup)
		names_schedule(ns);
}

static bool name_may_log(struct name *n, uint64_t *left_out)
{
	struct names *ns = n->owner;

	return log_limit_pass(
		&ns->log, loop_now(ns->sip->loop), NAME_LOG_LINES, LOG_LIMIT_SECOND, left_out);
}

static void name_log(struct name *n, const char *event, int error)
{
	const struct settings *s = n->owner->sip->settings;
	uint64_t left_out;

	if (!name_may_log(n, &left_out))
		return;
	if (error)
		log_warn(event, "trunk=%.*s name=%.*s addresses=%u reason=\"%s\" left_out=%llu",
			STR(settings_str(s, name_trunk(n)->name)), STR(name_text(n)),
			n->known.count, name_error_text(error), (unsigned long long)left_out);
	else
		log_info(event, "trunk=%.*s name=%.*s addresses=%u left_out=%llu",
			STR(settings_str(s, name_trunk(n)->name)), STR(name_text(n)),
			n->known.count, (unsigned long long)left_out);
}

/* ---- the outcome of a look-up ---- */

static void name_found(struct name *n)
{
	const struct settings *s = n->owner->sip->settings;
	struct record_addresses found = n->lookup->found;
	uint64_t now = loop_now(n->owner->sip->loop);
	uint64_t ttl = (uint64_t)n->lookup->ttl * 1000;
	bool news = n->error || !n->known.count || !name_same_addresses(&n->known, &found);

	if (ttl > s->dns_ttl_max_ms)
		ttl = s->dns_ttl_max_ms;
	if (ttl < s->dns_ttl_min_ms)
		ttl = s->dns_ttl_min_ms;
	found.found_at = now;
	found.expires_at = now + ttl;
	name_drop_lookup(n);
	n->error = 0;
	n->pause_ms = NAME_RETRY_FIRST_MS;
	count(NAMES_RESOLVED);
	name_set(n, &found);
	if (news)
		name_log(n, "trunk-name-found", 0);
	name_tell_all(n);
	loop_set(n->owner->sip->loop, &n->timer, ttl);
}

/* There is no such name, or nothing that could be used: that is believed for its time. */
static void name_missing(struct name *n, int error)
{
	const struct settings *s = n->owner->sip->settings;
	uint64_t now = loop_now(n->owner->sip->loop);
	uint64_t ttl = (uint64_t)n->lookup->negative * 1000;
	bool news = n->error != error || n->known.count;
	struct record_addresses nothing = {
		.error = error, .found_at = now, .left_out = n->lookup->found.left_out};

	if (ttl > s->dns_negative_ms)
		ttl = s->dns_negative_ms;
	if (ttl < NAME_RETRY_FIRST_MS)
		ttl = NAME_RETRY_FIRST_MS;
	nothing.expires_at = now + ttl;
	name_drop_lookup(n);
	n->error = error;
	n->pause_ms = NAME_RETRY_FIRST_MS;
	count(NAMES_FAILED);
	name_set(n, &nothing);
	if (news)
		name_log(n, "trunk-name-missing", error);
	name_tell_all(n);
	loop_set(n->owner->sip->loop, &n->timer, ttl);
}

/* No server answers: what is known stays in use, for its time and that of stale answers. */
static void name_failed(struct name *n, int error)
{
	struct sip *sip = n->owner->sip;
	uint64_t now = loop_now(sip->loop);
	bool news = n->error != error;
	uint32_t pause = n->pause_ms;

	name_drop_lookup(n);
	n->error = error;
	count(NAMES_FAILED);
	if (n->known.count && now >= n->known.expires_at + sip->settings->dns_stale_ms) {
		struct record_addresses nothing = {
			.error = error, .found_at = now, .expires_at = now};

		name_set(n, &nothing);
		name_tell_all(n);
		news = true;
	} else if (n->known.count) {
		count(NAMES_STALE);
	}
	if (news)
		name_log(n, "trunk-name-failed", error);
	n->pause_ms = pause > NAME_RETRY_MOST_MS / 2 ? NAME_RETRY_MOST_MS : pause * 2;
	loop_set(sip->loop, &n->timer, pause);
}

static void name_done(struct name *n)
{
	const struct name_lookup *l = n->lookup;

	if (l->found.count)
		name_found(n);
	else if (l->error)
		name_failed(n, l->error);
	else
		name_missing(n, l->missing ? -ENOENT : -ENODATA);
}

/* ---- queries ---- */

/* Gives a transport worker the query, the next one where that is not there. */
static int name_send(struct name *n, const uint8_t *query, size_t size)
{
	struct sip *sip = n->owner->sip;
	unsigned workers = sip->settings->workers[PEER_TRANSPORT];
	int error = -ENOTCONN;
	void *data;

	for (unsigned i = 0; sip->mesh && i < workers && error; i++) {
		struct record_lookup *order;

		n->peer = PEER(PEER_TRANSPORT, n->worker++ % workers);
		error = mesh_record(
			sip->mesh, n->peer, RECORD_LOOKUP, sizeof(*order) + size, true, &data);
		if (error)
			continue;
		order = data;
		n->cookie = random_u64();
		*order = (struct record_lookup){.cookie = n->cookie, .size = (uint32_t)size};
		memcpy(order + 1, query, size);
	}
	return error;
}

/* Asks what is to be asked next, or ends. */
static void name_ask(struct name *n)
{
	const struct settings *s = n->owner->sip->settings;
	uint8_t query[DNS_QUERY_MAX];
	const char *name;
	uint16_t type;
	int size, error;

	while ((name = name_lookup_question(n->lookup, &type)) &&
		(size = dns_question_write(query, name, type)) < 0) {
		/* a name out of an answer that cannot be asked for has nothing */
		n->lookup->answer.outcome = DNS_NOTHING;
		n->lookup->answer.count = 0;
		n->lookup->answer.ttl = 0;
		name_lookup_take(n->lookup);
	}
	if (!name) {
		name_done(n);
		return;
	}
	error = name_send(n, query, (size_t)size);
	if (error) { /* there is no edge yet, or its queue is full */
		name_drop_lookup(n);
		loop_set(n->owner->sip->loop, &n->timer, NAME_EDGE_MS);
		return;
	}
	/* each server so often, and once over TCP */
	loop_set(n->owner->sip->loop, &n->timer,
		2 * s->dns_servers.count * s->dns_attempts * s->dns_timeout_ms +
			NAME_ANSWER_SPARE_MS);
}

static void name_begin(struct name *n)
{
	n->lookup = malloc(sizeof(*n->lookup));
	if (!n->lookup) {
		name_failed(n, -ENOMEM);
		return;
	}
	name_lookup_begin(n->lookup, n->owner->sip->settings, n->trunk, n->written);
	name_ask(n);
}

static void name_timer(struct timer *timer, void *arg)
{
	struct name *n = arg;

	(void)timer;
	if (n->lookup)
		name_failed(n, -ETIMEDOUT); /* the transport worker is gone, say */
	else if (name_is_ours(n))
		name_begin(n);
}

static void name_answered(struct name *n, int error, const void *answer, size_t size)
{
	struct name_lookup *l = n->lookup;
	uint16_t type;
	const char *name = name_lookup_question(l, &type);

	n->cookie = 0;
	if (error == 0 && dns_answer_read(answer, size, name, type, &l->answer)) {
		count(DNS_ANSWERS_BAD);
		error = -EBADMSG;
	}
	if (error == 0)
		error = name_lookup_take(l);
	if (error)
		name_failed(n, error);
	else
		name_ask(n);
}

bool names_looked_up(
	struct names *ns, uint16_t peer, const struct record_looked_up *told, size_t size)
{
	if (size != sizeof(*told) + told->size || told->error > 0 ||
		(told->error == 0) != (told->size > 0))
		return false;
	for (unsigned i = 0; ns && i < ns->count; i++) {
		struct name *n = ns->name[i];

		if (n->lookup && n->cookie == told->cookie && n->peer == peer) {
			name_answered(n, told->error, told + 1, told->size);
			break;
		}
	}
	return true; /* or one that nobody waits for any more */
}

/* ---- operators ---- */

unsigned names_ask(struct names *ns, struct str trunk)
{
	unsigned asked = 0;

	for (unsigned i = 0; ns && i < ns->count; i++) {
		struct name *n = ns->name[i];

		if (!name_is_ours(n) ||
			!str_equal(settings_str(ns->sip->settings, name_trunk(n)->name), trunk))
			continue;
		asked++;
		if (!n->lookup)
			name_begin(n);
	}
	return asked;
}

bool names_state(const struct names *ns, unsigned trunk, unsigned written, struct name_state *out)
{
	const struct name *n = names_at(ns, trunk, written);

	if (!n)
		return false;
	out->ours = name_is_ours(n);
	out->error = n->error;
	out->ttl_s = n->known.found_at
	                     ? ((int64_t)n->known.expires_at - (int64_t)loop_now(ns->sip->loop)) /
	                               1000
	                     : 0;
	return true;
}
