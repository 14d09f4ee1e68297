/* The mesh over ZeroMQ, with real sockets: authentication, full queues, and peers that are killed,
 * replaced or hostile. Children are forked before this process has a mesh: a ZeroMQ context does
 * not survive fork. mesh-carriers.c has what both carriers have in common. */
#include "common/counters.h"
#include "common/log.h"
#include "ipc/mesh.h"
#include "mesh-fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#define CALLER PEER(PEER_TRANSPORT, 1)
#define LISTENER PEER(PEER_SIP, 0)

static char dir[32], path[64];
static int listening;
static uint8_t token_a[MESH_TOKEN_SIZE], token_b[MESH_TOKEN_SIZE];

static void quiet(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
}

static int listen_at(const char *at)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(name.sun_path, at);
	cr_assert_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	cr_assert_eq(listen(fd, 64), 0);
	return fd;
}

static void setup(void)
{

	cr_assert_geq(sodium_init(), 0);
	log_init("test", -1, LOG_ERROR, quiet, NULL);
	strcpy(dir, "/tmp/mesh-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sip-0.sock", dir);
	listening = listen_at(path);
	randombytes_buf(token_a, sizeof(token_a));
	randombytes_buf(token_b, sizeof(token_b));
}

static void teardown(void)
{
	unlink(path);
	rmdir(dir);
}

TestSuite(mesh_zeromq, .init = setup, .fini = teardown, .timeout = 60);

static void open_end(struct end *e, uint16_t self)
{
	*e = (struct end){0};
	cr_assert_eq(mesh_new(&e->mesh, loop, CARRIER_ZEROMQ, self, on_record, e), 0);
	cr_assert_eq(mesh_start(e->mesh), 0);
}

static void open_listener(struct end *e, uint16_t self, int fd, const char *at)
{
	*e = (struct end){0};
	cr_assert_eq(mesh_new(&e->mesh, loop, CARRIER_ZEROMQ, self, on_record, e), 0);
	cr_assert_eq(mesh_listen(e->mesh, fd, at), 0);
	cr_assert_eq(mesh_start(e->mesh), 0);
}

/* The peer has said hello: there is a way back to it. */
static bool knows(struct end *e, uint16_t peer)
{
	void *buffer;

	if (mesh_record(e->mesh, peer, RECORD_WATCH, sizeof(struct record_watch), false, &buffer))
		return false;
	mesh_shrink(e->mesh, peer, 0);
	return true;
}

static int number(struct mesh *m, uint16_t peer, uint64_t n)
{
	void *buffer;
	int error = mesh_record(m, peer, RECORD_WATCH, sizeof(struct record_watch), false, &buffer);

	if (!error)
		*(struct record_watch *)buffer = (struct record_watch){.flow = n};
	return error;
}

static void new_loop(void)
{
	cr_assert_eq(loop_new(&loop), 0);
}

static void close_ends(struct end *a, struct end *b)
{
	if (a)
		mesh_free(a->mesh);
	if (b)
		mesh_free(b->mesh);
	loop_free(loop);
}

Test(mesh_zeromq, carries_records_both_ways_in_order)
{
	struct end caller, listener;

	new_loop();
	open_listener(&listener, LISTENER, listening, path);
	open_end(&caller, CALLER);
	listener.echo = true;
	cr_assert_eq(mesh_allow(listener.mesh, CALLER, token_a), 0);
	cr_assert_eq(number(listener.mesh, CALLER, 1), -ENOTCONN, "before it said hello");
	cr_assert_eq(number(caller.mesh, LISTENER, 1), -ENOTCONN, "no edge");
	cr_assert_eq(mesh_connect(caller.mesh, LISTENER, path, token_a), 0);
	for (uint64_t i = 0; i < 10000; i++)
		cr_assert_eq(number(caller.mesh, LISTENER, i), 0);
	cr_assert_eq(mesh_backlog(caller.mesh, LISTENER), 10000);
	RUN_UNTIL(caller.records == 10000);
	cr_assert_eq(listener.records, 10000);
	cr_assert_eq(listener.peer, CALLER);
	cr_assert_eq(caller.peer, LISTENER);
	cr_assert_eq(listener.disorder + caller.disorder, 0);
	cr_assert_eq(mesh_backlog(caller.mesh, LISTENER), 0);
	cr_assert_eq(counted(COUNTER_MESH_BAD_BATCH), 0);
	/* said once more, and the same edge again: the connection stays */
	cr_assert_eq(mesh_hello(caller.mesh, LISTENER), 0);
	cr_assert_eq(mesh_connect(caller.mesh, LISTENER, path, token_a), 0);
	/* large records, alone in their batch, and shrunk ones */
	for (int i = 0; i < 20; i++) {
		void *buffer;
		cr_assert_eq(
			mesh_record(caller.mesh, LISTENER, RECORD_WATCH, 200000, false, &buffer),
			0);
		*(struct record_watch *)buffer = (struct record_watch){
			.flow = 10000u + (unsigned)i};
		mesh_shrink(caller.mesh, LISTENER, sizeof(struct record_watch));
	}
	RUN_UNTIL(caller.records == 10020);
	cr_assert_eq(caller.disorder, 0);
	cr_assert_eq(counted(COUNTER_MESH_RETRIES), 0);
	close_ends(&listener, &caller);
}

