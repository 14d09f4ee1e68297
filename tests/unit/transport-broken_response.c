/* transport-broken_response.c - responses that a stream cannot be framed by, or that do not come
 * whole: they are handed on as broken, and what ends their call finds its way. */
#include "transport-stream.h"

#define ANSWER                                                                                     \
	"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1\r\nFrom: "                   \
	"<sip:a@b>;tag=1\r\nTo: <sip:b@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 "                         \
	"INVITE\r\nContact: <sip:b@192.0.2.1>\r\n"

/* The response came, as a broken one. */
static const struct message *broken_at(struct fixture *f, unsigned i)
{
	UNTIL(f, f->count > i);
	const struct message *m = message_at(f, i);

	cr_assert_eq(m->broken, 1);
	cr_assert_eq(m->status, 200);
	cr_assert(str_equal(message_str(m, m->to_tag), S("2")));
	return m;
}

/* How often a message that was sent stands in the trace. */
static unsigned traced(const struct fixture *f, const char *text)
{
	const struct trace_message *m;
	unsigned found = 0;
	uint64_t at = 0;
	size_t n;

	while ((m = byte_ring_next(f->t.trace.ring, &at, &n)))
		found += m->out &&
		         str_equal((struct str){(const char *)(m + 1), m->kept}, str_of(text));
	return found;
}

/* Of one that cannot be framed what it answers ends, and what ends its call finds the trunk: by a
 * new connection, for nothing that comes by the old one can be read. */
static void trunk_answers(const char *answer, bool end)
{
	static const char ack[] = "ACK sip:b@192.0.2.1 SIP/2.0\r\n\r\n";
	struct fixture *f = fixture_new(NULL);
	int port, server = serving(&port), fd, again = -1;

	cr_assert_eq(trace_resize(&f->t.trace, TRACE_RING_MIN), 0);
	fd = to_trunk(f, server, port, 1);
	tell_text(fd, answer);
	if (end)
		shutdown(fd, SHUT_WR);
	const struct flow flow = broken_at(f, 0)->flow;
	cr_assert_neq(flow.id, 0);
	UNTIL(f, failure_of(f, 1) == -ECONNRESET);
	order(f, &flow, ack, sizeof(ack) - 1, 0, false);
	UNTIL(f, (again = accept(server, NULL, NULL)) >= 0);
	UNTIL(f, hears(again, ack));
	cr_assert_eq(traced(f, ack), 1);
	cr_assert_eq(COUNTED(STREAM_CUT_RESPONSES), 1);
	close(fd);
	close(again);
	close(server);
	fixture_free(f);
	COUNTED(STREAM_CUT_RESPONSES) = 0;
}

Test(broken_response, a_response_that_cannot_be_framed)
{
	trunk_answers(ANSWER "l: x\r\n\r\n", false);
	trunk_answers(ANSWER "l: 0\r\nl: 1\r\n\r\n", false);
	trunk_answers(ANSWER "l: 99999\r\n\r\n", false);
	trunk_answers(ANSWER "\r\n", false); /* it has none */
	trunk_answers(ANSWER "X: y\n", false);
	trunk_answers(ANSWER "l: 9\r\n\r\nbody", true);
}

/* A peer that has connected to us cannot be reached otherwise. */
Test(broken_response, a_response_that_cannot_be_framed_of_a_phone)
{
	static const char bye[] = "BYE sip:b@192.0.2.1 SIP/2.0\r\n\r\n";
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);

	tell_text(fd, ANSWER "l: x\r\n\r\nbody");
	const struct flow flow = broken_at(f, 0)->flow;
	order(f, &flow, bye, sizeof(bye) - 1, 0, false);
	UNTIL(f, hears(fd, bye));
	UNTIL(f, ended(fd));
	close(fd);
	fixture_free(f);
}

/* What began and never came to its end. */
Test(broken_response, a_response_that_is_not_whole_in_time)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);

	f->image.s.message_ms = 30;
	tell_text(fd, ANSWER "l: 9\r\n\r\nbody");
	broken_at(f, 0);
	cr_assert_eq(COUNTED(STREAM_SLOW), 1);
	close(fd);
	fixture_free(f);
}

/* Half a head may end within a word. */
Test(broken_response, half_a_response_is_none)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_TCP]);

	tell_text(fd, ANSWER);
	close(fd);
	UNTIL(f, COUNTED(STREAM_CUT_MESSAGES) == 1);
	cr_assert_eq(f->count, 0);
	fixture_free(f);
}
