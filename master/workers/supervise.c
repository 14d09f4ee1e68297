/* supervise.c - the lives of the workers.
 *
 * A death is learnt from SIGCHLD only; a closed lifeline or a packet that makes no sense merely
 * leads to one. Workers are less trusted than the master: every packet is checked against the state
 * that its worker is in, and what does not fit ends that worker.
 */
#include "supervise.h"

#include "common/log_format.h"
#include "common/log.h"
#include "configure.h"
#include "death_cause.h"
#include "drain.h"
#include "master/certificates/certificates.h"
#include "master/jail/jail_report.h"
#include "master/listen.h"
#include "master/spawn.h"
#include "master/state.h"
#include "scale.h"
#include "slots.h"
#include "watchdog.h"
#include "worker_table.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

/* Packets taken from one worker before the others have their turn, and from a dead one at most. */
#define PACKETS_PER_TURN 64
#define PACKETS_LAST 4096

/* One line of the log, with nothing in it that could pass for another line. */
static void worker_pass_log(struct worker_slot *w, const struct lifeline_packet *p)
{
	const char *text = (const char *)p->body + sizeof(struct lifeline_log);
	size_t n = p->size - sizeof(struct lifeline_log);
	char line[LOG_LINE_MAX + 1];
	uint64_t left_out;

	if (!log_limit_pass(&w->log_limit, loop_now(w->supervisor->loop), LOG_RATE_MAX,
		    LOG_LIMIT_SECOND, &left_out)) {
		count(WORKER_LOG_DROPPED);
		return;
	}
	if (n > LOG_LINE_MAX)
		n = LOG_LINE_MAX;
	for (size_t i = 0; i < n; i++)
		line[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	if (!log_format_write(line, n))
		count(WORKER_LOG_DROPPED);
}

static void supervise_look_whether_up(struct supervisor *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (!s->worker[i].retired && s->worker[i].state != WORKER_READY)
			return;
	if (!s->was_up && s->up)
		s->up(s->arg);
	s->was_up = true;
}

static void worker_became_ready(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;

	w->state = WORKER_READY;
	w->ready = loop_now(s->loop);
	w->failures = 0;
	w->seen = __atomic_load_n(&w->page->progress, __ATOMIC_RELAXED);
	w->waiting = w->idle = false;
	w->pinged = w->ready;
	loop_unset(s->loop, &w->timer);
	log_info("worker-ready", "peer=%s-%u pid=%d incarnation=%u after_ms=%llu",
		role_name(w->role), w->index, (int)w->pid, w->incarnation,
		(unsigned long long)(w->ready - w->started));
	certificates_ready(s->certificates, w);
	configure_tell_ready(w);
	scale_watch(s);
	supervise_look_whether_up(s);
}

/* False: the packet does not fit the state that its worker is in. last: the worker is dead, only
 * what it leaves behind counts. */
static bool supervise_take_packet(struct worker_slot *w, struct lifeline_packet *p, bool last)
{
	struct supervisor *s = w->supervisor;

	switch (p->type) {
	case LIFELINE_LOG: worker_pass_log(w, p); return true;
	case LIFELINE_STEP: {
		bool sane = jail_report_step(w, (const void *)p->body);

		if (s->refused && !s->stopping)
			supervise_stop(s, true);
		return sane;
	}
	case LIFELINE_NOTIFIER: {
		int fd = p->fd[0];

		p->fd[0] = -1;
		return jail_report_notifier(w, fd);
	}
	case LIFELINE_REPLY: {
		const struct lifeline_reply *reply = (const void *)p->body;

		s->reply(s->arg, w, reply->id, reply->last,
			(struct str){(const char *)(reply + 1), p->size - sizeof(*reply)});
		return true;
	}
	case LIFELINE_READY:
		if (last || w->state == WORKER_STOPPING)
			return true;
		if (w->state != WORKER_STARTING || w->waits_for_edges)
			return false;
		worker_became_ready(w);
		return true;
	case LIFELINE_ACK:
		if (w->role != PEER_SIP || s->carrier != CARRIER_ZEROMQ)
			return false;
		if (!last && worker_lives(w))
			configure_acknowledged(w, (const void *)p->body);
		return true;
	case LIFELINE_SLOTS_FREE:
		if (w->role == PEER_SIP)
			scale_slots_free(w, (const void *)p->body);
		return w->role == PEER_SIP;
	case LIFELINE_DRAINED: return last || drain_take(w, (const void *)p->body);
	case LIFELINE_WEB_ASK:
		return last || !s->web_ask || s->web_ask(s->arg, w, (const void *)p->body);
	case LIFELINE_FORWARD_ORDER:
		return last || !s->forward_order ||
		       s->forward_order(s->arg, w, (const void *)p->body);
	case LIFELINE_CDR_LOST:
		if (s->cdr_lost)
			s->cdr_lost(s->arg);
		return true;
	case LIFELINE_CERTIFICATES_RESULT:
		return last ||
		       certificates_result(s->certificates, w, (const void *)p->body, p->size);
	default: return false;
	}
}

static void supervise_take_packets(struct worker_slot *w, unsigned most, bool last)
{
	struct supervisor *s = w->supervisor;

	for (unsigned n = 0; n < most; n++) {
		int error = lifeline_receive(w->lifeline, false, s->packet);

		if (error == -EAGAIN)
			return;
		if (error == 0) {
			if (!lifeline_permits(s->packet->type, w->role, PEER_NONE) ||
				!supervise_take_packet(w, s->packet, last))
				error = -EBADMSG;
			for (unsigned i = 0; i < s->packet->fds; i++)
				if (s->packet->fd[i] >= 0)
					close(s->packet->fd[i]);
			if (error == 0 && w->lifeline < 0)
				return;
		}
		if (error == 0)
			continue;
		if (last)
			return;
		if (error == -EBADMSG) {
			count(WORKER_MISBEHAVED);
			log_error("worker-misbehaved", "peer=%s-%u pid=%d packet=%s state=%s",
				role_name(w->role), w->index, (int)w->pid,
				lifeline_name(s->packet->type), worker_state_name(w->state));
			worker_kill(w, "misbehaved");
		} else {
			/* It is leaving or has left: SIGCHLD tells; but not one that closed its
			 * lifeline to stay. */
			loop_remove(s->loop, w->source);
			w->source = NULL;
			if (w->state != WORKER_STOPPING) {
				w->state = WORKER_STOPPING;
				loop_set(s->loop, &w->timer, HANG_UP_MS);
			}
		}
		return;
	}
}

static void supervise_on_lifeline(void *arg, uint32_t events)
{
	struct worker_slot *w = arg;

	if (events & EPOLLOUT) {
		int left = outbox_flush(&w->outbox, w->lifeline);

		if (left < 0)
			outbox_clear(&w->outbox);
		worker_watch(w);
	}
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		supervise_take_packets(w, PACKETS_PER_TURN, false);
}

static void worker_back_off(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;
	uint64_t delay = BACKOFF_FIRST_MS;

	for (unsigned i = 0; i < w->failures && delay < BACKOFF_MAX_MS; i++)
		delay *= 2;
	if (delay > BACKOFF_MAX_MS)
		delay = BACKOFF_MAX_MS;
	w->failures++;
	log_warn("worker-back-off", "peer=%s-%u failures=%u delay_ms=%llu", role_name(w->role),
		w->index, w->failures, (unsigned long long)delay);
	loop_set(s->loop, &w->timer, delay);
	if (w->role == PEER_TRANSPORT && delay >= AWAY_MS)
		listen_suspend(s->listen, w->index);
}

static void worker_spawn(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;
	int error = worker_table_equip(w);

	if (error == 0 && w->role == PEER_TRANSPORT)
		error = listen_resume(s->listen, w->index);
	if (error == 0)
		error = spawn_worker(s->program[w->role], w->index, &w->pid, &w->lifeline);
	if (error < 0) {
		log_error("worker-spawn", "peer=%s-%u error=\"%s\"", role_name(w->role), w->index,
			error_text(error));
		worker_back_off(w);
		return;
	}
	w->incarnation = state_next_life(s->lives);
	w->state = WORKER_STARTING;
	w->started = loop_now(s->loop);
	w->ready = 0;
	w->killed = NULL;
	w->told_to_leave = false;
	w->lost.text[0] = '\0';
	w->starts++;
	for (size_t i = 0; i < sizeof(w->step_error) / sizeof(w->step_error[0]); i++)
		w->step_error[i] = -1;
	count(WORKER_STARTS);
	log_info("worker-started", "peer=%s-%u pid=%d incarnation=%u", role_name(w->role), w->index,
		(int)w->pid, w->incarnation);
	error = loop_add(s->loop, w->lifeline, EPOLLIN, supervise_on_lifeline, w, &w->source);
	if (error < 0) {
		log_error("worker-watch", "peer=%s-%u error=\"%s\"", role_name(w->role), w->index,
			error_text(error));
		worker_kill(w, "cannot-be-watched");
		return;
	}
	configure_worker(w);
}

static void worker_retire(struct worker_slot *w)
{
	scale_left(w);
	/* it may have been all that was waited for */
	supervise_look_whether_up(w->supervisor);
}

static void worker_timer_fired(struct timer *t, void *arg)
{
	struct worker_slot *w = arg;

	(void)t;
	switch (w->state) {
	case WORKER_DOWN:
		if (w->leaving)
			worker_retire(w);
		else if (!w->supervisor->stopping)
			worker_spawn(w);
		break;
	case WORKER_STARTING:
		if (w->waits_for_edges) {
			log_warn("edges-late", "peer=%s-%u", role_name(w->role), w->index);
			configure_go(w);
		} else {
			worker_kill(w, "never-ready");
		}
		break;
	case WORKER_READY: break;
	case WORKER_STOPPING: worker_kill(w, "did-not-leave"); break;
	}
}

/* Counters go on over lives; what a gauge told of this one is over. */
static void worker_clear_gauges(struct worker_slot *w)
{
	for (int c = 0; c < COUNTER_COUNT; c++)
		if (counter_rows[c].gauge)
			__atomic_store_n(&w->page->counter[c], 0, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < LABEL_TRUNKS; i++)
		labelled_set(&w->page->labelled.trunk_gauge[i], TRUNK_GAUGE_NONE);
}

static void supervise_stop_next(struct supervisor *s);

static void worker_died(struct worker_slot *w, int status)
{
	struct supervisor *s = w->supervisor;
	bool was_ready = w->ready != 0,
	     asked = w->told_to_leave && w->state == WORKER_STOPPING && !w->killed;

	supervise_take_packets(w, PACKETS_LAST, true);
	if (WIFSIGNALED(status))
		snprintf(w->last_end, sizeof(w->last_end), "signal %d (%s)", WTERMSIG(status),
			sigabbrev_np(WTERMSIG(status)) ?: "?");
	else
		snprintf(w->last_end, sizeof(w->last_end), "exit %d%s", WEXITSTATUS(status),
			WEXITSTATUS(status) == 127 ? " (exec failed)" : "");
	loop_remove(s->loop, w->source);
	w->source = NULL;
	close(w->lifeline);
	w->lifeline = -1;
	notifier_close(&w->notifier);
	outbox_clear(&w->outbox);
	loop_unset(s->loop, &w->timer);
	w->state = WORKER_DOWN;
	if (asked && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		log_info("worker-left", "peer=%s-%u pid=%d", role_name(w->role), w->index,
			(int)w->pid);
	} else {
		w->deaths++;
		count(WORKER_DEATHS);
		log_error("worker-died",
			"peer=%s-%u pid=%d incarnation=%u reason=\"%s\" killed=%s lived_ms=%llu "
			"ready=%s",
			role_name(w->role), w->index, (int)w->pid, w->incarnation, w->last_end,
			w->killed ? w->killed : "no",
			(unsigned long long)(loop_now(s->loop) - w->started),
			was_ready ? "yes" : "no");
	}
	w->pid = 0;
	worker_clear_gauges(w);
	death_cause_record(w, status);
	s->died(s->arg, w);
	configure_tell_death(w);
	if (s->stopping)
		return;
	if (w->leaving)
		worker_retire(w);
	else if (was_ready)
		worker_spawn(w);
	else
		worker_back_off(w);
	drain_check(s);
}

void supervise_reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		unsigned i = 0;

		while (i < s->count &&
			(s->worker[i].state == WORKER_DOWN || s->worker[i].pid != pid))
			i++;
		if (i < s->count)
			worker_died(&s->worker[i], status);
		else if (s->stranger)
			s->stranger(s->arg, pid, status);
	}
	if (s->stopping)
		supervise_stop_next(s);
}

