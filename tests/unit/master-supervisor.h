/* master-supervisor.h - a supervisor with real processes that do no work (master-fixture.h): two
 * transport and SIP workers and a TLS worker over pairs, unless workers and carrier say otherwise
 * before setup. */
#ifndef SIPWARD_TESTS_UNIT_MASTER_SUPERVISOR_H
#define SIPWARD_TESTS_UNIT_MASTER_SUPERVISOR_H

#include "master-fixture.h"

#include "common/counters.h"
#include "patience.h"
#include "master/control/query.h"
#include "master/workers/drain.h"
#include "master/workers/quarantine.h"
#include "master/workers/scale.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "master-ground.h" /* its s is the name of parameters of the headers above */

static char program[ROLE_COUNT][96];
static struct queries queries;
static int signals;
static unsigned workers[ROLE_COUNT] = {[PEER_TRANSPORT] = 2, [PEER_SIP] = 2, [PEER_TLS] = 1};
static enum carrier carrier = CARRIER_PAIRS;
static bool stopped;
static unsigned dead, ups;

static inline void on_reply(
	void *arg, struct worker_slot *w, uint32_t id, bool last, struct str text)
{
	(void)arg;
	query_reply(&queries, w, id, last, text);
}

static inline void on_died(void *arg, struct worker_slot *w)
{
	(void)arg;
	dead++;
	query_died(&queries, w);
}

static inline void on_stopped(void *arg)
{
	(void)arg;
	stopped = true;
}

static inline void on_up(void *arg)
{
	(void)arg;
	ups++;
}

static inline void on_signal(void *arg, uint32_t events)
{
	struct signalfd_siginfo info;

	(void)arg, (void)events;
	while (read(signals, &info, sizeof(info)) > 0)
		;
	supervise_reap(&s);
}

/* The name of the worker's program: a link to this one (master-fixture.h). */
static inline void link_program(enum peer_role role, const char *name)
{
	char self[256] = "";

	cr_assert_gt(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
	snprintf(program[role], sizeof(program[role]), "%s/%s", base, name);
	unlink(program[role]);
	cr_assert_eq(symlink(self, program[role]), 0);
	s.program[role] = program[role];
}

static inline void setup(void)
{
	sigset_t set;

	ground_make(carrier);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	cr_assert_eq(loop_add(loop, signals, EPOLLIN, on_signal, NULL, NULL), 0);
	s.log_level = LOG_INFO;
	s.reply = on_reply;
	s.died = on_died;
	s.up = on_up;
	s.stopped = on_stopped;
	memcpy(s.role_count, workers, sizeof(workers));
	for (unsigned r = PEER_TRANSPORT; r <= PEER_TLS; r++) {
		s.account[r] = (struct account){.uid = geteuid(), .gid = getegid()};
		s.fds_limit[r] = 64;
	}
	cr_assert_eq(quarantine_open(&s.quarantine, state.fd), 0);
	link_program(PEER_TRANSPORT, "sipward-transport");
	link_program(PEER_SIP, "sipward-sip");
	link_program(PEER_TLS, "sipward-tls");
	queries_init(&queries, loop, &s);
	cr_assert_eq(supervise_open(&s), 0);
}

/* Turns the loop until condition is true, for PATIENCE_MS at most. */
#define UNTIL(condition)                                                                           \
	do {                                                                                       \
		uint64_t until_ = loop_now(loop) + PATIENCE_MS;                                    \
		while (!(condition)) {                                                             \
			cr_assert_lt(loop_now(loop), until_, "waited in vain for: " #condition);   \
			loop_once(loop, 50);                                                       \
		}                                                                                  \
	} while (0)

static inline unsigned ready(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s.count; i++)
		n += s.worker[i].state == WORKER_READY;
	return n;
}

static inline void teardown(void)
{
	if (!stopped) {
		supervise_stop(&s, true);
		UNTIL(stopped);
	}
	queries_close(&queries);
	supervise_close(&s);
	quarantine_close(s.quarantine);
	ground_remove();
}

/* ---- questions ---- */

static json_t *rows, *missing;

static inline void keep(void *arg, json_t *r, json_t *m)
{
	(void)arg;
	json_decref(rows);
	json_decref(missing);
	rows = r;
	missing = m;
}

static inline void ask(unsigned role, const char *argument)
{
	json_decref(rows);
	json_decref(missing);
	rows = missing = NULL;
	cr_assert_eq(query_start(&queries, role, false, QUERY_CALLS, argument, keep, NULL), 0);
	cr_assert_null(rows, "never before query_start returns");
	UNTIL(rows);
}

static inline void tell(struct worker_slot *w, const char *what)
{
	struct lifeline_query q = {.id = 99999, .what = QUERY_CALLS};

	snprintf(q.argument, sizeof(q.argument), "%s", what);
	cr_assert(worker_tell(w, LIFELINE_QUERY, &q, sizeof(q), -1));
}

static inline int number(size_t row, const char *key)
{
	return (int)json_integer_value(json_object_get(json_array_get(rows, row), key));
}

#endif
