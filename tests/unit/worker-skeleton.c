/* The skeleton of a worker and the first steps of its jail: the test is the master, a forked child
 * the worker. */
#include "common/counters.h"
#include "worker/skeleton.h"
#include "worker/skeleton.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 10000
/* Exit codes of the child. */
enum { LEFT = 0, FAILED = 1, WRONG = 77 };

static int lifeline, page_fd;
static struct page *page;
static pid_t child;
static struct lifeline_packet packet;
static struct worker worker;
static char stores[] = "/tmp/sipward-stores-XXXXXX", root[] = "/tmp/sipward-root-XXXXXX";

static int memfd(size_t size, unsigned seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(ftruncate(fd, (off_t)size), 0);
	if (seals)
		cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void setup(void)
{
	page_fd = memfd(sizeof(struct page), 0);
	page = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0);
	cr_assert_neq(page, MAP_FAILED);
}

TestSuite(worker, .init = setup, .timeout = 60);

static void start(int (*body)(void))
{
	int pair[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pair[1] != LIFELINE_FD)
			dup2(pair[1], LIFELINE_FD);
		_exit(body());
	}
	close(pair[1]);
	lifeline = pair[0];
}

static void send_to(enum lifeline_type type, const void *body, size_t size, int fd)
{
	cr_assert_eq(
		lifeline_send(lifeline, type, body, size, NULL, 0, fd >= 0 ? &fd : NULL, fd >= 0),
		0);
}

static void send_welcome(enum peer_role role, uint32_t drop)
{
	struct lifeline_welcome w = {.incarnation = 1,
		.role = (uint8_t)role,
		.index = 2,
		.log_level = LOG_INFO,
		.drop = (uint8_t)drop,
		.uid = 65534,
		.gid = 65533,
		.fds_limit = 100};

	if (root[strlen(root) - 1] != 'X')
		strcpy(w.root, root);
	send_to(LIFELINE_WELCOME, &w, sizeof(w), page_fd);
}

/* The next packet from the worker; 0, or -EPIPE once it is gone. */
static int next(void)
{
	struct pollfd p = {.fd = lifeline, .events = POLLIN};

	cr_assert_eq(poll(&p, 1, PATIENCE_MS), 1, "the worker says nothing");
	return lifeline_receive(lifeline, false, &packet);
}

/* Reads until a packet of that type comes. */
static void expect(enum lifeline_type type)
{
	do
		cr_assert_eq(next(), 0, "gone before %s", lifeline_name((uint16_t)type));
	while (packet.type != type);
}

static int exit_code(void)
{
	int status;

	while (next() == 0)
		;
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status), "killed by signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* ---- a worker that does nothing by itself ---- */

static int taken = -1;
static unsigned packets;
static bool stopping;

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = -3; /* ".", ".." and that of d */

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* What it answers to a QUERY. */
struct counted {
	unsigned packets;
	int fds;
};

static int take_packet(void *arg, struct lifeline_packet *p)
{
	(void)arg;
	packets++;
	if (p->type == LIFELINE_EDGE && ((struct lifeline_edge *)(void *)p->body)->peer == 1) {
		taken = p->fd[0];
		p->fd[0] = -1;
	}
	if (p->type == LIFELINE_QUERY) {
		struct counted counted = {packets, count_fds()};
		struct lifeline_reply reply = {.last = 1};

		return worker_send(
			&worker, LIFELINE_REPLY, &reply, sizeof(reply), &counted, sizeof(counted));
	}
	return p->type == LIFELINE_PEER_DOWN ? -ENOTSUP : 0;
}

static int plain(void)
{
	if (worker_begin(&worker, PEER_SIP, take_packet, NULL, NULL) || worker_receive(&worker))
		return FAILED;
	log_info("test-line", "packets=%u", packets);
	return worker_run(&worker) ? FAILED : LEFT;
}

static void on_stop(void *arg, uint32_t grace_ms)
{
	(void)arg;
	stopping = true;
	if (grace_ms == 5000)
		worker_leave(&worker);
}

