/* loop.c - the event loop: epoll for what comes from outside, the wheel for time. Relies on wheel.c
 * and on epoll_wait counting whole milliseconds from its call, never less.
 *
 * A turn: sleep, read the clock, events, timers, turn callbacks. Events go before timers, so that
 * an answer that waited in a socket while this process was held up is seen before its time-out
 * fires; input that gathers is seen up to two milliseconds late, after timers that fire meanwhile.
 * A source removed while events of the same batch are pending is kept, marked dead, until the turn
 * ends.
 */
#include "loop.h"

#include "clock.h"
#include "list.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

/* Events of one epoll_wait: enough to share the cost of the call, few enough that timers are not
 * held up. */
#define LOOP_BATCH 64
/* Input is gathered for LOOP_GATHER_NS while messages come no more than GATHER_GAP_NS_MAX apart.
 * What a look costs is wake-ups, three a round through both workers and back (over ZeroMQ seven:
 * loop_gather_for), and they cost the same for one message as for twenty. Against a quarter of a
 * millisecond, three quarters took a tenth less CPU at 2,000 calls a second and a fifth less at
 * 3,000, and doubled the time of set-up. Where fewer than GATHER_FEW would come in that time
 * (GATHER_FEW_EACH for each of several processes, or four would be woken for one message each) it
 * is up to a millisecond; where they come so fast that GATHER_FULL for each are there earlier, it
 * looks earlier: more gain nothing. */
#define GATHER_NS_MAX UINT64_C(999000)
/* The longest that loop_gather_for may ask for: twice that is added to a call's set-up. */
#define GATHER_NS_LONGEST UINT64_C(2000000)
#define GATHER_FEW 3
#define GATHER_FEW_EACH 12
#define GATHER_FULL 32
#define GATHER_GAP_NS_MAX UINT64_C(999000)
/* The time between messages is averaged over about so many looks; longer pauses count as
 * GATHER_PAUSE_NS: one of them, and the loop is no longer busy. */
#define GATHER_LOOKS 8
#define GATHER_PAUSE_NS UINT64_C(20000000)

struct loop_source {
	struct loop_source *next, **link; /* the loop's list of live or of dead ones */
	int fd;
	uint32_t events;
	bool dead;
	int epoll; /* that watches it: the loop's, input or answers */
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
	/* Gathered input: its sources are watched by an epoll of their own, which the loop's
	 * watches (one shot) only while nothing is gathering. */
	int input;            /* -1: none */
	uint64_t looked_ns;   /* when input last had something */
	unsigned taken;       /* messages since then */
	uint64_t sum_ns, sum; /* time and messages (in 1/256), older looks counting ever less */
	uint64_t look_due_ns; /* when to look again; 0: it is watched */
	/* The answers to gathered input, in an epoll of their own, too. */
	int answers; /* -1: none */
	struct loop_gathering gathering;
	unsigned share;          /* processes that it is handed on to */
	uint64_t answers_due_ns; /* when to look; 0: it is watched */
};

int loop_new(struct loop **out)
{
	struct loop *l = calloc(1, sizeof(*l));
	int error;

	if (!l)
		return -ENOMEM;
	l->input = l->answers = -1;
	l->now_ns = clock_monotonic_ns();
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		error = -errno;
		free(l);
		return error;
	}
	error = wheel_new(&l->wheel, loop_now(l));
	if (error) {
		close(l->epoll);
		free(l);
		return error;
	}
	*out = l;
	return 0;
}

static void loop_sources_free(struct loop_source **head)
{
	while (*head) {
		struct loop_source *s = *head;

		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it takes s off the list */
		list_remove(s);
		free(s);
	}
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	assert(!l->in_turn);
	loop_sources_free(&l->live);
	loop_sources_free(&l->dead);
	wheel_free(l->wheel);
	if (l->input >= 0)
		close(l->input);
	if (l->answers >= 0)
		close(l->answers);
	close(l->epoll);
	free(l);
}

static int loop_add_source(struct loop *l, int fd, uint32_t events, int epoll,
	loop_callback callback, void *arg, struct loop_source **out)
{
	struct loop_source *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	*s = (struct loop_source){
		.fd = fd, .events = events, .epoll = epoll, .callback = callback, .arg = arg};
	struct epoll_event event = {.events = events, .data.ptr = s};
	if (epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		int error = -errno;

		free(s);
		return error;
	}
	list_insert(&l->live, s);
	if (out)
		*out = s;
	return 0;
}

int loop_add(struct loop *l, int fd, uint32_t events, loop_callback callback, void *arg,
	struct loop_source **out)
{
	return loop_add_source(l, fd, events, l->epoll, callback, arg, out);
}

int loop_add_input(struct loop *l, int fd, uint32_t events, loop_callback callback, void *arg,
	struct loop_source **out)
{
	return loop_add_source(
		l, fd, events, l->input >= 0 ? l->input : l->epoll, callback, arg, out);
}

