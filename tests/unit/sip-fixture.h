/* sip-fixture.h - a SIP worker's context without master, mesh and network: settings and users made
 * here, requests from text, answers caught on their way out; on a virtual clock.
 *
 * Domain example.net (MD5 and SHA-256, 60 to 3600 s, 3 bindings). Zone access asks for digest, zone
 * core is trusted, zone open asks nobody; each is a network of its own.
 */
#ifndef SIPWARD_TESTS_UNIT_SIP_FIXTURE_H
#define SIPWARD_TESTS_UNIT_SIP_FIXTURE_H

#include "worker-sip/auth/digest.h"
#include "worker-sip/registrar/registrar.h"
#include "worker-sip/auth/replay.h"
#include "worker-sip/transaction/transaction.h"
#include "virtual_clock.h"
#include "own_folder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { ZONE_ACCESS, ZONE_CORE, ZONE_OPEN, ZONES };
enum { ACCESS_UDP, ACCESS_TCP, CORE_UDP, OPEN_UDP, OPEN_TCP, CORE_TCP, LISTENERS };

static const struct boot_id test_boot = {"this boot"};

struct image {
	struct settings s;
	struct zone_settings zone[ZONES];
	struct listener_settings listener[LISTENERS];
	struct domain_settings domain[2];
	_Alignas(8) struct text domain_name[2];
	struct prefix source;
	/* none, but where a test sets them */
	struct trunk_settings trunk[2];
	struct target_settings target[4];
	struct route_settings route[4];
	uint16_t route_trunk[4];
	struct rule_settings rule[16]; /* of fixture_rules */
	unsigned rules;
	_Alignas(8) struct text hidden_name[2];
	struct emergency_settings emergency[2];
	struct text event;
	struct number_list_settings number_list[3];
	struct group_settings group[2];
	struct text list_number[6];
	char pool[2048];
	uint32_t used;
};

struct fixture {
	struct sip sip;
	_Alignas(8) struct image image;
	_Alignas(8) struct {
		struct users head;
		struct user_row row[16];
	} users;
	char directory[64];
	/* what was sent, and to where */
	char answer[65536];
	size_t answer_size;
	struct flow answer_to;
	unsigned answers, penalties;
	struct record_penalty penalty;
	/* the request at hand */
	_Alignas(8) char block[MESSAGE_BLOCK_MAX];
	unsigned branch;
};

static inline uint64_t counted(enum counter c)
{
	return counters_page->counter[c];
}

static inline struct text fixture_text(struct image *i, const char *s)
{
	struct text t = {(uint32_t)(offsetof(struct image, pool) + i->used), (uint32_t)strlen(s)};
	memcpy(i->pool + i->used, s, t.length + 1);
	i->used += t.length + 1;
	return t;
}

/* One more number of emergency; service: "" for none. */
static inline void fixture_emergency(struct image *i, const char *number, const char *service)
{
	uint32_t n = i->s.emergency.count;

	i->emergency[n] = (struct emergency_settings){
		.number = fixture_text(i, number), .service = fixture_text(i, service)};
	i->s.emergency = (struct array){offsetof(struct image, emergency), n + 1};
}

/* Rules about numbers and headers, one a line. */
static inline struct array fixture_rules(struct image *i, const char *text)
{
	struct array a = {
		(uint32_t)(offsetof(struct image, rule) + i->rules * sizeof(i->rule[0])), 0};

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n', a.count++) {
		char line[256];

		cr_assert_lt(i->rules, sizeof(i->rule) / sizeof(i->rule[0]));
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
		i->rule[i->rules] = (struct rule_settings){fixture_text(i, line), i->rules + 1};
		i->rules++;
	}
	return a;
}

static inline struct endpoint fixture_endpoint(const char *text)
{
	struct endpoint e;
	cr_assert_eq(endpoint_parse(str_of(text), &e), 0, "%s", text);
	return e;
}

