/* transport-frame.c - framing of streams: every split of the bytes gives the same messages;
 * keep-alives, pipelining, limits and what ends a stream. */
#include "worker-transport/parse/frame.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX 4096

/* The frames of a stream as text: "i" ping, "o" pong, "mN" a message of N bytes, "!STATUS reason"
 * the end. */
struct stream {
	struct frame frame;
	char *buffer;
	size_t size;
	char log[4096];
	struct frame_step step;
	bool ended;
};

static void feed(struct stream *s, const char *bytes, size_t n)
{
	if (s->ended || !n)
		return;
	char *grown = malloc(
		s->size +
		n); /* of exactly the size received: a read behind it is seen by the sanitizers */
	if (s->size)
		memcpy(grown, s->buffer, s->size);
	memcpy(grown + s->size, bytes, n);
	free(s->buffer);
	s->buffer = grown;
	s->size += n;
	for (;;) {
		enum frame_result result = frame_next(&s->frame, s->buffer, s->size, MAX, &s->step);
		char *at = s->log + strlen(s->log);

		if (result == FRAME_MORE)
			return;
		if (result == FRAME_BAD) {
			sprintf(at, "!%u %s", s->step.status, s->step.reason);
			s->ended = true;
			return;
		}
		if (result == FRAME_MESSAGE)
			sprintf(at, "m%zu ", s->step.consume);
		else
			strcpy(at, result == FRAME_PING ? "i " : "o ");
		cr_assert(s->step.consume && s->step.consume <= s->size);
		s->size -= s->step.consume;
		memmove(s->buffer, s->buffer + s->step.consume, s->size);
	}
}

static void expect_bytes(const char *bytes, size_t n, const char *log)
{
	for (size_t split = 0; split <= n; split++) {
		struct stream s = {.size = 0};

		feed(&s, bytes, split);
		feed(&s, bytes + split, n - split);
		cr_assert_str_eq(s.log, log, "split at %zu: '%s'", split, s.log);
		free(s.buffer);
	}
	struct stream single = {.size = 0};
	for (size_t i = 0; i < n; i++)
		feed(&single, bytes + i, 1);
	cr_assert_str_eq(single.log, log, "octet by octet: '%s'", single.log);
	free(single.buffer);
}
static void expect(const char *bytes, const char *log)
{
	expect_bytes(bytes, strlen(bytes), log);
}

#define M0 "OPTIONS sip:b SIP/2.0\r\nContent-Length: 0\r\n\r\n"           /* 44 bytes */
#define M5 "OPTIONS sip:b SIP/2.0\r\nVia: x\r\nl:5\r\nTo: y\r\n\r\n12345" /* 50 bytes */

Test(frame, messages)
{
	cr_assert_eq(strlen(M0), 44);
	cr_assert_eq(strlen(M5), 50);
	expect(M0, "m44 ");
	expect(M5, "m50 ");
	expect(M0 M5 M0, "m44 m50 m44 ");
	expect(M5 "OPTIONS", "m50 ");
	expect("OPTIONS sip:b SIP/2.0\r\nCONTENT-LENGTH \t: \t\r\n 4\r\n\t\r\nX: "
	       "y\r\n\r\n\r\n\r\n" M0,
		"m63 m44 ");
	expect("SIP/2.0 200 OK\r\nl: 0\r\n\r\n", "m24 ");
	expect("A B SIP/2.0\r\nXl: 3\r\nl: 0\r\nX:\r\n l: 7\r\n\r\n", "m39 ");
	/* what is the parser's to refuse */
	expect("A  B  sip/7.0 \t\r\nl: 0\r\n\r\n", "m25 ");
	expect("sip/3 200\r\nl: 0\r\n\r\n", "m19 ");
}

Test(frame, keep_alives)
{
	expect("\r\n\r\n", "i ");
	expect("\r\n\r\n\r\n\r\n", "i i ");
	expect("\r\n", "");
	expect("\r\n" M0, "o m44 ");
	expect("\r\n\r\n\r\n" M0 "\r\n\r\n" M5, "i o m44 i m50 ");
	expect("\r", "");
	expect("\rX", "!0 Not SIP");
	expect("\r\n\rX", "o !0 Not SIP");
	expect("\n", "!0 Not SIP");
}