Test(mesh_zeromq, a_wrong_token_is_refused_until_it_is_allowed)
{
	struct end caller, listener;
	uint64_t begin = now_ms();

	new_loop();
	open_listener(&listener, LISTENER, listening, path);
	open_end(&caller, CALLER);
	cr_assert_eq(mesh_allow(listener.mesh, CALLER, token_a), 0);
	cr_assert_eq(mesh_connect(caller.mesh, LISTENER, path, token_b), 0);
	cr_assert_eq(number(caller.mesh, LISTENER, 1), 0);
	RUN_UNTIL(counted(COUNTER_MESH_AUTH_REFUSED) >= 3);
	cr_assert_lt(now_ms() - begin, 1500, "it waits as for a lost connection");
	cr_assert_eq(listener.records, 0);
	cr_assert_not(knows(&listener, CALLER));
	cr_assert_eq(mesh_backlog(caller.mesh, LISTENER), 1);
	cr_assert_eq(number(caller.mesh, LISTENER, 2), 0);
	cr_assert_eq(mesh_allow(listener.mesh, CALLER, token_b), 0);
	RUN_UNTIL(listener.records == 2);
	cr_assert_eq(listener.disorder, 0);
	cr_assert_geq(counted(COUNTER_MESH_RETRIES), 2);
	/* no more: what it sends from now on is dropped, and it cannot be answered */
	cr_assert_eq(number(listener.mesh, CALLER, 1), 0);
	RUN_UNTIL(caller.records == 1);
	cr_assert_eq(mesh_allow(listener.mesh, CALLER, NULL), 0);
	cr_assert_eq(number(listener.mesh, CALLER, 1), -ENOTCONN);
	cr_assert_eq(number(caller.mesh, LISTENER, 3), 0);
	RUN_UNTIL(counted(COUNTER_MESH_BAD_BATCH) == 1);
	cr_assert_eq(listener.records, 2);
	close_ends(&listener, &caller);
}

Test(mesh_zeromq, a_token_is_good_for_its_own_peer_only)
{
	struct end caller, listener;

	new_loop();
	open_listener(&listener, LISTENER, listening, path);
	open_end(&caller, PEER(PEER_TRANSPORT, 2));
	cr_assert_eq(mesh_allow(listener.mesh, CALLER, token_a), 0);
	cr_assert_eq(mesh_allow(listener.mesh, PEER(PEER_TRANSPORT, 2), token_b), 0);
	cr_assert_eq(mesh_connect(caller.mesh, LISTENER, path, token_a), 0);
	RUN_UNTIL(counted(COUNTER_MESH_AUTH_REFUSED) >= 2);
	cr_assert_not(knows(&listener, PEER(PEER_TRANSPORT, 2)));
	close_ends(&listener, &caller);
}

