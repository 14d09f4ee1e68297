/* sip-location.h - a location store in a folder of its own, for the tests that look at it from
 * several sides. */
#ifndef SIPWARD_TESTS_UNIT_SIP_LOCATION_H
#define SIPWARD_TESTS_UNIT_SIP_LOCATION_H

#include "sip-fixture.h"
#include "worker-sip/registrar/binding.h"
#include "worker-sip/registrar/store.h"
#include "own_folder.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct bench {
	struct loop *loop;
	struct location *location;
	char directory[64];
};
static struct bench bench;
static const struct binding_listeners __attribute__((unused))
test_listeners = {.count = 4, .name = {11, 12, 13, 14}};

static inline void bench_open(size_t map_size)
{
	cr_assert_eq(loop_new(&bench.loop), 0);
	cr_assert_eq(location_open_bounded(
			     &bench.location, bench.directory, &test_boot, bench.loop, map_size),
		0);
}

static inline void bench_close(void)
{
	location_close(bench.location);
	loop_free(bench.loop);
}

static inline void set_up(void)
{
	log_init("test", -1, LOG_ERROR, NULL, NULL);
	own_folder_make(bench.directory);
	bench_open(1 << 20);
}

static inline void tear_down(void)
{
	bench_close();
	own_folder_remove(bench.directory);
}

static inline struct binding sample(const char *contact, uint64_t expires_in)
{
	return (struct binding){.flow = {.transport = TRANSPORT_UDP,
					.listener = 3,
					.peer = fixture_endpoint("198.51.100.7:5060"),
					.local = fixture_endpoint("192.0.2.1:5060")},
		.expires_at = fixture_now() + expires_in,
		.cseq = 7,
		.q = 500,
		.contact = str_of(contact),
		.call_id = S("abc@host"),
		.path = S("<sip:p1;lr>, <sip:p2;lr>"),
		.instance = S("<urn:uuid:1>"),
		.reg_id = 2,
		.user_agent = S("phone/1.0")};
}

struct seen {
	unsigned count;
	char contact[64][64];
	struct binding last;
};

static inline void see(void *arg, const struct binding *b)
{
	struct seen *s = arg;
	if (s->count < 64)
		str_copy(b->contact, s->contact[s->count], sizeof(s->contact[0]));
	s->count++;
	s->last = *b;
}

static inline struct seen look(const char *aor)
{
	struct seen s = {0};
	int n = location_lookup(bench.location, str_of(aor), see, &s);
	cr_assert_eq(n, (int)s.count, "%d", n);
	return s;
}

static int results[4096];
static unsigned done_count;
static inline void done(void *arg, int error)
{
	(void)arg;
	results[done_count++ % 4096] = error;
}

/* Several that follow each other closely wait for each other. */
static inline void until_done(unsigned n)
{
	while (done_count < n)
		loop_once(bench.loop, 1);
}

static inline void file_of(char buffer[128], const char *name)
{
	snprintf(buffer, 128, "%s/%s", bench.directory, name);
}

/* Writes bytes under a key as a sibling that was taken over could. */
static inline void write_raw(struct str key, struct str value)
{
	char path[128];
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val k = {key.n, (void *)(uintptr_t)key.p}, v = {value.n, (void *)(uintptr_t)value.p};
	file_of(path, "location.mdb");
	pid_t child = fork();
	if (child == 0) {
		if (mdb_env_create(&env) || mdb_env_open(env, path, MDB_NOSUBDIR, 0600) ||
			mdb_txn_begin(env, NULL, 0, &txn) || mdb_dbi_open(txn, NULL, 0, &dbi) ||
			mdb_put(txn, dbi, &k, &v, 0) || mdb_txn_commit(txn))
			_exit(1);
		_exit(0);
	}
	int status;
	waitpid(child, &status, 0);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Put, and stored. */
static inline void put_now(const char *aor, const struct binding *b, unsigned count)
{
	done_count = 0;
	cr_assert_eq(location_put(bench.location, str_of(aor), b, count, done, NULL), 0);
	until_done(1);
	cr_assert_eq(results[0], 0);
}

#endif
