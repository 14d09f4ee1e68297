/* What the web worker serves of the master's answers. */
#include "patience.h"
#include "worker-web/drawing.h"
#include "worker-web/http.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURN_MS 10

static struct worker worker;
static struct http *http;
static struct sockaddr_in address;
static int master;
static struct lifeline_packet packet;

static void set_up(void)
{
	socklen_t length = sizeof(address);
	int pair[2], fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	master = pair[1];
	worker = (struct worker){.lifeline = pair[0], .unsent_end = &worker.unsent};
	cr_assert_eq(loop_new(&worker.loop), 0);
	address = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 8), 0);
	cr_assert_eq(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	drawing_prepare();
	cr_assert_eq(http_start(&http, &worker, fd), 0);
}

static void tear_down(void)
{
	http_stop(http);
	loop_free(worker.loop);
	close(worker.lifeline);
	close(master);
}
TestSuite(http, .init = set_up, .fini = tear_down);

/* A client that has asked for the ladder of that call. */
static int ask(const char *call)
{
	char text[256];
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	int n = snprintf(text, sizeof(text),
		"GET /ladder.svg?call=%s HTTP/1.1\r\nHost: localhost\r\n\r\n", call);
	cr_assert_eq(send(fd, text, (size_t)n, 0), n);
	return fd;
}

/* What the master is asked next. */
static const struct lifeline_web *asked(void)
{
	int error = -EAGAIN;

	for (unsigned ms = 0; error == -EAGAIN && ms < PATIENCE_MS; ms += TURN_MS) {
		loop_once(worker.loop, TURN_MS);
		error = lifeline_receive(master, false, &packet);
	}
	cr_assert_eq(error, 0);
	cr_assert_eq(packet.type, LIFELINE_WEB_ASK);
	return (const void *)packet.body;
}

/* The master answers with that text. Returns what becomes of it. */
static int answer_text(const char *call, const char *json)
{
	struct lifeline_web body = {.what = WEB_LADDER};
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	snprintf(body.call, sizeof(body.call), "%s", call);
	cr_assert_eq(write(fd, json, strlen(json)), (ssize_t)strlen(json));
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_SEAL), 0);
	int error = http_take(http, &body, fd);
	close(fd);
	return error;
}

/* The master answers with one message of that call. */
static void answer(const char *call)
{
	char json[512];

	snprintf(json, sizeof(json),
		"{\"calls\":[],\"messages\":[{\"worker\":0,\"number\":1,\"at_us\":1,"
		"\"direction\":\"in\",\"peer\":\"192.0.2.7:5060\",\"local\":\"192.0.2.1:5060\","
		"\"transport\":\"UDP\",\"offset\":0,\"size\":9,"
		"\"text\":\"INVITE sip:x SIP/2.0\\r\\nCall-ID: %s\\r\\n\\r\\n\"}]}",
		call);
	cr_assert_eq(answer_text(call, json), 0);
}

/* What the client hears within so many turns; empty: nothing. */
static const char *hears(int client, unsigned turns)
{
	static char text[4096];
	ssize_t n = -1;

	for (; n < 0 && turns; turns--) {
		loop_once(worker.loop, TURN_MS);
		n = recv(client, text, sizeof(text) - 1, MSG_DONTWAIT);
	}
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* The master goes on with what it was asked before, and does not hear the next question. */
Test(http, a_ladder_that_comes_late_is_not_taken_for_that_of_another_call)
{
	int client = ask("b");

	cr_assert_str_eq(asked()->call, "b");
	answer("a");
	cr_assert_str_eq(hears(client, 10), "");
	answer("b");
	cr_assert_eq(strncmp(hears(client, PATIENCE_MS / TURN_MS), "HTTP/1.1 200", 12), 0);
	close(client);
}

Test(http, one_ladder_is_drawn_at_a_time)
{
	int client = ask("b"), other;

	asked();
	other = ask("c");
	cr_assert_eq(strncmp(hears(other, PATIENCE_MS / TURN_MS), "HTTP/1.1 503", 12), 0);
	answer("b");
	cr_assert_eq(strncmp(hears(client, PATIENCE_MS / TURN_MS), "HTTP/1.1 200", 12), 0);
	close(other);
	close(client);
}

Test(http, an_answer_that_is_none_is_refused)
{
	const struct lifeline_web nothing = {.what = WEB_NOTHING},
				  beyond = {.what = WEB_WHAT_COUNT}, far = {.what = UINT16_MAX};
	int client = ask("b");

	asked();
	cr_assert_eq(http_take(http, &nothing, -1), -EPROTO);
	cr_assert_eq(http_take(http, &beyond, -1), -EPROTO);
	cr_assert_eq(http_take(http, &far, -1), -EPROTO);
	cr_assert_eq(answer_text("b", "no JSON"), -EBADMSG);
	cr_assert_str_eq(hears(client, 3), "");
	answer("b");
	cr_assert_eq(strncmp(hears(client, PATIENCE_MS / TURN_MS), "HTTP/1.1 200", 12), 0);
	close(client);
}
