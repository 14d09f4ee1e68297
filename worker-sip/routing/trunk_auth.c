/* trunk_auth.c - see trunk_auth.h. Relies on: challenge.c, and the users image for the HA1s, which
 * are read where they are used and copied nowhere. */
#include "trunk_auth.h"

#include "common/log.h"
#include "worker-sip/auth/challenge.h"
#include "worker-sip/auth/digest.h"

#include <stdlib.h>

#define TRUNK_NONCE_MAX 512
#define TRUNK_OPAQUE_MAX 512

/* The last challenge of a trunk's server, or of its proxy. */
struct trunk_auth {
	struct trunk_auth *next;
	uint64_t trunk;
	struct log_limit log;
	char username[USER_NAME_MAX], realm[TRUNK_REALM_MAX];
	char nonce[TRUNK_NONCE_MAX], opaque[TRUNK_OPAQUE_MAX];
	struct challenge challenge; /* its strings are those above */
	uint16_t username_length;
	uint32_t used; /* how often its nonce */
	bool proxy;    /* by a 407 */
};

uint64_t trunk_auth_of(const struct sip *sip, unsigned trunk)
{
	const struct trunk_settings *t;

	if (trunk >= sip->settings->trunks.count)
		return 0;
	t = settings_trunk(sip->settings, trunk);
	return t->username.length ? trunk_id(settings_str(sip->settings, t->name)) : 0;
}

static const struct trunk_settings *trunk_auth_settings(const struct sip *sip, uint64_t trunk)
{
	for (unsigned i = 0; i < sip->settings->trunks.count; i++)
		if (trunk_auth_of(sip, i) == trunk)
			return settings_trunk(sip->settings, i);
	return NULL;
}

static struct trunk_auth *trunk_auth_find(const struct sip *sip, uint64_t trunk, bool proxy)
{
	struct trunk_auth *a = sip->trunk_auths;

	while (a && (a->trunk != trunk || a->proxy != proxy))
		a = a->next;
	return a;
}

/* The HA1 for that realm; empty where the credentials have none. */
static struct str trunk_auth_ha1(
	const struct sip *sip, uint64_t trunk, struct str realm, uint8_t algorithm)
{
	char key[USER_NAME_MAX];
	size_t n = users_trunk_key(trunk, realm, key);
	const struct user_row *row = n && sip->users ? users_find(sip->users, USERS_OF_TRUNKS,
							       (struct str){key, n})
	                                             : NULL;

	if (!row || !(row->algorithms & algorithm))
		return STR_EMPTY;
	return user_row_ha1(row, algorithm);
}

/* The first challenge of m that can be answered (RFC 8760 section 2.4: the server's order is that
 * of its preference). */
static bool trunk_auth_choose(
	const struct sip *sip, uint64_t trunk, const struct message *m, struct challenge *out)
{
	enum header id = m->status == 407 ? HEADER_PROXY_AUTHENTICATE : HEADER_WWW_AUTHENTICATE;

	for (const struct message_header *h = message_first(m, id); h; h = message_next(m, h)) {
		struct challenge c;

		if (challenge_parse(message_header_value(m, h), &c) == 0 &&
			c.nonce.n <= TRUNK_NONCE_MAX && c.opaque.n <= TRUNK_OPAQUE_MAX &&
			trunk_auth_ha1(sip, trunk, c.realm, c.algorithm).n) {
			*out = c;
			return true;
		}
	}
	return false;
}

static struct str trunk_auth_keep(char *to, struct str s)
{
	if (s.n)
		memcpy(to, s.p, s.n);
	return (struct str){s.p ? to : NULL, s.n};
}

static struct trunk_auth *trunk_auth_for(
	struct sip *sip, uint64_t trunk, bool proxy, const struct trunk_settings *t)
{
	struct trunk_auth *a = trunk_auth_find(sip, trunk, proxy);
	struct str username = settings_str(sip->settings, t->username);