static inline void fixture_settings(struct image *i)
{
	memset(i, 0, sizeof(*i));
	i->s = (struct settings){.magic = SETTINGS_MAGIC,
		.version = SETTINGS_VERSION,
		.size = sizeof(*i),
		.generation = 1,
		.t1_ms = 500,
		.t2_ms = 4000,
		.t4_ms = 5000,
		.message_max = MESSAGE_RAW_MAX,
		.transactions_max = 1000,
		.calls_max = 100,
		.subscriptions_max = 100,
		.forks_max = 8,
		.forwards_max = 5,
		.nonce_ms = 300000,
		.max_forwards = 70,
		.workers = {[PEER_TRANSPORT] = 1, [PEER_SIP] = 1}};
	i->s.zones = (struct array){offsetof(struct image, zone), ZONES};
	i->s.listeners = (struct array){offsetof(struct image, listener), LISTENERS};
	i->s.domains = (struct array){offsetof(struct image, domain), 2};
	i->zone[ZONE_ACCESS] = (struct zone_settings){
		.name = fixture_text(i, "access"), .auth = ZONE_AUTH_DIGEST};
	cr_assert_eq(prefix_parse(S("10.0.0.0/24"), &i->source), 0);
	i->zone[ZONE_CORE] = (struct zone_settings){.name = fixture_text(i, "core"),
		.trust = 1,
		.sources = {offsetof(struct image, source), 1}};
	i->zone[ZONE_OPEN] = (struct zone_settings){
		.name = fixture_text(i, "open"), .auth = ZONE_AUTH_NONE};
	i->listener[ACCESS_UDP] = (struct listener_settings){.name = fixture_text(i, "udp"),
		.bind = fixture_endpoint("192.0.2.1:5060"),
		.zone = ZONE_ACCESS,
		.transport = TRANSPORT_UDP};
	i->listener[ACCESS_TCP] = (struct listener_settings){.name = fixture_text(i, "tcp"),
		.bind = fixture_endpoint("192.0.2.1:5060"),
		.zone = ZONE_ACCESS,
		.transport = TRANSPORT_TCP};
	i->listener[CORE_UDP] = (struct listener_settings){.name = fixture_text(i, "coreudp"),
		.bind = fixture_endpoint("10.0.0.1:5062"),
		.zone = ZONE_CORE,
		.transport = TRANSPORT_UDP};
	i->listener[OPEN_UDP] = (struct listener_settings){.name = fixture_text(i, "open"),
		.bind = fixture_endpoint("192.0.2.1:5064"),
		.zone = ZONE_OPEN,
		.transport = TRANSPORT_UDP};
	i->listener[OPEN_TCP] = (struct listener_settings){.name = fixture_text(i, "opentcp"),
		.bind = fixture_endpoint("192.0.2.1:5064"),
		.zone = ZONE_OPEN,
		.transport = TRANSPORT_TCP};
	i->listener[CORE_TCP] = (struct listener_settings){.name = fixture_text(i, "coretcp"),
		.bind = fixture_endpoint("10.0.0.1:5062"),
		.zone = ZONE_CORE,
		.transport = TRANSPORT_TCP};
	i->domain[0] = (struct domain_settings){.name = fixture_text(i, "example.net"),
		.realm = fixture_text(i, "example.net"),
		.expires_min = 60,
		.expires_max = 3600,
		.expires_default = 1800,
		.bindings_max = 3,
		.algorithms = DIGEST_MD5 | DIGEST_SHA256};
	i->domain[1] = (struct domain_settings){.name = fixture_text(i, "other.example"),
		.realm = fixture_text(i, "other realm"),
		.expires_min = 60,
		.expires_max = 3600,
		.expires_default = 1800,
		.bindings_max = 3,
		.algorithms = DIGEST_MD5};
	i->domain_name[0] = i->domain[0].name;
	i->domain_name[1] = i->domain[1].name;
	i->s.domain_names = (struct array){offsetof(struct image, domain_name), 2};
	cr_assert_eq(settings_check(i, sizeof(*i)), 0);
}

