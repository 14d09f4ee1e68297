/* trace_live.c - see trace_live.h.
 *
 * The gateway is asked again and again for what is new. Its answers are put in order as those of a
 * whole trace are, with the records of the calls that they belong to, and of each answer only what
 * has not been shown yet is: messages by their number, decisions by their text. What is kept of a
 * call is bounded, and so are the calls: the one that was silent longest is forgotten for a new
 * one.
 */
#include "trace_live.h"

#include "trace_live_call.h"
#include "trace_print.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/* Between two looks at what is new, and how far back each looks: workers' clocks are read before
 * their answers come together. */
#define LIVE_PAUSE_MS 300
#define LIVE_BACK_US 2000000
#define LIVE_WORKERS 256

struct live {
	const struct trace_live_how *how;
	struct live_calls calls;
	const struct live_call *last; /* whose row was printed last */
	struct {
		uint64_t at_us, number;
	} seen[LIVE_WORKERS];
	uint64_t shown; /* messages */
	json_t *missing;
};

static bool live_is_full(const struct live *l)
{
	return l->how->messages && l->shown >= l->how->messages;
}

/* Which messages have not been shown, by their places; the caller's to free. */
static bool *live_new(struct live *l, const struct trace_set *t)
{
	bool *new = calloc(t->count + 1, sizeof(*new));

	if (!new)
		abort();
	for (size_t i = 0; i < t->count; i++) {
		const struct trace_event *e = &t->event[i];
		uint64_t *at_us = &l->seen[e->worker % LIVE_WORKERS].at_us,
			 *number = &l->seen[e->worker % LIVE_WORKERS].number;

		if (e->note || e->at_us < *at_us || (e->at_us == *at_us && e->number <= *number))
			continue;
		*at_us = e->at_us;
		*number = e->number;
		new[i] = true;
	}
	return new;
}

/* ---- what is shown ---- */

static void live_row(struct live *l, struct live_call *call, const struct trace_event *e)
{
	l->shown += !e->note;
	if (l->how->wish.options->json) {
		json_t *row = e->note ? json_pack("{s:I, s:o, s:o}", "at_us", (json_int_t)e->at_us,
						"call-id", trace_json_text(str_of(e->call_id)),
						"says", trace_json_text(str_of(e->note)))
		                      : trace_json_message(e);

		json_object_set_new(row, "call", trace_json_text(str_of(call->ladder.call_id)));
		json_dumpf(row, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(row);
	} else if (l->how->raw) {
		trace_raw(e);
	} else {
		ladder_row(&call->ladder, &l->how->screen, e);
	}
}

/* The columns are told where they are new, or the row before was another call's. */
static void live_head(struct live *l, const struct live_call *call, bool changed)
{
	if (l->how->wish.options->json || l->how->raw)
		return;
	if (l->last != call && l->last)
		putchar('\n');
	if (l->last != call || changed)
		ladder_head(&call->ladder, &l->how->screen);
	l->last = call;
}

static void live_group(struct live *l, const struct trace_set *t, size_t group, const bool *new)
{
	const struct trace_event *e, *first = NULL;
	bool changed = false;

	TRACE_GROUP_EACH (t, group, e)
		if (new[e - t->event] && !first)
			first = e;
	struct live_call *call = live_call_find(&l->calls, t, group);
	if (!call && first) {
		call = live_call_new(&l->calls, t, group, first->at_us);
		if (l->last == call)
			l->last = NULL;
	}
	if (!call)
		return;
	TRACE_GROUP_EACH (t, group, e) {
		live_call_add_id(call, e->call_id);
		if (new[e - t->event])
			changed |= live_call_join(call, e->peer, ladder_most(&l->how->screen));
	}
	TRACE_GROUP_EACH (t, group, e) {
		if (live_is_full(l) || !(e->note ? live_call_tells(call, e) : new[e - t->event]))
			continue;
		live_head(l, call, changed);
		changed = false;
		live_row(l, call, e);
	}
}

static void live_tell_missing(struct live *l, const struct trace_set *t)
{
	const json_t *worker;
	size_t i;

	if (json_equal(l->missing, t->missing))
		return;
	json_decref(l->missing);
	l->missing = json_deep_copy(t->missing);
	json_array_foreach (t->missing, i, worker)
		fprintf(stderr, "sipwardctl: no answer from %s\n", json_string_value(worker));
}

/* One look at what is new since then. */
static int live_look(struct live *l, uint64_t *since_us)
{
	struct trace_set t = {.event = NULL};
	json_t *follow = live_calls_ids(&l->calls);
	int code = trace_set_collect_new(&t, &l->how->wish, *since_us, follow);

	if (code == EXIT_DONE) {
		bool *new = live_new(l, &t);

		l->calls.turn++;
		for (size_t group = 0; group < t.groups && !live_is_full(l); group++)
			live_group(l, &t, group, new);
		free(new);
		fflush(stdout);
		live_tell_missing(l, &t);
		for (size_t i = 0; i < t.count; i++)
			if (!t.event[i].note && t.event[i].at_us > *since_us + LIVE_BACK_US)
				*since_us = t.event[i].at_us - LIVE_BACK_US;
	}
	json_decref(follow);
	trace_set_free(&t);
	return code;
}

/* ---- until when ---- */

static uint64_t live_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A descriptor that can be read once somebody wants this to end; -1. What is written to a pipe that
 * nobody reads fails, and does not end the process. */
static int live_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* Waits for the next look. False: there is none. */
static bool live_pause(int signals, uint64_t left_ms)
{
	struct pollfd fd[] = {{.fd = signals, .events = POLLIN}, {.fd = STDOUT_FILENO}};

	poll(fd, 2, left_ms < LIVE_PAUSE_MS ? (int)left_ms : LIVE_PAUSE_MS);
	return !fd[0].revents && !(fd[1].revents & (POLLERR | POLLHUP));
}

int trace_live(const struct trace_live_how *how)
{
	static struct live live;
	struct timespec now;
	int signals = live_signals(), code = EXIT_DONE;
	uint64_t since, left = LIVE_PAUSE_MS, began = live_now_ms();

	clock_gettime(CLOCK_REALTIME, &now);
	since = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	live.how = how;
	for (unsigned i = 0; i < LIVE_WORKERS; i++)
		live.seen[i].at_us = since;
	while (code == EXIT_DONE && left && !live_is_full(&live) && !ferror(stdout)) {
		code = live_look(&live, &since);
		if (how->timeout_ms) {
			uint64_t spent = live_now_ms() - began;

			left = spent < how->timeout_ms ? how->timeout_ms - spent : 0;
		}
		if (live_is_full(&live) || !live_pause(signals, left))
			break;
	}
	if (signals >= 0)
		close(signals);
	live_calls_free(&live.calls);
	json_decref(live.missing);
	if (code == EXIT_DONE && ferror(stdout) && errno != EPIPE)
		code = client_fail(
			how->wish.options, EXIT_REFUSED, "standard output: %s", strerror(errno));
	return code;
}