/* As SIP workers do: each listens and has an edge to the other. */
Test(mesh_zeromq, two_listeners_have_an_edge_each_way)
{
	struct end one, two;
	char other[80];
	const uint16_t first = LISTENER, second = PEER(PEER_SIP, 1);

	snprintf(other, sizeof(other), "%s/sip-1.sock", dir);
	new_loop();
	open_listener(&one, first, listening, path);
	open_listener(&two, second, listen_at(other), other);
	cr_assert_eq(mesh_allow(one.mesh, second, token_a), 0);
	cr_assert_eq(mesh_allow(two.mesh, first, token_b), 0);
	cr_assert_eq(mesh_connect(one.mesh, second, other, token_b), 0);
	cr_assert_eq(mesh_connect(two.mesh, first, path, token_a), 0);
	for (uint64_t i = 0; i < 1000; i++) {
		cr_assert_eq(number(one.mesh, second, i), 0);
		cr_assert_eq(number(two.mesh, first, i), 0);
	}
	RUN_UNTIL(one.records == 1000 && two.records == 1000);
	cr_assert_eq(one.disorder + two.disorder, 0);
	cr_assert_eq(one.peer, second);
	cr_assert_eq(two.peer, first);
	/* the same token again changes nothing for who stands */
	cr_assert_eq(mesh_allow(one.mesh, second, token_a), 0);
	cr_assert_eq(number(one.mesh, second, 1000), 0);
	RUN_UNTIL(two.records == 1001);
	unlink(other);
	close_ends(&one, &two);
}

/* ---- children ---- */

static pid_t child_of(void (*body)(void), int *go)
{
	int start[2];
	pid_t pid;
	char c;

	cr_assert_eq(pipe(start), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nobody behind */
		close(start[1]);
		if (read(start[0], &c, 1) == 1)
			body();
		_exit(0);
	}
	close(start[0]);
	*go = start[1];
	return pid;
}

