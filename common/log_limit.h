/* log_limit.h - how often a line goes to the log that others can cause as often as they like.
 *
 *     if (log_limit_pass(&e->limit, loop_now(l), 1, LOG_LIMIT_SECOND, &left_out))
 *         log_warn("bad-thing", "peer=%s left_out=%llu", peer, (unsigned long long)left_out);
 */
#ifndef SIPWARD_COMMON_LOG_LIMIT_H
#define SIPWARD_COMMON_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* The usual window, milliseconds. */
#define LOG_LIMIT_SECOND 1000

/* Zero-initialise before use. */
struct log_limit {
	uint64_t window;   /* ms: when it began */
	uint64_t left_out; /* lines since the last one that passed */
	unsigned lines;    /* that passed in this window */
};

/* Whether a line may be written at now, the time of some clock in milliseconds: the first lines of
 * each window of window_ms, which begins with its first line. left_out (written where true is
 * returned): how many have been left out since the last one that passed. */
static inline bool log_limit_pass(
	struct log_limit *l, uint64_t now, unsigned lines, uint64_t window_ms, uint64_t *left_out)
{
	if (l->lines == 0 || now - l->window >= window_ms) {
		l->window = now;
		l->lines = 0;
	}
	if (l->lines >= lines) {
		l->left_out++;
		return false;
	}
	l->lines++;
	*left_out = l->left_out;
	l->left_out = 0;
	return true;
}

#endif
