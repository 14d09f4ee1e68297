/* master-control.c - the control socket: whole lines, bounds, clients that leave. */
#include "common/counters.h"
#include "common/log.h"
#include "master/control/control.h"
#include "patience.h"
#include "own_folder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[64], path[80];
static struct loop *loop;
static struct control *control;
static struct request *held; /* by the command "hold" */
static unsigned served;

static void quiet(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
}

static void dispatch(void *arg, struct request *r, json_t *message)
{
	const char *command = json_string_value(json_object_get(message, "command"));

	(void)arg;
	served++;
	if (command && strcmp(command, "hold") == 0)
		held = r;
	else if (command && strcmp(command, "large") == 0) {
		char *text = malloc(4000001);

		memset(text, 'x', 4000000);
		text[4000000] = '\0';
		request_answer(r, json_pack("{s:s}", "text", text));
		free(text);
	} else
		request_answer(r, json_pack("{s:b, s:i}", "ok", 1, "uid", (int)request_uid(r)));
}

static void setup(void)
{
	log_init("test", -1, LOG_ERROR, quiet, NULL);
	own_folder_make(base);
	cr_assert_eq(chmod(base, 0755), 0);
	snprintf(path, sizeof(path), "%s/control.sock", base);
	cr_assert_eq(loop_new(&loop), 0);
	cr_assert_eq(control_open(&control, loop, path, 0600, (gid_t)-1, dispatch, NULL), 0);
}

static void teardown(void)
{
	control_close(control);
	loop_free(loop);
	own_folder_remove(base);
}

TestSuite(control, .init = setup, .fini = teardown);

static int reach(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

static void say(int fd, const char *text)
{
	size_t n = strlen(text);

	while (n) {
		ssize_t sent = send(fd, text, n, MSG_NOSIGNAL);

		if (sent > 0) {
			text += sent;
			n -= (size_t)sent;
		}
		cr_assert_geq(loop_once(loop, 0), 0);
	}
}

/* Turns the loop until a whole line has come; its length, 0 when closed first. */
static size_t hear(int fd, char *buffer, size_t size)
{
	size_t have = 0;

	for (unsigned turns = 0; turns < 20000; turns++) {
		ssize_t n = recv(fd, buffer + have, size - have - 1, 0);

		if (n == 0)
			return 0;
		if (n > 0) {
			have += (size_t)n;
			buffer[have] = '\0';
			if (memchr(buffer, '\n', have))
				return have;
			continue;
		}
		loop_once(loop, 1);
	}
	cr_assert_fail("no answer");
	return 0;
}

Test(control, answers_each_line_in_order)
{
	char buffer[512];
	int fd = reach();

	say(fd, "{\"command\":\"a\"");
	cr_expect_eq(served, 0, "a line is a line when it ends");
	say(fd, "}\n{\"command\":\"b\"}\n");
	hear(fd, buffer, sizeof(buffer));
	cr_expect(strstr(buffer, "\"ok\":true"));
	if (!strchr(strchr(buffer, '\n') + 1, '\n'))
		hear(fd, buffer, sizeof(buffer));
	cr_expect_eq(served, 2);
	close(fd);
}

Test(control, refuses_what_is_no_request)
{
	static const char *const bad[] = {"nonsense\n", "[1]\n", "\n", "{\"a\":1,\"a\":2}\n",
		"{\"a\":1}x\n", "\"command\"\n", "{\"command\":\"\\u0000\"}\n"};
	char buffer[512];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = reach();

		say(fd, bad[i]);
		hear(fd, buffer, sizeof(buffer));
		cr_expect(strstr(buffer, "\"ok\":false"), "%s", bad[i]);
		close(fd);
	}
	cr_expect_eq(served, 0);
	cr_expect_eq(counters_page->counter[COUNTER_CONTROL_BAD], sizeof(bad) / sizeof(bad[0]));
}

Test(control, a_line_without_end_is_refused_and_closed)
{
	char buffer[512], *line = malloc(CONTROL_LINE_MAX + 1);
	int fd = reach();

	memset(line, 'a', CONTROL_LINE_MAX);
	line[CONTROL_LINE_MAX] = '\0';
	say(fd, line);
	free(line);
	hear(fd, buffer, sizeof(buffer));
	cr_expect(strstr(buffer, "too long"));
	cr_expect_eq(hear(fd, buffer, sizeof(buffer)), 0);
	close(fd);
}

