/* transport-ws.c - SIP over WebSocket over loopback: one message in each, fragments, control
 * frames, the bounds. */
#include "transport-ws.h"

static char raw[2048], big[70000];

Test(ws, one_message_in_each)
{
	struct fixture *f = fixture_new(NULL);
	int fd = open_ws(f);
	size_t n = request(raw, "OPTIONS", 1, NULL, "WS");
	const struct message *m;
	char *body;

	tell_frame(fd, FIN | TEXT, raw, n);
	UNTIL(f, f->count == 1);
	m = message_at(f, 0);
	cr_assert_eq(m->flow.transport, TRANSPORT_WS);
	cr_assert_eq(m->flow.listener, ACCESS_WS);
	cr_assert_neq(m->flow.id, 0);
	cr_assert_eq(m->raw_size, n);
	/* binary, and no Content-Length (RFC 7118 section 5): the frame says where it ends */
	n = request(raw, "MESSAGE", 2, NULL, "WS");
	body = strstr(raw, "Content-Length");
	cr_assert(body);
	strcpy(body, "Content-Type: text/plain\r\n\r\nhello");
	n = strlen(raw);
	tell_frame(fd, FIN | BINARY, raw, n);
	UNTIL(f, f->count == 2);
	cr_assert_eq(message_at(f, 1)->raw_size, n);
	cr_assert_eq(COUNTED(UPGRADES), 1);
	close(fd);
	UNTIL(f, flow_count(f->t.flows) == 0);
	cr_assert_eq(COUNTED(STREAM_ENDED), 1);
	cr_assert_eq(COUNTED(STREAM_CUT_MESSAGES), 0);
	fixture_free(f);
}

Test(ws, however_it_is_cut)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_WS]);
	static char all[8192];
	size_t n = request(raw, "OPTIONS", 1, NULL, "WS"), size = 0;

	memcpy(all, REQUEST "\r\n", sizeof(REQUEST "\r\n") - 1);
	size = sizeof(REQUEST "\r\n") - 1;
	size += frame(all + size, TEXT, raw, 100, true);
	size += frame(all + size, FIN | PING, "are you there", 13,
		true); /* control frames may stand between fragments */
	size += frame(all + size, CONTINUATION, raw + 100, 0, true);
	size += frame(all + size, FIN | CONTINUATION, raw + 100, n - 100, true);
	for (size_t i = 0; i < size; i++) {
		tell(fd, all + i, 1);
		loop_once(f->t.loop, 50);
	}
	UNTIL(f, f->count == 1);
	cr_assert_eq(message_at(f, 0)->raw_size, n);
	heard = 0;
	UNTIL(f, hears(fd, 15) && memcmp(buffer + heard - 15,
					  "\x8a\x0d"
					  "are you there",
					  15) == 0);
	close(fd);
	fd = dial("127.0.0.1", f->port[ACCESS_WS]); /* all at once, twice over */
	memcpy(all + size, all + sizeof(REQUEST "\r\n") - 1, size - (sizeof(REQUEST "\r\n") - 1));
	tell(fd, all, size + size - (sizeof(REQUEST "\r\n") - 1));
	UNTIL(f, f->count == 3);
	close(fd);
	fixture_free(f);
}

Test(ws, what_goes_out)
{
	struct fixture *f = fixture_new(NULL);
	int fd = open_ws(f);
	struct flow flow;

	tell_frame(fd, FIN | TEXT, raw, request(raw, "OPTIONS", 1, NULL, "WS"));
	UNTIL(f, f->count == 1);
	flow = message_at(f, 0)->flow;
	order(f, &flow, "short", 5, 0, false);
	UNTIL(f, hears(fd, 7));
	cr_assert_eq(memcmp(buffer, "\x81\x05short", 7), 0);
	heard = 0;
	order(f, &flow, "not \xc3(", 6, 0, false); /* no UTF-8: binary */
	UNTIL(f, hears(fd, 8));
	cr_assert_eq(memcmp(buffer, "\x82\x06not \xc3(", 8), 0);
	heard = 0;
	memset(big, 'x', 60000);
	order(f, &flow, big, 126, 0, false);
	UNTIL(f, hears(fd, 130));
	cr_assert_eq(memcmp(buffer, "\x81\x7e\x00\x7exx", 6), 0);
	heard = 0;
	order(f, &flow, big, 60000, 0, false);
	UNTIL(f, hears(fd, 60004));
	cr_assert_eq(memcmp(buffer, "\x81\x7e\xea\x60xx", 6), 0);
	/* the last message, then the close */
	heard = 0;
	order(f, &flow, "bye", 3, 0, true);
	UNTIL(f, hears(fd, 9));
	cr_assert_eq(memcmp(buffer,
			     "\x81\x03"
			     "bye\x88\x02\x03\xe9",
			     9),
		0); /* 1001 */
	UNTIL(f, ended(fd));
	close(fd);
	UNTIL(f, streams_count(f->t.streams) == 0);
	fixture_free(f);
}

