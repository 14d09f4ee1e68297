/* transport-upgrade.c - the HTTP upgrade: what becomes a WebSocket, what is refused and how,
 * however the bytes are cut. */
#include "worker-transport/upgrade.h"

#include <criterion/criterion.h>
#include <stdio.h>

#define START "GET /sip HTTP/1.1\r\n"
#define HOST "Host: edge.example.net\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: sip\r\n"
#define ORIGIN "Origin: https://app.example.net\r\n"
#define END "\r\n"
#define GOOD START HOST UPGRADE KEY VERSION PROTOCOL ORIGIN END

static bool only_app(void *arg, struct str origin)
{
	(void)arg;
	return str_equal(origin, S("https://app.example.net"));
}

static const struct upgrade_rules rules = {.origin = only_app};
static struct upgrade_step step;

static enum upgrade_result look(const char *text, size_t size)
{
	struct upgrade u = {0};

	memset(&step, 0, sizeof(step));
	return upgrade_next(&u, text, size, &rules, &step);
}

/* The status of the answer to text; 0: there is none yet. */
static unsigned status_of(const char *text)
{
	return look(text, strlen(text)) == UPGRADE_MORE ? 0 : step.status;
}

Test(upgrade, good)
{
	char buffer[UPGRADE_ANSWER_MAX];
	size_t size;

	cr_assert_eq(look(GOOD "frames", sizeof(GOOD "frames") - 1), UPGRADE_DONE);
	cr_assert_eq(step.consume, sizeof(GOOD) - 1);
	size = upgrade_answer(&step, buffer);
	cr_assert_eq(size, strlen(buffer));
	/* RFC 6455 section 1.3 */
	cr_assert_str_eq(buffer,
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: "
		"sip\r\n\r\n");
}

Test(upgrade, however_it_is_cut)
{
	static const char text[] = GOOD;
	struct upgrade u = {0};

	memset(&step, 0, sizeof(step));
	for (size_t i = 0; i < sizeof(text) - 2; i++)
		cr_assert_eq(upgrade_next(&u, text, i, &rules, &step), UPGRADE_MORE, "%zu", i);
	cr_assert_eq(upgrade_next(&u, text, sizeof(text) - 1, &rules, &step), UPGRADE_DONE);
	cr_assert_eq(step.consume, sizeof(text) - 1);
}

Test(upgrade, spellings)
{
	cr_assert_eq(status_of("GET http://edge/ HTTP/1.1\r\nhost:edge\r\nUPGRADE:h2c , "
			       "WebSocket\r\nconnection:upgrade\r\n"
			       "sec-websocket-key:dGhlIHNhbXBsZSBub25jZQ==  "
			       "\r\nsec-websocket-version: 13\r\nSec-WebSocket-Protocol: msrp\r\n"
			       "Sec-WebSocket-Protocol: xmpp ,sip\r\n" ORIGIN
			       "Content-Length: 0\r\n\r\n"),
		101);
}

