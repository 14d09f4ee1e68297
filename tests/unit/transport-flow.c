/* transport-flow.c - flow ids, watches, reuse and reports, over streams on loopback. */
#include "transport-fixture.h"

static char raw[2048], buffer[70000];

/* A connection from host to listener that has sent one request and had its answer; its flow as the
 * SIP worker saw it. */
static int connected(struct fixture *f, const char *host, int listener, struct flow *flow)
{
	int fd = dial(host, f->port[listener]);
	size_t n = request(raw, "OPTIONS", f->count, NULL, "TCP");
	unsigned before = f->count;

	cr_assert_eq(send(fd, raw, n, 0), (ssize_t)n);
	UNTIL(f, f->count == before + 1);
	*flow = message_at(f, before)->flow;
	order(f, flow, "SIP/2.0 200 OK\r\n\r\n", 18, 0, false);
	UNTIL(f, hear(fd, buffer, sizeof(buffer)) == 18);
	return fd;
}

static void watch(struct fixture *f, uint64_t flow, uint8_t slot)
{
	struct record_watch w = {.flow = flow, .slot = slot};

	from_sip_record(&f->t, PEER(PEER_SIP, slot % 2), RECORD_WATCH, &w, sizeof(w));
}

/* The number of times that the owner of slot was told that flow has ended. */
static unsigned told(const struct fixture *f, uint64_t flow, uint8_t slot)
{
	unsigned times = 0;

	for (unsigned i = 0; i < f->count; i++) {
		const struct record_flow_closed *r = f->noted[i].data;

		if (f->noted[i].type == RECORD_FLOW_CLOSED && r->half)
			continue;
		if (f->noted[i].type == RECORD_FLOW_CLOSED && r->flow == flow && r->slot == slot) {
			cr_assert_eq(f->noted[i].peer, PEER(PEER_SIP, slot % 2));
			cr_assert(f->noted[i].reserve);
			times++;
		}
	}
	return times;
}

Test(flow, ids_name_worker_incarnation_and_connection)
{
	struct fixture *f = fixture_new(NULL);
	struct flow a, b;
	int fa = connected(f, "127.0.0.1", ACCESS_TCP, &a),
	    fb = connected(f, "127.0.0.1", ACCESS_TCP, &b);

	cr_assert_eq(FLOW_WORKER(a.id), 3);
	cr_assert_eq(FLOW_INCARNATION(a.id), 7);
	cr_assert_neq(FLOW_CONNECTION(a.id), 0);
	cr_assert_neq(a.id, b.id);
	cr_assert_eq(flow_count(f->t.flows), 2);
	order(f, &a, "to a", 4, 0, false);
	order(f, &b, "to b", 4, 0, false);
	loop_once(f->t.loop, 0);
	cr_assert_eq(hear(fa, buffer, sizeof(buffer)), 4);
	cr_assert_str_eq(buffer, "to a");
	cr_assert_eq(hear(fb, buffer, sizeof(buffer)), 4);
	cr_assert_str_eq(buffer, "to b");
	close(fa);
	close(fb);
	fixture_free(f);
}

Test(flow, foreign_and_old_ids_reach_nobody)
{
	struct fixture *f = fixture_new(NULL);
	struct flow flow, other;
	int fd = connected(f, "127.0.0.1", ACCESS_TCP, &flow);

	other = flow;
	other.id = FLOW_ID(3, 6, FLOW_CONNECTION(flow.id)); /* an earlier life */
	order(f, &other, "x", 1, 1, false);
	cr_assert_eq(failure_of(f, 1), -ENOTCONN);
	other.id = FLOW_ID(2, 7, FLOW_CONNECTION(flow.id)); /* another worker's */
	order(f, &other, "x", 1, 2, false);
	cr_assert_eq(failure_of(f, 2), -ENOTCONN);
	other.id = flow.id + 1;
	order(f, &other, "x", 1, 3, false);
	cr_assert_eq(failure_of(f, 3), -ENOTCONN);
	order(f, &other, "x", 1, 0, false); /* nobody asked */
	cr_assert_eq(f->count, 4);
	loop_once(f->t.loop, 0);
	cr_assert_lt(hear(fd, buffer, sizeof(buffer)), 0);
	close(fd);
	fixture_free(f);
}

Test(flow, watchers_are_told_once_each)
{
	struct fixture *f = fixture_new(NULL);
	struct flow flow, other;
	int fd = connected(f, "127.0.0.1", ACCESS_TCP, &flow),
	    still = connected(f, "127.0.0.1", ACCESS_TCP, &other);

	watch(f, flow.id, 4);
	watch(f, flow.id, 4);
	watch(f, flow.id, 255);
	watch(f, other.id, 9);
	cr_assert_eq(f->count, 2);
	close(fd);
	UNTIL(f, f->count == 4);
	cr_assert_eq(told(f, flow.id, 4), 1);
	cr_assert_eq(told(f, flow.id, 255), 1);
	cr_assert_eq(flow_count(f->t.flows), 1);
	order(f, &flow, "x", 1, 1, false);
	cr_assert_eq(failure_of(f, 1), -ENOTCONN);
	/* too late: told at once */
	watch(f, flow.id, 8);
	cr_assert_eq(told(f, flow.id, 8), 1);
	cr_assert_eq(told(f, other.id, 9), 0);
	close(still);
	fixture_free(f);
}

