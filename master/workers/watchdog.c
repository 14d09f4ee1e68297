/* watchdog.c - finds workers that hang, by the progress mark in their shared page.
 *
 * The mark moves with every turn of a worker's loop, and an idle worker makes none. So a mark that
 * stands still is questioned with a PING, which makes a healthy worker turn; one that has not
 * turned by the next look hangs and is killed. A worker is questioned when it has just stopped
 * moving or has input waiting, and otherwise only now and then, so that an idle one is left asleep.
 *
 * One that used the processor meanwhile hangs on what it has in hand; one that did not stands
 * still, stopped or waiting for a disk or a lock, and what it has in hand is not to blame.
 */
#include "watchdog.h"

#include "common/log.h"
#include "master/listen.h"

#include <stdio.h>
#include <time.h>

/* Turns that the answer to a PING may take. */
#define PING_TURNS 4
/* One that hangs uses more of the processor than this while the watchdog waits, on a machine that
 * is busy with others too. */
#define STANDS_STILL_MS 100

/* Milliseconds of processor time that a process has used: of its clock, whose number the C library
 * would ask the kernel to confirm. */
static uint64_t watchdog_cpu_ms(pid_t pid)
{
	const clockid_t clock = (clockid_t)((~(unsigned)pid << 3) |
					    2); /* CPUCLOCK_SCHED of the whole process */
	struct timespec t;

	return clock_gettime(clock, &t) < 0
	               ? 0
	               : (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void watchdog_question(struct worker_slot *w, uint64_t now)
{
	w->pinged = now;
	w->pinged_cpu = watchdog_cpu_ms(w->pid);
	w->waiting = true;
	worker_tell(w, LIFELINE_PING, NULL, 0, -1);
}

static void watchdog_look(struct worker_slot *w, uint64_t now)
{
	uint64_t progress = __atomic_load_n(&w->page->progress, __ATOMIC_RELAXED),
		 moved = progress - w->seen;

	w->seen = progress;
	if (moved) {
		/* Progress that an answer made is no activity: otherwise each answer would be
		 * followed by a new question. */
		w->idle = w->waiting && moved <= PING_TURNS;
		w->waiting = false;
		return;
	}
	if (w->waiting) {
		w->hangs++;
		count(WORKER_HANGS);
		uint64_t used = watchdog_cpu_ms(w->pid) - w->pinged_cpu;
		log_error("worker-hangs",
			"peer=%s-%u pid=%d incarnation=%u silent_ms=%llu cpu_ms=%llu",
			role_name(w->role), w->index, (int)w->pid, w->incarnation,
			(unsigned long long)(now - w->pinged), (unsigned long long)used);
		worker_kill(w, used < STANDS_STILL_MS ? KILLED_STANDS_STILL : KILLED_HANGS);
		return;
	}
	bool pending = w->role == PEER_TRANSPORT && listen_pending(w->supervisor->listen, w->index);
	if (!w->idle || pending || now - w->pinged >= WATCHDOG_IDLE_MS)
		watchdog_question(w, now);
}

static void watchdog_look_at_all(struct timer *t, void *arg)
{
	struct supervisor *s = arg;
	uint64_t now = loop_now(s->loop);

	/* Set first: the time of a look counts. */
	loop_set(s->loop, t, WATCHDOG_MS);
	for (unsigned i = 0; i < s->count; i++)
		if (s->worker[i].state == WORKER_READY)
			watchdog_look(&s->worker[i], now);
}

void watchdog_start(struct supervisor *s)
{
	timer_init(&s->watchdog, watchdog_look_at_all, s);
	loop_set(s->loop, &s->watchdog, WATCHDOG_MS);
}
