/* worker-jail.c - the steps of a worker's jail, and what is left to it inside. */
#include "worker-fixture.h"

TestSuite(jail, .init = setup, .timeout = 60);

static char stores[] = "/tmp/sipward-stores-XXXXXX";
/* Opened before: the jail has no /proc. */
static int status_fd;

static bool status_has(const char *line)
{
	static char text[8192];
	ssize_t n = lseek(status_fd, 0, SEEK_SET) == 0 ? read(status_fd, text, sizeof(text) - 1)
	                                               : -1; /* what the filter leaves */

	text[n > 0 ? n : 0] = 0;
	return strstr(text, line) != NULL;
}

static int jail_take_packet(void *arg, struct lifeline_packet *p)
{
	(void)arg;
	(void)p;
	return 0;
}

static int jailed(void)
{
	struct rlimit core, files;
	gid_t others[] = {7, 8};

	if (geteuid() == 0 && setgroups(2, others)) /* to be given up */
		return WRONG;
	if (worker_begin(&worker, PEER_SIP, jail_take_packet, NULL, NULL) ||
		worker_receive(&worker))
		return FAILED;
	status_fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	if (jail_stores(&worker.jail, str_of(stores)))
		return FAILED;
	if (jail_confine(&worker.jail))
		return FAILED;
	int store = open("store", O_RDWR | O_CREAT | O_CLOEXEC,
		0600); /* its stores can be opened now, and only now */
	if (store < 0)
		return 15;
	if (jail_limit(&worker.jail))
		return FAILED;
	if (!SANITIZED && (open("store", O_RDWR) >= 0 || open(stores, O_RDONLY) >= 0 ||
				  open("/", O_RDONLY) >= 0 || open("/etc/passwd", O_RDONLY) >= 0))
		return 16;
	if (write(store, "x", 1) != 1)
		return 17;
	if (getrlimit(RLIMIT_CORE, &core) || core.rlim_cur || core.rlim_max ||
		getrlimit(RLIMIT_NOFILE, &files) || files.rlim_max != 100)
		return 10;
	if (prctl(PR_GET_DUMPABLE) != 0)
		return 11;
	if (!status_has("NoNewPrivs:\t1\n"))
		return 12;
	if (!status_has("CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:"
			"\t0000000000000000\n") ||
		!status_has("CapAmb:\t0000000000000000\n"))
		return 13;
	if (worker.welcome.drop &&
		(!status_has(
			 "Uid:\t65534\t65534\t65534\t65534\nGid:\t65533\t65533\t65533\t65533\n") ||
			!status_has("Groups:\t \n") || !status_has("CapBnd:\t0000000000000000\n")))
		return 14;
	if (jail_seal(&worker.jail))
		return FAILED;
	if (!SANITIZED && !status_has("Seccomp:\t2\n"))
		return 18;
	return worker_run(&worker) ? FAILED : LEFT;
}

static void confine(uint32_t drop)
{
	char store[96];
	int error[JAIL_STEP_COUNT];
	unsigned order = 0;

	memset(error, 0x7f, sizeof(error));
	cr_assert_not_null(mkdtemp(stores));
	make_root();
	if (drop)
		cr_assert(chown(stores, 65534, 65533) == 0 && chown(root, 65534, 65533) == 0);
	start(jailed);
	send_welcome(PEER_SIP, drop);
	send_to(LIFELINE_GO, NULL, 0, -1);
	for (;;) {
		struct lifeline_step *step = (void *)packet.body;

		if (next()) {
			int status;

			waitpid(child, &status, 0);
			cr_assert_fail("the worker ended with %d", WEXITSTATUS(status));
		}
		if (packet.type == LIFELINE_READY)
			break;
		if (packet.type == LIFELINE_NOTIFIER)
			close(packet.fd[0]);
		if (packet.type != LIFELINE_STEP)
			continue;
		cr_assert_eq(step->step, ++order, "steps in their order");
		error[step->step] = step->error;
	}
	cr_assert_eq(order, JAIL_STEP_COUNT - 1);
	cr_assert_eq(error[JAIL_IDENTITY], drop ? 0 : -EPERM);
	cr_assert_eq(error[JAIL_NO_NEW_PRIVILEGES], 0);
	cr_assert_eq(error[JAIL_NOT_DUMPABLE], 0);
	cr_assert_eq(error[JAIL_LIMITS], 0);
	if (drop)
		cr_assert_eq(error[JAIL_CAPABILITIES], 0);
	if (drop && !SANITIZED)
		cr_assert_eq(error[JAIL_ROOT], 0);
	send_stop(0);
	cr_assert_eq(exit_code(), LEFT);
	snprintf(store, sizeof(store), "%s/store", stores);
	cr_assert_eq(unlink(store), 0);
	cr_assert(rmdir(stores) == 0 && rmdir(root) == 0);
}

static int forbidden(void)
{
	if (worker_begin(&worker, PEER_TLS, jail_take_packet, NULL, NULL) ||
		worker_receive(&worker) || jail_confine(&worker.jail) || jail_limit(&worker.jail) ||
		jail_seal(&worker.jail))
		return FAILED;
	if (syscall(1000) != -1 || errno != ENOSYS) /* newer than this build */
		return 20;
	syscall(SYS_ptrace, 1, 2, 3, 4);
	return WRONG;
}

Test(jail, asks_the_master_about_what_its_filter_does_not_allow)
{
	struct seccomp_notif question = {0};
	struct pollfd p = {.events = POLLIN};
	int status;

	if (SANITIZED)
		cr_skip_test("such a build has no filter");
	start(forbidden);
	send_welcome(PEER_TLS, 0);
	send_to(LIFELINE_GO, NULL, 0, -1);
	expect(LIFELINE_NOTIFIER);
	p.fd = packet.fd[0];
	cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1);
	cr_assert_eq(ioctl(p.fd, SECCOMP_IOCTL_NOTIF_RECV, &question), 0);
	cr_assert_eq(question.data.nr, SYS_ptrace);
	cr_assert_eq(question.data.args[3], 4);
	cr_assert_eq((pid_t)question.pid, child);
	kill(child, SIGKILL);
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status));
}

Test(jail, is_confined_without_privileges)
{
	confine(0);
}

Test(jail, is_confined_with_another_identity)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	confine(1);
}

Test(jail, every_step_has_a_name)
{
	for (int i = 1; i < JAIL_STEP_COUNT; i++)
		cr_assert_neq(jail_step_name((enum jail_step)i)[0], '?');
	cr_assert_str_eq(jail_step_name(JAIL_SECCOMP), "seccomp");
	cr_assert_str_eq(jail_step_name((enum jail_step)0), "?");
	cr_assert_str_eq(jail_step_name(JAIL_STEP_COUNT), "?");
}
