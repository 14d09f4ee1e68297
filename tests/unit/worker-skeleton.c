/* worker-skeleton.c - the skeleton of a worker, from WELCOME to STOP. */
#include "worker-fixture.h"

TestSuite(worker, .init = setup, .timeout = 60);

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

/* Its answer to a QUERY. */
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
	cr_assert_gt(page->progress, 0);
}

Test(worker, fails_where_it_is_stopped_before_it_is_ready)
{
	struct slot_map map = {.epoch = 1};
	struct counted counted;

	start(plain);
	send_welcome(PEER_SIP, 0);
	send_to(LIFELINE_SLOTS, &map, sizeof(map), -1);
	query_fds(&counted);
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