Test(frame, refusals)
{
	expect("OPTIONS sip:b SIP/2.0\r\nVia: x\r\n\r\n", "!400 Missing Content-Length");
	expect("SIP/2.0 200 OK\r\nVia: x\r\n\r\n", "!0 Missing Content-Length");
	expect("OPTIONS sip:b SIP/2.0\r\nl: 5abc\r\n\r\n", "!400 Malformed Content-Length");
	expect("OPTIONS sip:b SIP/2.0\r\nl: -1\r\n\r\n", "!400 Malformed Content-Length");
	expect("OPTIONS sip:b SIP/2.0\r\nl:\r\n\r\n", "!400 Malformed Content-Length");
	expect("OPTIONS sip:b SIP/2.0\r\nl: 1\r\n 2\r\n\r\n", "!400 Malformed Content-Length");
	expect("OPTIONS sip:b SIP/2.0\r\nl: 0\r\nContent-Length: 1\r\n\r\n",
		"!400 More Than One Content-Length");
	expect("OPTIONS sip:b SIP/2.0\r\nl: 1\r\nl: 0\r\nl: 0\r\n\r\n",
		"!400 More Than One Content-Length");
	expect("OPTIONS sip:b SIP/2.0\r\nl: 0\r\nContent-Length: 0\r\n 1\r\n\r\n",
		"!400 More Than One Content-Length");
	expect("OPTIONS sip:b SIP/2.0\r\nl: 0\r\nContent-Length: \r\n 0\r\n\r\n", "m53 ");
	expect("OPTIONS sip:b SIP/2.0\r\nl: 4294967301\r\n\r\n", "!513 Message Too Large");
	expect("OPTIONS sip:b SIP/2.0\r\nl: 99999999999999999999999\r\n\r\n",
		"!513 Message Too Large");
	expect("OPTIONS sip:b SIP/2.0\r\nl: 4063\r\n\r\n", "!513 Message Too Large");
	expect("OPTIONS sip:b SIP/2.0\r\nl: 4062\r\n\r\n", "");
	expect("OPTIONS sip:b SIP/2.0\nl: 0\n\n", "!0 Line End Other Than CRLF");
	expect("\x16\x03\x01", "!0 Not SIP");
	expect_bytes("\0\0\0\0", 4, "!0 Not SIP");
	/* no start line: the rest of a body, another protocol */
	expect(M5 "v=0", "m50 !0 Not SIP");
	expect(M5 "\r\no=- 1 1 IN IP4 x\r\n" M0, "m50 o !0 Not SIP");
	expect(M5 "67 8\r\n" M0, "m50 !0 Not SIP");
	expect(M5 "678\r\n" M0, "m50 !0 Not SIP");
	expect("A\r\nl: 0\r\n\r\n", "!0 Not SIP");
	expect("GET / HTTP/1.1\r\n", "!0 Not SIP");
	expect("SIP/\r\n", "!0 Not SIP");
	expect("SIPS/2.0 200 OK", "!0 Not SIP");
	expect("A B SIP/\r\n", "!0 Not SIP");
	expect("SIP", "");
}

Test(frame, limits)
{
	char text[MAX + 100] = "OPTIONS sip:b SIP/2.0\r\nX: ";

	memset(text + strlen(text), 'y', MAX);
	expect_bytes(text, MAX - 1, "");
	expect_bytes(text, MAX, "!513 Headers Too Large");
	expect_bytes(text, MAX + 1, "!513 Headers Too Large");
	/* the largest message that fits, headers and body */
	memcpy(text + MAX - 4, "\r\n\r\n", 4);
	memcpy(text, "OPTIONS sip:b SIP/2.0\r\nl:0\r\nX: ", 31);
	expect_bytes(text, MAX, "m4096 ");
}

Test(frame, need_and_begun)
{
	struct frame f = {.scanned = 0};
	struct frame_step step;
	const char *text = M5;

	cr_assert_eq(frame_next(&f, text, 0, MAX, &step), FRAME_MORE);
	cr_assert_not(step.begun);
	cr_assert_eq(frame_next(&f, text, 10, MAX, &step), FRAME_MORE);
	cr_assert(step.begun);
	cr_assert_eq(step.need, 0);
	cr_assert_eq(frame_next(&f, text, 46, MAX, &step), FRAME_MORE);
	cr_assert_eq(step.need, 4);
	cr_assert_eq(f.scanned, 45, "what was looked at is not looked at again");
	cr_assert_eq(frame_next(&f, text, 50, MAX, &step), FRAME_MESSAGE);
	cr_assert_eq(f.scanned, 0);
	cr_assert_eq(frame_next(&f, "\r\n\r", 3, MAX, &step), FRAME_MORE);
	cr_assert_not(step.begun, "half a keep-alive is no message");
	/* a refusal for its length leaves the header part to be parsed for an answer */
	text = "OPTIONS sip:b SIP/2.0\r\nl: 99999\r\n\r\nbody";
	cr_assert_eq(frame_next(&f, text, strlen(text), MAX, &step), FRAME_BAD);
	cr_assert_eq(step.header_size, strlen(text) - 4);
	cr_assert_eq(step.counter, COUNTER_FRAME_TOO_LARGE);
}