static int with_stop(void)
{
	if (worker_begin(&worker, PEER_SIP, take_packet, on_stop, NULL) ||
		worker_receive(&worker) || worker_run(&worker))
		return FAILED;
	return stopping ? LEFT : WRONG;
}

static void send_stop(uint32_t grace_ms)
{
	struct lifeline_stop stop = {.grace_ms = grace_ms};

	send_to(LIFELINE_STOP, &stop, sizeof(stop), -1);
}

static void query_fds(struct counted *counted)
{
	struct lifeline_query query = {.id = 1};

	send_to(LIFELINE_QUERY, &query, sizeof(query), -1);
	expect(LIFELINE_REPLY);
	memcpy(counted, packet.body + sizeof(struct lifeline_reply), sizeof(*counted));
}

Test(worker, lives_from_welcome_to_stop)
{
	struct slot_map map = {.epoch = 1};
	struct lifeline_step *step = (void *)packet.body;

	page->healthy = 1; /* of the life before */
	start(plain);
	send_welcome(PEER_SIP, 0);
	send_to(LIFELINE_SLOTS, &map, sizeof(map), -1);
	cr_assert_eq(next(), 0);
	cr_assert_eq(packet.type, LIFELINE_STEP);
	cr_assert_eq(step->step, JAIL_STRAY_FDS);
	cr_assert_eq(step->error, 0);
	send_to(LIFELINE_GO, NULL, 0, -1);
	expect(LIFELINE_LOG);
	cr_assert_not_null(memmem(packet.body, packet.size, "test-line packets=1", 19), "%.*s",
		(int)packet.size - 8, (char *)packet.body + 8);
	expect(LIFELINE_READY);
	send_stop(1000);
	cr_assert_eq(exit_code(), LEFT);
	cr_assert_eq(page->healthy, 1);
	cr_assert_gt(page->progress, 0);
}

Test(worker, is_not_healthy_before_ready)
{
	struct slot_map map = {.epoch = 1};
	struct counted counted;

	page->healthy = 1;
	start(plain);
	send_welcome(PEER_SIP, 0);
	send_to(LIFELINE_SLOTS, &map, sizeof(map), -1);
	query_fds(&counted);
	cr_assert_eq(page->healthy, 0);
	send_stop(0);
	cr_assert_eq(exit_code(), FAILED);
}

Test(worker, closes_fds_that_nobody_takes)
{
	struct lifeline_edge not_taken = {.peer = 0}, take = {.peer = 1};
	struct counted before, after;
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	start(plain);
	send_welcome(PEER_SIP, 0);
	query_fds(&before);
	for (int i = 0; i < 10; i++)
		send_to(LIFELINE_EDGE, &not_taken, sizeof(not_taken), null);
	send_to(LIFELINE_EDGE, &take, sizeof(take), null);
	query_fds(&after);
	cr_assert_eq(after.fds, before.fds + 1);
	cr_assert_eq(after.packets, before.packets + 12);
	/* 0, 1, 2, lifeline, SIGTERM's, epoll's: none of this process's */
	cr_assert_leq(before.fds, 6);
	send_to(LIFELINE_GO, NULL, 0, -1);
	expect(LIFELINE_READY);
	for (int i = 0; i < 10; i++)
		send_to(LIFELINE_EDGE, &not_taken, sizeof(not_taken), null);
	query_fds(&after);
	cr_assert_eq(after.fds, before.fds + 1);
	close(lifeline); /* the master is gone */
	lifeline = -1;
	cr_assert_eq(waitpid(child, &null, 0), child);
	cr_assert(WIFEXITED(null) && WEXITSTATUS(null) == LEFT);
}

Test(worker, refuses_a_wrong_beginning)
{
	struct lifeline_welcome w = {.role = PEER_SIP};

	start(plain);
	send_welcome(PEER_TLS, 0); /* another's */
	cr_assert_eq(exit_code(), FAILED);
	start(plain);
	send_to(LIFELINE_GO, NULL, 0, -1);
	cr_assert_eq(exit_code(), FAILED);
	start(plain);
	send_to(LIFELINE_WELCOME, &w, sizeof(w),
		memfd(sizeof(struct page) - 1, 0)); /* would be a SIGBUS */
	cr_assert_eq(exit_code(), FAILED);
	start(plain);
	send_welcome(PEER_SIP, 0);
	send_welcome(PEER_SIP, 0);
	cr_assert_eq(exit_code(), FAILED);
	start(plain);
	shutdown(lifeline, SHUT_WR);
	cr_assert_eq(exit_code(), FAILED);
}