Test(upgrade, refusals)
{
	static const struct {
		const char *text;
		unsigned status;
		enum counter counter;
	} rows[] = {
		{"OPTIONS sip:edge SIP/2.0\r\n", 400,
			COUNTER_UPGRADE_MALFORMED}, /* the first line is enough */
		{"POST / HTTP/1.1\r\n", 405, COUNTER_UPGRADE_METHOD},
		{"GET / HTTP/1.0\r\n", 505, COUNTER_UPGRADE_MALFORMED},
		{"GET / HTTP/2.0\r\n", 505, COUNTER_UPGRADE_MALFORMED},
		{"GET /\r\n", 400, COUNTER_UPGRADE_MALFORMED},
		{"GET  / HTTP/1.1\r\n", 400, COUNTER_UPGRADE_MALFORMED},
		{"GET /\x01 HTTP/1.1\r\n", 400, COUNTER_UPGRADE_MALFORMED},
		{"GET / HTTP/1.1 \r\n", 505, COUNTER_UPGRADE_MALFORMED},
		{"\r\n", 400, COUNTER_UPGRADE_MALFORMED},
		{"\n", 400, COUNTER_UPGRADE_MALFORMED},
		{"GET / HTTP/1.1\n", 400, COUNTER_UPGRADE_MALFORMED},
		{"GET / HTTP/1.1\r\r\n", 400, COUNTER_UPGRADE_MALFORMED},
		{START END, 400, COUNTER_UPGRADE_MALFORMED},
		{START UPGRADE KEY VERSION PROTOCOL ORIGIN END, 400, COUNTER_UPGRADE_MALFORMED},
		{START HOST HOST UPGRADE KEY VERSION PROTOCOL ORIGIN END, 400,
			COUNTER_UPGRADE_MALFORMED},
		{START "Host: \r\n" UPGRADE KEY VERSION PROTOCOL ORIGIN END, 400,
			COUNTER_UPGRADE_MALFORMED},
		{START HOST END, 400, COUNTER_UPGRADE_NONE},
		{START HOST
			"Upgrade: h2c\r\nConnection: Upgrade\r\n" KEY VERSION PROTOCOL ORIGIN END,
			400, COUNTER_UPGRADE_NONE},
		{START HOST "Upgrade: websocket\r\nConnection: keep-alive\r\n" KEY VERSION PROTOCOL
				ORIGIN END,
			400, COUNTER_UPGRADE_NONE},
		{START HOST UPGRADE KEY PROTOCOL ORIGIN END, 426, COUNTER_UPGRADE_VERSION},
		{START HOST UPGRADE KEY "Sec-WebSocket-Version: 8\r\n" PROTOCOL ORIGIN END, 426,
			COUNTER_UPGRADE_VERSION},
		{START HOST UPGRADE KEY VERSION VERSION PROTOCOL ORIGIN END, 426,
			COUNTER_UPGRADE_VERSION},
		{START HOST UPGRADE VERSION PROTOCOL ORIGIN END, 400, COUNTER_UPGRADE_MALFORMED},
		{START HOST UPGRADE KEY KEY VERSION PROTOCOL ORIGIN END, 400,
			COUNTER_UPGRADE_MALFORMED},
		{START HOST UPGRADE
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n" VERSION PROTOCOL ORIGIN END,
			400, COUNTER_UPGRADE_MALFORMED},
		/* 18 bytes */
		{START HOST UPGRADE
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n" VERSION PROTOCOL ORIGIN
				END,
			400, COUNTER_UPGRADE_MALFORMED},
		{START HOST UPGRADE
			"Sec-WebSocket-Key: dGhlIHNhbXBs*SBub25jZQ==\r\n" VERSION PROTOCOL ORIGIN
				END,
			400, COUNTER_UPGRADE_MALFORMED},
		{START HOST UPGRADE KEY VERSION PROTOCOL END, 403, COUNTER_UPGRADE_ORIGIN},
		{START HOST UPGRADE KEY VERSION PROTOCOL "Origin: https://evil.example\r\n" END,
			403, COUNTER_UPGRADE_ORIGIN},
		{START HOST UPGRADE KEY VERSION PROTOCOL ORIGIN ORIGIN END, 400,
			COUNTER_UPGRADE_MALFORMED},
		{START HOST UPGRADE KEY VERSION ORIGIN END, 400, COUNTER_UPGRADE_PROTOCOL},
		{START HOST UPGRADE KEY VERSION "Sec-WebSocket-Protocol: SIP, sips\r\n" ORIGIN END,
			400, COUNTER_UPGRADE_PROTOCOL},
		{START HOST UPGRADE KEY VERSION PROTOCOL ORIGIN "Content-Length: 1\r\n" END, 400,
			COUNTER_UPGRADE_MALFORMED},
		{START HOST UPGRADE KEY VERSION PROTOCOL ORIGIN
			"Transfer-Encoding: chunked\r\n" END,
			400, COUNTER_UPGRADE_MALFORMED},
		{START HOST UPGRADE KEY VERSION PROTOCOL ORIGIN " folded\r\n" END, 400,
			COUNTER_UPGRADE_MALFORMED},
		{START HOST UPGRADE KEY VERSION PROTOCOL ORIGIN "No colon\r\n" END, 400,
			COUNTER_UPGRADE_MALFORMED},
		{START HOST UPGRADE KEY VERSION PROTOCOL ORIGIN "Host : x\r\n" END, 400,
			COUNTER_UPGRADE_MALFORMED},
		{START HOST UPGRADE KEY VERSION PROTOCOL ORIGIN "X: \x01\r\n" END, 400,
			COUNTER_UPGRADE_MALFORMED},
	};
	char buffer[UPGRADE_ANSWER_MAX], start[32];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		cr_assert_eq(status_of(rows[i].text), rows[i].status, "%zu: %u", i, step.status);
		cr_assert_eq(step.counter, rows[i].counter, "%zu", i);
		cr_assert_lt(upgrade_answer(&step, buffer), sizeof(buffer));
		snprintf(start, sizeof(start), "HTTP/1.1 %u ", rows[i].status);
		cr_assert(strncmp(buffer, start, strlen(start)) == 0);
		cr_assert(strstr(buffer, "\r\nConnection: close\r\n"));
		cr_assert_eq(strstr(buffer, "\r\nSec-WebSocket-Version: 13\r\n") != NULL,
			rows[i].status == 426);
	}
}

Test(upgrade, a_nul_is_no_line_end)
{
	static const char text[] = START "Host: a\0b\r\n" UPGRADE KEY VERSION PROTOCOL ORIGIN END;

	cr_assert_eq(look(text, sizeof(text) - 1), UPGRADE_BAD);
	cr_assert_eq(step.status, 400);
}

Test(upgrade, bounds)
{
	static char text[UPGRADE_MAX + 1024];
	size_t n = (size_t)sprintf(text, START HOST);

	memset(text + n, 'a', UPGRADE_MAX - n - 1);
	cr_assert_eq(look(text, UPGRADE_MAX - 1), UPGRADE_MORE);
	text[UPGRADE_MAX - 1] = 'a';
	cr_assert_eq(look(text, UPGRADE_MAX), UPGRADE_BAD);
	cr_assert_eq(step.status, 431);
	cr_assert_eq(step.counter, COUNTER_UPGRADE_TOO_LARGE);
	n = (size_t)sprintf(text, START);
	for (unsigned i = 0; i < UPGRADE_LINES_MAX - 1; i++)
		n += (size_t)sprintf(text + n, "X: y\r\n");
	cr_assert_eq(look(text, n), UPGRADE_MORE);
	n += (size_t)sprintf(text + n, "X: y\r\n");
	cr_assert_eq(look(text, n), UPGRADE_BAD);
	cr_assert_eq(step.status, 431);
}