Test(control, one_request_at_a_time_and_the_next_waits)
{
	char buffer[512];
	int fd = reach();

	say(fd, "{\"command\":\"hold\"}\n{\"command\":\"next\"}\n");
	while (!held)
		loop_once(loop, 10);
	loop_once(loop, 0);
	cr_expect_eq(served, 1);
	request_answer(held, json_pack("{s:s}", "held", "done"));
	hear(fd, buffer, sizeof(buffer));
	cr_expect(strstr(buffer, "held"));
	while (served < 2)
		loop_once(loop, 10);
	close(fd);
}

Test(control, a_client_that_left_is_no_error)
{
	int fd = reach();

	say(fd, "{\"command\":\"hold\"}\n");
	while (!held)
		loop_once(loop, 10);
	close(fd);
	for (unsigned i = 0; i < 5; i++)
		loop_once(loop, 1);
	request_answer(held, json_pack("{s:s}", "held", "done"));
	loop_once(loop, 1);
	fd = reach();
	cr_expect_geq(fd, 0, "others are served");
	close(fd);
}

Test(control, a_large_answer_comes_whole_through_a_small_socket)
{
	char *buffer = malloc(5000000);
	int fd = reach();

	say(fd, "{\"command\":\"large\"}\n");
	cr_expect_gt(hear(fd, buffer, 5000000), 4000000u);
	free(buffer);
	close(fd);
}

Test(control, the_number_of_clients_is_bounded)
{
	int fd[CONTROL_CLIENTS_MAX + 1];
	char buffer[256];

	for (unsigned i = 0; i <= CONTROL_CLIENTS_MAX; i++) {
		fd[i] = reach();
		loop_once(loop, 10);
	}
	hear(fd[0], buffer, sizeof(buffer));
	cr_expect(strstr(buffer, "too many"), "the first, which never asked, makes room");
	cr_expect_eq(recv(fd[0], buffer, 1, MSG_DONTWAIT), 0);
	say(fd[CONTROL_CLIENTS_MAX], "{}\n");
	hear(fd[CONTROL_CLIENTS_MAX], buffer, sizeof(buffer));
	cr_expect(strstr(buffer, "\"ok\":true"), "the last is served");
	say(fd[1], "{}\n");
	hear(fd[1], buffer, sizeof(buffer));
	cr_expect(strstr(buffer, "\"ok\":true"), "and so are the others");
}

/* Connects as another user and group; true where it got the answer to a request. */
static bool served_as(uid_t uid, gid_t gid, gid_t also)
{
	int wait_for[2];

	cr_assert_eq(pipe(wait_for), 0);
	pid_t child = fork();
	if (child == 0) {
		char buffer[256] = "";

		close(wait_for[0]);
		if (setgroups(1, &also) || setgid(gid) || setuid(uid))
			_exit(2);
		int fd = reach();
		if (fd >= 0) {
			(void)!write(fd, "{}\n", 3);
			struct pollfd p = {.fd = fd, .events = POLLIN};

			while (!strchr(buffer, '\n') && poll(&p, 1, PATIENCE_MS) == 1)
				if (recv(fd, buffer, sizeof(buffer) - 1, 0) <= 0)
					break;
		}
		_exit(strstr(buffer, "\"ok\":true") ? 0 : 1);
	}
	int status;
	while (waitpid(child, &status, WNOHANG) == 0)
		loop_once(loop, 10);
	return status == 0;
}

Test(control, only_root_and_the_group_are_served)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	control_close(control);
	cr_assert_eq(control_open(&control, loop, path, 0660, 4242, dispatch, NULL), 0);
	/* The file's mode must not be all that keeps others out. */
	cr_assert_eq(chmod(path, 0666), 0);
	cr_expect(served_as(1234, 4242, 65534), "its group");
	cr_expect(served_as(1234, 65534, 4242), "a supplementary group");
	cr_expect_not(served_as(1234, 65534, 65534), "somebody");
	cr_expect_eq(counters_page->counter[COUNTER_CONTROL_REFUSED], 1);
	cr_expect(served_as(0, 0, 0), "root");
}

Test(control, a_stale_socket_is_replaced_and_a_live_one_is_not)
{
	struct control *other;
	char file[96];

	cr_expect_eq(
		control_open(&other, loop, path, 0600, (gid_t)-1, dispatch, NULL), -EADDRINUSE);
	snprintf(file, sizeof(file), "%s/file", base);
	fclose(fopen(file, "w"));
	cr_expect_eq(control_open(&other, loop, file, 0600, (gid_t)-1, dispatch, NULL), -EEXIST);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/stale", base);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	cr_assert_eq(control_open(&other, loop, a.sun_path, 0600, (gid_t)-1, dispatch, NULL), 0);
	control_close(other);
	cr_expect_neq(access(a.sun_path, F_OK), 0);
}