int loop_add_answers(struct loop *l, int fd, uint32_t events, loop_callback callback, void *arg,
	struct loop_source **out)
{
	return loop_add_source(
		l, fd, events, l->answers >= 0 ? l->answers : l->epoll, callback, arg, out);
}

/* An epoll that the loop's watches for events; its address tells it from sources. */
static int loop_nest(struct loop *l, uint32_t events, int *out)
{
	struct epoll_event event = {.events = events, .data.ptr = out};
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
		int error = -errno;

		close(fd);
		return error;
	}
	*out = fd;
	return 0;
}

static int loop_watch(struct loop *l, uint32_t events, int *nested)
{
	struct epoll_event event = {.events = events, .data.ptr = nested};

	return epoll_ctl(l->epoll, EPOLL_CTL_MOD, *nested, &event) < 0 ? -errno : 0;
}

int loop_gather(struct loop *l)
{
	int error;

	assert(l->input < 0);
	error = loop_nest(l, EPOLLIN | EPOLLONESHOT, &l->input);
	if (error == 0)
		error = loop_nest(l, EPOLLIN, &l->answers);
	if (error)
		return error;
	l->sum_ns = GATHER_PAUSE_NS;
	l->share = 1;
	l->gathering = (struct loop_gathering){LOOP_GATHER_NS, 0, LOOP_ANSWERS_NS};
	return 0;
}

void loop_gather_for(struct loop *l, const struct loop_gathering *gathering)
{
	l->gathering = *gathering;
}

void loop_share(struct loop *l, unsigned processes)
{
	l->share = processes ? processes : 1;
}

void loop_expect(struct loop *l)
{
	if (l->look_due_ns && !l->answers_due_ns && loop_watch(l, 0, &l->answers) == 0)
		l->answers_due_ns = clock_monotonic_ns() + l->gathering.answers_ns;
}

void loop_took(struct loop *l)
{
	l->taken++;
}

int loop_modify(struct loop *l, struct loop_source *s, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = s};

	(void)l;
	assert(!s->dead);
	if (epoll_ctl(s->epoll, EPOLL_CTL_MOD, s->fd, &event) < 0)
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
	epoll_ctl(s->epoll, EPOLL_CTL_DEL, s->fd, NULL);
	list_remove(s);
	if (!l->in_turn) {
		free(s);
		return;
	}
	s->dead = true;
	list_insert(&l->dead, s);
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
	return l->now_ns / CLOCK_NS_PER_MS;
}

uint64_t loop_now_ns(const struct loop *l)
{
	return l->now_ns;
}

void loop_set(struct loop *l, struct timer *t, uint64_t delay)
{
	uint64_t due = loop_now(l);

	/* The millisecond that has begun does not count, or the timer would fire up to one
	 * early. */
	if (delay && l->now_ns % CLOCK_NS_PER_MS)
		due++;
	wheel_set(l->wheel, t, delay > UINT64_MAX - due ? UINT64_MAX : due + delay);
}

void loop_unset(struct loop *l, struct timer *t)
{
	wheel_stop(l->wheel, t);
}

/* The time that epoll_wait may sleep: until the wheel's next tick, at most limit (-1: no limit).
 * Rounded up: rounded down it would come back just before the deadline and spin there. */
static int loop_sleep_ms(const struct loop *l, int limit)
{
	if (l->again)
		return 0;
	uint64_t next = wheel_next(l->wheel);
	if (next == UINT64_MAX)
		return limit;

	uint64_t now_ns = clock_monotonic_ns(), now = now_ns / CLOCK_NS_PER_MS;
	/* next counts from the start of its millisecond, and now is within one: next - now is the
	 * rest rounded up. */
	uint64_t wait = next > now ? next - now : 0;
	if (wait > INT_MAX)
		wait = INT_MAX;
	return limit >= 0 && (uint64_t)limit < wait ? limit : (int)wait;
}

/* epoll_wait with loop_sleep_ms; while input gathers, no longer than until it is due. */
static int loop_sleep_until(const struct loop *l, struct epoll_event batch[LOOP_BATCH], int limit)
{
	int wait = loop_sleep_ms(l, limit);

	if (l->look_due_ns && wait != 0) {
		uint64_t due = l->answers_due_ns && l->answers_due_ns < l->look_due_ns
		                       ? l->answers_due_ns
		                       : l->look_due_ns;
		uint64_t now = clock_monotonic_ns(), left = due > now ? due - now : 0;
		struct timespec pause;

		if (wait > 0 && left > (uint64_t)wait * CLOCK_NS_PER_MS)
			left = (uint64_t)wait * CLOCK_NS_PER_MS;
		pause = (struct timespec){.tv_nsec = (long)left};

		return epoll_pwait2(l->epoll, batch, LOOP_BATCH, &pause, NULL);
	}
	return epoll_wait(l->epoll, batch, LOOP_BATCH, wait);
}