static inline void fixture_user(struct fixture *f, unsigned domain, const char *name,
	const char *password, uint8_t algorithms)
{
	struct str realm = settings_str(&f->image.s, settings_domain(&f->image.s, domain)->realm);
	struct user_row row = {.domain = (uint16_t)domain,
		.algorithms = algorithms,
		.name_length = (uint8_t)strlen(name),
		.hash = users_hash(domain, str_of(name))};
	char hex[65];
	memcpy(row.name, name, strlen(name));
	digest_ha1(DIGEST_MD5, str_of(name), realm, str_of(password), hex);
	memcpy(row.ha1_md5, hex, 32);
	digest_ha1(DIGEST_SHA256, str_of(name), realm, str_of(password), hex);
	memcpy(row.ha1_sha256, hex, 64);
	digest_ha1(DIGEST_SHA512_256, str_of(name), realm, str_of(password), hex);
	memcpy(row.ha1_sha512_256, hex, 64);
	uint32_t at = row.hash & f->users.head.mask;
	while (f->users.row[at].hash)
		at = (at + 1) & f->users.head.mask;
	f->users.row[at] = row;
	f->users.head.count++;
}

static int fixture_send(
	void *arg, const struct flow *to, struct str bytes, uint64_t cookie, bool reserve)
{
	struct fixture *f = arg;
	(void)cookie;
	(void)reserve;
	cr_assert_lt(bytes.n, sizeof(f->answer));
	memcpy(f->answer, bytes.p, bytes.n);
	f->answer[bytes.n] = 0;
	f->answer_size = bytes.n;
	f->answer_to = *to;
	f->answers++;
	return 0;
}

static void fixture_penalty(void *arg, const struct record_penalty *penalty)
{
	struct fixture *f = arg;
	f->penalties++;
	f->penalty = *penalty;
}

static inline void fixture_open(struct fixture *f)
{
	cr_assert_eq(location_open(&f->sip.location, f->directory, &test_boot, f->sip.loop), 0);
	cr_assert_eq(transactions_new(&f->sip.transactions, &f->sip), 0);
	cr_assert_eq(registrar_new(&f->sip.registrar, &f->sip), 0);
}

static inline struct fixture *fixture_new(void)
{
	struct fixture *f = calloc(1, sizeof(*f));
	cr_assert_not_null(f);
	cr_assert_eq(digest_init(), 0);
	log_init("test", -1, LOG_ERROR, NULL, NULL);
	fixture_settings(&f->image);
	f->users.head = (struct users){.magic = USERS_MAGIC, .size = sizeof(f->users), .mask = 15};
	f->sip.settings = &f->image.s;
	f->sip.users = &f->users.head;
	fixture_user(f, 0, "alice", "wonderland", DIGEST_MD5 | DIGEST_SHA256);
	fixture_user(f, 0, "bob", "builder", DIGEST_MD5);
	fixture_user(f, 1, "carol", "christmas", DIGEST_MD5);
	cr_assert_eq(users_check(&f->users, sizeof(f->users)), 0);
	memset(&f->sip.keys, 7, sizeof(f->sip.keys));
	f->sip.keys.minting.generation = 0;
	f->sip.send_hook = fixture_send;
	f->sip.send_arg = f;
	f->sip.penalty_hook = fixture_penalty;
	virtual_clock_start();
	cr_assert_eq(loop_new(&f->sip.loop), 0);
	own_folder_make(f->directory);
	fixture_open(f);
	return f;
}

static inline void fixture_close(struct fixture *f)
{
	registrar_free(f->sip.registrar);
	transactions_free(f->sip.transactions);
	location_close(f->sip.location);
	loop_free(f->sip.loop);
	replay_free(f->sip.replay);
	f->sip.replay = NULL;
}