Test(flow, reports_wait_for_room)
{
	struct fixture *f = fixture_new(NULL);
	uint64_t start;
	struct flow flow;
	int fd = connected(f, "127.0.0.1", ACCESS_TCP, &flow);

	watch(f, flow.id, 1);
	watch(f, flow.id, 2);
	f->full_reserve = -EAGAIN;
	close(fd);
	UNTIL(f, flow_reports(f->t.flows) == 2);
	cr_assert_eq(f->count, 1);
	cr_assert_not(transport_idle(&f->t));
	/* nothing but time makes it try again */
	f->full_reserve = 0;
	start = clock_ms();
	while (f->count < 3 && clock_ms() - start < 1000)
		loop_once(f->t.loop, 2000);
	cr_assert_lt(clock_ms() - start, 1000);
	cr_assert_eq(told(f, flow.id, 1), 1);
	cr_assert_eq(told(f, flow.id, 2), 1);
	cr_assert_eq(COUNTED(REPORTS_LOST), 0);
	fixture_free(f);
}

Test(flow, reports_are_bounded_and_end_with_their_reader)
{
	struct fixture *f = fixture_new(NULL);

	f->full_reserve = -EAGAIN;
	for (unsigned i = 0; i < FLOW_REPORTS_MAX + 5; i++)
		watch(f, 77, (uint8_t)i);
	cr_assert_eq(flow_reports(f->t.flows), FLOW_REPORTS_MAX);
	cr_assert_eq(COUNTED(REPORTS_LOST), 5);
	f->full_reserve = -ENOTCONN;
	UNTIL(f, flow_reports(f->t.flows) == 0);
	cr_assert_eq(COUNTED(REPORTS_LOST), FLOW_REPORTS_MAX + 5);
	cr_assert_eq(f->count, 0);
	fixture_free(f);
}

Test(flow, a_peer_is_served_by_the_connection_it_has)
{
	struct fixture *f = fixture_new(NULL);
	struct flow flow, to;
	int fd = connected(f, "127.0.0.1", CORE_TCP, &flow);

	to = (struct flow){.transport = TRANSPORT_TCP, .listener = CORE_TCP, .peer = flow.peer};
	order(f, &to, "one", 3, 1, false);
	order(f, &to, "two", 3, 2, false);
	loop_once(f->t.loop, 0);
	cr_assert_eq(hear(fd, buffer, sizeof(buffer)), 6);
	cr_assert_str_eq(buffer, "onetwo");
	cr_assert_eq(COUNTED(STREAM_CONNECTS), 0);
	cr_assert_eq(flow_count(f->t.flows), 1);
	close(fd);
	fixture_free(f);
}

Test(flow, an_untrusted_peer_is_reached_by_its_flow_alone)
{
	struct fixture *f = fixture_new(NULL);
	struct flow flow, to;
	int fd = connected(f, "127.0.0.1", ACCESS_TCP, &flow);

	to = (struct flow){.transport = TRANSPORT_TCP, .listener = ACCESS_TCP, .peer = flow.peer};
	order(f, &to, "x", 1, 1, false);
	cr_assert_eq(failure_of(f, 1), -EACCES);
	to = (struct flow){
		.transport = TRANSPORT_TCP, .listener = CORE_TCP, .peer = at("127.0.0.2", 5060)};
	order(f, &to, "x", 1, 2, false); /* trusted zone, but none of its sources */
	cr_assert_eq(failure_of(f, 2), -EACCES);
	cr_assert_eq(COUNTED(STREAM_CONNECTS), 0);
	close(fd);
	fixture_free(f);
}

Test(flow, a_ban_closes_the_sources_streams)
{
	struct fixture *f = fixture_new(NULL);
	struct flow one, two, neighbour, core;
	int fd1 = connected(f, "127.0.0.2", ACCESS_TCP, &one),
	    fd2 = connected(f, "127.0.0.2", ACCESS_TCP, &two),
	    fd3 = connected(f, "127.0.0.3", ACCESS_TCP, &neighbour);
	int fd4 = connected(f, "127.0.0.1", CORE_TCP, &core);
	struct record_penalty penalty = {.source = one.peer, .listener = ACCESS_UDP};

	watch(f, one.id, 6);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq(flow_count(f->t.flows), 4);
		from_sip_record(
			&f->t, PEER(PEER_SIP, 0), RECORD_PENALTY, &penalty, sizeof(penalty));
	}
	cr_assert_eq(flow_count(f->t.flows), 2);
	cr_assert_eq(COUNTED(STREAM_BANNED), 2);
	cr_assert_eq(told(f, one.id, 6), 1);
	cr_assert_eq(recv(fd1, buffer, 1, MSG_DONTWAIT), 0);
	cr_assert_eq(recv(fd2, buffer, 1, MSG_DONTWAIT), 0);
	cr_assert_lt(recv(fd3, buffer, 1, MSG_DONTWAIT), 0);
	close(fd1);
	/* and nothing new from there */
	fd1 = dial("127.0.0.2", f->port[ACCESS_TCP]);
	UNTIL(f, recv(fd1, buffer, 1, MSG_DONTWAIT) == 0);
	penalty.listener = LISTENERS;
	from_sip_record(&f->t, PEER(PEER_SIP, 0), RECORD_PENALTY, &penalty, sizeof(penalty));
	cr_assert_eq(COUNTED(BAD_RECORDS), 1);
	close(fd1);
	close(fd2);
	close(fd3);
	close(fd4);
	fixture_free(f);
}
