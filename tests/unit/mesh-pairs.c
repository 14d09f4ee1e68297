/* The mesh over pairs, with real ones: peers that die, are replaced, do not read or say what no
 * honest one says. mesh-carriers.c has what both carriers have in common. */
#include "common/counters.h"
#include "common/log.h"
#include "ipc/batch.h"
#include "ipc/mesh.h"
#include "mesh-fixture.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRANSPORT PEER(PEER_TRANSPORT, 1)
#define SIP PEER(PEER_SIP, 0)

static unsigned logged;

static void note(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
	logged++;
}

static void setup(void)
{
	log_init("test", -1, LOG_WARN, note, NULL);
	cr_assert_eq(loop_new(&loop), 0);
}

static void teardown(void)
{
	loop_free(loop);
}

TestSuite(mesh_pairs, .init = setup, .fini = teardown, .timeout = 60);

static void open_end(struct end *e)
{
	*e = (struct end){0};
	cr_assert_eq(mesh_new(&e->mesh, loop, CARRIER_PAIRS, TRANSPORT, on_record, e), 0);
	cr_assert_eq(mesh_start(e->mesh), 0);
}

static void make_pair(int pair[2])
{
	const int size = 2 * BATCH_MAX;

	cr_assert_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

/* An end whose other end is a bare socket, on which the test says what it likes. */
static int open_bare(struct end *e, uint16_t peer)
{
	int pair[2];

	open_end(e);
	make_pair(pair);
	cr_assert_eq(mesh_edge(e->mesh, peer, pair[0]), 0);
	return pair[1];
}

static void join(struct end *a, uint16_t of_a, struct end *b, uint16_t of_b)
{
	int pair[2];

	make_pair(pair);
	cr_assert_eq(mesh_edge(a->mesh, of_b, pair[0]), 0);
	cr_assert_eq(mesh_edge(b->mesh, of_a, pair[1]), 0);
}

static int number(struct mesh *m, uint16_t peer, uint64_t n)
{
	void *buffer;
	int error = mesh_record(m, peer, RECORD_WATCH, sizeof(struct record_watch), false, &buffer);

	if (!error)
		*(struct record_watch *)buffer = (struct record_watch){.flow = n};
	return error;
}

/* A batch of one record, as it travels. */
struct one {
	struct batch_header batch;
	struct record_header record;
	struct record_watch watch;
};
#define ONE(n)                                                                                     \
	{                                                                                          \
		{BATCH_MAGIC, 1}, {sizeof(struct record_watch), RECORD_WATCH, 0},                  \
		{                                                                                  \
			.flow = (n)                                                                \
		}                                                                                  \
	}

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

Test(mesh_pairs, knows_no_peer_without_an_edge)
{
	struct end a;
	int pair[2];
	void *buffer;

	open_end(&a);
	cr_expect_eq(mesh_record(a.mesh, SIP, RECORD_WATCH, 16, false, &buffer), -ENOTCONN);
	cr_expect_eq(counted(COUNTER_MESH_UNREACHABLE), 1);
	cr_expect_eq(mesh_backlog(a.mesh, SIP), 0);
	make_pair(pair);
	cr_expect_eq(mesh_edge(a.mesh, PEER(0, 1), pair[0]), -EINVAL);
	cr_expect_eq(mesh_edge(a.mesh, PEER(ROLE_COUNT, 1), pair[0]), -EINVAL);
	cr_expect_eq(fcntl(pair[0], F_GETFD), FD_CLOEXEC, "what was refused stays the caller's");
	close(pair[0]);
	close(pair[1]);
	mesh_free(a.mesh);
}

Test(mesh_pairs, has_room_for_so_many_peers)
{
	struct end a;
	int pair[2];

	open_end(&a);
	for (unsigned i = 0; i < MESH_PEERS_MAX; i++) {
		make_pair(pair);
		cr_assert_eq(mesh_edge(a.mesh, PEER(PEER_TRANSPORT, i), pair[0]), 0);
		close(pair[1]);
	}
	make_pair(pair);
	cr_expect_eq(mesh_edge(a.mesh, SIP, pair[0]), -ENOSPC);
	mesh_free(a.mesh);
	close(pair[0]);
	close(pair[1]);
}

/* ---- peers that die ---- */

Test(mesh_pairs, delivers_what_a_dead_peer_left)
{
	struct end a;
	int peer = open_bare(&a, TRANSPORT);

	cr_expect_eq(counted(COUNTER_MESH_EDGES), 1);
	for (uint64_t n = 1; n <= 50; n++) {
		struct one one = ONE(n);

		cr_assert_eq(send(peer, &one, sizeof(one), 0), sizeof(one));
	}
	close(peer);
	RUN_UNTIL(counted(COUNTER_MESH_EDGES) == 0);
	cr_expect_eq(a.records, 50);
	cr_expect_eq(a.disorder, 0);
	mesh_free(a.mesh);
}

/* It died with something of ours unread: the kernel tells that before what is left to be read. */
Test(mesh_pairs, delivers_what_was_left_by_one_that_had_not_read)
{
	struct end a;
	struct one one = ONE(1);
	int peer = open_bare(&a, SIP);

	number(a.mesh, SIP, 7);
	mesh_flush(a.mesh);
	cr_assert_eq(send(peer, &one, sizeof(one), 0), sizeof(one));
	close(peer);
	RUN_UNTIL(counted(COUNTER_MESH_EDGES) == 0);
	cr_expect_eq(a.records, 1);
	mesh_free(a.mesh);
}

Test(mesh_pairs, keeps_for_the_successor_of_a_sip_worker)
{
	struct end a, b;
	int peer = open_bare(&a, SIP);

	close(peer);
	RUN_UNTIL(counted(COUNTER_MESH_EDGES) == 0);
	for (uint64_t n = 1; n <= 3000; n++)
		cr_assert_eq(number(a.mesh, SIP, n), 0);
	loop_once(loop, 0);
	cr_expect_eq(mesh_backlog(a.mesh, SIP), 3000);
	open_end(&b);
	join(&a, TRANSPORT, &b, SIP);
	RUN_UNTIL(b.records == 3000);
	cr_expect_eq(b.disorder, 0);
	cr_expect_eq(counted(COUNTER_MESH_UNREACHABLE), 0);
	mesh_free(a.mesh);
	mesh_free(b.mesh);
}

/* Sending finds out before reading does: nothing of it is lost. */
Test(mesh_pairs, keeps_what_could_not_be_sent_any_more)
{
	struct end a, b;
	int peer = open_bare(&a, SIP);

	close(peer);
	for (uint64_t n = 1; n <= 10; n++)
		cr_assert_eq(number(a.mesh, SIP, n), 0);
	mesh_flush(a.mesh);
	cr_expect_eq(mesh_backlog(a.mesh, SIP), 10);
	open_end(&b);
	join(&a, TRANSPORT, &b, SIP);
	RUN_UNTIL(b.records == 10);
	mesh_free(a.mesh);
	mesh_free(b.mesh);
}

Test(mesh_pairs, drops_what_waits_for_a_dead_transport_worker)
{
	struct end a;
	void *buffer;
	unsigned waiting = 0;
	int peer = open_bare(&a, TRANSPORT);

	while (mesh_record(a.mesh, TRANSPORT, RECORD_SEND, 1000, false, &buffer) == 0)
		waiting++;
	mesh_flush(a.mesh); /* some of it goes into the pair, and dies there */
	cr_assert_gt(mesh_backlog(a.mesh, TRANSPORT), waiting / 2);
	waiting = (unsigned)mesh_backlog(a.mesh, TRANSPORT);
	close(peer);
	RUN_UNTIL(counted(COUNTER_MESH_EDGES) == 0);
	cr_expect_eq(mesh_backlog(a.mesh, TRANSPORT), 0);
	cr_expect_eq(counted(COUNTER_MESH_UNREACHABLE), waiting);
	cr_expect_eq(mesh_record(a.mesh, TRANSPORT, RECORD_SEND, 1000, true, &buffer), -ENOTCONN);
	mesh_free(a.mesh);
}

Test(mesh_pairs, hears_the_old_life_out_before_the_new_one)
{
	struct end a;
	int pair[2], peer = open_bare(&a, TRANSPORT);
	struct one first = ONE(1), second = ONE(2), third = ONE(3);

	number(a.mesh, TRANSPORT, 7); /* which it does not read */
	mesh_flush(a.mesh);
	make_pair(pair);
	cr_assert_eq(send(pair[1], &third, sizeof(third), 0), sizeof(third));
	cr_assert_eq(send(peer, &first, sizeof(first), 0), sizeof(first));
	cr_assert_eq(send(peer, &second, sizeof(second), 0), sizeof(second));
	close(peer);
	cr_assert_eq(mesh_edge(a.mesh, TRANSPORT, pair[0]), 0);
	cr_expect_eq(a.records, 2);
	RUN_UNTIL(a.records == 3);
	cr_expect_eq(a.disorder, 0);
	cr_expect_eq(counted(COUNTER_MESH_EDGES), 1);
	close(pair[1]);
	mesh_free(a.mesh);
}

/* A process of its own, which says 20 things and is killed. */
Test(mesh_pairs, outlives_a_killed_peer)
{
	struct end a;
	int pair[2], status;
	pid_t child;

	open_end(&a);
	make_pair(pair);
	if ((child = fork()) == 0) {
		close(pair[0]);
		for (uint64_t n = 1; n <= 20; n++) {
			struct one one = ONE(n);

			send(pair[1], &one, sizeof(one), 0);
		}
		for (;;)
			pause();
	}
	close(pair[1]);
	cr_assert_eq(mesh_edge(a.mesh, SIP, pair[0]), 0);
	RUN_UNTIL(a.records == 20);
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	RUN_UNTIL(counted(COUNTER_MESH_EDGES) == 0);
	mesh_free(a.mesh);
}

/* ---- peers that do not read ---- */

/* Reads at the bare end until nothing waits for it any more; how many records that were. No timer
 * helps: the kernel says when there is room. */
static size_t read_until_idle(struct end *e, uint16_t of_peer, int peer)
{
	static unsigned char buffer[BATCH_MAX];
	size_t taken = 0;

	while (mesh_backlog(e->mesh, of_peer)) {
		ssize_t n = recv(peer, buffer, sizeof(buffer), MSG_DONTWAIT);

		if (n > 0)
			taken += ((struct batch_header *)buffer)->count;
		else {
			uint64_t asleep = now_ms();

			cr_assert_eq(loop_once(loop, PATIENCE_MS), 0);
			cr_assert_lt(now_ms() - asleep, PATIENCE_MS / 2, "nothing woke it");
		}
	}
	while (recv(peer, buffer, sizeof(buffer), MSG_DONTWAIT) > 0)
		taken += ((struct batch_header *)buffer)->count;
	return taken;
}

Test(mesh_pairs, goes_on_when_the_peer_reads_again)
{
	struct end a;
	void *data;
	int peer = open_bare(&a, SIP);
	size_t before;

	for (int i = 0; i < 3000; i++)
		cr_assert_eq(mesh_record(a.mesh, SIP, RECORD_SEND, 1000, false, &data), 0);
	loop_once(loop, 0);
	before = mesh_backlog(a.mesh, SIP);
	cr_assert_gt(before, 0);
	for (int i = 0; i < 3; i++)
		loop_once(loop, 0);
	cr_expect_eq(mesh_backlog(a.mesh, SIP), before, "nobody has read");
	cr_expect_eq(read_until_idle(&a, SIP, peer), 3000);
	mesh_free(a.mesh);
	close(peer);
}

/* It died while its pair was full: that the successor's pair is full, too, has to be noticed
 * anew. */
Test(mesh_pairs, waits_for_room_in_the_successors_pair_too)
{
	struct end a;
	void *data;
	int pair[2], peer = open_bare(&a, SIP);
	size_t waiting;

	for (int i = 0; i < 3000; i++)
		cr_assert_eq(mesh_record(a.mesh, SIP, RECORD_SEND, 1000, false, &data), 0);
	loop_once(loop, 0);
	close(peer);
	RUN_UNTIL(counted(COUNTER_MESH_EDGES) == 0);
	waiting = mesh_backlog(a.mesh, SIP);
	make_pair(pair);
	cr_assert_eq(mesh_edge(a.mesh, SIP, pair[0]), 0);
	mesh_flush(a.mesh);
	cr_assert_gt(mesh_backlog(a.mesh, SIP), 0, "it does not all go at once");
	cr_expect_eq(read_until_idle(&a, SIP, pair[1]), waiting);
	mesh_free(a.mesh);
	close(pair[1]);
}

/* The system gave the pair less than the master asked for: what would never go must not hold up the
 * rest. */
Test(mesh_pairs, drops_what_a_pair_can_never_hold)
{
	const int small = 4096;
	struct end a;
	struct one got;
	void *data;
	int pair[2];

	open_end(&a);
	make_pair(pair);
	cr_assert_eq(setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	cr_assert_eq(mesh_edge(a.mesh, SIP, pair[0]), 0);
	cr_assert_eq(mesh_record(a.mesh, SIP, RECORD_SEND, 30000, false, &data), 0);
	mesh_flush(a.mesh);
	cr_expect_eq(mesh_backlog(a.mesh, SIP), 0);
	cr_expect_eq(counted(COUNTER_MESH_OVERSIZE), 1);
	cr_expect_eq(counted(COUNTER_MESH_RECORDS_SENT), 0);
	cr_expect_eq(logged, 1);
	number(a.mesh, SIP, 8);
	mesh_flush(a.mesh);
	cr_assert_eq(recv(pair[1], &got, sizeof(got), MSG_DONTWAIT), sizeof(got));
	cr_expect_eq(got.watch.flow, 8);
	mesh_free(a.mesh);
	close(pair[1]);
}

Test(mesh_pairs, serves_others_while_one_does_not_read)
{
	struct end a, good;
	void *data;
	int deaf = open_bare(&a, PEER(PEER_SIP, 1));

	open_end(&good);
	join(&a, TRANSPORT, &good, SIP);
	while (mesh_record(a.mesh, PEER(PEER_SIP, 1), RECORD_SEND, 1000, true, &data) == 0)
		;
	for (uint64_t n = 1; n <= 5000; n++)
		cr_assert_eq(number(a.mesh, SIP, n), 0);
	RUN_UNTIL(good.records == 5000);
	cr_expect_eq(good.disorder, 0);
	mesh_free(a.mesh);
	mesh_free(good.mesh);
	close(deaf);
}

/* A batch that is near full, of one record that counts nowhere. */
static struct {
	struct batch_header batch;
	struct record_header record;
	struct record_send send;
	unsigned char bytes[40000];
} long_one = {{BATCH_MAGIC, 1},
	{sizeof(struct record_send) + sizeof(long_one.bytes), RECORD_SEND, 0},
	{.size = sizeof(long_one.bytes)}, {0}};
#define LONG_ONES_MAX 2000

struct talker {
	struct end end;
	int fd;
	unsigned heard;
};

/* Whenever something of the talker is taken, there is more: asking until there is nothing left
 * would not end. */
static void on_talk(void *arg, uint16_t peer, uint16_t type, const void *data, size_t size)
{
	struct talker *t = arg;

	if (peer == TRANSPORT) {
		if (++t->heard < LONG_ONES_MAX)
			cr_assert_eq(send(t->fd, &long_one, sizeof(long_one), MSG_DONTWAIT),
				sizeof(long_one));
	} else
		on_record(&t->end, peer, type, data, size);
}

Test(mesh_pairs, hears_others_while_one_does_not_stop)
{
	struct talker t = {0};
	struct one one = ONE(1);
	int pair[2], other[2];

	cr_assert_eq(mesh_new(&t.end.mesh, loop, CARRIER_PAIRS, SIP, on_talk, &t), 0);
	cr_assert_eq(mesh_start(t.end.mesh), 0);
	make_pair(pair);
	make_pair(other);
	t.fd = pair[1];
	cr_assert_eq(mesh_edge(t.end.mesh, TRANSPORT, pair[0]), 0);
	cr_assert_eq(mesh_edge(t.end.mesh, SIP, other[0]), 0);
	cr_assert_eq(send(t.fd, &long_one, sizeof(long_one), 0), sizeof(long_one));
	cr_assert_eq(send(other[1], &one, sizeof(one), 0), sizeof(one));
	RUN_UNTIL(t.end.records == 1 && t.heard);
	cr_expect_lt(t.heard, LONG_ONES_MAX / 10, "a few turns' share");
	cr_expect_eq(counted(COUNTER_MESH_BAD_BATCH), 0);
	mesh_free(t.end.mesh);
	close(t.fd);
	close(other[1]);
}

/* ---- peers that lie ---- */

/* More than a batch may have, of which the first BATCH_MAX bytes are a good one: not even these are
 * to be believed. */
static void make_huge(unsigned char *huge)
{
	const unsigned watches = 10000;
	struct record_watch watch = {.flow = 4};
	size_t at = sizeof(struct batch_header);

	memcpy(huge, &(struct batch_header){BATCH_MAGIC, watches + 1}, sizeof(struct batch_header));
	for (unsigned i = 0; i < watches; i++) {
		memcpy(huge + at, &(struct record_header){sizeof(watch), RECORD_WATCH, 0},
			sizeof(struct record_header));
		memcpy(huge + at + sizeof(struct record_header), &watch, sizeof(watch));
		at += sizeof(struct record_header) + sizeof(watch);
	}
	struct record_header rest = {(uint32_t)(BATCH_MAX - at - sizeof(rest)), RECORD_SEND, 0};
	struct record_send last = {.size = rest.size - (uint32_t)sizeof(last)};
	memcpy(huge + at, &rest, sizeof(rest));
	memcpy(huge + at + sizeof(rest), &last, sizeof(last));
	cr_assert_eq(batch_check(huge, BATCH_MAX), 0);
}

Test(mesh_pairs, refuses_what_is_no_batch_and_goes_on)
{
	static _Alignas(8) unsigned char huge[BATCH_MAX + 64];
	const int size = 4 * BATCH_MAX;
	struct end a;
	struct one good = ONE(1), wrong = ONE(2);

	struct {
		struct one one;
		struct record_header second;
	} half = {ONE(3), {0, 99, 0}};
	int peer = open_bare(&a, TRANSPORT);

	setsockopt(peer, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	half.one.batch.count = 2; /* a good record before a bad one: neither is delivered */
	wrong.batch.magic++;
	send(peer, "garbage", 7, 0);
	send(peer, &wrong, sizeof(wrong), 0);
	send(peer, &half, sizeof(half), 0);
	send(peer, &good, sizeof(good) - 1, 0);
	make_huge(huge);
	unsigned bad = 4;
	if (send(peer, huge, sizeof(huge), 0) > 0) /* where the kernel carries that much */
		bad++;
	send(peer, &good, sizeof(good), 0);
	RUN_UNTIL(a.records);
	cr_expect_eq(a.records, 1);
	cr_expect_eq(counted(COUNTER_MESH_BAD_BATCH), bad);
	cr_expect_eq(counted(COUNTER_MESH_EDGES), 1);
	cr_expect_eq(logged, 1, "one line a second");
	mesh_free(a.mesh);
	close(peer);
}

Test(mesh_pairs, takes_a_packet_without_bytes_for_the_end)
{
	struct end a;
	int peer = open_bare(&a, TRANSPORT);

	send(peer, "", 0, 0);
	RUN_UNTIL(counted(COUNTER_MESH_EDGES) == 0);
	cr_expect_eq(counted(COUNTER_MESH_BAD_BATCH), 0);
	mesh_free(a.mesh);
	close(peer);
}

Test(mesh_pairs, does_not_take_fds)
{
	struct end a;
	struct one one = ONE(1);

	union {
		char buffer[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct iovec part = {&one, sizeof(one)};
	struct msghdr message = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control.buffer,
		.msg_controllen = sizeof(control.buffer)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&message);
	int peer = open_bare(&a, TRANSPORT), passed[2];
	unsigned before;

	cr_assert_eq(pipe(passed), 0);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &passed[1], sizeof(int));
	before = open_fds();
	cr_assert_eq(sendmsg(peer, &message, 0), sizeof(one));
	RUN_UNTIL(a.records == 1);
	cr_expect_eq(open_fds(), before);
	close(passed[1]);
	char byte;
	cr_expect_eq(read(passed[0], &byte, 1), 0, "nobody holds the other end");
	close(passed[0]);
	mesh_free(a.mesh);
	close(peer);
}
