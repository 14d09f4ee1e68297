/* master-runtime.c - the runtime directory. */
#include "common/log.h"
#include "master/runtime.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char base[64], path[80];

static void quiet(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
}

static void setup(void)
{
	log_init("test", -1, LOG_ERROR, quiet, NULL);
	strcpy(base, "/tmp/sipward-run-XXXXXX");
	cr_assert_not_null(mkdtemp(base));
	snprintf(path, sizeof path, "%s/run", base);
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf %s", base);
	cr_assert_eq(system(command), 0);
}

TestSuite(runtime, .init = setup, .fini = teardown);

static bool exists(const char *name)
{
	char full[256];

	snprintf(full, sizeof full, "%s/%s", path, name);
	return access(full, F_OK) == 0;
}

static int reach(const char *to)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	strcpy(a.sun_path, to);
	int error = connect(fd, (struct sockaddr *)&a, sizeof a) < 0 ? -errno : 0;
	close(fd);
	return error;
}

Test(runtime, links_lead_to_the_endpoints_they_should_and_to_no_other)
{
	struct runtime r;
	char to[LIFELINE_PATH_MAX];
	int fd[2];

	cr_assert_eq(runtime_open(&r, path), 0);
	cr_assert_eq(runtime_endpoint(&r, 0, &fd[0]), 0);
	cr_assert_eq(runtime_endpoint(&r, 1, &fd[1]), 0);
	cr_assert_eq(runtime_edges(&r, PEER_TRANSPORT, 0, 2, geteuid(), getegid()), 0);
	cr_assert_eq(runtime_edges(&r, PEER_SIP, 1, 2, geteuid(), getegid()), 0);
	cr_expect(exists("edge/transport-0/sip-0.sock"));
	cr_expect(exists("edge/transport-0/sip-1.sock"));
	cr_expect(exists("edge/sip-1/sip-0.sock"));
	cr_expect_not(exists("edge/sip-1/sip-1.sock"), "no edge to itself");
	char here[256];
	snprintf(here, sizeof here, "%s/edge/transport-0", path);
	cr_assert_eq(chdir(here), 0);
	runtime_edge_path(1, to);
	cr_expect_eq(reach(to), 0);
	cr_expect_geq(accept(fd[1], NULL, NULL), 0, "it is the endpoint of SIP worker 1");
	cr_expect_eq(accept(fd[0], NULL, NULL), -1);
	close(fd[0]);
	close(fd[1]);
	runtime_close(&r);
	cr_expect_neq(access(path, F_OK), 0, "nothing stays behind");
}

Test(runtime, one_master_at_a_time)
{
	struct runtime a, b;

	cr_assert_eq(runtime_open(&a, path), 0);
	/* Another process: a lock is the open file's, not the process's, but so it is in life. */
	pid_t child = fork();
	if (child == 0)
		_exit(runtime_open(&b, path) == -EBUSY ? 0 : 1);
	int status;
	waitpid(child, &status, 0);
	cr_expect_eq(status, 0);
	cr_expect(exists("mesh"), "the loser has touched nothing");
	runtime_close(&a);
	cr_assert_eq(runtime_open(&b, path), 0);
	runtime_close(&b);
}

Test(runtime, what_a_killed_master_left_is_cleared)
{
	struct runtime r;
	char outside[128], link[128];

	pid_t child = fork();
	if (child == 0) {
		int fd;

		if (runtime_open(&r, path) || runtime_endpoint(&r, 0, &fd) || runtime_edges(&r, PEER_TRANSPORT, 3, 1, geteuid(), getegid()))
			_exit(1);
		_exit(0);
	}
	int status;
	waitpid(child, &status, 0);
	cr_assert_eq(status, 0);
	cr_assert(exists("edge/transport-3/sip-0.sock"));
	/* A link that leads out must be removed, not followed. */
	snprintf(outside, sizeof outside, "%s/outside", base);
	cr_assert_eq(mkdir(outside, 0755), 0);
	snprintf(outside, sizeof outside, "%s/outside/file", base);
	fclose(fopen(outside, "w"));
	snprintf(outside, sizeof outside, "%s/outside", base);
	snprintf(link, sizeof link, "%s/edge/link", path);
	cr_assert_eq(symlink(outside, link), 0);
	cr_assert_eq(runtime_open(&r, path), 0);
	cr_expect_not(exists("edge/transport-3"));
	cr_expect_not(exists("mesh/sip-0.sock"));
	snprintf(outside, sizeof outside, "%s/outside/file", base);
	cr_expect_eq(access(outside, F_OK), 0);
	runtime_close(&r);
	cr_expect_eq(access(path, F_OK), 0, "it was there before");
	cr_expect_not(exists("lock"));
	cr_expect_not(exists("mesh"));
}

Test(runtime, a_path_too_long_or_unsafe_is_refused)
{
	struct runtime r;
	char longer[LIFELINE_PATH_MAX];

	memset(longer, 'a', sizeof longer);
	longer[0] = '/';
	longer[LIFELINE_PATH_MAX - 20] = '\0';
	cr_expect_eq(runtime_open(&r, longer), -ENAMETOOLONG);
	cr_assert_eq(mkdir(path, 0777), 0);
	cr_assert_eq(chmod(path, 0777), 0);
	cr_expect_eq(runtime_open(&r, path), -EPERM);
}
