/* common-loop.c - the event loop with pipes and timers. */
#include "common/loop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

static struct loop *loop;

static uint64_t clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 * MS + (uint64_t)ts.tv_nsec;
}

static void setup(void)
{
	cr_assert_eq(loop_new(&loop), 0);
}

static void teardown(void)
{
	loop_free(loop);
}

TestSuite(loop, .init = setup, .fini = teardown, .timeout = 20);

/* One end of a pipe in the loop, with what its callback shall do. */
struct end {
	int fd[2];
	struct loop_source *source;
	int calls;
	uint32_t events;
	struct end *victim; /* removed by the callback */
	bool replace;       /* and its fd closed, opened anew and added again */
	struct end *mute;   /* its events set to none */
};

static void on_pipe(void *arg, uint32_t events)
{
	struct end *e = arg;
	char byte;

	e->calls++;
	e->events = events;
	if (events & EPOLLIN)
		cr_assert_eq(read(e->fd[0], &byte, 1), 1);
	if (e->mute)
		cr_assert_eq(loop_modify(loop, e->mute->source, 0), 0);
	if (e->victim && e->victim->source) {
		struct end *v = e->victim;

		loop_remove(loop, v->source);
		v->source = NULL;
		if (v->replace) {
			int number = v->fd[0];

			close(v->fd[0]);
			close(v->fd[1]);
			cr_assert_eq(pipe(v->fd), 0);
			cr_assert(v->fd[0] == number || v->fd[1] == number);
			cr_assert_eq(loop_add(loop, v->fd[0], EPOLLIN, on_pipe, v, &v->source), 0);
		}
	}
}

static void open_end(struct end *e)
{
	*e = (struct end){0};
	cr_assert_eq(pipe(e->fd), 0);
	cr_assert_eq(loop_add(loop, e->fd[0], EPOLLIN, on_pipe, e, &e->source), 0);
}

static void poke(struct end *e)
{
	cr_assert_eq(write(e->fd[1], "x", 1), 1);
}

static void close_end(struct end *e)
{
	loop_remove(loop, e->source);
	close(e->fd[0]);
	close(e->fd[1]);
}

Test(loop, hands_events_to_their_callbacks)
{
	struct end a, b;

	open_end(&a);
	open_end(&b);
	poke(&b);
	cr_assert_eq(loop_once(loop, -1), 0);
	cr_assert_eq(a.calls, 0);
	cr_assert_eq(b.calls, 1);
	cr_assert_eq(b.events, EPOLLIN);
	cr_assert_eq(loop_once(loop, 0), 0);
	cr_assert_eq(b.calls, 1);
	close(b.fd[1]);
	b.fd[1] = -1;
	cr_assert_eq(loop_once(loop, -1), 0);
	cr_assert_eq(b.events, EPOLLHUP);
	close_end(&a);
	close_end(&b);
}

Test(loop, a_callback_may_remove_its_own_source)
{
	struct end a;

	open_end(&a);
	a.victim = &a;
	poke(&a);
	poke(&a);
	cr_assert_eq(loop_once(loop, -1), 0);
	cr_assert_eq(loop_once(loop, 0), 0);
	cr_assert_eq(a.calls, 1);
	loop_remove(loop, NULL);
	close_end(&a);
}

Test(loop, a_source_removed_with_its_event_pending_stays_silent)
{
	struct end a, b;

	open_end(&a);
	open_end(&b);
	a.victim = &b;
	b.victim = &a;
	poke(&a);
	poke(&b);
	cr_assert_eq(loop_once(loop, -1), 0);
	cr_assert_eq(a.calls + b.calls, 1);
	cr_assert_eq((a.source != NULL) + (b.source != NULL), 1);
	close_end(&a);
	close_end(&b);
}

Test(loop, an_old_event_never_reaches_a_new_source_on_the_same_fd)
{
	struct end a, b;

	open_end(&a);
	open_end(&b);
	a.victim = &b;
	b.victim = &a;
	a.replace = b.replace = true;
	poke(&a);
	poke(&b);
	cr_assert_eq(loop_once(loop, -1), 0);
	cr_assert_eq(a.calls + b.calls, 1);
	struct end *fresh = a.calls ? &b : &a;
	cr_assert_eq(fresh->calls, 0);
	fresh->victim = NULL;
	poke(fresh);
	cr_assert_eq(loop_once(loop, -1), 0);
	cr_assert_eq(fresh->calls, 1);
	close_end(&a);
	close_end(&b);
}

