/* loop.c - the event loop: epoll for what comes from outside, the wheel for time. Relies on wheel.c and on epoll_wait counting whole
 * milliseconds from its call, never less.
 *
 * A turn: sleep, read the clock, events, timers, turn callbacks. Events go before timers, so that an answer that waited in a socket while
 * this process was held up is seen before its time-out fires. A source removed while events of the same batch are pending is kept, marked
 * dead, until the turn ends.
 */
#include "loop.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* Events of one epoll_wait: enough to share the cost of the call, few enough that timers are not held up. */
#define LOOP_BATCH 64

#define NS_PER_MS UINT64_C(1000000)

struct loop_source {
	struct loop_source *next, **link; /* the loop's list of live or of dead ones */
	int fd;
	uint32_t events;
	bool dead;
	loop_callback callback;
	void *arg;
};

struct loop {
	int epoll;
	struct wheel *wheel;
	uint64_t now_ns;
	struct loop_source *live, *dead;
	struct {
		loop_turn callback;
		void *arg;
	} turn[LOOP_TURN_MAX];
	int turns;
	bool in_turn; /* callbacks run: nothing is freed under them */
	bool again;   /* a turn callback left work */
	bool stopped;
	uint64_t *progress;
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

int loop_new(struct loop **out)
{
	struct loop *l = calloc(1, sizeof(*l));
	int rc;

	if (!l)
		return -ENOMEM;
	l->now_ns = clock_ns();
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		rc = -errno;
		free(l);
		return rc;
	}
	rc = wheel_new(&l->wheel, loop_now(l));
	if (rc) {
		close(l->epoll);
		free(l);
		return rc;
	}
	*out = l;
	return 0;
}

static void source_link(struct loop_source **head, struct loop_source *s)
{
	s->next = *head;
	s->link = head;
	if (s->next)
		s->next->link = &s->next;
	*head = s;
}

static void source_unlink(struct loop_source *s)
{
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
}

static void sources_free(struct loop_source **head)
{
	while (*head) {
		struct loop_source *s = *head;
		source_unlink(s);
		free(s);
	}
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	assert(!l->in_turn);
	sources_free(&l->live);
	sources_free(&l->dead);
	wheel_free(l->wheel);
	close(l->epoll);
	free(l);
}

int loop_add(struct loop *l, int fd, uint32_t events, loop_callback callback, void *arg, struct loop_source **out)
{
	struct loop_source *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*s = (struct loop_source){.fd = fd, .events = events, .callback = callback, .arg = arg};
	struct epoll_event event = {.events = events, .data.ptr = s};
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		int rc = -errno;
		free(s);
		return rc;
	}
	source_link(&l->live, s);
	if (out)
		*out = s;
	return 0;
}

int loop_modify(struct loop *l, struct loop_source *s, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = s};

	assert(!s->dead);
	if (epoll_ctl(l->epoll, EPOLL_CTL_MOD, s->fd, &event) < 0)
		return -errno;
	s->events = events;
	return 0;
}

void loop_remove(struct loop *l, struct loop_source *s)
{
	if (!s)
		return;
	assert(!s->dead);
	/* Fails where fd was closed before: the kernel has forgotten it then. */
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, s->fd, NULL);
	source_unlink(s);
	if (!l->in_turn) {
		free(s);
		return;
	}
	s->dead = true;
	source_link(&l->dead, s);
}

int loop_on_turn(struct loop *l, loop_turn callback, void *arg)
{
	if (l->turns == LOOP_TURN_MAX)
		return -ENOSPC;
	l->turn[l->turns].callback = callback;
	l->turn[l->turns].arg = arg;
	l->turns++;
	return 0;
}

uint64_t loop_now(const struct loop *l)
{
	return l->now_ns / NS_PER_MS;
}

uint64_t loop_now_ns(const struct loop *l)
{
	return l->now_ns;
}

void loop_set(struct loop *l, struct timer *t, uint64_t delay)
{
	uint64_t due = loop_now(l);

	/* The millisecond that has begun does not count, or the timer would fire up to one early. */
	if (delay && l->now_ns % NS_PER_MS)
		due++;
	wheel_set(l->wheel, t, delay > UINT64_MAX - due ? UINT64_MAX : due + delay);
}

void loop_unset(struct loop *l, struct timer *t)
{
	wheel_stop(l->wheel, t);
}

/* How long epoll_wait may sleep: until the wheel's next tick, at most limit (-1: no limit). Rounded up: rounded down it would come back
 * just before the deadline and spin there. */
static int sleep_ms(const struct loop *l, int limit)
{
	if (l->again)
		return 0;
	uint64_t next = wheel_next(l->wheel);
	if (next == UINT64_MAX)
		return limit;

	uint64_t now_ns = clock_ns(), now = now_ns / NS_PER_MS;
	/* next counts from the start of its millisecond, and now is within one: next - now is the rest rounded up. */
	uint64_t wait = next > now ? next - now : 0;
	if (wait > INT_MAX)
		wait = INT_MAX;
	return limit >= 0 && (uint64_t)limit < wait ? limit : (int)wait;
}

int loop_once(struct loop *l, int timeout_ms)
{
	struct epoll_event batch[LOOP_BATCH];

	assert(!l->in_turn);
	int n = epoll_wait(l->epoll, batch, LOOP_BATCH, sleep_ms(l, timeout_ms < 0 ? -1 : timeout_ms));
	if (n < 0 && errno != EINTR)
		return -errno;
	l->now_ns = clock_ns();
	l->again = false;
	l->in_turn = true;

	for (int i = 0; i < n; i++) {
		struct loop_source *s = batch[i].data.ptr;
		/* Events that an earlier callback of this batch took off the watch are no longer its business. */
		uint32_t events = batch[i].events & (s->events | EPOLLERR | EPOLLHUP);
		if (!s->dead && events)
			s->callback(s->arg, events);
	}
	wheel_advance(l->wheel, loop_now(l));
	for (int i = 0; i < l->turns; i++)
		if (l->turn[i].callback(l->turn[i].arg))
			l->again = true;

	l->in_turn = false;
	sources_free(&l->dead);
	if (l->progress)
		__atomic_store_n(l->progress, __atomic_load_n(l->progress, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
	return 0;
}

int loop_run(struct loop *l)
{
	int rc = 0;

	/* A stop before the run counts too: it may come from setting up. The first turn does not sleep: setting up may have taken an event off an edge-triggered fd (libzmq's), and
	 * only the end of a turn looks what came of it. */
	if (!l->stopped)
		rc = loop_once(l, 0);
	while (!l->stopped && rc == 0)
		rc = loop_once(l, -1);
	l->stopped = false;
	return rc;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
}

void loop_progress(struct loop *l, uint64_t *progress)
{
	l->progress = progress;
}
