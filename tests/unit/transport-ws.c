/* transport-ws.c - SIP over WebSocket over loopback: one message in each, fragments, control
 * frames, the close, the bounds. */
#include "transport-fixture.h"

#define REQUEST                                                                                    \
	"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: "                          \
	"Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                               \
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: sip\r\n"
enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80 };

static char raw[2048], buffer[70000], big[70000];
static size_t heard;

static void tell(int fd, const void *bytes, size_t size)
{
	cr_assert_eq(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

/* Whether size bytes lie in buffer. */
static bool hears(int fd, size_t size)
{
	ssize_t n = recv(fd, buffer + heard, sizeof(buffer) - heard, MSG_DONTWAIT);

	heard += n > 0 ? (size_t)n : 0;
	return heard >= size;
}

static bool ended(int fd)
{
	return recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) == 0;
}

/* A frame as clients send it. */
static size_t frame(char *out, int first, const void *payload, size_t size, bool masked)
{
	static const unsigned char mask[4] = {0xa1, 0x0b, 0xc2, 0x3d};
	size_t n = 0;

	out[n++] = (char)first;
	if (size < 126) {
		out[n++] = (char)size;
	} else {
		out[n++] = 126;
		out[n++] = (char)(size >> 8);
		out[n++] = (char)size;
	}
	if (masked) {
		out[1] |= (char)0x80;
		memcpy(out + n, mask, 4);
		n += 4;
	}
	for (size_t i = 0; i < size; i++)
		out[n++] = (char)(((const unsigned char *)payload)[i] ^ (masked ? mask[i % 4] : 0));
	return n;
}

static void tell_frame(int fd, int first, const void *payload, size_t size)
{
	static char bytes[70100];

	tell(fd, bytes, frame(bytes, first, payload, size, true));
}

static int open_ws(struct fixture *f)
{
	int fd = dial("127.0.0.1", f->port[ACCESS_WS]);

	tell(fd, REQUEST "\r\n", sizeof(REQUEST "\r\n") - 1);
	heard = 0;
	UNTIL(f, hears(fd, 4) && memcmp(buffer + heard - 4, "\r\n\r\n", 4) == 0);
	cr_assert(strncmp(buffer, "HTTP/1.1 101 ", 13) == 0);
	heard = 0;
	return fd;
}

/* The server's close frame with code, and then nothing. */
static void expect_close(struct fixture *f, int fd, unsigned code)
{
	unsigned got;

	UNTIL(f, hears(fd, 4));
	cr_assert_eq((unsigned char)buffer[0], FIN | CLOSE);
	cr_assert_eq(buffer[1], 2);
	got = (unsigned)((unsigned char)buffer[2] << 8 | (unsigned char)buffer[3]);
	cr_assert_eq(got, code, "%u", got);
	cr_assert_eq(heard, 4);
	UNTIL(f, ended(fd));
	close(fd);
	UNTIL(f, streams_count(f->t.streams) == 0);
}

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

Test(ws, close_is_answered)
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

static void small_messages(struct image *image)
{
	image->s.message_max = 4096;
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

/* The head of a frame as clients send it, without its payload; returns its length. */
static size_t head_of(char out[14], int first, uint64_t size)
{
	size_t n = 2;
	unsigned bytes = size < 126 ? 0 : size <= UINT16_MAX ? 2 : 8;

	out[0] = (char)first;
	out[1] = (char)(0x80 | (bytes == 0 ? size : bytes == 2 ? 126 : 127));
	for (unsigned i = bytes; i-- > 0;)
		out[n++] = (char)(size >> 8 * i);
	memcpy(out + n, "mask", 4);
	return n + 4;
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

/* The answer to a good message goes before the Close. */
Test(ws, too_large_behind_a_good_message)
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
Test(ws, ends_in_order)
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
Test(ws, a_close_waits_for_two_seconds)
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

static void soon(struct image *image)
{
	image->s.message_ms = image->s.handshake_ms = 50;
}

/* The time of a message runs from the first octet of its first frame. */
Test(ws, slow_heads)
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
Test(ws, slow_fragments)
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

Test(ws, slow_peers)
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

Test(ws, the_silent_are_asked)
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

static void one_origin(struct image *image)
{
	uint32_t used = sizeof(image->pool) - 32;

	image->origin[0] = text_in(image, &used, "https://app.example.net");
	image->listener[ACCESS_WS].origins = (struct array){offsetof(struct image, origin), 1};
	cr_assert_eq(settings_check(image, sizeof(*image)), 0);
}

Test(ws, origins)
{
	static const struct {
		const char *line, *start;
	} rows[] = {
		{"Origin: https://app.example.net\r\n\r\n", "HTTP/1.1 101 "},
		{"Origin: https://evil.example\r\n\r\n", "HTTP/1.1 403 "},
		{"Origin: null\r\n\r\n", "HTTP/1.1 403 "},
		{"\r\n", "HTTP/1.1 403 "},
	};
	struct fixture *f = fixture_new(one_origin);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int fd = dial("127.0.0.1", f->port[ACCESS_WS]);

		tell(fd, REQUEST, sizeof(REQUEST) - 1);
		tell(fd, rows[i].line, strlen(rows[i].line));
		heard = 0;
		UNTIL(f, hears(fd, 20));
		cr_assert(strncmp(buffer, rows[i].start, 13) == 0, "%zu: %.30s", i, buffer);
		if (i)
			UNTIL(f, ended(fd));
		close(fd);
	}
	cr_assert_eq(COUNTED(UPGRADE_ORIGIN), 3);
	cr_assert_eq(COUNTED(UPGRADES), 1);
	fixture_free(f);
}

static void origin_or_none(struct image *image)
{
	uint32_t used = sizeof(image->pool) - 32;

	image->origin[0] = text_in(image, &used, "https://app.net");
	image->origin[1] = text_in(image, &used, ORIGIN_NONE);
	image->listener[ACCESS_WS].origins = (struct array){offsetof(struct image, origin), 2};
	cr_assert_eq(settings_check(image, sizeof(*image)), 0);
}

Test(ws, programs_without_an_origin)
{
	static const struct {
		const char *line, *start;
	} rows[] = {
		{"Origin: https://app.net\r\n\r\n", "HTTP/1.1 101 "},
		{"\r\n", "HTTP/1.1 101 "},
		{"Origin: https://evil.example\r\n\r\n", "HTTP/1.1 403 "},
		{"Origin: null\r\n\r\n", "HTTP/1.1 403 "},
		{"Origin: none\r\n\r\n", "HTTP/1.1 403 "},
	};
	struct fixture *f = fixture_new(origin_or_none);

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		int fd = dial("127.0.0.1", f->port[ACCESS_WS]);

		tell(fd, REQUEST, sizeof(REQUEST) - 1);
		tell(fd, rows[i].line, strlen(rows[i].line));
		heard = 0;
		UNTIL(f, hears(fd, 20));
		cr_assert(strncmp(buffer, rows[i].start, 13) == 0, "%zu: %.30s", i, buffer);
		close(fd);
	}
	cr_assert_eq(COUNTED(UPGRADE_ORIGIN), 3);
	cr_assert_eq(COUNTED(UPGRADES), 2);
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
