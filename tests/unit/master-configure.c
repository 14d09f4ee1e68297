/* master-configure.c - what lives are told, packet by packet: the test holds the workers' ends of
 * the lifelines. */
#include "ipc/record.h"
#include "master-ground.h"

#include "master/workers/configure.h"

#include <errno.h>
#include <sys/socket.h>

static int end[8]; /* the worker's end, by place in the table */
static int edge_fd;
static struct lifeline_packet packet;
static enum carrier carrier;

static void setup(void)
{
	static const unsigned workers[ROLE_COUNT] = {
		[PEER_TRANSPORT] = 2, [PEER_SIP] = 2, [PEER_TLS] = 1};

	ground_make(carrier);
	memcpy(s.role_count, workers, sizeof(workers));
	cr_assert_eq(supervise_open(&s), 0);
}

static void teardown(void)
{
	supervise_close(&s);
	ground_remove();
}

static void setup_pairs(void)
{
	carrier = CARRIER_PAIRS;
	setup();
}

TestSuite(introduce, .init = setup_pairs, .fini = teardown);
TestSuite(introduce_zeromq, .init = setup, .fini = teardown);

static size_t place(const struct worker_slot *w)
{
	return (size_t)(w - s.worker);
}

/* A new life without a process. */
static void live(struct worker_slot *w)
{
	int pair[2];

	cr_assert_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
	w->lifeline = pair[0];
	end[place(w)] = pair[1];
	w->incarnation++;
	w->state = WORKER_STARTING;
	configure_worker(w);
}

static void die(struct worker_slot *w)
{
	close(w->lifeline);
	close(end[place(w)]);
	w->lifeline = -1;
	w->state = WORKER_DOWN;
	loop_unset(loop, &w->timer);
	configure_tell_death(w);
}

/* The type of the next packet that w gets; 0: there is none. Of an edge its end stays open, in
 * edge_fd. */
static unsigned next(const struct worker_slot *w)
{
	if (lifeline_receive(end[place(w)], true, &packet) == -EAGAIN)
		return 0;
	edge_fd = -1;
	for (unsigned i = 0; i < packet.fds; i++)
		if (packet.type == LIFELINE_EDGE)
			edge_fd = packet.fd[i];
		else
			close(packet.fd[i]);
	return packet.type;
}

/* Reads on until a packet of that type. */
static bool find(const struct worker_slot *w, unsigned type)
{
	unsigned got;

	while ((got = next(w)) && got != type)
		;
	return got == type;
}

/* The end of an edge to peer, which comes next but for other packets. */
static int edge_to(const struct worker_slot *w, uint16_t peer)
{
	cr_assert(find(w, LIFELINE_EDGE), "no EDGE");
	cr_assert_eq(((struct lifeline_edge *)packet.body)->peer, peer);
	cr_assert_geq(edge_fd, 0);
	return edge_fd;
}