static inline void fixture_free(struct fixture *f)
{
	fixture_close(f);
	free(f->sip.old_clients);
	own_folder_remove(f->directory);
	free(f);
	virtual_clock_stop();
}

/* A new life of the worker over the same store. */
static inline void fixture_restart(struct fixture *f)
{
	fixture_close(f);
	cr_assert_eq(loop_new(&f->sip.loop), 0);
	fixture_open(f);
}

/* ---- requests from text ---- */

static inline struct span fixture_span(const char *raw, struct str s)
{
	return s.n ? (struct span){(uint16_t)(s.p - raw), (uint16_t)s.n} : (struct span){0, 0};
}

static inline struct uri fixture_uri(const char *raw, const struct uri_parts *u)
{
	return (struct uri){.whole = fixture_span(raw, u->whole),
		.user = fixture_span(raw, u->user),
		.host = fixture_span(raw, u->host),
		.params = fixture_span(raw, u->params),
		.headers = fixture_span(raw, u->headers),
		.port = u->port,
		.scheme = u->scheme};
}

static inline void fixture_typed(struct message *m, uint8_t id, struct str value)
{
	const char *raw = message_raw(m);
	struct address a;
	struct str rest = value, tag = STR_NONE;
	uint64_t number = 0;
	if (id == HEADER_FROM || id == HEADER_TO) {
		cr_assert_eq(address_next(&rest, &a), 0);
		param_find(a.params, S("tag"), &tag);
		*(id == HEADER_FROM ? &m->from : &m->to) = fixture_uri(raw, &a.uri);
		*(id == HEADER_FROM ? &m->from_tag : &m->to_tag) = fixture_span(raw, tag);
	} else if (id == HEADER_VIA) { /* "SIP/2.0/UDP host;branch=..." */
		size_t space = str_find(value, ' ');
		cr_assert_lt(space, value.n);
		struct str after = str_from(value, space + 1);
		size_t n = str_find(after, ';');
		cr_assert_lt(n, after.n);
		m->via = fixture_span(raw, value);
		m->via_count++;
		m->via_host = fixture_span(raw, (struct str){after.p, n});
		m->via_params = fixture_span(raw, str_from(after, n));
		cr_assert(param_find(str_from(after, n + 1), S("branch"), &tag));
		m->via_branch = fixture_span(raw, tag);
	} else if (id == HEADER_CALL_ID) {
		m->call_id = fixture_span(raw, value);
	} else if (id == HEADER_CSEQ) {
		cr_assert_eq(
			str_number((struct str){value.p, str_find(value, ' ')}, INT32_MAX, &number),
			0);
		m->cseq = (uint32_t)number;
	} else if (id == HEADER_EXPIRES) {
		m->expires = str_number(value, UINT32_MAX, &number) ? -1 : (int64_t)number;
	} else if (id == HEADER_CONTACT && str_equal(value, S("*"))) {
		m->contact_star = 1;
	} else if (id == HEADER_CONTACT && !m->contact_star) {
		while (contact_next(&rest, &a) == 0 && m->contact_count++ == 0)
			m->contact = fixture_uri(raw, &a.uri);
	}
}

/* The block of a request without a body, as the parser of the transport worker makes it, from
 * flow. */
