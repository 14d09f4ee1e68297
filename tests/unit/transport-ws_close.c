/* transport-ws_close.c - how WebSocket connections end: the Close and its answer, and what is sent
 * before it (RFC 6455 section 5.5.1). */
#include "transport-ws.h"

static char raw[2048];

Test(ws_close, close_is_answered)
{
	struct fixture *f = fixture_new(NULL);
	int fd = open_ws(f);

	tell_frame(fd, FIN | CLOSE, "\x03\xe8", 2);
	expect_close(f, fd, 1000);
	cr_assert_eq(COUNTED(WS_CLOSED), 1);
	fd = open_ws(f); /* without a code */
	tell_frame(fd, FIN | CLOSE, "", 0);
	UNTIL(f, hears(fd, 2));
	cr_assert_eq(memcmp(buffer, "\x88\x00", 2), 0);
	UNTIL(f, ended(fd));
	close(fd);
	fixture_free(f);
}

/* The answer to a good message goes before the Close. */
Test(ws_close, too_large_behind_a_good_message)
{
	struct fixture *f = fixture_new(small_messages);
	int fd = open_ws(f);
	static char bytes[4096];
	size_t n = frame(bytes, FIN | TEXT, raw, request(raw, "OPTIONS", 1, NULL, "WS"), true);
	struct flow flow;

	n += head_of(bytes + n, FIN | TEXT, 5000);
	tell(fd, bytes, n);
	UNTIL(f, COUNTED(WS_TOO_LARGE) == 1);
	flow = message_at(f, 0)->flow;
	order(f, &flow, "SIP/2.0 200 OK\r\n\r\n", 18, 1, false);
	UNTIL(f, hears(fd, 24));
	cr_assert_eq(memcmp(buffer, "\x81\x12SIP/2.0 200 OK\r\n\r\n\x88\x02\x03\xf1", 24), 0);
	UNTIL(f, ended(fd));
	close(fd);
	fixture_free(f);
}

/* So does the answer to a message before the peer's own Close, and to one before its end. */
Test(ws_close, ends_in_order)
{
	struct fixture *f = fixture_new(NULL);
	static char bytes[4096];
	struct flow flow;

	for (unsigned i = 0; i < 4; i++) {
		bool says_close = i < 2, half = i >= 2;
		int fd = open_ws(f);
		size_t n = frame(
			bytes, FIN | TEXT, raw, request(raw, "OPTIONS", i, NULL, "WS"), true);

		if (says_close)
			n += frame(bytes + n, FIN | CLOSE, "\x03\xe8", 2, true);
		tell(fd, bytes, n);
		if (half)
			shutdown(fd, SHUT_WR);
		UNTIL(f, half ? COUNTED(STREAM_ENDED) > 0 : COUNTED(WS_CLOSED) == i + 1);
		flow = message_at(f, 0)->flow;
		cr_assert_eq(heard, 0);
		order(f, &flow, "SIP/2.0 200 OK\r\n\r\n", 18, 1, false);
		UNTIL(f, hears(fd, 24));
		cr_assert_eq(memcmp(buffer, "\x81\x12SIP/2.0 200 OK\r\n\r\n\x88\x02\x03", 23), 0);
		cr_assert_eq((unsigned char)buffer[23], says_close ? 0xe8 : 0xe9);
		UNTIL(f, ended(fd));
		close(fd);
		UNTIL(f, streams_count(f->t.streams) == 0);
		counters_page->counter[COUNTER_STREAM_ENDED] = 0;
		forget(f);
	}
	fixture_free(f);
}

/* A browser that has said Close does not wait long: a call that rings has lost its caller. */
Test(ws_close, a_close_waits_for_two_seconds)
{
	struct fixture *f = fixture_new(NULL);
	int fd = open_ws(f);
	uint64_t start;

	tell_frame(fd, FIN | TEXT, raw, request(raw, "INVITE", 1, NULL, "WS"));
	UNTIL(f, f->count == 1);
	start = clock_ms();
	tell_frame(fd, FIN | CLOSE, "", 0);
	UNTIL(f, hears(fd, 2));
	cr_assert_eq(memcmp(buffer, "\x88\x00", 2), 0);
	cr_assert_geq(clock_ms() - start, STREAM_LINGER_MS - 100);
	UNTIL(f, flow_count(f->t.flows) == 0);
	cr_assert_eq(COUNTED(STREAM_UNFINISHED), 1);
	close(fd);
	fixture_free(f);
}
