/* authorize.c - whether a sender may do what it asks for (authorize.h). Relies on digest.c
 * (credentials, nonces), replay.c (counts), the users image and the settings.
 *
 * Order matters to what a stranger can learn: nothing depends on whether the user exists until the
 * digest has been computed, and then the answer is the same. A bad nonce is no failure, whoever
 * minted it: the client gets a new one with stale=true and asks nobody for a password. Only a wrong
 * digest on a nonce that was minted for this very source counts against the source: nobody can get
 * another banned.
 */
#include "authorize.h"

#include "ipc/emergency.h"
#include "ipc/mesh.h"
#include "common/clock.h"
#include "common/hash.h"
#include "digest.h"
#include "digest_uri.h"
#include "keep_alive.h"
#include "old_client.h"
#include "owner.h"
#include "replay.h"
#include "worker-sip/message/response.h"
#include "worker-sip/transaction/transaction.h"

#include <errno.h>
#include <stdlib.h>
#include <sodium.h>

#define TRANSPORTS_MAX 64
/* Header lines with credentials that are looked at: a client has one for each realm on its way. */
#define CREDENTIALS_MAX 8

/* One request on its way through. */
struct attempt {
	struct sip *sip;
	struct incoming *in;
	const struct message *m;
	const struct zone_settings *zone;
	const struct domain_settings *domain;
	unsigned domain_index;
	uint8_t slot;
	bool proxy; /* 407 and Proxy-Authorization, else 401 and Authorization */
	uint64_t now_ms;
	struct credentials credentials;
	const char *fault; /* of credentials that were not taken; NULL: there were none */
	char name[USER_NAME_MAX + 1];
	size_t name_length;
};

/* The counts used so far; NULL: no memory. */
static struct replay *authorize_replay(struct sip *sip, uint64_t now)
{
	if (!sip->replay && replay_new(&sip->replay, REPLAY_NONCES, now))
		return NULL;
	return sip->replay;
}

static void attempt_log(const struct attempt *a, const char *reason)
{
	char source[ENDPOINT_TEXT_SIZE], zone[80], user[192], domain[300];
	struct endpoint peer = a->m->flow.peer;

	endpoint_address_text(&peer, source);
	log_warn("auth-failed", "source=%s zone=%s user=%s domain=%s reason=%s", source,
		log_value(settings_str(a->sip->settings, a->zone->name), zone, sizeof(zone)),
		log_value((struct str){a->name, a->name_length}, user, sizeof(user)),
		log_value(settings_str(a->sip->settings, a->domain->name), domain, sizeof(domain)),
		reason);
}

/* Lines a second about the credentials of one source, or of several that share a place. */
#define FAULT_LINES 1

/* A line about a client, with a->fault as the reason, as often as its source may have one. */
static void attempt_log_limited(const struct attempt *a, const char *event)
{
	struct sip *sip = a->sip;
	const struct endpoint *peer = &a->m->flow.peer;
	struct uri_parts owner = owner_uri(a->m);
	char source[ENDPOINT_TEXT_SIZE], zone[80], user[192], domain[300];
	uint64_t left_out,
		place = hash_bytes(&sip->keys.slot_key, peer->address, sizeof(peer->address));

	if (!log_limit_pass(&sip->fault_limits[place % FAULT_LIMITS], loop_now(sip->loop),
		    FAULT_LINES, LOG_LIMIT_SECOND, &left_out))
		return;
	endpoint_text(peer, source);
	log_warn(event,
		"source=%s zone=%s user=%s domain=%s method=%.*s reason=\"%s\" left_out=%llu",
		source, log_value(settings_str(sip->settings, a->zone->name), zone, sizeof(zone)),
		log_value(owner.user, user, sizeof(user)),
		log_value(settings_str(sip->settings, a->domain->name), domain, sizeof(domain)),
		STR(message_str(a->m, a->m->method_name)), a->fault, (unsigned long long)left_out);
}

/* Says what is wrong with credentials that got a challenge, or 400: nobody could tell otherwise why
 * a phone does not register. */
static void attempt_log_fault(const struct attempt *a)
{
	attempt_log_limited(a, "credentials-bad");
}

