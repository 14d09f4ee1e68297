/* mesh-carriers.c - the mesh over either carrier, in one suite that takes the carrier: order,
 * batches, bounds, successors. mesh-pairs.c and mesh-zeromq.c have what only one of them can show.
 */
#include "common/counters.h"
#include "common/log.h"
#include "ipc/batch.h"
#include "ipc/mesh.h"
#include "patience.h"
#include "own_folder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TRANSPORT PEER(PEER_TRANSPORT, 1)
#define SIP PEER(PEER_SIP, 0)
#define OTHER_SIP PEER(PEER_SIP, 1)

static struct loop *loop, *mortal; /* of those who die: a loop that had a mesh ends with it */
static char dir[32];

static void quiet(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
}

static void setup(void)
{
	cr_assert_geq(sodium_init(), 0);
	log_init("test", -1, LOG_ERROR, quiet, NULL);
	cr_assert_eq(loop_new(&loop), 0);
	own_folder_make(dir);
}

static void teardown(void)
{
	loop_free(loop);
	own_folder_remove(dir);
}

TestSuite(pairs, .init = setup, .fini = teardown, .timeout = 60);
TestSuite(zeromq, .init = setup, .fini = teardown, .timeout = 60);

/* A test over both carriers. */
#define BOTH(name)                                                                                 \
	static void name(enum carrier carrier);                                                    \
	Test(pairs, name)                                                                          \
	{                                                                                          \
		name(CARRIER_PAIRS);                                                               \
	}                                                                                          \
	Test(zeromq, name)                                                                         \
	{                                                                                          \
		name(CARRIER_ZEROMQ);                                                              \
	}                                                                                          \
	static void name(enum carrier carrier)

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

