/* transport-ws_timeout.c - the time that WebSocket peers have for the upgrade, a message, a sign of
 * life. */
#include "transport-ws.h"

static char raw[2048];

static void soon(struct image *image)
{
	image->s.message_ms = image->s.handshake_ms = 50;
}

/* The time of a message runs from the first octet of its first frame. */
Test(ws_timeout, slow_heads)
{
	struct fixture *f = fixture_new(soon);
	char head[14];

	for (size_t n = 1; n <= head_of(head, FIN | TEXT, 300); n++) {
		int fd = open_ws(f);

		tell(fd, head, n);
		UNTIL(f, ended(fd));
		cr_assert_eq(COUNTED(STREAM_SLOW), n, "%zu octets", n);
		close(fd);
	}
	fixture_free(f);
}

/* Control frames and empty fragments do not make a message younger; whole frames leave nothing. */
Test(ws_timeout, slow_fragments)
{
	struct fixture *f = fixture_new(soon);
	int fd = open_ws(f);
	uint64_t start;

	tell_frame(fd, TEXT, "", 0);
	for (start = clock_ms(); COUNTED(STREAM_SLOW) == 0;) {
		static char bytes[64];
		size_t n = frame(bytes, CONTINUATION, "", 0, true);

		n += frame(bytes + n, FIN | PING, "", 0, true);
		(void)!send(fd, bytes, n, MSG_NOSIGNAL);
		loop_once(f->t.loop, 5);
		loop_once(f->t.loop, 5);
		cr_assert_lt(clock_ms() - start, PATIENCE_MS);
	}
	close(fd);
	fd = open_ws(f);
	for (start = clock_ms(); clock_ms() - start < 150;) { /* each whole in its time */
		tell_frame(fd, FIN | PING, "abc", 3);
		tell_frame(fd, FIN | TEXT, "\r\n", 2);
		loop_once(f->t.loop, 5);
	}
	for (unsigned i = 0; i < 20; i++)
		loop_once(f->t.loop, 10);
	cr_assert_eq(COUNTED(STREAM_SLOW), 1);
	cr_assert_eq(flow_count(f->t.flows), 1);
	close(fd);
	fixture_free(f);
}

Test(ws_timeout, slow_peers)
{
	struct fixture *f = fixture_new(soon);
	int fd = dial("127.0.0.1", f->port[ACCESS_WS]);

	tell(fd, REQUEST, 20);
	UNTIL(f, ended(fd));
	cr_assert_eq(COUNTED(STREAM_SLOW), 1);
	close(fd);
	fd = open_ws(f);
	tell_frame(fd, TEXT, "OPTIONS", 7);
	UNTIL(f, ended(fd));
	cr_assert_eq(COUNTED(STREAM_SLOW), 2);
	close(fd);
	fd = open_ws(f); /* in time */
	tell_frame(fd, FIN | TEXT, raw, request(raw, "OPTIONS", 1, NULL, "WS"));
	UNTIL(f, f->count == 1);
	uint64_t later = clock_ms() + 120;
	UNTIL(f, clock_ms() > later);
	tell_frame(fd, FIN | PING, "", 0);
	UNTIL(f, hears(fd, 2));
	cr_assert_eq(COUNTED(STREAM_SLOW), 2);
	close(fd);
	fixture_free(f);
}

static void soon_idle(struct image *image)
{
	image->s.idle_ms = 50;
}

Test(ws_timeout, the_silent_are_asked)
{
	struct fixture *f = fixture_new(soon_idle);
	int fd = open_ws(f);

	for (unsigned i = 0; i < 3; i++) {
		UNTIL(f, hears(fd, 2));
		cr_assert_eq(memcmp(buffer, "\x89\x00", 2), 0); /* and once only */
		cr_assert_eq(heard, 2);
		heard = 0;
		tell_frame(fd, FIN | PONG, "", 0);
		UNTIL(f, COUNTED(STREAM_PONGS) == i + 1);
	}
	cr_assert_eq(COUNTED(STREAM_IDLE), 0);
	UNTIL(f, hears(fd, 2));
	UNTIL(f, ended(fd)); /* no answer this time */
	cr_assert_eq(COUNTED(STREAM_IDLE), 1);
	close(fd);
	fixture_free(f);
}