static void loop_dispatch(const struct epoll_event batch[LOOP_BATCH], int n)
{
	for (int i = 0; i < n; i++) {
		struct loop_source *s = batch[i].data.ptr;

		/* Events that an earlier callback of this batch took off the watch are no longer
		 * its business. */
		uint32_t events = batch[i].events & (s->events | EPOLLERR | EPOLLHUP);
		if (!s->dead && events)
			s->callback(s->arg, events);
	}
}

/* The time to gather whatever comes, by what waking the processes behind costs. */
static uint64_t loop_gather_least(const struct loop *l)
{
	uint64_t least = l->gathering.least_ns + l->gathering.each_ns * (l->share - 1);

	return least < GATHER_NS_LONGEST ? least : GATHER_NS_LONGEST;
}

/* The time to gather, going by what came since input was last looked at; 0: not at all, for a
 * further message is not likely to come within that time. */
static uint64_t loop_gather_time(struct loop *l)
{
	uint64_t passed = l->now_ns - l->looked_ns, gap;

	l->sum_ns += (passed < GATHER_PAUSE_NS ? passed : GATHER_PAUSE_NS) -
	             l->sum_ns / GATHER_LOOKS;
	l->sum += (l->taken ? l->taken : 1) * UINT64_C(256) - l->sum / GATHER_LOOKS;
	l->looked_ns = l->now_ns;
	l->taken = 0;
	gap = l->sum_ns / (l->sum / 256);
	if (gap > GATHER_GAP_NS_MAX)
		return 0;
	uint64_t full = gap * GATHER_FULL * l->share,
		 few = gap * (l->share == 1 ? GATHER_FEW : GATHER_FEW_EACH * l->share),
		 least = loop_gather_least(l), wait = few < GATHER_NS_MAX ? few : GATHER_NS_MAX;
	if (wait < least)
		wait = least;
	return wait < full ? wait : full;
}

/* Takes what has gathered. Where there was something and the loop is busy, more may gather; else
 * input is watched again. */
static int loop_look(struct loop *l)
{
	struct epoll_event batch[LOOP_BATCH];
	int n = epoll_wait(l->input, batch, LOOP_BATCH, 0);

	if (n < 0 && errno != EINTR)
		return -errno;
	uint64_t wait = 0;
	if (n > 0) {
		loop_dispatch(batch, n);
		wait = loop_gather_time(l);
	}
	l->look_due_ns = n == LOOP_BATCH ? l->now_ns : wait ? l->now_ns + wait : 0;
	return l->look_due_ns ? 0 : loop_watch(l, EPOLLIN | EPOLLONESHOT, &l->input);
}

/* Takes the answers that have come; from now on further ones are seen at once. */
static int loop_look_at_answers(struct loop *l)
{
	struct epoll_event batch[LOOP_BATCH];
	int n = epoll_wait(l->answers, batch, LOOP_BATCH, 0);

	if (n < 0 && errno != EINTR)
		return -errno;
	loop_dispatch(batch, n);
	if (!l->answers_due_ns)
		return 0;
	l->answers_due_ns = 0;
	return loop_watch(l, EPOLLIN, &l->answers);
}

int loop_once(struct loop *l, int timeout_ms)
{
	struct epoll_event batch[LOOP_BATCH];
	int error = 0;

	assert(!l->in_turn);
	int n = loop_sleep_until(l, batch, timeout_ms < 0 ? -1 : timeout_ms);
	if (n < 0 && errno != EINTR)
		return -errno;
	l->now_ns = clock_monotonic_ns();
	l->again = false;
	l->in_turn = true;

	bool input = l->look_due_ns && l->now_ns >= l->look_due_ns,
	     answers = l->answers_due_ns && (input || l->now_ns >= l->answers_due_ns);
	for (int i = 0; i < n; i++)
		if (batch[i].data.ptr == &l->input || batch[i].data.ptr == &l->answers) {
			*(batch[i].data.ptr == &l->input ? &input : &answers) = true;
			batch[i--] = batch[--n];
		}
	loop_dispatch(batch, n);
	if (answers)
		error = loop_look_at_answers(l);
	if (input && error == 0)
		error = loop_look(l);
	wheel_advance(l->wheel, loop_now(l));
	for (int i = 0; i < l->turns; i++)
		if (l->turn[i].callback(l->turn[i].arg))
			l->again = true;

	l->in_turn = false;
	loop_sources_free(&l->dead);
	if (l->progress)
		__atomic_store_n(l->progress, __atomic_load_n(l->progress, __ATOMIC_RELAXED) + 1,
			__ATOMIC_RELAXED);
	return error;
}

int loop_run(struct loop *l)
{
	int error = 0;

	/* A stop before the run counts too: it may come from setting up. The first turn does not
	 * sleep: setting up may have left something that the end of a turn sends. */
	if (!l->stopped)
		error = loop_once(l, 0);
	while (!l->stopped && error == 0)
		error = loop_once(l, -1);
	l->stopped = false;
	return error;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
}

void loop_progress(struct loop *l, uint64_t *progress)
{
	l->progress = progress;
}