#define RUN_UNTIL(condition)                                                                       \
	do {                                                                                       \
		uint64_t end_ = now_ms() + PATIENCE_MS;                                            \
		while (!(condition)) {                                                             \
			cr_assert_lt(now_ms(), end_, "waited in vain for " #condition);            \
			loop_once(loop, mortal ? 1 : 20);                                          \
			if (mortal)                                                                \
				loop_once(mortal, 1);                                              \
		}                                                                                  \
	} while (0)

static uint64_t counted(enum counter c)
{
	return counters_page->counter[c];
}

/* One end: what came in. Each record carries a running number. */
struct end {
	struct mesh *mesh;
	enum carrier carrier;
	uint16_t self;
	int listening; /* over ZeroMQ, of SIP workers; it stays with the test, as with the master */
	char path[48];
	uint64_t records, last, disorder;
	uint16_t peer;
	bool echo, dies;
};

static void on_record(void *arg, uint16_t peer, uint16_t type, const void *data, size_t size)
{
	struct end *e = arg;
	const struct record_watch *w = data;
	void *buffer;

	e->peer = peer;
	cr_assert_eq((uintptr_t)data % 8, 0);
	if (type != RECORD_WATCH)
		return;
	if (e->records && w->flow != e->last + 1)
		e->disorder++;
	e->last = w->flow;
	e->records++;
	if (e->echo && mesh_record(e->mesh, peer, type, size, true, &buffer) == 0)
		memcpy(buffer, data, size);
}

static int listen_at(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(name.sun_path, path);
	cr_assert_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	cr_assert_eq(listen(fd, 64), 0);
	return fd;
}

/* A life of self; where there was one before, its successor. */
static void live(struct end *e)
{
	e->records = e->last = e->disorder = 0;
	if (e->dies)
		cr_assert_eq(loop_new(&mortal), 0);
	cr_assert_eq(
		mesh_new(&e->mesh, e->dies ? mortal : loop, e->carrier, e->self, on_record, e), 0);
	if (e->listening >= 0)
		cr_assert_eq(mesh_listen(e->mesh, dup(e->listening), e->path), 0);
	cr_assert_eq(mesh_start(e->mesh), 0);
}

static void open_end_that(bool dies, struct end *e, enum carrier carrier, uint16_t self)
{
	*e = (struct end){.carrier = carrier, .self = self, .listening = -1, .dies = dies};
	if (carrier == CARRIER_ZEROMQ && PEER_ROLE(self) == PEER_SIP) {
		snprintf(e->path, sizeof(e->path), "%s/sip-%u.sock", dir, PEER_INDEX(self));
		e->listening = listen_at(e->path);
	}
	live(e);
}

static void open_end(struct end *e, enum carrier carrier, uint16_t self)
{
	open_end_that(false, e, carrier, self);
}

static void die(struct end *e)
{
	mesh_free(e->mesh);
	loop_free(mortal);
	mortal = NULL;
}

static void close_end(struct end *e)
{
	if (e->dies)
		die(e);
	else
		mesh_free(e->mesh);
	if (e->listening >= 0)
		close(e->listening);
}

/* b listens to a. */
static void connect_end(struct end *a, struct end *b)
{
	uint8_t token[MESH_TOKEN_SIZE];

	randombytes_buf(token, sizeof(token));
	cr_assert_eq(mesh_allow(b->mesh, a->self, token), 0);
	cr_assert_eq(mesh_connect(a->mesh, b->self, b->path, token), 0);
}

/* As the master does for two living workers. */
static void join(struct end *a, struct end *b)
{
	const int size = 2 * BATCH_MAX;
	int pair[2];

	if (a->carrier == CARRIER_ZEROMQ) {
		connect_end(a, b);
		if (PEER_ROLE(a->self) == PEER_SIP)
			connect_end(b, a);
		return;
	}
	cr_assert_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	cr_assert_eq(mesh_edge(a->mesh, b->self, pair[0]), 0);
	cr_assert_eq(mesh_edge(b->mesh, a->self, pair[1]), 0);
}

static int number(struct end *e, uint16_t peer, uint64_t n)
{
	void *buffer;
	int error = mesh_record(
		e->mesh, peer, RECORD_WATCH, sizeof(struct record_watch), false, &buffer);

	if (!error)
		*(struct record_watch *)buffer = (struct record_watch){.flow = n};
	return error;
}

BOTH(carries_records_both_ways_in_order)
{
	struct end a, b;

	open_end(&a, carrier, TRANSPORT);
	open_end(&b, carrier, SIP);
	cr_expect_eq(mesh_backlog(a.mesh, SIP), 0);
	join(&a, &b);
	b.echo = true;
	for (uint64_t n = 1; n <= 10000; n++)
		cr_assert_eq(number(&a, SIP, n), 0);
	cr_assert_eq(mesh_backlog(a.mesh, SIP), 10000);
	RUN_UNTIL(a.records == 10000);
	cr_expect_eq(b.records, 10000);
	cr_expect_eq(a.disorder + b.disorder, 0);
	cr_expect_eq(a.peer, SIP);
	cr_expect_eq(b.peer, TRANSPORT);
	cr_expect_eq(mesh_backlog(a.mesh, SIP), 0);
	cr_expect_eq(counted(COUNTER_MESH_BAD_BATCH), 0);
	cr_expect_eq(counted(COUNTER_MESH_UNREACHABLE), 0);
	close_end(&a);
	close_end(&b);
}

BOTH(joins_two_sip_workers_that_speak_at_once)
{
	struct end a, b;

	open_end(&a, carrier, SIP);
	open_end(&b, carrier, OTHER_SIP);
	join(&a, &b);
	for (uint64_t n = 1; n <= 3000; n++) {
		cr_assert_eq(number(&a, OTHER_SIP, n), 0);
		cr_assert_eq(number(&b, SIP, n), 0);
	}
	RUN_UNTIL(a.records == 3000 && b.records == 3000);
	cr_expect_eq(a.disorder + b.disorder, 0);
	cr_expect_eq(a.peer, OTHER_SIP);
	cr_expect_eq(b.peer, SIP);
	close_end(&a);
	close_end(&b);
}

BOTH(batches_what_one_turn_gives)
{
	struct end a, b;

	open_end(&a, carrier, TRANSPORT);
	open_end(&b, carrier, SIP);
	join(&a, &b);
	for (uint64_t n = 1; n <= 100; n++)
		number(&a, SIP, n);
	RUN_UNTIL(b.records == 100);
	cr_expect_eq(counted(COUNTER_MESH_BATCHES_SENT), 1);
	cr_expect_eq(counted(COUNTER_MESH_RECORDS_SENT), 100);
	cr_expect_eq(counted(COUNTER_MESH_BATCHES_RECEIVED), 1);
	cr_expect_eq(counted(COUNTER_MESH_RECORDS_RECEIVED), 100);
	close_end(&a);
	close_end(&b);
}

BOTH(takes_what_is_large_and_shrinks_what_was_reserved)
{
	struct end a, b;
	void *buffer;

	open_end(&a, carrier, TRANSPORT);
	open_end(&b, carrier, SIP);
	join(&a, &b);
	for (uint64_t n = 1; n <= 40; n++) {
		/* what counts, and what makes a batch as large as a message can be beside it */
		cr_assert_eq(number(&a, SIP, n), 0);
		cr_assert_eq(mesh_record(a.mesh, SIP, RECORD_SEND,
				     sizeof(struct record_send) + 60000, false, &buffer),
			0);
		memset(buffer, 0, sizeof(struct record_send) + 60000);
		*(struct record_send *)buffer = (struct record_send){.size = 60000};
	}
	cr_assert_eq(mesh_record(a.mesh, SIP, RECORD_WATCH, 200000, false, &buffer), 0);
	*(struct record_watch *)buffer = (struct record_watch){.flow = 41};
	mesh_shrink(a.mesh, SIP, sizeof(struct record_watch));
	cr_assert_eq(mesh_record(a.mesh, SIP, RECORD_WATCH, 100, false, &buffer), 0);
	mesh_shrink(a.mesh, SIP, 0);
	RUN_UNTIL(b.records == 41);
	cr_expect_eq(b.disorder, 0);
	cr_expect_eq(counted(COUNTER_MESH_RECORDS_RECEIVED), 81);
	cr_expect_eq(mesh_record(a.mesh, SIP, RECORD_SEND, BATCH_MAX, true, &buffer), -EMSGSIZE);
	cr_expect_eq(counted(COUNTER_MESH_OVERSIZE), 1);
	close_end(&a);
	close_end(&b);
}

BOTH(bounds_what_waits_and_keeps_a_reserve)
{
	struct end a, b;
	void *buffer;
	size_t ordinary = 0, reserve = 0;
	int error;

	open_end(&a, carrier, TRANSPORT);
	open_end(&b, carrier, SIP);
	join(&a, &b);
	while (!(error = mesh_record(a.mesh, SIP, RECORD_SEND, 1000, false, &buffer)))
		ordinary++;
	cr_expect_eq(error, -EAGAIN);
	cr_expect_leq(ordinary * 1000, OUTGOING_SOFT_MAX);
	while (!(error = mesh_record(a.mesh, SIP, RECORD_SEND, 1000, true, &buffer)))
		reserve++;
	cr_expect_eq(error, -EAGAIN);
	cr_expect_gt(reserve, 0);
	cr_expect_leq((ordinary + reserve) * 1000, OUTGOING_HARD_MAX);
	cr_expect_eq(counted(COUNTER_MESH_FULL), 2);
	cr_expect_eq(mesh_backlog(a.mesh, SIP), ordinary + reserve);
	close_end(&a);
	close_end(&b);
}

BOTH(knows_no_peer_without_an_edge)
{
	struct end a;

	open_end(&a, carrier, OTHER_SIP);
	cr_expect_eq(number(&a, TRANSPORT, 1), -ENOTCONN);
	cr_expect_eq(number(&a, SIP, 1), -ENOTCONN);
	cr_expect_eq(counted(COUNTER_MESH_UNREACHABLE), 2);
	cr_expect_eq(mesh_backlog(a.mesh, SIP), 0);
	close_end(&a);
}

BOTH(keeps_for_the_successor_of_a_sip_worker)
{
	struct end a, b;

	open_end(&a, carrier, TRANSPORT);
	open_end_that(true, &b, carrier, SIP);
	join(&a, &b);
	cr_assert_eq(number(&a, SIP, 1), 0);
	RUN_UNTIL(b.records == 1 && counted(COUNTER_MESH_EDGES) >= 1);
	die(&b);
	/* until its death is noticed what is sent may be lost with it */
	counter_set(COUNTER_MESH_EDGES, 1);
	RUN_UNTIL(counted(COUNTER_MESH_EDGES) == 0);
	for (uint64_t n = 1; n <= 3000; n++)
		cr_assert_eq(number(&a, SIP, n), 0);
	loop_once(loop, 0);
	cr_expect_eq(mesh_backlog(a.mesh, SIP), 3000);
	live(&b);
	join(&a, &b);
	RUN_UNTIL(b.records == 3000);
	cr_expect_eq(b.disorder, 0);
	cr_expect_eq(counted(COUNTER_MESH_UNREACHABLE), 0);
	close_end(&a);
	close_end(&b);
}

BOTH(drops_what_waits_for_a_transport_worker_that_died)
{
	struct end a, b;

	open_end_that(true, &a, carrier, TRANSPORT);
	open_end(&b, carrier, SIP);
	join(&a, &b);
	cr_assert_eq(number(&a, SIP, 1), 0);
	RUN_UNTIL(b.records == 1);
	die(&a);
	RUN_UNTIL(number(&b, TRANSPORT, 2) == -ENOTCONN);
	cr_expect_eq(mesh_backlog(b.mesh, TRANSPORT), 0);
	cr_expect_gt(counted(COUNTER_MESH_UNREACHABLE), 0);
	live(&a);
	join(&a, &b);
	cr_assert_eq(number(&a, SIP, 3), 0);
	RUN_UNTIL(b.records == 2);
	cr_assert_eq(number(&b, TRANSPORT, 4), 0);
	RUN_UNTIL(a.last == 4);
	cr_expect_eq(a.records, 1, "its successor gets nothing that was for it");
	close_end(&a);
	close_end(&b);
}

BOTH(serves_others_while_one_does_not_read)
{
	struct end a, deaf, good;
	struct loop *ours = loop, *its;
	void *data;

	cr_assert_eq(loop_new(&its), 0);
	open_end(&a, carrier, TRANSPORT);
	open_end(&good, carrier, SIP);
	loop = its; /* which does not run */
	open_end(&deaf, carrier, OTHER_SIP);
	loop = ours;
	join(&a, &good);
	join(&a, &deaf);
	while (mesh_record(a.mesh, OTHER_SIP, RECORD_SEND, 1000, true, &data) == 0)
		;
	for (uint64_t n = 1; n <= 5000; n++)
		cr_assert_eq(number(&a, SIP, n), 0);
	RUN_UNTIL(good.records == 5000);
	cr_expect_eq(good.disorder, 0);
	close_end(&a);
	close_end(&good);
	close_end(&deaf);
	loop_free(its);
}

/* Nothing to do: no turn but those that events make. */
BOTH(an_idle_edge_wakes_nobody)
{
	struct end a, b;
	uint64_t before;

	open_end(&a, carrier, TRANSPORT);
	open_end(&b, carrier, SIP);
	join(&a, &b);
	b.echo = true;
	cr_assert_eq(number(&a, SIP, 1), 0);
	RUN_UNTIL(a.records == 1);
	loop_once(loop, 50);
	loop_once(loop, 50);
	before = now_ms();
	loop_once(loop, 300);
	cr_expect_geq(now_ms() - before, 290);
	close_end(&a);
	close_end(&b);
}
