/* skeleton.c - the skeleton of every worker: lifeline, welcome, log, first configuration, loop,
 * end. Relies on the master having put the lifeline on LIFELINE_FD and on nothing of this process
 * having started a thread before worker_begin. */
#include "skeleton.h"

#include "common/clock.h"
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

/* A worker waits this long for each packet of its first configuration. The master sends them in one
 * go; ACKs of other workers may lie between. */
#define WELCOME_MS 5000
#define CONFIGURE_MS 30000
/* Time to finish when nobody says how long: the master is gone, or SIGTERM came from elsewhere. */
#define ORPHAN_GRACE_MS 2000
/* Packets from the master handled in one turn: a burst of orders must not hold up the calls. */
#define PACKETS_PER_TURN 32
/* The largest image mapped: far above any config or user file, far below what hurts. */
#define MAP_MAX (1u << 30)

struct worker_unsent {
	struct worker_unsent *next;
	enum lifeline_type type;
	size_t size;
	unsigned char body[];
};

/* ---- up: packets to the master ---- */

static void worker_log_to_master(void *arg, enum log_level level, const char *line, size_t length)
{
	struct worker *w = arg;
	struct lifeline_log body = {.level = (uint8_t)level};

	if (length == 0)
		return;
	if (length > LOG_LINE_MAX)
		length = LOG_LINE_MAX;
	/* A line is never worth waiting for; what waits already goes first. */
	if (w->unsent || lifeline_send(w->lifeline, LIFELINE_LOG, &body, sizeof(body), line, length,
				 NULL, 0))
		count(LOG_DROPPED);
}