/* Two ends of one pair; closes them. */
static bool joined(int a, int b)
{
	char byte = 0;
	bool is = send(a, "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 &&
	          recv(b, &byte, 1, MSG_DONTWAIT) == 1 && byte == 'x';

	close(a);
	close(b);
	return is;
}

Test(introduce, each_of_two_gets_an_end_of_one_pair)
{
	struct worker_slot *transport = worker_find(&s, PEER_TRANSPORT, 0),
			   *a = worker_find(&s, PEER_SIP, 0), *b = worker_find(&s, PEER_SIP, 1);
	int of_a, of_b;

	live(a);
	cr_expect(find(a, LIFELINE_GO), "nobody is there yet");
	live(b);
	of_b = edge_to(b, PEER(PEER_SIP, 0));
	cr_expect_eq(next(b), LIFELINE_GO, "no edge to those that do not live");
	cr_expect(joined(edge_to(a, PEER(PEER_SIP, 1)), of_b));
	live(transport);
	of_a = edge_to(transport, PEER(PEER_SIP, 0));
	of_b = edge_to(transport, PEER(PEER_SIP, 1));
	cr_expect_eq(next(transport), LIFELINE_GO, "edges before GO");
	cr_expect_eq(transport->state, WORKER_STARTING);
	cr_expect(joined(edge_to(a, PEER(PEER_TRANSPORT, 0)), of_a));
	cr_expect(joined(edge_to(b, PEER(PEER_TRANSPORT, 0)), of_b));
	cr_expect_eq(next(a), 0);
	cr_expect_eq(next(b), 0);
}

Test(introduce, an_edge_holds_the_largest_batch_either_way)
{
	static char batch[BATCH_MAX], got[BATCH_MAX];
	struct worker_slot *transport = worker_find(&s, PEER_TRANSPORT, 0),
			   *sip = worker_find(&s, PEER_SIP, 0);
	int a, b;

	live(sip);
	live(transport);
	a = edge_to(transport, PEER(PEER_SIP, 0));
	b = edge_to(sip, PEER(PEER_TRANSPORT, 0));
	memset(batch, 7, sizeof(batch));
	cr_expect_eq(send(a, batch, sizeof(batch), MSG_DONTWAIT), (ssize_t)sizeof(batch));
	cr_expect_eq(send(b, batch, sizeof(batch), MSG_DONTWAIT), (ssize_t)sizeof(batch));
	cr_expect_eq(recv(b, got, sizeof(got), MSG_DONTWAIT), (ssize_t)sizeof(got));
	cr_expect_eq(memcmp(batch, got, sizeof(got)), 0);
	cr_expect_eq(recv(a, got, sizeof(got), MSG_DONTWAIT), (ssize_t)sizeof(got));
	close(a);
	close(b);
}

Test(introduce, the_master_keeps_no_end)
{
	struct worker_slot *transport = worker_find(&s, PEER_TRANSPORT, 0),
			   *sip = worker_find(&s, PEER_SIP, 0);
	char byte;
	int a;

	live(sip);
	live(transport);
	a = edge_to(transport, PEER(PEER_SIP, 0));
	close(edge_to(sip, PEER(PEER_TRANSPORT, 0)));
	cr_expect_eq(recv(a, &byte, 1, MSG_DONTWAIT), 0, "its only other end is closed");
	close(a);
}

Test(introduce, transport_workers_have_no_edge_to_each_other)
{
	struct worker_slot *a = worker_find(&s, PEER_TRANSPORT, 0),
			   *b = worker_find(&s, PEER_TRANSPORT, 1),
			   *tls = worker_find(&s, PEER_TLS, 0);

	live(a);
	live(b);
	live(tls);
	cr_expect_not(find(a, LIFELINE_EDGE));
	cr_expect_not(find(b, LIFELINE_EDGE));
	cr_expect_not(find(tls, LIFELINE_EDGE));
}

/* Key edges are made elsewhere (certificates.c), for transport workers alone. */
Test(introduce, sip_workers_and_tls_workers_know_nothing_of_each_other)
{
	struct worker_slot *sip = worker_find(&s, PEER_SIP, 0), *tls = worker_find(&s, PEER_TLS, 0);
	unsigned type;

	live(sip);
	live(tls);
	while ((type = next(tls))) {
		cr_expect_neq(type, LIFELINE_EDGE);
		cr_expect_neq(type, LIFELINE_KEY_EDGE);
		cr_expect_neq(type, LIFELINE_KEYS);
		cr_expect_neq(type, LIFELINE_USERS);
	}
	cr_assert(find(sip, LIFELINE_GO));
	die(tls);
	cr_expect_eq(next(sip), 0, "neither its life nor its death");
}

Test(introduce, keys_and_users_go_to_those_who_may_hold_them)
{
	struct worker_slot *transport = worker_find(&s, PEER_TRANSPORT, 0),
			   *sip = worker_find(&s, PEER_SIP, 0);
	static const struct lifeline_keys zero;

	live(transport);
	cr_assert_eq(next(transport), LIFELINE_WELCOME);
	cr_assert_eq(next(transport), LIFELINE_KEYS);
	cr_expect_eq(memcmp(&((struct lifeline_keys *)packet.body)->minting, &zero.minting,
			     sizeof(zero.minting)),
		0);
	cr_expect_eq(next(transport), LIFELINE_SETTINGS);
	cr_expect_eq(next(transport), LIFELINE_BANS);
	/* queries to the DNS have sockets of the families that there are */
	unsigned sockets = 0;
	while (next(transport) == LIFELINE_DNS_SOCKET)
		sockets++;
	cr_expect(sockets == DNS_SOCKETS || sockets == 2 * DNS_SOCKETS);
	cr_expect_eq(packet.type, LIFELINE_SLOTS);
	live(sip);
	cr_assert(find(sip, LIFELINE_USERS));
}

Test(introduce, a_new_life_has_new_edges)
{
	struct worker_slot *transport = worker_find(&s, PEER_TRANSPORT, 0),
			   *sip = worker_find(&s, PEER_SIP, 0),
			   *other = worker_find(&s, PEER_SIP, 1);
	int old;

	live(sip);
	live(other);
	live(transport);
	old = edge_to(transport, PEER(PEER_SIP, 0));
	close(edge_to(transport, PEER(PEER_SIP, 1)));
	die(sip);
	cr_assert(find(transport, LIFELINE_PEER_DOWN));
	cr_expect_eq(((struct lifeline_peer *)packet.body)->peer, PEER(PEER_SIP, 0));
	cr_expect_eq(((struct lifeline_peer *)packet.body)->incarnation, 1);
	cr_expect(find(other, LIFELINE_PEER_DOWN));
	live(sip);
	int its = edge_to(transport, PEER(PEER_SIP, 0));
	cr_expect_eq(
		send(old, "x", 1, MSG_NOSIGNAL), -1, "nobody holds the other end of the old one");
	close(old);
	cr_expect(joined(edge_to(sip, PEER(PEER_TRANSPORT, 0)), its));
	its = edge_to(sip, PEER(PEER_SIP, 1));
	cr_expect_eq(next(sip), LIFELINE_GO);
	cr_expect(joined(edge_to(other, PEER(PEER_SIP, 0)), its));
}

Test(introduce, a_death_is_told_to_those_that_it_talked_to)
{
	struct worker_slot *a = worker_find(&s, PEER_TRANSPORT, 0),
			   *b = worker_find(&s, PEER_TRANSPORT, 1),
			   *sip = worker_find(&s, PEER_SIP, 0);

	live(sip);
	live(a);
	live(b);
	die(a);
	cr_expect(find(sip, LIFELINE_PEER_DOWN));
	cr_expect_eq(((struct lifeline_peer *)packet.body)->peer, PEER(PEER_TRANSPORT, 0));
	cr_expect_not(find(b, LIFELINE_PEER_DOWN));
}

/* ---- over ZeroMQ: tokens, and who knows them first ---- */

static struct lifeline_allow allow_of(const struct worker_slot *listener)
{
	cr_assert(find(listener, LIFELINE_ALLOW), "no ALLOW");
	return *(struct lifeline_allow *)packet.body;
}

static void acknowledge(struct worker_slot *listener, const struct lifeline_allow *allow)
{
	struct lifeline_ack ack = {.sequence = allow->sequence};

	configure_acknowledged(listener, &ack);
}

Test(introduce_zeromq, a_connecter_gets_its_token_when_the_listener_knows_it)
{
	struct worker_slot *transport = worker_find(&s, PEER_TRANSPORT, 0),
			   *sip = worker_find(&s, PEER_SIP, 0);
	struct lifeline_allow allow;

	live(sip);
	cr_expect(find(sip, LIFELINE_GO), "a SIP worker waits for nobody");
	live(transport);
	cr_expect(transport->waits_for_edges);
	cr_expect_not(find(transport, LIFELINE_CONNECT), "not before the acknowledgement");
	allow = allow_of(sip);
	cr_expect_eq(allow.peer, PEER(PEER_TRANSPORT, 0));
	acknowledge(sip, &allow);
	cr_assert_eq(next(transport), LIFELINE_CONNECT);
	const struct lifeline_connect *edge = (const void *)packet.body;
	cr_expect_eq(edge->peer, PEER(PEER_SIP, 0));
	cr_expect_eq(memcmp(edge->token, allow.token, MESH_TOKEN_SIZE), 0);
	char folder[LIFELINE_PATH_MAX];
	runtime_root(s.runtime, CARRIER_ZEROMQ, PEER_TRANSPORT, 0, folder);
	cr_assert_eq(chdir(folder), 0);
	cr_expect_eq(access(edge->path, F_OK), 0);
	/* The other SIP worker does not live: nothing to wait for. */
	cr_expect_eq(next(transport), LIFELINE_GO);
}

Test(introduce_zeromq, a_successor_of_the_listener_knows_all_before_it_starts)
{
	struct worker_slot *transport = worker_find(&s, PEER_TRANSPORT, 0),
			   *sip = worker_find(&s, PEER_SIP, 0),
			   *other = worker_find(&s, PEER_SIP, 1);
	struct lifeline_allow first, again;
	unsigned allows = 0, type;

	live(sip);
	live(other);
	live(transport);
	find(sip, LIFELINE_GO);
	allow_of(sip); /* of the other SIP worker */
	first = allow_of(sip);
	cr_assert_eq(first.peer, PEER(PEER_TRANSPORT, 0));
	acknowledge(sip, &first);
	find(transport, LIFELINE_CONNECT);
	die(sip);
	cr_expect(find(transport, LIFELINE_PEER_DOWN));
	cr_expect_eq(((struct lifeline_peer *)packet.body)->incarnation, 1);
	live(sip);
	while ((type = next(sip)) && type != LIFELINE_GO)
		if (type == LIFELINE_ALLOW) {
			allows++;
			if (((struct lifeline_allow *)packet.body)->peer == first.peer)
				again = *(struct lifeline_allow *)packet.body;
		}
	cr_assert_eq(type, LIFELINE_GO);
	cr_expect_eq(allows, 2, "before GO");
	cr_expect_eq(memcmp(first.token, again.token, MESH_TOKEN_SIZE), 0);
	acknowledge(sip, &again);
	cr_expect_not(find(transport, LIFELINE_CONNECT), "it has it");
	configure_tell_ready(sip);
	cr_expect(find(transport, LIFELINE_PEER_UP));
	cr_expect_eq(((struct lifeline_peer *)packet.body)->incarnation, 2);
}

Test(introduce_zeromq, a_successor_of_the_connecter_has_another_token)
{
	struct worker_slot *transport = worker_find(&s, PEER_TRANSPORT, 0),
			   *sip = worker_find(&s, PEER_SIP, 0);
	struct lifeline_allow first, second;

	live(sip);
	find(sip, LIFELINE_GO);
	live(transport);
	first = allow_of(sip);
	die(transport);
	cr_assert_eq(next(sip), LIFELINE_PEER_DOWN);
	live(transport);
	second = allow_of(sip);
	cr_expect_neq(memcmp(first.token, second.token, MESH_TOKEN_SIZE), 0);
	/* The listener's late word about the first life. */
	acknowledge(sip, &first);
	cr_expect_not(find(transport, LIFELINE_CONNECT));
	acknowledge(sip, &second);
	cr_assert(find(transport, LIFELINE_CONNECT));
	cr_expect_eq(memcmp(((struct lifeline_connect *)packet.body)->token, second.token,
			     MESH_TOKEN_SIZE),
		0);
}

Test(introduce_zeromq, a_listener_that_dies_holds_nobody_up)
{
	struct worker_slot *transport = worker_find(&s, PEER_TRANSPORT, 0),
			   *sip = worker_find(&s, PEER_SIP, 0);

	live(sip);
	live(transport);
	cr_expect_not(find(transport, LIFELINE_GO));
	die(sip);
	cr_expect(find(transport, LIFELINE_GO));
}

Test(introduce_zeromq, sip_workers_reach_each_other)
{
	struct worker_slot *a = worker_find(&s, PEER_SIP, 0), *b = worker_find(&s, PEER_SIP, 1);
	struct lifeline_allow to_a, to_b;

	live(a);
	find(a, LIFELINE_GO);
	live(b);
	to_b = allow_of(b);
	cr_expect_eq(to_b.peer, PEER(PEER_SIP, 0));
	to_a = allow_of(a);
	cr_expect_eq(to_a.peer, PEER(PEER_SIP, 1));
	acknowledge(a, &to_a);
	cr_assert(find(b, LIFELINE_CONNECT));
	cr_expect_eq(((struct lifeline_connect *)packet.body)->peer, PEER(PEER_SIP, 0));
	acknowledge(b, &to_b);
	cr_assert(find(a, LIFELINE_CONNECT));
	cr_expect_eq(((struct lifeline_connect *)packet.body)->peer, PEER(PEER_SIP, 1));
}
