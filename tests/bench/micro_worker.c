/* micro_worker.c - the SIP worker of the micro-benchmark (micro_worker.h).
 *
 * Repeatable to the instruction: libsodium's random numbers come from a counter, clock_gettime is
 * replaced by a clock that moves only in worker_wait. Relies on the linker: the program's own
 * clock_gettime goes before libc's, in libraries too. */
#include "micro_worker.h"
#include "ipc/message_slot.h"

#include "worker-sip/core.h"
#include "worker-sip/call/dialog.h"
#include "worker-sip/auth/digest.h"
#include "worker-sip/registrar/location.h"
#include "worker-sip/registrar/registrar.h"
#include "worker-sip/routing/fork.h"
#include "worker-sip/routing/route.h"
#include "worker-sip/routing/target_state.h"
#include "worker-sip/transaction/transaction.h"
#include "worker-transport/parse/parse.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define STARTED_S 1800000000

struct image {
	struct settings s;
	struct zone_settings zone[2];
	struct listener_settings listener[2];
	struct domain_settings domain;
	struct trunk_settings trunk;
	struct target_settings target;
	struct route_settings route[1];
	uint16_t trunks[4];
	char pool[256];
	uint32_t used;
};

static _Alignas(8) struct image image;
static uint64_t clock_ms;
static uint64_t random_state;
/* A message that the worker sent. */
static struct {
	char bytes[MESSAGE_RAW_MAX + 1];
	size_t size;
} out[16];
static unsigned outs;

void fail(const char *what)
{
	fprintf(stderr, "micro: %s\n", what);
	exit(1);
}

/* ---- time and chance ---- */

int clock_gettime(clockid_t clock, struct timespec *t)
{
	(void)clock;
	*t = (struct timespec){.tv_sec = (time_t)(STARTED_S + clock_ms / 1000),
		.tv_nsec = (long)(clock_ms % 1000 * 1000000)};
	return 0;
}

static uint32_t random_next(void)
{
	/* SplitMix64: any numbers that are spread like random ones */
	uint64_t z = random_state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)(z ^ z >> 31);
}

static void random_fill(void *to, size_t size)
{
	unsigned char *p = to;

	for (size_t i = 0; i < size; i++)
		p[i] = (unsigned char)random_next();
}

static const char *random_name(void)
{
	return "counter";
}

static randombytes_implementation chance = {
	.implementation_name = random_name, .random = random_next, .buf = random_fill};

/* ---- its settings ---- */

static struct text text(const char *s)
{
	struct text t = {
		(uint32_t)(offsetof(struct image, pool) + image.used), (uint32_t)strlen(s)};

	memcpy(image.pool + image.used, s, t.length + 1);
	image.used += t.length + 1;
	return t;
}

struct endpoint endpoint_of(const char *s)
{
	struct endpoint e;

	if (endpoint_parse(str_of(s), &e))
		fail(s);
	return e;
}

static void make_settings(void)
{
	image.s = (struct settings){.magic = SETTINGS_MAGIC,
		.version = SETTINGS_VERSION,
		.size = sizeof(image),
		.generation = 1,
		.t1_ms = 500,
		.t2_ms = 4000,
		.t4_ms = 5000,
		.message_max = MESSAGE_RAW_MAX,
		.transactions_max = 1000000,
		.calls_max = 1000000,
		.forks_max = 8,
		.forwards_max = 5,
		.nonce_ms = 300000,
		.max_forwards = 70,
		.workers = {[PEER_TRANSPORT] = 1, [PEER_SIP] = 1}};
	image.s.zones = (struct array){offsetof(struct image, zone), 2};
	image.s.listeners = (struct array){offsetof(struct image, listener), 2};
	image.s.domains = (struct array){offsetof(struct image, domain), 1};
	image.s.trunks = (struct array){offsetof(struct image, trunk), 1};
	image.s.routes = (struct array){offsetof(struct image, route), 1};
	image.zone[TRUSTED] = (struct zone_settings){
		.name = text("load"), .trust = 1, .auth = ZONE_AUTH_NONE};
	image.zone[ACCESS] = (struct zone_settings){
		.name = text("access"), .auth = ZONE_AUTH_DIGEST};
	image.listener[TRUSTED] = (struct listener_settings){.name = text("udp"),
		.bind = endpoint_of("192.0.2.1:5060"),
		.zone = TRUSTED,
		.transport = TRANSPORT_UDP};
	image.listener[ACCESS] = (struct listener_settings){.name = text("access"),
		.bind = endpoint_of("192.0.2.1:5062"),
		.zone = ACCESS,
		.transport = TRANSPORT_UDP};
	image.domain = (struct domain_settings){.name = text(REALM),
		.realm = text(REALM),
		.expires_min = 60,
		.expires_max = 3600,
		.expires_default = 1800,
		.bindings_max = 3,
		.algorithms = DIGEST_MD5 | DIGEST_SHA256};
	image.target = (struct target_settings){.endpoint = endpoint_of("192.0.2.9:5080"),
		.listener = TRUSTED,
		.transport = TRANSPORT_UDP,
		.explicit_transport = 1};
	image.trunk = (struct trunk_settings){.name = text("peer"),
		.targets = {offsetof(struct image, target), 1},
		.zone = TRUSTED,
		.answer_ms = 5000,
		.ring_ms = 180000};
	image.route[0] = (struct route_settings){.name = text("all"),
		.from = 1 << TRUSTED | 1 << ACCESS,
		.trunks = {offsetof(struct image, trunks), 1},
		.to_domain = NONE_INDEX,
		.action = ROUTE_TRUNK};
	if (settings_check(&image, sizeof(image)))
		fail("settings");
}