static void attempt_penalize(const struct attempt *a)
{
	struct sip *sip = a->sip;
	struct str user = {a->name, a->name_length};
	struct record_penalty penalty = {.source = a->m->flow.peer,
		.user = hash_str(&sip->keys.slot_key, user),
		.listener = a->m->flow.listener};

	count(AUTH_PENALTIES);
	if (sip->penalty_hook)
		sip->penalty_hook(sip->send_arg, &penalty);
	if (!sip->mesh)
		return;
	for (unsigned i = 0; i < TRANSPORTS_MAX; i++) {
		void *data;

		if (!(sip->transports >> i & 1))
			continue;
		if (mesh_record(sip->mesh, PEER(PEER_TRANSPORT, i), RECORD_PENALTY, sizeof(penalty),
			    false, &data))
			count(AUTH_PENALTY_LOST);
		else
			memcpy(data, &penalty, sizeof(penalty));
	}
}

/* ---- challenges ---- */

static void challenge_write_quoted(struct writer *w, struct str s)
{
	write_literal(w, "\"");
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			write_literal(w, "\\");
		write_bytes(w, s.p + i, 1);
	}
	write_literal(w, "\"");
}

static void challenge_write(struct writer *w, const struct attempt *a, struct str nonce,
	struct str algorithm, bool stale)
{
	write_str(w, a->proxy ? S("Proxy-Authenticate: Digest realm=")
			      : S("WWW-Authenticate: Digest realm="));
	challenge_write_quoted(w, settings_str(a->sip->settings, a->domain->realm));
	write_literal(w, ", nonce=\"");
	write_str(w, nonce);
	write_literal(w, "\", algorithm=");
	write_str(w, algorithm);
	write_str(w, a->domain->auth_int ? S(", qop=\"auth,auth-int\"") : S(", qop=\"auth\""));
	if (stale)
		write_literal(w, ", stale=true");
	write_literal(w, "\r\n");
}

static bool attempt_refuse(const struct attempt *a, unsigned status, struct str headers)
{
	incoming_answer(a->in, status, headers);
	return false;
}

/* The algorithms that are offered: those of the domain, but MD5 alone to a client that has given up
 * where it had a choice. */
static uint8_t attempt_algorithms(struct attempt *a)
{
	const uint8_t all = a->domain->algorithms;
	bool found;

	if (!a->domain->md5_alone || !(all & DIGEST_MD5) || all == DIGEST_MD5)
		return all;
	if (a->credentials.algorithm && a->credentials.algorithm != DIGEST_MD5)
		return all; /* it can do better */
	if (!old_client_challenged(a->sip, a->m, &found))
		return all;
	count(AUTH_MD5_ALONE);
	if (found) {
		a->fault = "came again without credentials, and is offered MD5 alone for a day";
		attempt_log_limited(a, "old-client");
	}
	return DIGEST_MD5;
}

/* One challenge for each algorithm of the domain, whether the user has it or not, strongest first
 * (RFC 8760 section 2.1). Where the request is too short for both (answer_stateless) the last one
 * stays, MD5, which every client knows. */
static bool attempt_challenge(struct attempt *a, bool stale)
{
	char buffer[2048], nonce[NONCE_LENGTH_MAX];
	struct writer w = WRITER(buffer);
	uint8_t algorithms = attempt_algorithms(a);

	authorize_replay(a->sip, a->now_ms);
	struct str text = {nonce,
		nonce_make(a->sip->keys.nonce_key, a->now_ms, a->slot, &a->m->flow.peer, nonce)};
	if (algorithms & DIGEST_SHA512_256)
		challenge_write(&w, a, text, S("SHA-512-256"), stale);
	if (algorithms & DIGEST_SHA256)
		challenge_write(&w, a, text, S("SHA-256"), stale);
	if (algorithms & DIGEST_MD5)
		challenge_write(&w, a, text, S("MD5"), stale);
	if (w.full)
		return attempt_refuse(a, 500, STR_EMPTY);
	return attempt_refuse(a, a->proxy ? 407 : 401, writer_text(&w));
}

/* ---- what is asked ---- */

/* The domain whose realm is challenged for. */
static bool attempt_find_domain(struct attempt *a)
{
	const struct settings *s = a->sip->settings;

	if (!settings_has_domain(s))
		return false;
	a->domain_index = owner_domain(s, a->m);
	a->domain = settings_domain(s, a->domain_index);
	return true;
}

/* True where the request is for the gateway itself, and not for somebody behind it. */
static bool attempt_to_self(const struct attempt *a)
{
	struct uri_parts uri = uri_of(a->m, &a->m->request_uri);

	if (a->m->method == METHOD_REGISTER)
		return true;
	if (uri.user.n || (uri.scheme != URI_SIP && uri.scheme != URI_SIPS))
		return false;
	return settings_domain_of(a->sip->settings, uri.host) != NONE_INDEX ||
	       settings_listener_at(a->sip->settings, uri.host, uri.port) != NONE_INDEX;
}

