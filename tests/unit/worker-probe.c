/* The acts that jails are tried with: outside of a jail they must be found possible, or a jail that
 * lets them pass would not be noticed. */
#include "worker/gate.h"
#include "common/log.h"
#include "worker/probe.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/sipward-probe-XXXXXX";

static void quiet(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
}

static void setup(void)
{
	log_init("test", -1, LOG_ERROR, quiet, NULL);
	cr_assert_not_null(mkdtemp(folder));
	cr_assert_eq(chdir(folder), 0);
}

static void teardown(void)
{
	unlink("probe");
	unlink("a.sock");
	cr_expect_eq(rmdir(folder), 0);
}

TestSuite(probe, .init = setup, .fini = teardown, .timeout = 60);

/* Tries the act in a process of its own and gives its errno, 0 for possible. */
static int tried(const struct lifeline_probe *p)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(-probe_try(p) & 0xff);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status), "%s: signal %d", probe_text(p->act), WTERMSIG(status));
	return WEXITSTATUS(status);
}

Test(probe, finds_possible_what_no_jail_prevents)
{
	static const enum probe_act possible[] = {
		PROBE_HOLD,
		PROBE_OPEN_PASSWD,
		PROBE_CREATE_FILE,
		PROBE_LIST_PROC,
		PROBE_FORK,
		PROBE_SOCKET_STREAM_UNIX,
		PROBE_SOCKET_STREAM_INET,
		PROBE_BIND_PORT,
		PROBE_LISTEN,
		PROBE_KILL,
		PROBE_MAP_EXECUTABLE,
		PROBE_MAKE_EXECUTABLE,
		PROBE_MEMFD,
		PROBE_DUMPABLE,
		PROBE_PIDFD,
	};

	for (size_t i = 0; i < sizeof(possible) / sizeof(possible[0]); i++) {
		struct lifeline_probe p = {.act = (uint16_t)possible[i], .pid = getpid()};

		cr_expect_eq(tried(&p), 0, "%s: %s", probe_text(p.act), strerror(tried(&p)));
	}
	/* one of the families */
	cr_expect_eq(
		tried(&(struct lifeline_probe){.act = PROBE_SOCKET_FAMILY, .variant = AF_INET}), 0);
	cr_expect_neq(tried(&(struct lifeline_probe){.act = PROBE_SOCKET_FAMILY, .variant = 0}), 0);
	cr_expect_eq(
		tried(&(struct lifeline_probe){.act = PROBE_OPEN_CONFIG, .path = "/etc/passwd"}),
		0);
}

Test(probe, reaches_unix_sockets_with_and_without_a_name_in_the_file_system)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "a.sock"};
	struct lifeline_probe p = {.act = PROBE_CONNECT_CONTROL, .path = "a.sock"};
	int named = socket(AF_UNIX, SOCK_STREAM, 0), abstract = socket(AF_UNIX, SOCK_STREAM, 0);

	cr_expect_eq(tried(&p), ENOENT);
	cr_assert(bind(named, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(named, 1) == 0);
	cr_expect_eq(tried(&p), 0);
	snprintf(p.path, sizeof(p.path), "@sipward-test-%d", (int)getpid());
	p.act = PROBE_CONNECT_ABSTRACT;
	cr_expect_eq(tried(&p), ECONNREFUSED);
	memset(a.sun_path, 0, sizeof(a.sun_path));
	memcpy(a.sun_path + 1, p.path + 1, strlen(p.path) - 1);
	cr_assert(bind(abstract, (struct sockaddr *)&a,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(p.path))) ==
			  0 &&
		  listen(abstract, 1) == 0);
	cr_expect_eq(tried(&p), 0);
}

Test(probe, makes_a_pair_where_nothing_forbids_it)
{
	cr_expect_eq(probe_try(&(struct lifeline_probe){.act = PROBE_PAIR}), 0);
	cr_expect_eq(probe_try(&(struct lifeline_probe){.act = PROBE_TAKE_FD}), 0,
		"no filter has stopped the call");
}

Test(probe, is_named_and_permitted_by_the_table)
{
	for (unsigned act = PROBE_HOLD + 1; act < PROBE_COUNT; act++)
		cr_expect_neq(probe_text(act)[0], '?');
	cr_expect(probe_permitted(PROBE_CONNECT_OUT, PEER_TRANSPORT, CARRIER_PAIRS));
	cr_expect(probe_permitted(PROBE_CONNECT_OUT, PEER_TRANSPORT, CARRIER_ZEROMQ));
	cr_expect_not(probe_permitted(PROBE_CONNECT_OUT, PEER_SIP, CARRIER_ZEROMQ));
	cr_expect_not(probe_permitted(PROBE_COUNT, PEER_SIP, CARRIER_ZEROMQ));
	cr_expect(probe_permitted(PROBE_SOCKET_STREAM_UNIX, PEER_SIP, CARRIER_ZEROMQ));
	cr_expect_not(probe_permitted(PROBE_SOCKET_STREAM_UNIX, PEER_SIP, CARRIER_PAIRS));
	cr_expect_not(probe_permitted(PROBE_SOCKET_STREAM_UNIX, PEER_TLS, CARRIER_ZEROMQ));
	cr_expect_eq(probe_try(&(struct lifeline_probe){.act = PROBE_COUNT}), -EINVAL);
}

/* Which of the two it is, the kernel that the test runs on says; but the act must then end the same
 * way. */
Test(probe, knows_whether_the_kernel_has_a_gate_for_another_architecture)
{
	bool gate = gate_exists();
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(probe_try(&(struct lifeline_probe){.act = PROBE_OTHER_ARCHITECTURE}) == 0
				? 0
				: 1);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_expect_eq(gate, !(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV));
	cr_expect_eq(waitpid(-1, NULL, 0), -1, "its child has been reaped");
}