static void make_users(struct sip *sip)
{
	uint32_t rows = 1;

	while (rows < 2 * USERS)
		rows *= 2;
	size_t size = sizeof(struct users) + rows * sizeof(struct user_row);
	struct users *u = calloc(1, size);
	if (!u)
		fail("memory");
	*u = (struct users){
		.magic = USERS_MAGIC, .size = (uint32_t)size, .mask = rows - 1, .count = USERS};
	for (unsigned i = 0; i < USERS; i++) {
		char name[16], hex[65];

		snprintf(name, sizeof(name), "u%06u", i);
		struct user_row row = {.algorithms = DIGEST_MD5 | DIGEST_SHA256,
			.name_length = 7,
			.hash = users_hash(0, str_of(name))};
		memcpy(row.name, name, 7);
		digest_ha1(DIGEST_MD5, str_of(name), S(REALM), S("secret"), hex);
		memcpy(row.ha1_md5, hex, 32);
		digest_ha1(DIGEST_SHA256, str_of(name), S(REALM), S("secret"), hex);
		memcpy(row.ha1_sha256, hex, 64);
		uint32_t at = row.hash & u->mask;
		while (u->row[at].hash)
			at = (at + 1) & u->mask;
		u->row[at] = row;
	}
	if (users_check(u, size))
		fail("users");
	sip->users = u;
	sip->users_size = size;
}

/* ---- its life ---- */

static int catch_sent(
	void *arg, const struct flow *to, struct str bytes, uint64_t cookie, bool reserve)
{
	(void)arg;
	(void)to;
	(void)cookie;
	(void)reserve;
	if (outs == sizeof(out) / sizeof(out[0]))
		fail("more is sent than there is room for");
	memcpy(out[outs].bytes, bytes.p, bytes.n);
	out[outs].bytes[bytes.n] = 0;
	out[outs++].size = bytes.n;
	return 0;
}

void worker_start(struct sip *sip)
{
	static const struct boot_id boot = {"bench"};
	char directory[] = "/tmp/bench-micro-XXXXXX", command[64];

	randombytes_set_implementation(&chance);
	if (sodium_init() < 0 || !mkdtemp(directory) || digest_init() || loop_new(&sip->loop))
		fail("start");
	log_init("micro", -1, LOG_ERROR, NULL, NULL);
	make_settings();
	make_users(sip);
	sip->settings = &image.s;
	sip->settings_size = sizeof(image);
	memset(&sip->keys, 7, sizeof(sip->keys));
	sip->keys.minting.generation = 0;
	sip->send_hook = catch_sent;
	if (target_states_new(&sip->target_states, sip, fork_attempt_lost) ||
		target_states_take(sip->target_states) || routes_new(&sip->routes, &image.s) ||
		transactions_new(&sip->transactions, sip) || dialogs_new(&sip->dialogs) ||
		location_open(&sip->location, directory, &boot, sip->loop) ||
		registrar_new(&sip->registrar, sip))
		fail("worker");
	snprintf(command, sizeof(command), "rm -rf %s", directory); /* the store stays open */
	if (system(command))
		fail(command);
}

struct message *worker_parsed(
	struct sip *sip, const char *text_, size_t size, unsigned listener, const char *peer)
{
	static _Alignas(8) unsigned char buffer[2][(MESSAGE_BLOCK_MAX + 7) & ~(size_t)7];
	static unsigned next;
	struct parse_error error;
	unsigned char *block = buffer[next++ % 2];
	struct message *m = (void *)block;

	if (parse_message(text_, size, block, MESSAGE_BLOCK_MAX, &error))
		fail(error.reason);
	m->flow = (struct flow){.transport = TRANSPORT_UDP,
		.listener = (uint16_t)listener,
		.peer = endpoint_of(peer),
		.local = image.listener[listener].bind};
	m->slot = slot_of_message(m, &sip->keys.slot_key, sip->settings);
	m->received_ns = 1;
	return m;
}

void worker_give(struct sip *sip, const char *text_, size_t size, unsigned listener,
	const char *peer, bool measured)
{
	struct message *m = worker_parsed(sip, text_, size, listener, peer);

	if (measured)
		measure_begin();
	core_message(sip, m, m->slot);
	loop_once(sip->loop, 0);
	if (measured)
		measure_end();
}

void worker_wait(struct sip *sip, uint64_t ms, bool measured)
{
	clock_ms += ms;
	if (measured)
		measure_begin();
	loop_once(sip->loop, 0);
	if (measured)
		measure_end();
}

const char *worker_sent(const char *start)
{
	for (unsigned i = 0; i < outs; i++)
		if (!strncmp(out[i].bytes, start, strlen(start)))
			return out[i].bytes;
	for (unsigned i = 0; i < outs; i++)
		fprintf(stderr, "sent %s\n", out[i].bytes);
	fail(start);
}

void worker_forget(void)
{
	outs = 0;
}