Test(loop, events_taken_off_the_watch_within_the_batch_are_not_delivered)
{
	struct end a, b;

	open_end(&a);
	open_end(&b);
	a.mute = &b;
	b.mute = &a;
	poke(&a);
	poke(&b);
	cr_assert_eq(loop_once(loop, -1), 0);
	cr_assert_eq(a.calls + b.calls, 1);
	close_end(&a);
	close_end(&b);
}

Test(loop, reports_what_cannot_be_watched)
{
	struct loop_source *s = NULL;
	int file = open("/dev/null", O_RDONLY);

	cr_assert_eq(loop_add(loop, -1, EPOLLIN, on_pipe, NULL, &s), -EBADF);
	cr_assert_eq(loop_add(loop, file, EPOLLIN, on_pipe, NULL, &s), -EPERM);
	cr_assert_null(s);
	close(file);
}

struct alarm {
	struct timer timer;
	uint64_t fired_ns; /* loop_now_ns at firing */
	struct end *remove;
};

static void on_alarm(struct timer *t, void *arg)
{
	struct alarm *a = arg;

	(void)t;
	a->fired_ns = loop_now_ns(loop);
	if (a->remove) {
		loop_remove(loop, a->remove->source);
		a->remove->source = NULL;
	}
}

static void stop_loop(struct timer *t, void *arg)
{
	(void)t;
	(void)arg;
	loop_stop(loop);
}

Test(loop, timers_never_fire_early_and_never_spin)
{
	uint64_t turns = 0;

	loop_progress(loop, &turns);
	for (uint64_t delay = 1; delay <= 12; delay++) {
		struct alarm a = {0};
		struct timer end;

		timer_init(&a.timer, on_alarm, &a);
		timer_init(&end, stop_loop, NULL);
		loop_once(loop, 0);
		turns = 0;
		uint64_t before = clock_now(), armed = loop_now_ns(loop);
		cr_assert_geq(before, armed);
		loop_set(loop, &a.timer, delay);
		loop_set(loop, &end, delay);
		cr_assert_eq(loop_run(loop), 0);
		cr_assert_geq(a.fired_ns, armed + delay * MS, "fired early");
		/* One wake-up, and one more where the delay crosses into a slot of an upper
		 * level. */
		cr_assert_leq(turns, 3, "%lu turns for one timer", (unsigned long)turns);
	}
}

Test(loop, timers_do_not_fire_early_in_a_busy_loop)
{
	/* Turns follow each other without sleep, so that a timer fires as soon as the loop thinks
	 * it may. */
	for (int i = 0; i < 20; i++) {
		struct alarm a = {0};

		timer_init(&a.timer, on_alarm, &a);
		cr_assert_eq(loop_once(loop, 0), 0);
		uint64_t armed = loop_now_ns(loop);
		loop_set(loop, &a.timer, 1);
		while (!a.fired_ns)
			cr_assert_eq(loop_once(loop, 0), 0);
		cr_assert_geq(a.fired_ns - armed, MS, "fired %lu ns early",
			(unsigned long)(MS - (a.fired_ns - armed)));
	}
}

Test(loop, a_timer_without_delay_fires_in_the_next_turn)
{
	struct alarm a = {0};

	timer_init(&a.timer, on_alarm, &a);
	loop_set(loop, &a.timer, 0);
	cr_assert_eq(loop_once(loop, -1), 0);
	cr_assert_neq(a.fired_ns, 0);
	cr_assert(!timer_armed(&a.timer));
}

Test(loop, an_unset_timer_does_not_fire_and_does_not_wake)
{
	struct alarm a = {0};
	uint64_t turns = 0;
	struct timer end;

	timer_init(&a.timer, on_alarm, &a);
	timer_init(&end, stop_loop, NULL);
	loop_progress(loop, &turns);
	loop_set(loop, &a.timer, 3);
	loop_set(loop, &end, 20);
	loop_unset(loop, &a.timer);
	cr_assert_eq(loop_run(loop), 0);
	cr_assert_eq(a.fired_ns, 0);
	cr_assert_leq(turns, 3);
}