static void worker_leave(struct worker_slot *w)
{
	struct lifeline_stop body = {.grace_ms = STOP_GRACE_MS};

	w->state = WORKER_STOPPING;
	w->told_to_leave = true;
	/* The worker's own bound comes first: it ends by itself if it can. */
	loop_set(w->supervisor->loop, &w->timer, STOP_GRACE_MS + STOP_GRACE_MS / 4);
	worker_tell(w, LIFELINE_STOP, &body, sizeof(body), -1);
}

/* Tells the workers of the next role to stop when all of those before have left. */
static void supervise_stop_next(struct supervisor *s)
{
	for (; s->stop_stage < ROLE_COUNT; s->stop_stage++) {
		unsigned left = 0;

		for (unsigned i = 0; i < s->count; i++) {
			struct worker_slot *w = &s->worker[i];

			if (w->role != s->stop_stage || w->state == WORKER_DOWN)
				continue;
			left++;
			if (worker_lives(w))
				worker_leave(w);
		}
		if (left)
			return;
	}
	loop_set(s->loop, &s->stop_timer, 0);
}

static void supervise_all_left(struct timer *t, void *arg)
{
	struct supervisor *s = arg;

	(void)t;
	s->stopped(s->arg);
}

void supervise_stop(struct supervisor *s, bool now)
{
	bool first = !s->stopping;

	s->stopping = true;
	loop_unset(s->loop, &s->watchdog);
	loop_unset(s->loop, &s->scale.timer);
	loop_unset(s->loop, &s->drain.timer);
	for (unsigned i = 0; i < s->count; i++) {
		if (s->worker[i].state == WORKER_DOWN)
			loop_unset(s->loop, &s->worker[i].timer);
		else if (now)
			worker_kill(&s->worker[i], "stop-now");
	}
	if (first)
		supervise_stop_next(s);
}

