/* transport-stream_sent.c - a trunk's connection that ends with requests unanswered: the SIP
 * workers that sent them are told. */
#include "transport-stream.h"

Test(stream_sent, a_trunk_that_closes_before_it_answers)
{
	struct fixture *f = fixture_new(NULL);
	int port, server = serving(&port), fd;
	struct linger reset = {.l_onoff = 1};

	fd = to_trunk(f, server, port, 1);
	close(fd);
	UNTIL(f, failure_of(f, 1) == -ECONNRESET);
	fd = to_trunk(f, server, port, 2); /* a reset */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	UNTIL(f, failure_of(f, 2) == -ECONNRESET);
	fd = to_trunk(f, server, port, 3); /* it would still read */
	shutdown(fd, SHUT_WR);
	UNTIL(f, failure_of(f, 3) == -ECONNRESET);
	close(fd);
	fd = to_trunk(f, server, port, 4); /* what it says is no SIP */
	tell_text(fd, "220 smtp.example.net ESMTP\r\n");
	UNTIL(f, failure_of(f, 4) == -ECONNRESET);
	close(fd);
	cr_assert_eq(COUNTED(FLOW_UNANSWERED), 4);
	cr_assert_eq(COUNTED(FLOW_SEND_FAILED), 0);
	close(server);
	fixture_free(f);
}

Test(stream_sent, junk_behind_a_response)
{
	static const char response[] =
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 192.0.2.9;branch=z9hG4bK1\r\nFrom: "
		"<sip:a@b>;tag=1\r\nTo: <sip:b@b>;tag=2\r\nCall-ID: c\r\nCSeq: 1 "
		"INVITE\r\nContact: <sip:b@192.0.2.1>\r\nContent-Length: 0\r\n\r\n=junk";
	struct fixture *f = fixture_new(NULL);
	int port, server = serving(&port), fd;

	fd = to_trunk(f, server, port, 1);
	tell_text(fd, response);
	UNTIL(f, failure_of(f, 1) == -ECONNRESET);
	cr_assert_eq(message_at(f, 0)->status, 200); /* it came first */
	UNTIL(f, ended(fd));
	close(fd);
	close(server);
	fixture_free(f);
}

Test(stream_sent, what_was_sent_lately_is_bounded)
{
	struct fixture *f = fixture_new(NULL);
	int port, server = serving(&port), fd;
	static const char text[] = "BYE sip:b@b SIP/2.0\r\n\r\n";
	struct flow to = flow_to_trunk(port);
	unsigned seen = 0;

	fd = to_trunk(f, server, port, 1);
	order(f, &to, OK, sizeof(OK) - 1, 2, false); /* a response has no answer */
	order(f, &to, text, sizeof(text) - 1, 0, false);
	for (unsigned i = 0; i < 100; i++)
		order(f, &to, text, sizeof(text) - 1, 100 + i, false);
	loop_once(f->t.loop, 0);
	close(fd);
	UNTIL(f, COUNTED(FLOW_UNANSWERED) == 101);
	for (unsigned i = 0; i < 100; i++)
		seen += failure_of(f, 100 + i) == -ECONNRESET;
	cr_assert_eq(seen, 100);
	cr_assert_eq(failure_of(f, 2), 0);
	forget(f);
	f->full_reserve = -EAGAIN; /* the reports wait; there are no more of them than are kept */
	fd = to_trunk(f, server, port, 1);
	for (unsigned i = 0; i < 5000; i++) {
		order(f, &to, text, sizeof(text) - 1, 1000 + i, false);
		loop_once(f->t.loop, 0);
		hear(fd, buffer, sizeof(buffer));
	}
	close(fd);
	UNTIL(f, COUNTED(FLOW_UNANSWERED) == 101 + 2048);
	f->full_reserve = -ENOTCONN;
	close(server);
	fixture_free(f);
}

static void life_of_50(struct image *image)
{
	image->s.t1_ms = 1;
}

Test(stream_sent, what_was_sent_long_ago_had_its_answer)
{
	struct fixture *f = fixture_new(life_of_50);
	int port, server = serving(&port), fd;
	uint64_t later;

	fd = to_trunk(f, server, port, 1);
	later = clock_ms() + 100;
	UNTIL(f, clock_ms() > later);
	close(fd);
	UNTIL(f, streams_count(f->t.streams) == 0);
	turns(f, 3);
	cr_assert_eq(COUNTED(FLOW_UNANSWERED), 0);
	close(server);
	fixture_free(f);
}
