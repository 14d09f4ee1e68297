/* master-runtime.c - the runtime directory. */
#include "common/log.h"
#include "master/runtime.h"
#include "own_folder.h"

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
	own_folder_make(base);
	snprintf(path, sizeof(path), "%s/run", base);
}

static void teardown(void)
{
	own_folder_remove(base);
}

TestSuite(runtime, .init = setup, .fini = teardown);

static bool exists(const char *name)
{
	char full[256];

	snprintf(full, sizeof(full), "%s/%s", path, name);
	return access(full, F_OK) == 0;
}

Test(runtime, the_root_of_workers_is_empty_and_stays_so)
{
	struct runtime r;
	char root[LIFELINE_PATH_MAX];
	struct stat st;
	int status;

	cr_assert_eq(chmod(base, 0755), 0);
	cr_assert_eq(runtime_open(&r, path), 0);
	runtime_root(&r, CARRIER_PAIRS, PEER_SIP, 1, root);
	cr_assert_eq(stat(root, &st), 0);
	cr_expect_eq(st.st_mode & 07777, 0555);
	cr_expect_eq(st.st_uid, geteuid());
	cr_assert_eq(rmdir(root), 0, "there is nothing in it");
	cr_assert_eq(mkdir(root, 0555), 0);
	pid_t child = fork();
	if (child == 0) { /* as a worker, whoever that is */
		if (geteuid() == 0 && (setgid(65534) || setuid(65534)))
			_exit(1);
		_exit(chdir(root) == 0 && mkdir("door", 0755) < 0 && errno == EACCES ? 0 : 2);
	}
	waitpid(child, &status, 0);
	cr_expect_eq(status, 0);
	runtime_close(&r);
	cr_expect_neq(access(path, F_OK), 0, "nothing stays behind");
}

static int reach(const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), error;

	strcpy(a.sun_path, name);
	error = connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ? -errno : 0;
	close(fd);
	return error;
}

Test(runtime, links_lead_to_the_endpoints_they_should_and_to_no_other)
{
	struct runtime r;
	char to[LIFELINE_PATH_MAX];
	int fd[2];

	cr_assert_eq(runtime_open(&r, path), 0);
	cr_assert_eq(runtime_mesh(&r), 0);
	cr_assert_eq(runtime_endpoint(&r, 0, &fd[0]), 0);
	cr_assert_eq(runtime_endpoint(&r, 1, &fd[1]), 0);
	cr_assert_eq(runtime_edges(&r, PEER_TRANSPORT, 0, 3, geteuid(), getegid()), 0);
	cr_assert_eq(runtime_edges(&r, PEER_SIP, 1, 3, geteuid(), getegid()), 0);
	cr_expect(exists("edge/transport-0/sip-0.sock"));
	cr_expect(exists("edge/transport-0/sip-1.sock"));
	cr_expect(exists("edge/sip-1/sip-0.sock"));
	cr_expect_not(exists("edge/sip-1/sip-1.sock"), "no edge to itself");
	char here[256];
	snprintf(here, sizeof(here), "%s/edge/transport-0", path);
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
	cr_expect(exists("root"), "the loser has touched nothing");
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
		char old[LIFELINE_PATH_MAX + 32];

		if (runtime_open(&r, path))
			_exit(1);
		/* and what an earlier version made */
		snprintf(old, sizeof(old), "%s/edge", path);
		mkdir(old, 0755);
		snprintf(old, sizeof(old), "%s/edge/transport-3", path);
		_exit(mkdir(old, 0755) ? 1 : 0);
	}
	int status;
	waitpid(child, &status, 0);
	cr_assert_eq(status, 0);
	cr_assert(exists("edge/transport-3"));
	/* A link that leads out must be removed, not followed. */
	snprintf(outside, sizeof(outside), "%s/outside", base);
	cr_assert_eq(mkdir(outside, 0755), 0);
	snprintf(outside, sizeof(outside), "%s/outside/file", base);
	fclose(fopen(outside, "w"));
	snprintf(outside, sizeof(outside), "%s/outside", base);
	snprintf(link, sizeof(link), "%s/edge/link", path);
	cr_assert_eq(symlink(outside, link), 0);
	cr_assert_eq(runtime_open(&r, path), 0);
	cr_expect_not(exists("edge/transport-3"));
	cr_expect_not(exists("edge"));
	snprintf(outside, sizeof(outside), "%s/outside/file", base);
	cr_expect_eq(access(outside, F_OK), 0);
	runtime_close(&r);
	cr_expect_eq(access(path, F_OK), 0, "it was there before");
	cr_expect_not(exists("lock"));
	cr_expect_not(exists("root"));
}

Test(runtime, a_path_too_long_or_unsafe_is_refused)
{
	struct runtime r;
	char longer[LIFELINE_PATH_MAX];

	memset(longer, 'a', sizeof(longer));
	longer[0] = '/';
	longer[LIFELINE_PATH_MAX - 20] = '\0';
	cr_expect_eq(runtime_open(&r, longer), -ENAMETOOLONG);
	cr_assert_eq(mkdir(path, 0777), 0);
	cr_assert_eq(chmod(path, 0777), 0);
	cr_expect_eq(runtime_open(&r, path), -EPERM);
}