static void release(int go)
{
	cr_assert_eq(write(go, "g", 1), 1);
	close(go);
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void echoing_listener(void)
{
	struct end e;

	if (loop_new(&loop) || mesh_new(&e.mesh, loop, CARRIER_ZEROMQ, LISTENER, on_record, &e))
		_exit(1);
	e = (struct end){.mesh = e.mesh, .echo = true};
	if (mesh_listen(e.mesh, listening, path) || mesh_allow(e.mesh, CALLER, token_a) ||
		mesh_start(e.mesh))
		_exit(2);
	loop_run(loop);
}

Test(mesh_zeromq, a_killed_listener_is_found_again_and_nothing_unsent_is_lost)
{
	int go[3];
	pid_t pid[3];
	struct end caller;
	uint64_t sent = 0;

	for (int i = 0; i < 3; i++)
		pid[i] = child_of(echoing_listener, &go[i]);
	new_loop();
	open_end(&caller, CALLER);
	cr_assert_eq(mesh_connect(caller.mesh, LISTENER, path, token_a), 0);
	release(go[0]);
	for (int life = 0; life < 3; life++) {
		for (int i = 0; i < 1000; i++)
			cr_assert_eq(number(caller.mesh, LISTENER, sent++), 0);
		RUN_UNTIL(caller.records == sent);
		cr_assert_eq(caller.disorder, 0);
		end_child(pid[life]);
		if (life == 2)
			break;
		RUN_UNTIL(counted(COUNTER_MESH_EDGES) == 0);
		for (int i = 0; i < 1000; i++)
			cr_assert_eq(number(caller.mesh, LISTENER, sent++), 0);
		release(go[life + 1]);
		RUN_UNTIL(caller.records == sent);
	}
	cr_assert_eq(counted(COUNTER_MESH_RETRIES), 0);
	close_ends(&caller, NULL);
}

static const uint8_t *child_token;
static uint64_t child_number;

/* Sends its number, echoes what it is sent. */
static void numbered_caller(void)
{
	struct end e;

	if (loop_new(&loop) || mesh_new(&e.mesh, loop, CARRIER_ZEROMQ, CALLER, on_record, &e))
		_exit(1);
	e = (struct end){.mesh = e.mesh, .echo = true};
	if (mesh_connect(e.mesh, LISTENER, path, child_token) || mesh_start(e.mesh) ||
		number(e.mesh, LISTENER, child_number))
		_exit(2);
	loop_run(loop);
}

Test(mesh_zeromq, a_connecter_is_replaced_by_its_successor)
{
	int go[4];
	pid_t pid[4];
	struct end listener;
	uint8_t token_c[MESH_TOKEN_SIZE];

	child_token = token_a;
	child_number = 100;
	pid[0] = child_of(numbered_caller, &go[0]);
	child_number = 300;
	pid[2] = child_of(numbered_caller, &go[2]); /* comes late with the token of the first */
	randombytes_buf(token_c, sizeof(token_c));
	child_token = token_c;
	child_number = 400;
	pid[3] = child_of(numbered_caller, &go[3]);
	child_token = token_b;
	child_number = 200;
	pid[1] = child_of(numbered_caller, &go[1]);
	new_loop();
	open_listener(&listener, LISTENER, listening, path);
	cr_assert_eq(mesh_allow(listener.mesh, CALLER, token_a), 0);
	release(go[0]);
	RUN_UNTIL(listener.last == 100);
	cr_assert_eq(number(listener.mesh, CALLER, 1), 0);
	RUN_UNTIL(listener.last == 1);

	end_child(pid[0]);
	cr_assert_eq(mesh_allow(listener.mesh, CALLER, token_b), 0);
	/* until the successor comes: sending finds out, and then says so */
	RUN_UNTIL(number(listener.mesh, CALLER, 2) == -ENOTCONN);
	cr_assert_gt(counted(COUNTER_MESH_UNREACHABLE), 0);
	release(go[1]);
	RUN_UNTIL(listener.last == 200);
	cr_assert_eq(number(listener.mesh, CALLER, 3), 0);
	RUN_UNTIL(listener.last == 3);

	release(go[2]);
	RUN_UNTIL(counted(COUNTER_MESH_AUTH_REFUSED) >= 1);
	cr_assert_eq(number(listener.mesh, CALLER, 4), 0);
	RUN_UNTIL(listener.last == 4);

	/* a successor that comes before anybody noticed the death */
	end_child(pid[1]);
	cr_assert_eq(mesh_allow(listener.mesh, CALLER, token_c), 0);
	release(go[3]);
	RUN_UNTIL(listener.last == 400);
	cr_assert_eq(number(listener.mesh, CALLER, 5), 0);
	RUN_UNTIL(listener.last == 5);
	end_child(pid[3]);
	end_child(pid[2]);
	close_ends(&listener, NULL);
}

/* ---- full queues ---- */

Test(mesh_zeromq, a_queue_without_taker_is_bounded)
{
	struct end caller;
	void *buffer;
	int error;
	size_t ordinary = 0, reserve = 0;

	new_loop();
	open_end(&caller, CALLER);
	cr_assert_eq(mesh_connect(caller.mesh, LISTENER, path, token_a), 0); /* nobody accepts */
	while (!(error = mesh_record(caller.mesh, LISTENER, RECORD_SEND, 1000, false, &buffer)))
		ordinary++;
	cr_assert_eq(error, -EAGAIN);
	cr_assert_gt(ordinary, 1000);
	while (!(error = mesh_record(caller.mesh, LISTENER, RECORD_SEND, 1000, true, &buffer)))
		reserve++;
	cr_assert_eq(error, -EAGAIN);
	cr_assert_gt(reserve, 1000);
	cr_assert_eq(mesh_backlog(caller.mesh, LISTENER), ordinary + reserve);
	cr_assert_eq(counted(COUNTER_MESH_FULL), 2);
	mesh_flush(caller.mesh);
	cr_assert_eq(mesh_backlog(caller.mesh, LISTENER), ordinary + reserve);
	cr_assert_eq(mesh_record(caller.mesh, LISTENER, RECORD_SEND, BATCH_MAX, true, &buffer),
		-EMSGSIZE);
	cr_assert_eq(counted(COUNTER_MESH_OVERSIZE), 1);
	close_ends(&caller, NULL);
}

Test(mesh_zeromq, a_slow_listener_gets_all_that_was_taken)
{
	struct end caller, listener;
	struct loop *fast, *slow;
	uint64_t sent = 0, end = now_ms() + PATIENCE_MS;
	int error = 0;

	cr_assert_eq(loop_new(&slow), 0);
	cr_assert_eq(loop_new(&fast), 0);
	loop = slow;
	open_listener(&listener, LISTENER, listening, path);
	loop = fast;
	open_end(&caller, CALLER);
	cr_assert_eq(mesh_allow(listener.mesh, CALLER, token_a), 0);
	cr_assert_eq(mesh_connect(caller.mesh, LISTENER, path, token_a), 0);
	while (!knows(&listener, CALLER)) {
		cr_assert_lt(now_ms(), end);
		loop_once(slow, 1);
		loop_once(fast, 1);
	}
	/* now it reads no more */
	while (!error) {
		for (int i = 0; i < 2000 && !(error = number(caller.mesh, LISTENER, sent)); i++)
			sent++;
		loop_once(fast, 0);
		cr_assert_lt(now_ms(), end);
	}
	cr_assert_eq(error, -EAGAIN);
	while (listener.records < sent) {
		cr_assert_lt(now_ms(), end, "%llu of %llu", (unsigned long long)listener.records,
			(unsigned long long)sent);
		loop_once(slow, 1);
		loop_once(fast, 1);
	}
	cr_assert_eq(listener.disorder, 0);
	cr_assert_eq(mesh_backlog(caller.mesh, LISTENER), 0);
	mesh_free(listener.mesh);
	mesh_free(caller.mesh);
	loop_free(slow);
	loop_free(fast);
}

/* A listener that sends to a peer that does not read. */
Test(mesh_zeromq, a_slow_connecter_fills_only_its_own_queue)
{
	struct end slow_caller, good, listener;
	struct loop *mine, *slow;
	uint64_t sent = 0, end = now_ms() + PATIENCE_MS;
	int error = 0;

	cr_assert_eq(loop_new(&slow), 0);
	cr_assert_eq(loop_new(&mine), 0);
	loop = slow;
	open_end(&slow_caller, CALLER);
	loop = mine;
	open_listener(&listener, LISTENER, listening, path);
	open_end(&good, PEER(PEER_TRANSPORT, 2));
	cr_assert_eq(mesh_allow(listener.mesh, CALLER, token_a), 0);
	cr_assert_eq(mesh_allow(listener.mesh, PEER(PEER_TRANSPORT, 2), token_b), 0);
	cr_assert_eq(mesh_connect(slow_caller.mesh, LISTENER, path, token_a), 0);
	cr_assert_eq(mesh_connect(good.mesh, LISTENER, path, token_b), 0);
	while (!knows(&listener, CALLER) || !knows(&listener, PEER(PEER_TRANSPORT, 2))) {
		cr_assert_lt(now_ms(), end);
		loop_once(mine, 1);
		loop_once(slow, 1);
	}
	while (!error) {
		for (int i = 0; i < 2000 && !(error = number(listener.mesh, CALLER, sent)); i++)
			sent++;
		loop_once(mine, 0);
		cr_assert_lt(now_ms(), end);
	}
	cr_assert_eq(error, -EAGAIN);
	cr_assert_eq(number(listener.mesh, PEER(PEER_TRANSPORT, 2), 7), 0);
	RUN_UNTIL(good.records == 1);
	while (slow_caller.records < sent) {
		cr_assert_lt(now_ms(), end);
		loop_once(slow, 1);
		loop_once(mine, 1);
	}
	cr_assert_eq(slow_caller.disorder, 0);
	mesh_free(listener.mesh);
	mesh_free(slow_caller.mesh);
	mesh_free(good.mesh);
	loop_free(slow);
	loop_free(mine);
}

/* ---- hostile peers: with a good token and without one ---- */

static void *raw_socket(void *context, const char *user, const uint8_t *token)
{
	void *s = zmq_socket(context, ZMQ_DEALER);
	char endpoint[80];
	int zero = 0;

	zmq_setsockopt(s, ZMQ_LINGER, &zero, sizeof(zero));
	if (user) {
		zmq_setsockopt(s, ZMQ_PLAIN_USERNAME, user, strlen(user));
		zmq_setsockopt(s, ZMQ_PLAIN_PASSWORD, token, MESH_TOKEN_SIZE);
	}
	snprintf(endpoint, sizeof(endpoint), "ipc://%s", path);
	cr_assert_eq(zmq_connect(s, endpoint), 0);
	return s;
}

Test(mesh_zeromq, garbage_is_refused_whole)
{
	struct end listener, good;
	void *context = zmq_ctx_new(), *raw, *null, *unknown;
	char user[8];
	static char huge[BATCH_MAX + 8];
	_Alignas(8) struct {
		struct batch_header b;
		struct record_header first;
		struct record_watch watch;
		struct record_header second;
	} half = {{BATCH_MAGIC, 2}, {sizeof(struct record_watch), RECORD_WATCH, 0}, {.flow = 1},
		{0, 99, 0}};
	const struct batch_header hello = {BATCH_MAGIC, 0};

	new_loop();
	open_listener(&listener, LISTENER, listening, path);
	open_end(&good, PEER(PEER_TRANSPORT, 2));
	cr_assert_eq(mesh_allow(listener.mesh, CALLER, token_a), 0);
	cr_assert_eq(mesh_allow(listener.mesh, PEER(PEER_TRANSPORT, 2), token_b), 0);
	snprintf(user, sizeof(user), "%u", CALLER);
	raw = raw_socket(context, user, token_a);
	null = raw_socket(context, NULL, NULL);
	unknown = raw_socket(context, "9999999999999", token_a);
	zmq_send(null, &hello, sizeof(hello), ZMQ_DONTWAIT);
	zmq_send(unknown, &hello, sizeof(hello), ZMQ_DONTWAIT);
	zmq_send(raw, "garbage", 7, ZMQ_DONTWAIT);
	zmq_send(raw, "", 0, ZMQ_DONTWAIT);
	zmq_send(raw, &half, sizeof(half),
		ZMQ_DONTWAIT); /* a good record before a bad one: neither is delivered */
	zmq_send(raw, &hello, sizeof(hello), ZMQ_DONTWAIT | ZMQ_SNDMORE);
	zmq_send(raw, &hello, sizeof(hello), ZMQ_DONTWAIT);
	RUN_UNTIL(counted(COUNTER_MESH_BAD_BATCH) == 4);
	RUN_UNTIL(counted(COUNTER_MESH_AUTH_REFUSED) >= 1);
	cr_assert_not(knows(&listener, CALLER));
	zmq_send(raw, &hello, sizeof(hello), ZMQ_DONTWAIT);
	RUN_UNTIL(knows(&listener, CALLER));
	cr_assert_eq(listener.records, 0);
	/* larger than any batch: libzmq ends the connection before it is in memory */
	zmq_send(raw, huge, sizeof(huge), ZMQ_DONTWAIT);
	cr_assert_eq(mesh_connect(good.mesh, LISTENER, path, token_b), 0);
	cr_assert_eq(number(good.mesh, LISTENER, 1), 0);
	RUN_UNTIL(listener.records == 1);
	RUN_UNTIL(number(listener.mesh, CALLER, 1) == -ENOTCONN);
	cr_assert_eq(counted(COUNTER_MESH_BAD_BATCH), 4);
	zmq_close(raw);
	zmq_close(null);
	zmq_close(unknown);
	close_ends(&listener, &good);
	zmq_ctx_term(context);
}

/* Nothing to do: no turn but those that events make. */
Test(mesh_zeromq, an_idle_edge_does_not_wake_anybody)
{
	struct end caller, listener;
	uint64_t turns = 0, before;

	new_loop();
	loop_progress(loop, &turns);
	open_listener(&listener, LISTENER, listening, path);
	open_end(&caller, CALLER);
	cr_assert_eq(mesh_allow(listener.mesh, CALLER, token_a), 0);
	cr_assert_eq(mesh_connect(caller.mesh, LISTENER, path, token_a), 0);
	cr_assert_eq(number(caller.mesh, LISTENER, 1), 0);
	RUN_UNTIL(listener.records == 1);
	loop_once(loop, 50);
	loop_once(loop, 50);
	before = now_ms();
	loop_once(loop, 300);
	cr_assert_geq(now_ms() - before, 290);
	close_ends(&listener, &caller);
}

/* More connections than this process may have fds. */
#define CROWD 600
#define CROWDED_FDS 300

static void crowd(void)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};

	strcpy(name.sun_path, path);
	for (int i = 0; i < CROWD; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (struct sockaddr *)&name, sizeof(name)) < 0)
			_exit(3);
	}
	for (;;)
		pause();
}

/* libzmq would end the process where there is no fd to accept with. */
Test(mesh_zeromq, outlives_a_peer_that_connects_without_end)
{
	const struct rlimit few = {CROWDED_FDS, CROWDED_FDS};
	struct end caller, listener;
	int go;
	pid_t pid = child_of(crowd, &go);

	new_loop();
	cr_assert_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	open_listener(&listener, LISTENER, listening, path);
	cr_assert_eq(mesh_allow(listener.mesh, CALLER, token_a), 0);
	release(go);
	RUN_UNTIL(counted(COUNTER_MESH_CROWDED) > CROWD / 4);
	/* by and by what says nothing is ended, and others find room */
	open_end(&caller, CALLER);
	cr_assert_eq(mesh_connect(caller.mesh, LISTENER, path, token_a), 0);
	cr_assert_eq(number(caller.mesh, LISTENER, 1), 0);
	RUN_UNTIL(listener.records == 1);
	end_child(pid);
	close_ends(&listener, &caller);
}