/* The header that has the credentials which are asked for. */
static enum header attempt_header(const struct attempt *a)
{
	return a->proxy ? HEADER_PROXY_AUTHORIZATION : HEADER_AUTHORIZATION;
}

/* Finds the first credentials for our realm in the headers with that id. False: none; those that
 * cannot be read are counted, and what is wrong with them is noted. */
static bool attempt_find_in(struct attempt *a, enum header id)
{
	struct str realm = settings_str(a->sip->settings, a->domain->realm);
	unsigned left = CREDENTIALS_MAX;

	for (const struct message_header *h = message_first(a->m, id); h && left;
		h = message_next(a->m, h), left--) {
		struct str value = message_header_value(a->m, h);

		if (credentials_parse(value, &a->credentials)) {
			if (id == attempt_header(a)) /* the other may be for somebody else */
				count(AUTH_MALFORMED);
			a->fault = credentials_fault(value);
			continue;
		}
		if (str_equal(a->credentials.realm, realm))
			return true;
		if (!a->fault)
			a->fault = "another realm";
	}
	return false;
}

/* The first credentials for our realm. False: none. */
static bool attempt_find_credentials(struct attempt *a)
{
	enum header other = a->proxy ? HEADER_AUTHORIZATION : HEADER_PROXY_AUTHORIZATION;

	if (attempt_find_in(a, attempt_header(a)))
		return true;
	/* the other header is for somebody else, unless it names our realm */
	if (!a->fault)
		a->fault = !attempt_find_in(a, other) ? NULL
		           : a->proxy ? "Authorization instead of Proxy-Authorization"
		                      : "Proxy-Authorization instead of Authorization";
	return false;
}

/* The user's name without the escapes of its quoted string. False where it cannot be a name. */
static bool attempt_find_name(struct attempt *a)
{
	struct str s = a->credentials.username;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' && ++i == s.n)
			return false;
		if (a->name_length == USER_NAME_MAX || (unsigned char)s.p[i] < 0x20)
			return false;
		a->name[a->name_length++] = s.p[i];
	}
	return a->name_length > 0;
}

/* The user's HA1; for a user that does not exist any other, so that the same work follows: whatever
 * comes of it is refused. */
static bool attempt_find_ha1(const struct attempt *a, char ha1[HA1_TEXT_MAX + 1])
{
	uint8_t algorithm = a->credentials.algorithm;
	struct str name = {a->name, a->name_length};
	const struct user_row *row = a->sip->users
	                                     ? users_find(a->sip->users, a->domain_index, name)
	                                     : NULL;

	memset(ha1, '0', HA1_TEXT_MAX + 1);
	if (!row || !(row->algorithms & algorithm))
		return false;
	struct str right = user_row_ha1(row, algorithm);
	memcpy(ha1, right.p, right.n);
	return true;
}

/* Whether the same attempt was counted before: nothing was kept of a stranger's request that would
 * absorb its retransmissions. */
static bool attempt_is_repeated(const struct attempt *a)
{
	const struct hash_key *key = &a->sip->keys.slot_key;
	uint64_t part[] = {
		hash_bytes(key, a->m->flow.peer.address, sizeof(a->m->flow.peer.address)),
		hash_str(key, message_str(a->m, a->m->call_id)),
		hash_str(key, message_str(a->m, a->m->via_branch)),
		hash_str(key, a->credentials.response),
		a->m->cseq,
	};

	return !a->in->transaction &&
	       !failures_note(&a->sip->failures, hash_bytes(key, part, sizeof(part)), a->now_ms);
}

static bool attempt_digest_right(const struct attempt *a)
{
	char ha1[HA1_TEXT_MAX + 1];
	bool known = attempt_find_ha1(a, ha1);
	bool right = digest_verify_any(&a->credentials, message_str(a->m, a->m->method_name),
		message_str(a->m, a->m->body),
		(struct str){ha1, a->credentials.algorithm == DIGEST_MD5 ? 32 : 64});

	sodium_memzero(ha1, sizeof(ha1));
	if (known && right)
		return true;
	if (attempt_is_repeated(a)) {
		count(REQUEST_RETRANSMISSIONS);
		return false;
	}
	if (known)
		count(AUTH_WRONG_DIGEST);
	else
		count(AUTH_UNKNOWN_USER);
	attempt_log(a, known ? "wrong-digest" : "unknown-user");
	attempt_penalize(a);
	return false;
}