static void worker_watch_lifeline(struct worker *w)
{
	if (w->source)
		loop_modify(w->loop, w->source, w->unsent ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void worker_send_unsent(struct worker *w)
{
	while (w->unsent) {
		struct worker_unsent *u = w->unsent;

		if (lifeline_send(w->lifeline, u->type, u->body, u->size, NULL, 0, NULL, 0) ==
			-EAGAIN)
			return;
		w->unsent = u->next;
		w->unsent_bytes -= u->size;
		if (!w->unsent)
			w->unsent_end = &w->unsent;
		free(u);
	}
	worker_watch_lifeline(w);
}

int worker_send(struct worker *w, enum lifeline_type type, const void *body, size_t size,
	const void *more, size_t more_size)
{
	struct worker_unsent *u;
	int error = w->unsent ? -EAGAIN
	                      : lifeline_send(
					w->lifeline, type, body, size, more, more_size, NULL, 0);

	if (error != -EAGAIN)
		return error;
	if (type == LIFELINE_LOG) {
		count(LOG_DROPPED);
		return 0;
	}
	if (size > LIFELINE_PACKET_MAX || more_size > LIFELINE_PACKET_MAX - size)
		return -EINVAL;
	if (w->unsent_bytes + size + more_size > WORKER_UNSENT_MAX ||
		!(u = malloc(sizeof(*u) + size + more_size))) {
		count(LIFELINE_FULL);
		return -EAGAIN;
	}
	u->next = NULL;
	u->type = type;
	u->size = size + more_size;
	if (size)
		memcpy(u->body, body, size);
	if (more_size)
		memcpy(u->body + size, more, more_size);
	*w->unsent_end = u;
	w->unsent_end = &u->next;
	w->unsent_bytes += u->size;
	worker_watch_lifeline(w);
	return 0;
}

static int worker_tell_step(void *arg, enum jail_step step, int error)
{
	struct lifeline_step body = {.step = (uint16_t)step, .error = error};

	return worker_send(arg, LIFELINE_STEP, &body, sizeof(body), NULL, 0);
}

/* ---- down: packets from the master ---- */

/* Closes what nobody took and forgets the body: it may have held a key or a token. */
static void worker_packet_done(struct lifeline_packet *p)
{
	for (unsigned i = 0; i < LIFELINE_FDS_MAX; i++)
		if (p->fd[i] >= 0) {
			close(p->fd[i]);
			p->fd[i] = -1;
		}
	p->fds = 0;
	sodium_memzero(p->body, p->size);
}

/* Takes one packet that is for this role. As lifeline_receive; -EPROTO: it is for another. */
static int worker_take_packet(struct worker *w)
{
	int error = lifeline_receive(w->lifeline, true, w->buffer);

	if (error || lifeline_permits(w->buffer->type, PEER_NONE, w->role))
		return error;
	log_error("packet-refused", "type=%s error=\"%s\"", lifeline_name(w->buffer->type),
		error_text(-EPROTO));
	worker_packet_done(w->buffer);
	return -EPROTO;
}

/* Waits for one packet before the loop runs, sending meanwhile what is unsent. */
static int worker_receive_blocking(struct worker *w, int timeout_ms)
{
	uint64_t end = clock_monotonic_ms() + (uint64_t)timeout_ms;

	for (;;) {
		struct pollfd p = {.fd = w->lifeline, .events = POLLIN};
		uint64_t now = clock_monotonic_ms();
		int error;

		worker_send_unsent(w);
		if (w->unsent)
			p.events |= POLLOUT;
		error = worker_take_packet(w);
		if (error != -EAGAIN)
			return error;
		if (now >= end)
			return -ETIMEDOUT;
		if (poll(&p, 1, (int)(end - now)) < 0 && errno != EINTR)
			return -errno;
	}
}

static int worker_hand_to_role(struct worker *w)
{
	int error = w->packet ? w->packet(w->arg, w->buffer) : 0;

	if (error)
		log_error("packet-refused", "type=%s error=\"%s\"", lifeline_name(w->buffer->type),
			error_text(error));
	worker_packet_done(w->buffer);
	return error;
}

static int worker_map_page(struct worker *w, int fd)
{
	struct stat st;
	void *page;

	/* Smaller than the page it should be, touching it would be a SIGBUS later. */
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < (off_t)sizeof(struct page))
		return -EBADMSG;
	page = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return -errno;
	w->page = page;
	counters_attach(w->page);
	return 0;
}

static int worker_set_signals(struct worker *w)
{
	sigset_t term;

	/* SIGINT goes to a whole foreground group: the master ends its workers in its own order. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR || signal(SIGINT, SIG_IGN) == SIG_ERR ||
		signal(SIGHUP, SIG_IGN) == SIG_ERR)
		return -errno;
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &term, NULL) < 0)
		return -errno;
	w->signals = signalfd(-1, &term, SFD_NONBLOCK | SFD_CLOEXEC);
	return w->signals < 0 ? -errno : 0;
}

static int worker_take_welcome(struct worker *w, enum peer_role role)
{
	int error = worker_receive_blocking(w, WELCOME_MS);

	if (error)
		return error;
	if (w->buffer->type != LIFELINE_WELCOME) {
		worker_packet_done(w->buffer);
		return -EPROTO;
	}
	memcpy(&w->welcome, w->buffer->body, sizeof(w->welcome));
	w->welcome.root[LIFELINE_PATH_MAX - 1] = 0;
	memcpy(w->jail.root, w->welcome.root, sizeof(w->jail.root));
	w->jail.carrier = w->welcome.carrier;
	w->jail.drop = w->welcome.drop;
	w->jail.uid = w->welcome.uid;
	w->jail.gid = w->welcome.gid;
	w->jail.fds_limit = w->welcome.fds_limit;
	error = w->welcome.role == role ? worker_map_page(w, w->buffer->fd[0]) : -EPROTO;
	worker_packet_done(w->buffer);
	return error;
}

int worker_begin(
	struct worker *w, enum peer_role role, worker_packet packet, worker_stop stop, void *arg)
{
	char name[16];
	int error;

	*w = (struct worker){.packet = packet,
		.stop = stop,
		.arg = arg,
		.lifeline = LIFELINE_FD,
		.role = role,
		.signals = -1,
		.jail = {.role = role,
			.lifeline = LIFELINE_FD,
			.tell = worker_tell_step,
			.arg = w,
			.stores = -1,
			.back = -1}};
	w->unsent_end = &w->unsent;
	log_init(role_name(role), -1, LOG_INFO, NULL, NULL);
	if (sodium_init() < 0 || !(w->buffer = calloc(1, sizeof(*w->buffer)))) {
		log_error("worker-begin-failed", "error=\"%s\"", error_text(-ENOMEM));
		return -ENOMEM;
	}
	if (fcntl(LIFELINE_FD, F_SETFD, FD_CLOEXEC) < 0)
		error = -errno;
	else
		error = jail_stray_fds(&w->jail);
	if (error == 0)
		error = worker_set_signals(w);
	if (error == 0)
		error = worker_take_welcome(w, role);
	if (error == 0)
		error = loop_new(&w->loop);
	if (error) {
		log_error("worker-begin-failed", "error=\"%s\"", error_text(error));
		return error;
	}
	snprintf(name, sizeof(name), "%s-%u", role_name(role), w->welcome.index);
	prctl(PR_SET_NAME, name, 0, 0, 0);
	log_init(role_name(role), w->welcome.index, (enum log_level)w->welcome.log_level,
		worker_log_to_master, w);
	loop_progress(w->loop, &w->page->progress);
	return 0;
}

static void worker_take_log_level(struct worker *w)
{
	const struct lifeline_log_level *order = (const void *)w->buffer->body;

	log_set_level((enum log_level)order->level);
	worker_packet_done(w->buffer);
}

int worker_receive(struct worker *w)
{
	for (;;) {
		int error = worker_receive_blocking(w, CONFIGURE_MS);

		if (error) {
			log_error("worker-configure-failed", "error=\"%s\"", error_text(error));
			return error;
		}
		switch (w->buffer->type) {
		case LIFELINE_GO: worker_packet_done(w->buffer); return 0;
		case LIFELINE_STOP:
			worker_packet_done(w->buffer);
			log_info("worker-stopped", "before=go");
			return -ECANCELED;
		case LIFELINE_LOG_LEVEL: worker_take_log_level(w); continue;
		case LIFELINE_PROBE:
			if (!w->probe)
				w->probe = calloc(1, sizeof(*w->probe));
			if (w->probe)
				memcpy(w->probe, w->buffer->body, sizeof(*w->probe));
			worker_packet_done(w->buffer);
			if (!w->probe)
				return -ENOMEM;
			w->probe->path[sizeof(w->probe->path) - 1] = 0;
			continue;
		case LIFELINE_WELCOME:
			worker_packet_done(w->buffer);
			log_error("worker-configure-failed", "error=\"%s\"", error_text(-EPROTO));
			return -EPROTO;
		}
		error = worker_hand_to_role(w);
		if (error)
			return error;
	}
}

/* ---- the loop ---- */

void worker_leave(struct worker *w)
{
	loop_unset(w->loop, &w->deadline);
	loop_stop(w->loop);
}

static void worker_deadline_passed(struct timer *t, void *arg)
{
	(void)t;
	log_warn("grace-passed", "%s", "");
	worker_leave(arg);
}

/* Begins the end once; a second order may only shorten the time. */
static void worker_finish(struct worker *w, uint32_t grace_ms)
{
	if (w->leaving) {
		if (timer_armed(&w->deadline) && loop_now(w->loop) + grace_ms < w->deadline.due)
			loop_set(w->loop, &w->deadline, grace_ms);
		return;
	}
	w->leaving = true;
	loop_set(w->loop, &w->deadline, grace_ms);
	if (w->stop && grace_ms)
		w->stop(w->arg, grace_ms);
	else
		worker_leave(w);
}

static void worker_master_gone(struct worker *w)
{
	loop_remove(w->loop, w->source);
	w->source = NULL;
	worker_finish(w, ORPHAN_GRACE_MS);
}

static void worker_fail(struct worker *w, int error)
{
	w->error = error;
	worker_leave(w);
}

static void worker_on_lifeline(void *arg, uint32_t events)
{
	struct worker *w = arg;

	if (events & EPOLLOUT)
		worker_send_unsent(w);
	for (int i = 0; i < PACKETS_PER_TURN && w->source && !w->error; i++) {
		struct lifeline_stop stop;
		int error = worker_take_packet(w);

		if (error == -EAGAIN)
			return;
		if (error == -EPIPE) {
			worker_master_gone(w);
			return;
		}
		if (error) {
			log_error("lifeline-failed", "error=\"%s\"", error_text(error));
			worker_fail(w, error);
			return;
		}
		switch (w->buffer->type) {
		case LIFELINE_STOP:
			memcpy(&stop, w->buffer->body, sizeof(stop));
			worker_packet_done(w->buffer);
			worker_finish(w, stop.grace_ms);
			break;
		case LIFELINE_LOG_LEVEL: worker_take_log_level(w); break;
		case LIFELINE_PING: /* that it came is all: this turn has moved the progress mark */
			worker_packet_done(w->buffer);
			break;
		case LIFELINE_WELCOME:
		case LIFELINE_PROBE:
		case LIFELINE_GO:
			worker_packet_done(w->buffer);
			log_error("lifeline-failed", "error=\"%s\"", error_text(-EPROTO));
			worker_fail(w, -EPROTO);
			return;
		default:
			error = worker_hand_to_role(w);
			if (error)
				worker_fail(w, error);
		}
	}
}

static void worker_on_signal(void *arg, uint32_t events)
{
	struct worker *w = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(w->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		worker_finish(w, ORPHAN_GRACE_MS);
}

/* The jail is closed: there is nothing else to do here than to try it. */
static void worker_run_probe(struct worker *w) __attribute__((noreturn));
static void worker_run_probe(struct worker *w)
{
	struct lifeline_probe_result result = {.act = w->probe->act, .variant = w->probe->variant};

	result.error = probe_try(w->probe);
	worker_send(w, LIFELINE_PROBE_RESULT, &result, sizeof(result), NULL, 0);
	while (w->unsent || w->probe->act == PROBE_HOLD) {
		int error = worker_receive_blocking(w, CONFIGURE_MS);

		if (error)
			_exit(error == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE);
		worker_packet_done(w->buffer);
	}
	_exit(EXIT_SUCCESS);
}

int worker_run(struct worker *w)
{
	int error;

	if (w->probe)
		worker_run_probe(w);
	timer_init(&w->deadline, worker_deadline_passed, w);
	error = loop_add(w->loop, w->lifeline, EPOLLIN, worker_on_lifeline, w, &w->source);
	if (error == 0)
		error = loop_add(
			w->loop, w->signals, EPOLLIN, worker_on_signal, w, &w->signal_source);
	if (error == 0)
		error = worker_send(w, LIFELINE_READY, NULL, 0, NULL, 0);
	if (error == -EPIPE) { /* the master went while we started: nothing is open yet */
		log_info("worker-stopped", "before=ready");
		return 0;
	}
	if (error) {
		log_error("worker-run-failed", "error=\"%s\"", error_text(error));
		return error;
	}
	worker_watch_lifeline(w);
	error = loop_run(w->loop);
	if (error)
		log_error("worker-run-failed", "error=\"%s\"", error_text(error));
	return error ? error : w->error;
}

int worker_map(int fd, const void **out, size_t *size)
{
	const int needed = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_SEAL;
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *at;

	if (seals < 0)
		return errno == EINVAL ? -EPERM : -errno;
	if ((seals & needed) != needed)
		return -EPERM;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size <= 0 || st.st_size > (off_t)MAP_MAX)
		return -EBADMSG;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	*out = at;
	*size = (size_t)st.st_size;
	return 0;
}
