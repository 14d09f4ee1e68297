/* client.c - see client.h. Relies on the master answering each request with one line. */
#include "client.h"

#include "common/str.h"
#include "ipc/command_table.h"
#include "print.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

/* The master answers within 2 s, or says that it could not. */
#define ANSWER_TIMEOUT_S 15
/* A hundred processes have to be started for it. */
#define VERIFY_TIMEOUT_S 300
#define ANSWER_FIRST 65536u
#define ANSWER_MAX (64u << 20)

static int client_connect(const char *path, int timeout_s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval timeout = {.tv_sec = timeout_s};

	if (str_copy(str_of(path), address.sun_path, sizeof(address.sun_path)) < 0)
		return -ENAMETOOLONG;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

/* Sends text and a line end. One that refuses us has said so before it hung up: that is no error
 * here. */
static int client_send(int fd, const char *text)
{
	size_t n = strlen(text);

	for (size_t at = 0; at <= n;) {
		const char *from = at < n ? text + at : "\n";
		ssize_t sent = send(fd, from, at < n ? n - at : 1, MSG_NOSIGNAL);

		if (sent < 0)
			return errno == EPIPE ? 0 : -errno;
		at += (size_t)sent;
	}
	return 0;
}

/* Receives a line. 0 and *out, the caller's to free, with its size; -ECONNRESET: nothing came;
 * -EBADMSG: it was cut off; -ENOMEM: it is too long; -errno. */
static int client_receive_line(int fd, char **out, size_t *out_size)
{
	size_t have = 0, size = ANSWER_FIRST;
	char *line = malloc(size), *more;
	int error = line ? 0 : -ENOMEM;

	while (error == 0 && !(have && line[have - 1] == '\n')) {
		ssize_t n;

		if (have == size) {
			more = size < ANSWER_MAX ? realloc(line, size * 2) : NULL;
			if (!more) {
				error = -ENOMEM;
				break;
			}
			line = more;
			size *= 2;
		}
		n = recv(fd, line + have, size - have, 0);
		if (n < 0)
			error = errno == EAGAIN ? -ETIMEDOUT : -errno;
		else if (n == 0)
			error = have ? -EBADMSG : -ECONNRESET;
		else
			have += (size_t)n;
	}
	if (error < 0) {
		free(line);
		return error;
	}
	*out = line;
	*out_size = have;
	return 0;
}

/* Asks for text, and has the answer parsed. 0 and *out; -errno. */
static int client_ask(const char *path, int timeout_s, const char *text, json_t **out)
{
	int fd = client_connect(path, timeout_s), error = fd < 0 ? fd : client_send(fd, text);
	json_t *answer;
	char *line = NULL;
	size_t size = 0;

	if (error == 0)
		error = client_receive_line(fd, &line, &size);
	if (fd >= 0)
		close(fd);
	if (error < 0)
		return error;
	answer = json_loadb(line, size, 0, NULL);
	free(line);
	if (!json_is_object(answer)) {
		json_decref(answer);
		return -EBADMSG;
	}
	*out = answer;
	return 0;
}

int client_fail(const struct options *o, int code, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!o->json) {
		fprintf(stderr, "sipwardctl: %s\n", text);
		return code;
	}
	json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "error", text);
	client_print(o, answer ? answer : json_pack("{s:b, s:s}", "ok", 0, "error", "not UTF-8"));
	return code;
}

json_t *client_exchange(const struct options *o, json_t *request)
{
	const char *command = json_string_value(json_object_get(request, "command"));
	bool verify = command && strcmp(command, command_rows[COMMAND_sandbox_verify].name) == 0;
	char *text = json_dumps(request, JSON_COMPACT);
	json_t *answer = NULL;
	int error = -EINVAL;

	json_decref(request);
	if (text) {
		error = client_ask(
			o->socket, verify ? VERIFY_TIMEOUT_S : ANSWER_TIMEOUT_S, text, &answer);
		explicit_bzero(text, strlen(text)); /* it may have had HA1s */
		free(text);
	}
	if (error < 0)
		client_fail(o, EXIT_UNREACHABLE, "%s: %s%s", o->socket, strerror(-error),
			error == -ENOENT || error == -ECONNREFUSED
				? " (is sipward running? -s names its socket)"
				: "");
	return answer;
}

int client_print(const struct options *o, json_t *answer)
{
	if (!answer)
		return EXIT_UNREACHABLE;
	int code = json_is_true(json_object_get(answer, "ok")) ? EXIT_DONE : EXIT_REFUSED;
	if (o->json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		ctl_print(answer, stdout);
	}
	json_decref(answer);
	return code;
}