/* True where the authenticated user owns the To of its REGISTER, or the From of any other
 * request. */
static bool attempt_owns(const struct attempt *a)
{
	return owner_is(
		a->sip->settings, a->m, a->domain_index, (struct str){a->name, a->name_length});
}

/* The sender is who the credentials are of. */
static void attempt_identify(const struct attempt *a)
{
	a->in->shown = true;
	a->in->sender = (struct identity){.authenticated = true,
		.anonymous = owner_is_anonymous(a->m),
		.domain = a->domain_index,
		.name_length = a->name_length};
	memcpy(a->in->sender.name, a->name, a->name_length);
}

static bool attempt_stale(struct attempt *a, enum counter reason)
{
	counter_add(reason, 1);
	return attempt_challenge(a, true);
}

/* A challenge to credentials that do not count, and a line that says why. */
static bool attempt_fault(struct attempt *a, enum counter reason, const char *fault)
{
	counter_add(reason, 1);
	a->fault = fault;
	attempt_log_fault(a);
	return attempt_challenge(a, false);
}

/* The digest is over another URI than the one that is asked. */
static bool attempt_refuse_uri(struct attempt *a, enum digest_uri_match match)
{
	if (match == DIGEST_URI_SPELLING)
		return attempt_fault(a, COUNTER_AUTH_URI_MISMATCH,
			"a uri that is not spelled as the Request-URI");
	count(AUTH_URI_MISMATCH);
	a->fault = "a uri that is not the Request-URI";
	attempt_log_fault(a);
	return attempt_refuse(a, 400, STR_EMPTY);
}

/* What is wrong with the quality of protection; NULL: it was offered, or may be left out. */
static const char *attempt_qop_fault(const struct attempt *a)
{
	struct str qop = a->credentials.qop;

	if (!qop.p)
		return a->domain->without_qop ? NULL : "no qop";
	if (str_equal_nocase(qop, S("auth")))
		return NULL;
	if (!a->domain->auth_int)
		return "a qop other than auth";
	return str_equal_nocase(qop, S("auth-int")) ? NULL : "a qop other than auth and auth-int";
}

/* The count of the nonce. Credentials without qop have none, and what cannot be counted can be
 * replayed: their nonce is good for one request. */
static uint32_t attempt_count(const struct attempt *a)
{
	char text[9] = "1";

	if (a->credentials.qop.p)
		memcpy(text, a->credentials.nc.p, 8);
	return (uint32_t)strtoul(text, NULL, 16);
}

/* The credentials, step by step. */
static bool attempt_check(struct attempt *a)
{
	struct credentials *c = &a->credentials;
	struct nonce_name nonce;
	uint32_t nc;
	struct replay *replay = authorize_replay(a->sip, a->now_ms);

	if (!(c->algorithm & a->domain->algorithms))
		return attempt_fault(
			a, COUNTER_AUTH_ALGORITHM, "an algorithm that was not offered");
	const char *fault = attempt_qop_fault(a);
	if (fault)
		return attempt_fault(a, COUNTER_AUTH_MALFORMED, fault);
	if (!attempt_find_name(a))
		return attempt_fault(a, COUNTER_AUTH_MALFORMED, "a username that cannot be one");
	int error = nonce_check(a->sip->keys.nonce_key, c->nonce, a->now_ms,
		a->sip->settings->nonce_ms, a->slot, &a->m->flow.peer, &nonce);
	if (error)
		return attempt_stale(a,
			error == -EINVAL ? COUNTER_AUTH_NONCE_FOREIGN : COUNTER_AUTH_NONCE_STALE);
	old_client_answered(a->sip, a->m, c->algorithm, false);
	enum digest_uri_match match = digest_uri_match(c->uri, a->m);
	if (match != DIGEST_URI_SAME)
		return attempt_refuse_uri(a, match);
	if (!attempt_digest_right(a))
		return attempt_challenge(a, false);
	nc = attempt_count(a);
	if (!replay)
		return attempt_refuse(a, 500, STR_EMPTY);
	if (replay_use(replay, nonce.serial, nonce.minted_ms, nc))
		return attempt_stale(a, COUNTER_AUTH_NONCE_REPEATED);
	/* It has shown itself, and its count is used: a retransmission must find this one. */
	attempt_identify(a);
	if (!incoming_begin(a->in))
		return false;
	if (!attempt_owns(a)) {
		count(AUTH_NOT_OWNER);
		attempt_log(a, "not-owner");
		return attempt_refuse(a, 403, STR_EMPTY);
	}
	count(AUTH_OK);
	old_client_answered(a->sip, a->m, c->algorithm, true);
	return true;
}

