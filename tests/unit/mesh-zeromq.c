/* mesh-zeromq.c - the mesh over ZeroMQ, with real sockets: full queues, and peers that are killed
 * or replaced. mesh-carriers.c has what both carriers have in common. */
#include "mesh-zeromq.h"

TestSuite(mesh_zeromq, .init = setup, .fini = teardown, .timeout = 60);

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
