/* mesh-zeromq_stranger.c - the mesh over ZeroMQ and peers that are not who they say, or say what no
 * peer says: wrong tokens, garbage, connections without end. */
#include "mesh-zeromq.h"

TestSuite(mesh_zeromq_stranger, .init = setup, .fini = teardown, .timeout = 60);

Test(mesh_zeromq_stranger, a_wrong_token_is_refused_until_it_is_allowed)
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

Test(mesh_zeromq_stranger, a_token_is_good_for_its_own_peer_only)
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

Test(mesh_zeromq_stranger, garbage_is_refused_whole)
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
Test(mesh_zeromq_stranger, outlives_a_peer_that_connects_without_end)
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
