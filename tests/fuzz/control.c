/* control.c - fuzz target: a client of the control socket, who sends any bytes in any pieces. Every
 * request that is served gets one answer, a line of JSON; a client is never left hanging once it
 * has hung up. */
#include "common/log.h"
#include "master/control/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define REQUIRE(x)                                                                                 \
	do {                                                                                       \
		if (!(x))                                                                          \
			abort();                                                                   \
	} while (0)

static struct loop *loop;
static struct control *control;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static unsigned served, answered;

static void quiet(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
}

static void dispatch(void *arg, struct request *r, json_t *message)
{
	(void)arg;
	REQUIRE(json_is_object(message));
	served++;
	request_answer(r, json_pack("{s:b}", "ok", 1));
}

static void open_all(void)
{
	log_init("fuzz", -1, LOG_ERROR, quiet, NULL);
	snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/sipward-fuzz-%d.sock",
		(int)getpid());
	REQUIRE(loop_new(&loop) == 0 && control_open(&control, loop, address.sun_path, 0600,
						(gid_t)-1, dispatch, NULL) == 0);
}

/* Reads what has come; false: closed. */
static bool take(int fd)
{
	static char buffer[65536];
	ssize_t n;

	while ((n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
		for (ssize_t i = 0; i < n; i++)
			answered += buffer[i] == '\n';
	return n < 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	bool up = true;
	int fd;

	if (!control)
		open_all();
	if (size < 1)
		return 0;
	size_t piece = (size_t)data[0] * 64 + 1;
	served = answered = 0;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	for (size_t at = 1; at < size && up; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (send(fd, data + at, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
			break;
		loop_once(loop, 0);
		up = take(fd);
	}
	shutdown(fd, SHUT_WR);
	for (size_t i = 0; i < 2 * size + 100 && up; i++) { /* a line may take two turns */
		loop_once(loop, 0);
		up = take(fd);
	}
	REQUIRE(!up && answered >= served);
	close(fd);
	loop_once(loop, 0);
	return 0;
}