static void supervise_stop_gently(struct supervisor *s)
{
	supervise_stop(s, false);
}

static void supervise_add(struct supervisor *s, unsigned role, unsigned index)
{
	struct worker_slot *w = worker_find(s, role, index);

	if (!w) {
		if (worker_table_add(s, role, index, worker_timer_fired) == 0)
			worker_spawn(worker_find(s, role, index));
	} else if (w->retired) {
		w->retired = w->leaving = false;
		worker_spawn(w);
	} else if (w->leaving) {
		w->leaving = false;
		if (w->role != PEER_TRANSPORT)
			return;
		/* the start of its next life is tried until there are sockets */
		if (listen_resume(s->listen, index) == 0)
			configure_tell_sockets(w);
		else
			worker_kill(w, "cannot-listen");
	}
}

int supervise_open(struct supervisor *s)
{
	int error;

	scale_init(s, supervise_add, worker_leave);
	timer_init(&s->stop_timer, supervise_all_left, s);
	drain_init(s, supervise_stop_gently);
	slots_spread(&s->slots, s->role_count[PEER_SIP]);
	error = worker_table_open(s, worker_timer_fired);
	if (error == 0) {
		s->packet = malloc(sizeof(*s->packet));
		if (!s->packet)
			error = -ENOMEM;
	}
	if (error < 0)
		supervise_close(s);
	return error;
}