Test(worker, ends_where_its_role_cannot_go_on)
{
	struct lifeline_peer peer = {.peer = 1};

	start(plain);
	send_welcome(PEER_SIP, 0);
	send_to(LIFELINE_GO, NULL, 0, -1);
	expect(LIFELINE_READY);
	send_to(LIFELINE_PEER_DOWN, &peer, sizeof(peer), -1);
	cr_assert_eq(exit_code(), FAILED);
}

Test(worker, ends_where_a_packet_is_for_another_role)
{
	struct lifeline_socket socket = {.listener = 1};
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	start(plain);
	send_welcome(PEER_SIP, 0);
	send_to(LIFELINE_SOCKET, &socket, sizeof(socket), null);
	cr_assert_eq(exit_code(), FAILED, "before GO");
	start(plain);
	send_welcome(PEER_SIP, 0);
	send_to(LIFELINE_GO, NULL, 0, -1);
	expect(LIFELINE_READY);
	send_to(LIFELINE_SOCKET, &socket, sizeof(socket), null);
	cr_assert_eq(exit_code(), FAILED, "at work");
}

static void run_with_stop(void)
{
	start(with_stop);
	send_welcome(PEER_SIP, 0);
	send_to(LIFELINE_GO, NULL, 0, -1);
	expect(LIFELINE_READY);
}

Test(worker, leaves_by_itself_or_when_its_time_is_up)
{
	run_with_stop();
	send_stop(5000); /* its callback leaves at once */
	cr_assert_eq(exit_code(), LEFT);
	run_with_stop();
	send_stop(50); /* its callback never leaves */
	cr_assert_eq(exit_code(), LEFT);
	run_with_stop();
	send_stop(60000); /* a second order may shorten the time */
	send_stop(20);
	cr_assert_eq(exit_code(), LEFT);
	run_with_stop();
	kill(child, SIGTERM);
	cr_assert_eq(exit_code(), LEFT);
	run_with_stop();
	kill(child, SIGINT); /* not its business */
	kill(child, SIGPIPE);
	send_stop(5000);
	cr_assert_eq(exit_code(), LEFT);
}

/* ---- a lifeline that nobody reads ---- */

#define REPLY_SIZE 50000

static void flood_now(struct timer *t, void *arg)
{
	static char text[REPLY_SIZE];
	uint32_t sent = 0;
	struct lifeline_reply reply = {0};

	(void)t, (void)arg;
	for (;; sent++) {
		reply.id = sent;
		if (worker_send(&worker, LIFELINE_REPLY, &reply, sizeof(reply), text, sizeof(text)))
			break;
		log_info("among-replies", "sent=%u", sent);
	}
	counter_set(COUNTER_RX_MESSAGES, sent); /* tells the test */
}

static int flood(void)
{
	static struct timer timer;

	if (worker_begin(&worker, PEER_SIP, take_packet, NULL, NULL) || worker_receive(&worker))
		return FAILED;
	timer_init(&timer, flood_now, NULL);
	loop_set(worker.loop, &timer, 1);
	return worker_run(&worker) ? FAILED : LEFT;
}