Test(ws, keep_alives)
{
	struct fixture *f = fixture_new(NULL);
	int fd = open_ws(f);
	char many[64];
	size_t n = 0;

	tell_frame(fd, FIN | PING, "", 0);
	UNTIL(f, hears(fd, 2));
	cr_assert_eq(memcmp(buffer, "\x8a\x00", 2), 0);
	tell_frame(fd, FIN | PONG, "x", 1);
	tell_frame(fd, FIN | TEXT, "\r\n", 2);
	tell_frame(fd, FIN | TEXT, "", 0);
	UNTIL(f, COUNTED(STREAM_PONGS) == 3);
	cr_assert_eq(COUNTED(STREAM_PINGS), 1);
	heard = 0;
	n = frame(many, FIN | TEXT, "\r\n\r\n", 4, true);
	n += frame(many + n, FIN | TEXT, "\r\n\r\n", 4, true);
	tell(fd, many, n);
	UNTIL(f, hears(fd, 8)); /* each has its own */
	cr_assert_eq(memcmp(buffer, "\x81\x02\r\n\x81\x02\r\n", 8), 0);
	UNTIL(f, COUNTED(STREAM_PINGS) == 3);
	heard = 0;
	tell_frame(fd, FIN | TEXT, "\r\n\r\n\r\n\r\n\r\n\r\n\r\n", 14); /* three and a half */
	UNTIL(f, hears(fd, 12));
	cr_assert_eq(memcmp(buffer, "\x81\x02\r\n\x81\x02\r\n\x81\x02\r\n", 12), 0);
	UNTIL(f, COUNTED(STREAM_PINGS) == 6);
	cr_assert_eq(f->count, 0);
	cr_assert_eq(COUNTED(RX_MESSAGES), 0);
	close(fd);
	fixture_free(f);
}

Test(ws, protocol_errors)
{
	static const struct {
		int first;
		const char *payload;
		size_t size;
		unsigned code;
	} rows[] = {
		{FIN | TEXT | 0x40, "x", 1, 1002},  /* reserved bit */
		{FIN | 3, "x", 1, 1002},            /* unknown opcode */
		{FIN | CONTINUATION, "x", 1, 1002}, /* of nothing */
		{FIN | TEXT, "\xc3(", 2, 1007},     /* text not in UTF-8 */
		{FIN | CLOSE, "\x03\xee", 2, 1002}, /* 1006 is never sent */
	};
	struct fixture *f = fixture_new(NULL);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int fd = open_ws(f);

		tell_frame(fd, rows[i].first, rows[i].payload, rows[i].size);
		expect_close(f, fd, rows[i].code);
		cr_assert_eq(COUNTED(WS_PROTOCOL_ERRORS), i + 1, "%zu", i);
	}
	cr_assert_eq(f->count, 0);
	fixture_free(f);
}

Test(ws, a_mask_is_a_must)
{
	struct fixture *f = fixture_new(NULL);
	int fd = open_ws(f);
	char bytes[2048];

	tell(fd, bytes,
		frame(bytes, FIN | TEXT, raw, request(raw, "OPTIONS", 1, NULL, "WS"), false));
	expect_close(f, fd, 1002);
	cr_assert_eq(COUNTED(WS_PROTOCOL_ERRORS), 1);
	cr_assert_eq(f->count, 0);
	fixture_free(f);
}

Test(ws, long_control_frames)
{
	struct fixture *f = fixture_new(NULL);
	int fd = open_ws(f);

	memset(big, 'x', 126);
	tell_frame(fd, FIN | PING, big, 126);
	UNTIL(f, ended(fd));
	UNTIL(f, COUNTED(WS_PROTOCOL_ERRORS) == 1);
	close(fd);
	fixture_free(f);
}