	if (username.n > USER_NAME_MAX)
		return NULL;
	if (!a) {
		a = calloc(1, sizeof(*a));
		if (!a)
			return NULL;
		a->trunk = trunk;
		a->proxy = proxy;
		a->next = sip->trunk_auths;
		sip->trunk_auths = a;
	}
	memcpy(a->username, username.p, username.n);
	a->username_length = (uint16_t)username.n;
	return a;
}

/* Says that the challenge is not answered, and why. */
static void trunk_auth_refuse(struct sip *sip, struct trunk_auth *a, const struct trunk_settings *t,
	const struct message *m, const char *why)
{
	uint64_t left_out;

	if (!log_limit_pass(&a->log, loop_now(sip->loop), TRUNK_AUTH_LOG_LINES, LOG_LIMIT_SECOND,
		    &left_out))
		return;
	struct str name = settings_str(sip->settings, t->name);

	log_warn("trunk-credentials", "trunk=%.*s status=%u error=\"%s\" left_out=%llu",
		(int)name.n, name.p, m->status, why, (unsigned long long)left_out);
}

bool trunk_auth_take(
	struct sip *sip, uint64_t trunk, const struct message *m, struct trunk_challenges *answered)
{
	const struct trunk_settings *t = trunk ? trunk_auth_settings(sip, trunk) : NULL;
	bool proxy = m->status == 407;
	uint8_t *times = proxy ? &answered->proxy : &answered->server;
	struct trunk_auth *a = t ? trunk_auth_for(sip, trunk, proxy, t) : NULL;
	struct challenge c;

	if (!a)
		return false;
	if (!trunk_auth_choose(sip, trunk, m, &c)) {
		count(TRUNK_CHALLENGES_FOREIGN);
		trunk_auth_refuse(
			sip, a, t, m, "the credentials have no line for what the challenge asks");
		return false;
	}
	if (*times >= TRUNK_CHALLENGES_MAX || (*times && !c.stale)) {
		count(TRUNK_CREDENTIALS_REFUSED);
		a->challenge.nonce = STR_EMPTY;
		trunk_auth_refuse(sip, a, t, m, "the server refuses the credentials");
		return false;
	}
	a->challenge = c;
	a->challenge.realm = trunk_auth_keep(a->realm, c.realm);
	a->challenge.nonce = trunk_auth_keep(a->nonce, c.nonce);
	a->challenge.opaque = trunk_auth_keep(a->opaque, c.opaque);
	a->used = 0;
	++*times;
	count(TRUNK_CHALLENGES);
	return true;
}

static void trunk_auth_write_line(struct writer *w, struct sip *sip, uint64_t trunk, bool proxy,
	struct str method, struct str uri)
{
	struct trunk_auth *a = trunk_auth_find(sip, trunk, proxy);
	char cnonce[16];
	size_t before = w->n;
	struct str ha1;

	if (!a || !a->challenge.nonce.n)
		return;
	ha1 = trunk_auth_ha1(sip, trunk, a->challenge.realm, a->challenge.algorithm);
	if (!ha1.n)
		return; /* its line has gone from the file */
	const uint64_t random = random_u64();
	for (unsigned i = 0; i < sizeof(cnonce); i++)
		cnonce[i] = "0123456789abcdef"[random >> 4 * i & 15];
	write_str(w, proxy ? S("Proxy-Authorization: ") : S("Authorization: "));
	challenge_answer(w, &a->challenge, (struct str){a->username, a->username_length}, ha1,
		method, uri, ++a->used, (struct str){cnonce, sizeof(cnonce)});
	write_literal(w, "\r\n");
	if (w->full)
		w->n = before;
	w->full = false;
}

struct str trunk_auth_write(struct sip *sip, uint64_t trunk, struct str method, struct str uri)
{
	if (!trunk)
		return STR_EMPTY;
	struct writer w = WRITER(sip->scratch.credentials);

	trunk_auth_write_line(&w, sip, trunk, false, method, uri);
	trunk_auth_write_line(&w, sip, trunk, true, method, uri);
	return writer_text(&w);
}

void trunk_auth_free(struct sip *sip)
{
	while (sip->trunk_auths) {
		struct trunk_auth *a = sip->trunk_auths;

		sip->trunk_auths = a->next;
		free(a);
	}
}