Test(worker, keeps_replies_and_drops_logs_when_the_lifeline_is_full)
{
	struct timespec nap = {0, 1000000};
	uint64_t sent, got = 0, logs = 0;

	start(flood);
	send_welcome(PEER_SIP, 0);
	send_to(LIFELINE_GO, NULL, 0, -1);
	for (int i = 0; i < PATIENCE_MS &&
			!__atomic_load_n(&page->counter[COUNTER_LIFELINE_FULL], __ATOMIC_RELAXED);
		i++)
		nanosleep(&nap, NULL);
	for (int i = 0; i < PATIENCE_MS &&
			!__atomic_load_n(&page->counter[COUNTER_RX_MESSAGES], __ATOMIC_RELAXED);
		i++)
		nanosleep(&nap, NULL);
	sent = page->counter[COUNTER_RX_MESSAGES];
	cr_assert_geq(sent, WORKER_UNSENT_MAX / (REPLY_SIZE + sizeof(struct lifeline_reply)));
	cr_assert_eq(page->counter[COUNTER_LIFELINE_FULL], 1);
	while (got < sent) {
		cr_assert_eq(next(), 0);
		logs += packet.type == LIFELINE_LOG;
		if (packet.type == LIFELINE_REPLY) {
			struct lifeline_reply *reply = (void *)packet.body;

			cr_assert_eq(reply->id, got++);
			cr_assert_eq(packet.size, sizeof(*reply) + REPLY_SIZE);
		}
	}
	cr_assert_eq(logs + page->counter[COUNTER_LOG_DROPPED], sent);
	cr_assert_gt(page->counter[COUNTER_LOG_DROPPED], 0);
	send_stop(0);
	cr_assert_eq(exit_code(), LEFT);
}

/* ---- images ---- */

Test(worker, maps_only_what_nobody_can_change)
{
	const int all = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_SEAL;
	const int needed[] = {F_SEAL_WRITE, F_SEAL_SHRINK, F_SEAL_SEAL};
	const void *at = NULL;
	size_t size = 0;
	int fd = memfd(5000, 0);

	cr_assert_eq(worker_map(fd, &at, &size), -EPERM);
	for (int i = 0; i < 3; i++)
		cr_assert_eq(
			worker_map(memfd(5000, (unsigned)(all & ~needed[i])), &at, &size), -EPERM);
	cr_assert_eq(worker_map(memfd(0, (unsigned)all), &at, &size), -EBADMSG);
	cr_assert_eq(worker_map(open("/dev/null", O_RDONLY), &at, &size), -EPERM);
	cr_assert_eq(worker_map(-1, &at, &size), -EBADF);
	cr_assert_null(at);
	cr_assert_eq(pwrite(fd, "image", 5, 4000), 5);
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, all), 0);
	cr_assert_eq(worker_map(fd, &at, &size), 0);
	cr_assert_eq(size, 5000);
	cr_assert(memcmp((const char *)at + 4000, "image", 5) == 0);
	munmap((void *)(uintptr_t)at, size);
}

/* ---- jail ---- */

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

static int jailed(void)
{
	struct rlimit core, files;
	gid_t others[] = {7, 8};

	if (geteuid() == 0 && setgroups(2, others)) /* to be given up */
		return WRONG;
	if (worker_begin(&worker, PEER_SIP, take_packet, NULL, NULL) || worker_receive(&worker))
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
	cr_assert_not_null(mkdtemp(root));
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
	if (worker_begin(&worker, PEER_TLS, take_packet, NULL, NULL) || worker_receive(&worker) ||
		jail_confine(&worker.jail) || jail_limit(&worker.jail) || jail_seal(&worker.jail))
		return FAILED;
	if (syscall(1000) != -1 || errno != ENOSYS) /* newer than this build */
		return 20;
	syscall(SYS_ptrace, 1, 2, 3, 4);
	return WRONG;
}

Test(worker, asks_the_master_about_what_its_filter_does_not_allow)
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

Test(worker, is_confined_without_privileges)
{
	confine(0);
}

Test(worker, is_confined_with_another_identity)
{
	if (geteuid() != 0)
		cr_skip_test("needs root");
	confine(1);
}

Test(worker, every_step_has_a_name)
{
	for (int i = 1; i < JAIL_STEP_COUNT; i++)
		cr_assert_neq(jail_step_name((enum jail_step)i)[0], '?');
	cr_assert_str_eq(jail_step_name(JAIL_SECCOMP), "seccomp");
	cr_assert_str_eq(jail_step_name((enum jail_step)0), "?");
	cr_assert_str_eq(jail_step_name(JAIL_STEP_COUNT), "?");
}