/* Who has credentials is asked to show them right: his call is then his. */
static bool attempt_has_credentials(const struct attempt *a)
{
	return message_first(a->m, HEADER_AUTHORIZATION) ||
	       message_first(a->m, HEADER_PROXY_AUTHORIZATION);
}

/* Whose credentials the request has, or would have if its sender is who it says: what is found is
 * taken for right, for a digest that is right may be used once, and this is not that once. */
static bool attempt_explain(struct attempt *a)
{
	struct explanation *x = a->in->explanation;
	struct str realm = settings_str(a->sip->settings, a->domain->realm);
	bool shows = attempt_find_credentials(a) && attempt_find_name(a);

	if (!shows) {
		struct uri_parts owner = owner_uri(a->m);
		long n = uri_unescape(owner.user, a->name, sizeof(a->name));

		a->name_length = n > 0 ? (size_t)n : 0;
	}
	struct str name = {a->name, a->name_length};
	bool known = a->sip->users && users_find(a->sip->users, a->domain_index, name);
	if (shows)
		explanation_say(x, "sender", name, 0,
			"has credentials for realm \"%.*s\", which are taken for right here",
			STR(realm));
	else
		explanation_say(x, "sender", name, 0,
			"is challenged first: %u, realm \"%.*s\"%s%s%s%s; what follows is for then",
			a->proxy ? 407 : 401, STR(realm),
			a->domain->md5_alone && old_client_is(a->sip, a->m)
				? ", MD5 alone, for it has given up where it had a choice"
				: "",
			a->fault ? " (" : "", a->fault ? a->fault : "", a->fault ? ")" : "");
	if (!known) {
		explanation_say(x, "sender", name, 0, "is no user of domain %.*s",
			STR(settings_str(a->sip->settings, a->domain->name)));
		return attempt_refuse(a, a->proxy ? 407 : 401, STR_EMPTY);
	}
	attempt_identify(a);
	if (a->in->sender.anonymous)
		explanation_say(x, "sender", name, 0, "calls without a name: its From says none");
	if (attempt_owns(a))
		return true;
	explanation_say(x, "sender", name, 0, "is not who %s says",
		a->m->method == METHOD_REGISTER ? "To" : "From");
	return attempt_refuse(a, 403, STR_EMPTY);
}

bool authorize(struct incoming *in)
{
	struct attempt a = {.sip = in->sip,
		.in = in,
		.m = in->message,
		.zone = settings_zone(in->sip->settings, in->zone),
		.slot = in->slot,
		.now_ms = clock_realtime_ms()};
	struct identity out = {.trusted = a.zone->trust == 1, .domain = NONE_INDEX};

	if (out.trusted || a.zone->auth == ZONE_AUTH_NONE) {
		in->sender = out;
		if (in->explanation)
			explanation_say(in->explanation, "sender", STR_EMPTY, 0, "is not asked: %s",
				out.trusted ? "its zone is trusted" : "its zone has auth = none");
		return true;
	}
	if (in->trunk != NONE_INDEX && in->shown) {
		in->sender = out;
		if (in->explanation)
			explanation_say(in->explanation, "sender", STR_EMPTY, 0,
				"is not asked: the trunk's token shows who he is");
		return true;
	}
	if (a.zone->emergency_without_credentials && emergency_call(in->sip->settings, a.m) &&
		!attempt_has_credentials(&a)) {
		count(EMERGENCY_UNAUTHENTICATED);
		in->sender = out;
		if (in->explanation)
			explanation_say(in->explanation, "sender", STR_EMPTY, 0,
				"is not asked: an emergency call without credentials");
		return true;
	}
	if (!attempt_find_domain(&a))
		return attempt_refuse(&a, 403, STR_EMPTY);
	a.proxy = !attempt_to_self(&a);
	if (!a.proxy && !attempt_has_credentials(&a) && keep_alive_is(in)) {
		count(KEEP_ALIVES_ANSWERED);
		in->sender = out;
		if (in->explanation)
			explanation_say(in->explanation, "sender", STR_EMPTY, 0,
				"is not asked: its From is registered by this flow, which OPTIONS "
				"keep open");
		return true;
	}
	if (in->explanation)
		return attempt_explain(&a);
	if (!attempt_find_credentials(&a)) {
		if (a.fault)
			attempt_log_fault(&a);
		count(AUTH_CHALLENGED);
		return attempt_challenge(&a, false);
	}
	if (!attempt_check(&a))
		return false;
	return true;
}
