/* loop.h - one epoll loop with the timer wheel: the heart of every worker and of the master. */
#ifndef SIPWARD_COMMON_LOOP_H
#define SIPWARD_COMMON_LOOP_H

#include "wheel.h"

#include <stdint.h>

struct loop;
struct loop_source;

/* events: EPOLLIN, EPOLLOUT, ... as epoll_wait gave them. The callback may remove any source, its
 * own too. */
typedef void (*loop_callback)(void *arg, uint32_t events);
/* Runs once at the end of each turn, before the loop sleeps. Returns true where it left work that
 * must be done without sleeping (the next turn then starts at once). */
typedef bool (*loop_turn)(void *arg);

/* Makes a loop, *out, to be freed with loop_free. 0 or -errno. */
int loop_new(struct loop **out);
/* Ends the watching of all fds and frees; timers must not be used any more. NULL is a no-op. */
void loop_free(struct loop *l);

/* Watches fd for events. The loop does not own fd. On success *out (may be NULL) is the source for
 * the calls below. */
int loop_add(struct loop *l, int fd, uint32_t events, loop_callback callback, void *arg,
	struct loop_source **out);
/* As loop_add, for what strangers send: after loop_gather its events wait, while the loop is busy,
 * until others have joined them. */
int loop_add_input(struct loop *l, int fd, uint32_t events, loop_callback callback, void *arg,
	struct loop_source **out);
/* As loop_add, for what answers what was gathered: after loop_expect its events wait for each
 * other, too. */
int loop_add_answers(struct loop *l, int fd, uint32_t events, loop_callback callback, void *arg,
	struct loop_source **out);
int loop_modify(struct loop *l, struct loop_source *s, uint32_t events);
/* NULL is a no-op; safe within any callback. To be called before fd is closed: a duplicate
 * elsewhere would keep it on the watch. */
void loop_remove(struct loop *l, struct loop_source *s);

/* Registers callback for the end of each turn, in the order of registration; -ENOSPC after
 * LOOP_TURN_MAX. */
#define LOOP_TURN_MAX 8
int loop_on_turn(struct loop *l, loop_turn callback, void *arg);

/* Milliseconds and nanoseconds of CLOCK_MONOTONIC, read once at the start of the turn. */
uint64_t loop_now(const struct loop *l);
uint64_t loop_now_ns(const struct loop *l);

/* Arms t to fire delay milliseconds after loop_now, rounded up. */
void loop_set(struct loop *l, struct timer *t, uint64_t delay);
void loop_unset(struct loop *l, struct timer *t);

/* Runs until loop_stop; without work it sleeps until the next timer or event and makes no periodic
 * wake-up. 0, or -errno of epoll_wait. */
int loop_run(struct loop *l);
/* One turn; waits at most timeout_ms (-1: as loop_run). For tests. */
int loop_once(struct loop *l, int timeout_ms);
void loop_stop(struct loop *l);

/* From now on a loop that is busy looks at sources of loop_add_input only so often (every quarter
 * of a millisecond to a whole one, by what loop_took shows, or as loop_gather_for says: over ZeroMQ
 * every 1.15 to 2 ms; earlier only where many have come by then), as a network card moderates its
 * interrupts: one wake-up of those behind it then serves several messages. All else is seen at
 * once, and below some 1,000 messages a second nothing waits. Once, before the first
 * loop_add_input. -errno. */
int loop_gather(struct loop *l);
/* How long a busy loop gathers, in nanoseconds. */
struct loop_gathering {
	uint64_t least_ns;   /* between two looks at input, */
	uint64_t each_ns;    /* and more for each process of loop_share after the first; up to two
	                        milliseconds */
	uint64_t answers_ns; /* after loop_expect, to the look at the answers */
};
/* What loop_gather begins with: least_ns and answers_ns; each_ns is 0. */
#define LOOP_GATHER_NS UINT64_C(250000)
#define LOOP_ANSWERS_NS UINT64_C(100000)
/* After loop_gather, in its place. For those who pay more for a wake-up. */
void loop_gather_for(struct loop *l, const struct loop_gathering *gathering);
/* Gathered input is handed on to so many processes: each is to have its share when it is
 * woken. */
void loop_share(struct loop *l, unsigned processes);
/* Gathered input was handed to several processes, all of which are about to answer: where the
 * loop is busy their answers are looked at together, answers_ns from now. */
void loop_expect(struct loop *l);
/* A callback of loop_add_input has taken one message. */
void loop_took(struct loop *l);

/* progress, where set, is incremented (relaxed) each turn: the mark that the master's watchdog
 * looks at. */
void loop_progress(struct loop *l, uint64_t *progress);

#endif
