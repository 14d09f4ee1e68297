/* transport-stream_keep_alive.c - the pings of a trunk's connection (RFC 5626 section 4.4.1), on
 * the virtual clock. */
#include "virtual_clock.h"

#include "transport-stream.h"

#define SECONDS 100u
#define PING "\r\n\r\n"

static struct fixture *f;
static int server, port, peer = -1;
static uint64_t stream;

static void note_stream(struct stream *s, void *arg)
{
	(void)arg;
	if (s->outgoing)
		stream = s->node.flow.id;
}

static void pass(unsigned ms)
{
	virtual_clock_advance(f->t.loop, ms);
}

/* A trunk's connection, whose end is watched. */
static void set_up(void)
{
	static const char text[] = "REGISTER sip:b SIP/2.0\r\n\r\n";

	virtual_clock_start();
	f = fixture_new(NULL);
	server = serving(&port);
	struct flow to = flow_to_trunk(port);
	order(f, &to, text, sizeof(text) - 1, 0, false);
	pass(1);
	peer = accept(server, NULL, NULL);
	cr_assert_geq(peer, 0);
	cr_assert(hears(peer, text));
	streams_each(f->t.streams, note_stream, NULL);
	flow_watch(f->t.flows, stream, 1);
}

static void tear_down(void)
{
	close(peer);
	close(server);
	fixture_free(f);
}

TestSuite(stream_keep_alive, .init = set_up, .fini = tear_down);

static bool asked(uint64_t flow, uint32_t seconds)
{
	struct record_keep_alive r = {.flow = flow, .seconds = seconds};

	return from_sip_record(&f->t, PEER(PEER_SIP, 1), RECORD_KEEP_ALIVE, &r, sizeof(r));
}

/* A ping comes within 80 to 100 % of the time from now. */
static void pinged(void)
{
	unsigned waited = SECONDS * 800 - 1;

	pass(waited);
	cr_assert_not(hears(peer, PING), "too early");
	for (; !hears(peer, PING); waited++) {
		cr_assert_leq(waited, SECONDS * 1000, "none came");
		pass(1);
	}
}

static void answers(const char *text)
{
	tell_text(peer, text);
	pass(0);
}

static bool closed(void)
{
	return f->count && f->noted[f->count - 1].type == RECORD_FLOW_CLOSED;
}

Test(stream_keep_alive, a_peer_that_answers_keeps_its_connection)
{
	cr_assert(asked(stream, SECONDS));
	pinged();
	answers("\r\n");
	cr_assert(asked(stream, SECONDS), "each 200 asks for it again");
	pinged();
	/* before a message, or a ping in the place of a pong */
	answers("\r\nSIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n");
	pinged();
	answers(PING);
	cr_assert(hears(peer, "\r\n"));
	pinged();
	answers("\r\n");
	pinged();
	cr_assert_not(closed());
	cr_assert_eq(COUNTED(STREAM_PINGS_SENT), 5);
	cr_assert_eq(COUNTED(STREAM_PONGS), 3);
	cr_assert_eq(COUNTED(STREAM_PONGS_MISSING), 0);
}

Test(stream_keep_alive, a_peer_that_does_not_is_closed_after_ten_seconds)
{
	cr_assert(asked(stream, SECONDS));
	pinged();
	pass(STREAM_PROBE_MS - 1);
	tell_text(peer, "\r"); /* half an answer is none */
	cr_assert_not(closed());
	pass(1);
	cr_assert(closed());
	cr_assert_eq(COUNTED(STREAM_PONGS_MISSING), 1);
}

Test(stream_keep_alive, what_is_not_to_be_pinged)
{
	cr_assert_not(asked(stream, KEEP_ALIVE_LEAST_S - 1));
	cr_assert_not(asked(stream, KEEP_ALIVE_MOST_S + 1));
	cr_assert(asked(stream + 1, SECONDS), "it has ended, say");
	/* a phone's, which pings itself */
	int phone = dial("127.0.0.1", f->port[CORE_TCP]);
	uint64_t ours = stream;
	pass(1);
	struct flow_node *n = flow_find(f->t.flows, ours + 1);
	cr_assert_not_null(n);
	cr_assert_not(asked(ours + 1, SECONDS));
	close(phone);
	pass(SECONDS * 1000);
	cr_assert_not(hears(peer, PING));
}

Test(stream_keep_alive, other_seconds_hold_from_the_next_ping_on)
{
	cr_assert(asked(stream, 86400));
	pass(1000);
	cr_assert(asked(stream, SECONDS));
	pinged();
	/* while a pong is awaited it stays so */
	cr_assert(asked(stream, 200));
	pass(STREAM_PROBE_MS);
	cr_assert(closed());
}