static inline const struct message *fixture_message(
	struct fixture *f, const char *text, const struct flow *flow)
{
	struct message *m = (struct message *)(void *)f->block;
	struct message_header header[64];
	unsigned count = 0;
	memset(f->block, 0, sizeof(f->block));
	size_t line_end = (size_t)(strstr(text, "\r\n") - text), at = line_end + 2;
	while (text[at] != '\r') {
		const char *colon = strchr(text + at, ':'), *end = text + at;
		do
			end = strstr(end, "\r\n") + 2;
		while (*end == ' ' || *end == '\t');
		struct str value = str_trim((struct str){colon + 1, (size_t)(end - colon - 1)});
		header[count++] = (struct message_header){
			.id = header_of((struct str){text + at, (size_t)(colon - text) - at}),
			.name_length = (uint8_t)((size_t)(colon - text) - at),
			.line = (uint16_t)at,
			.end = (uint16_t)(end - text),
			.value = {(uint16_t)(value.p - text), (uint16_t)value.n}};
		at = (size_t)(end - text);
	}
	*m = (struct message){.version = MESSAGE_VERSION,
		.is_request = 1,
		.flow = *flow,
		.raw_size = (uint32_t)at + 2,
		.header_count = (uint16_t)count,
		.max_forwards = 70,
		.expires = -1,
		.via_transport = flow->transport};
	m->size = (uint32_t)message_block_size(count, m->raw_size);
	memcpy(m + 1, header, count * sizeof(header[0]));
	memcpy((char *)(m + 1) + count * sizeof(header[0]), text, m->raw_size);
	const char *raw = message_raw(m);
	m->start_line = (struct span){0, (uint16_t)line_end};
	struct str line = {raw, line_end};
	size_t space = str_find(line, ' ');
	struct str uri = str_from(line, space + 1);
	struct uri_parts parts;
	m->method_name = (struct span){0, (uint16_t)space};
	m->method = method_of((struct str){raw, space});
	uri.n = str_find(uri, ' ');
	cr_assert_eq(uri_parse(uri, &parts), 0);
	m->request_uri = fixture_uri(raw, &parts);
	m->body = (struct span){(uint16_t)m->raw_size, 0};
	memset(m->first, 0xff, sizeof(m->first));
	for (unsigned i = 0; i < count; i++) {
		if (header[i].id != HEADER_OTHER && m->first[header[i].id] == 0xff)
			m->first[header[i].id] = (uint8_t)i;
		fixture_typed(m, header[i].id, message_str(m, header[i].value));
	}
	cr_assert_eq(message_check(m, m->size), 0, "the fixture made a bad block of\n%s", text);
	return m;
}

static inline struct flow fixture_flow(
	const struct fixture *f, unsigned listener, const char *peer, uint64_t id)
{
	const struct listener_settings *l = settings_listener(&f->image.s, listener);
	return (struct flow){.id = id,
		.transport = l->transport,
		.listener = (uint16_t)listener,
		.peer = fixture_endpoint(peer),
		.local = l->bind};
}

/* Turns the loop until it has nothing more to do at once. */
static inline void fixture_turn(struct fixture *f)
{
	virtual_clock_advance(f->sip.loop, 0);
}

/* Lets that many seconds pass. */
static inline void fixture_pass(struct fixture *f, unsigned seconds)
{
	virtual_clock_advance(f->sip.loop, seconds * 1000);
}

/* The status of the last answer; 0: none since the last call. */
static inline unsigned fixture_status(struct fixture *f)
{
	unsigned status = 0;
	if (f->answers)
		sscanf(f->answer, "SIP/2.0 %u", &status);
	f->answers = 0;
	return status;
}

/* The value of the nth (from 0) header of the last answer whose line starts with name, or NULL.
 * Static buffer. */
static inline const char *fixture_header(const struct fixture *f, const char *name, unsigned nth)
{
	static char buffer[4096];
	size_t n = strlen(name);
	for (const char *line = strstr(f->answer, "\r\n"); line; line = strstr(line + 2, "\r\n"))
		if (strncmp(line + 2, name, n) == 0 && line[2 + n] == ':' && nth-- == 0) {
			snprintf(buffer, sizeof(buffer), "%.*s", (int)strcspn(line + 4 + n, "\r"),
				line + 4 + n);
			return buffer;
		}
	return NULL;
}

static inline unsigned fixture_headers(const struct fixture *f, const char *name)
{
	unsigned n = 0;
	while (fixture_header(f, name, n))
		n++;
	return n;
}

static inline uint64_t fixture_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#endif