Test(loop, accepts_a_delay_of_forever)
{
	struct alarm a = {0};

	timer_init(&a.timer, on_alarm, &a);
	loop_set(loop, &a.timer, UINT64_MAX);
	cr_assert_eq(loop_once(loop, 5), 0);
	cr_assert_eq(a.fired_ns, 0);
	loop_unset(loop, &a.timer);
}

Test(loop, events_go_before_timers_of_the_same_turn)
{
	struct alarm a = {0};
	struct end e;

	open_end(&e);
	poke(&e);
	timer_init(&a.timer, on_alarm, &a);
	a.remove = &e;
	loop_set(loop, &a.timer, 0);
	cr_assert_eq(loop_once(loop, -1), 0);
	cr_assert_eq(e.calls, 1);
	cr_assert_neq(a.fired_ns, 0);
	cr_assert_null(e.source);
	close_end(&e);
}

Test(loop, the_limit_of_a_turn_holds_beside_a_later_timer)
{
	struct alarm a = {0};

	timer_init(&a.timer, on_alarm, &a);
	loop_set(loop, &a.timer, 60000);
	uint64_t before = clock_now();
	cr_assert_eq(loop_once(loop, 5), 0);
	cr_assert_geq(clock_now() - before, 5 * MS);
	cr_assert_leq(clock_now() - before, 10000 * MS);
	loop_unset(loop, &a.timer);
}

static int calls[LOOP_TURN_MAX], sequence;
static bool on_turn(void *arg)
{
	int *at = arg;

	cr_assert_eq(at - calls, sequence++ % LOOP_TURN_MAX);
	(*at)++;
	/* The fourth asks for more, five times. */
	if (at - calls != 3 || *at > 5)
		return false;
	return true;
}

Test(loop, turn_callbacks_run_until_none_has_work_left)
{
	struct timer end;

	timer_init(&end, stop_loop, NULL);
	for (int i = 0; i < LOOP_TURN_MAX; i++)
		cr_assert_eq(loop_on_turn(loop, on_turn, &calls[i]), 0);
	cr_assert_eq(loop_on_turn(loop, on_turn, NULL), -ENOSPC);
	loop_set(loop, &end, 0);
	cr_assert_eq(loop_run(loop), 0);
	/* Turns that follow an unfinished one do not sleep, though nothing else would wake them. */
	for (int i = 2; i <= 6; i++)
		cr_assert_eq(loop_once(loop, -1), 0);
	for (int i = 0; i < LOOP_TURN_MAX; i++)
		cr_assert_eq(calls[i], 6);
	uint64_t before = clock_now();
	cr_assert_eq(loop_once(loop, 3), 0);
	cr_assert_geq(clock_now() - before, 3 * MS, "slept although nobody asked for more");
}

Test(loop, a_stop_before_the_run_counts)
{
	uint64_t turns = 0;

	loop_progress(loop, &turns);
	loop_stop(loop);
	cr_assert_eq(loop_run(loop), 0);
	cr_assert_eq(turns, 0);
}

Test(loop, sleeps_without_wake_ups_while_idle)
{
	uint64_t turns = 0;
	struct timer end;

	timer_init(&end, stop_loop, NULL);
	loop_progress(loop, &turns);
	loop_set(loop, &end, 100);
	cr_assert_eq(loop_run(loop), 0);
	cr_assert_leq(turns, 3);
}

static void on_signal(int signal)
{
	(void)signal;
}

Test(loop, a_signal_is_no_error)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct itimerval soon = {.it_value = {.tv_usec = 5000}};
	struct itimerval off = {0};

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	cr_assert_eq(loop_once(loop, 5000), 0);
	setitimer(ITIMER_REAL, &off, NULL);
}

Test(loop, frees_what_is_still_watched)
{
	struct end a;

	open_end(&a);
	close(a.fd[0]);
	close(a.fd[1]);
}

Test(loop, serves_more_sources_than_a_batch_holds)
{
	struct end many[150];
	int turns = 0, total = 0;

	for (int i = 0; i < 150; i++) {
		open_end(&many[i]);
		poke(&many[i]);
	}
	while (total < 150 && turns++ < 10) {
		cr_assert_eq(loop_once(loop, 0), 0);
		total = 0;
		for (int i = 0; i < 150; i++)
			total += many[i].calls;
	}
	for (int i = 0; i < 150; i++) {
		cr_assert_eq(many[i].calls, 1);
		close_end(&many[i]);
	}
}