Test(ws, too_large)
{
	struct fixture *f = fixture_new(small_messages);
	int fd = open_ws(f);

	memset(big, 'x', 5000);
	tell_frame(fd, FIN | BINARY, big, 4097); /* in one frame */
	expect_close(f, fd, 1009);
	fd = open_ws(f);
	tell_frame(fd, BINARY, big, 4000); /* in two */
	tell_frame(fd, FIN | CONTINUATION, big, 97);
	expect_close(f, fd, 1009);
	cr_assert_eq(COUNTED(WS_TOO_LARGE), 2);
	fd = open_ws(f); /* announced only: 2^40 bytes */
	tell(fd,
		"\x82\xff\x00\x00\x01\x00\x00\x00\x00\x00"
		"maskx",
		15);
	expect_close(f, fd, 1009);
	fd = open_ws(f); /* the bound itself */
	tell_frame(fd, BINARY, big, 4000);
	tell_frame(fd, FIN | CONTINUATION, big, 96);
	tell_frame(fd, FIN | TEXT, raw, request(raw, "OPTIONS", 1, NULL, "WS"));
	UNTIL(f, f->count == 1);
	close(fd);
	fixture_free(f);
}

/* A frame is refused once its length is known, before any of its payload has come. */
Test(ws, too_large_by_its_head)
{
	struct fixture *f = fixture_new(small_messages);
	char head[14], cut[64];
	size_t n;
	int fd;

	for (unsigned i = 0; i < 4; i++) {
		static const uint64_t sizes[4] = {4097, 65535, 65536, UINT64_C(1) << 63};

		n = head_of(head, FIN | BINARY, sizes[i]);
		fd = open_ws(f); /* at once, without the mask */
		tell(fd, head, n - 4);
		expect_close(f, fd, 1009);
		fd = open_ws(f); /* octet by octet, behind a good message */
		n = frame(cut, FIN | TEXT, "\r\n", 2, true);
		n += head_of(cut + n, FIN | BINARY, sizes[i]);
		for (size_t k = 0; k < n - 4; k++) {
			tell(fd, cut + k, 1);
			loop_once(f->t.loop, 50);
		}
		expect_close(f, fd, 1009);
		cr_assert_eq(COUNTED(STREAM_PONGS), i + 1);
	}
	fd = open_ws(f); /* the last of several fragments */
	tell_frame(fd, BINARY, big, 4000);
	tell_frame(fd, CONTINUATION, "", 0);
	tell_frame(fd, FIN | PING, "", 0);
	UNTIL(f, hears(fd, 2));
	heard = 0;
	tell(fd, head, head_of(head, CONTINUATION, 97));
	expect_close(f, fd, 1009);
	cr_assert_eq(COUNTED(WS_TOO_LARGE), 9);
	cr_assert_eq(COUNTED(WS_PROTOCOL_ERRORS), 0);
	cr_assert_eq(f->count, 0);
	fixture_free(f);
}

Test(ws, nothing_goes_out_before_the_upgrade)
{
	struct fixture *f = fixture_new(NULL);
	int fd = dial("127.0.0.1", f->port[ACCESS_WS]);
	struct flow to = {.transport = TRANSPORT_WS, .listener = ACCESS_WS};
	struct sockaddr_in own;
	socklen_t length = sizeof(own);

	UNTIL(f, streams_count(f->t.streams) == 1);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&own, &length), 0);
	to.peer = at("127.0.0.1", ntohs(own.sin_port));
	to.local = at("127.0.0.1", f->port[ACCESS_WS]);
	order(f, &to, "x", 1, 7, false);
	UNTIL(f, failure_of(f, 7) != 0);
	close(fd);
	fixture_free(f);
}

static void short_queue(struct image *image)
{
	image->s.connection_queue = 4096;
}

Test(ws, a_peer_that_does_not_read)
{
	struct fixture *f = fixture_new(short_queue);
	int fd = open_ws(f), small = 1024;
	static char pings[64 * 131];
	size_t n = 0;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (unsigned i = 0; i < 64; i++)
		n += frame(pings + n, FIN | PING, big, 125, true);
	tell(fd, pings, n); /* its answers cannot all wait */
	UNTIL(f, COUNTED(STREAM_QUEUE_FULL) == 1);
	cr_assert_eq(streams_count(f->t.streams), 0);
	close(fd);
	fixture_free(f);
}