void supervise_start(struct supervisor *s)
{
	/* Those that transport workers talk to first: these have edges to all of them from the
	 * start. */
	for (unsigned r = ROLE_COUNT - 1; r >= ROLE_FIRST; r--)
		for (unsigned i = 0; i < s->count; i++)
			if (s->worker[i].role == r)
				worker_spawn(&s->worker[i]);
	watchdog_start(s);
}

void supervise_close(struct supervisor *s)
{
	worker_table_close(s);
	free(s->packet);
	s->packet = NULL;
}

void supervise_settings(struct supervisor *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (worker_lives(&s->worker[i]))
			worker_tell(&s->worker[i], LIFELINE_SETTINGS, NULL, 0,
				s->settings[s->worker[i].role]);
}

void supervise_users(struct supervisor *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (role_has(s->worker[i].role, ROLE_USERS) && worker_lives(&s->worker[i]))
			worker_tell(&s->worker[i], LIFELINE_USERS, NULL, 0, s->users);
}

void supervise_forwards(struct supervisor *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->worker[i].role == PEER_SIP && worker_lives(&s->worker[i]))
			worker_tell(&s->worker[i], LIFELINE_FORWARDS, NULL, 0, s->forwards);
}

void supervise_log_level(struct supervisor *s, enum log_level level)
{
	struct lifeline_log_level order = {.level = (uint8_t)level};

	s->log_level = order.level;
	log_set_level(level);
	for (unsigned i = 0; i < s->count; i++)
		if (worker_lives(&s->worker[i]))
			worker_tell(&s->worker[i], LIFELINE_LOG_LEVEL, &order, sizeof(order), -1);
}

void supervise_sockets(struct supervisor *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (worker_lives(&s->worker[i]))
			configure_tell_sockets(&s->worker[i]);
}

void supervise_close_listener(struct supervisor *s, unsigned listener)
{
	for (unsigned i = 0; i < s->count; i++)
		if (worker_lives(&s->worker[i]))
			configure_tell_closed(&s->worker[i], listener);
}

void supervise_web(struct supervisor *s, int fd)
{
	if (s->web > 0)
		close(s->web);
	s->web = fd;
	for (unsigned i = 0; i < s->count; i++)
		if (s->worker[i].role == PEER_WEB && worker_lives(&s->worker[i]))
			worker_leave(&s->worker[i]);
}

void supervise_cdr(struct supervisor *s, int fd)
{
	if (s->cdr > 0)
		close(s->cdr);
	s->cdr = fd;
	for (unsigned i = 0; i < s->count; i++)
		if (s->worker[i].role == PEER_SIP && worker_lives(&s->worker[i]))
			worker_tell(&s->worker[i], fd < 0 ? LIFELINE_CDR_NONE : LIFELINE_CDR, NULL,
				0, fd);
}

void supervise_hep(struct supervisor *s, int fd, const struct lifeline_hep *how)
{
	if (s->hep > 0)
		close(s->hep);
	s->hep = fd;
	s->hep_how = *how;
	for (unsigned i = 0; i < s->count; i++)
		if (s->worker[i].role == PEER_TRANSPORT && worker_lives(&s->worker[i]))
			configure_tell_collector(&s->worker[i]);
}
