/* cdr.c - the queue of call records (cdr.h). */
#include "cdr.h"

#include "common/clock.h"
#include "common/counters.h"
#include "common/log.h"
#include "common/log_limit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* After a failure the same line is tried again: of a socket whose reader is behind, else. */
#define CDR_FULL_MS 5
#define CDR_RETRY_MS 1000
/* A write that took longer is followed by a pause of that many times the time it took, so that a
 * slow disk takes a tenth of the worker's time at most. */
#define CDR_SLOW_NS (5 * CLOCK_NS_PER_MS)
#define CDR_PAUSE 9
#define CDR_LOG_WINDOW_MS 10000

struct cdr {
	struct loop *loop;
	void (*lost)(void *arg);
	void *arg;
	int fd;             /* -1: none */
	bool file;          /* of a regular one many lines are one write */
	char *queue;        /* CDR_QUEUE_MAX bytes, from the first line on; NULL: none yet */
	size_t begin, end;  /* of what waits, whole lines */
	struct timer timer; /* armed: nothing is written before */
	struct log_limit limit;
};

static void cdr_timer(struct timer *t, void *arg)
{
	(void)t;
	(void)arg; /* the turn that this makes writes */
}

/* The size of what one write takes: a line for a socket, whole lines for a file. */
static size_t cdr_portion(const struct cdr *c)
{
	const char *line = c->queue + c->begin;
	size_t size = c->end - c->begin;
	const char *end = NULL;

	if (c->file && size <= CDR_WRITE_MAX)
		return size;
	if (c->file)
		end = memrchr(line, '\n', CDR_WRITE_MAX);
	if (!end) /* for a socket, or a line longer than CDR_WRITE_MAX */
		end = memchr(line, '\n', size);
	return (size_t)(end - line) + 1;
}

static size_t cdr_lines(const char *text, size_t size)
{
	size_t n = 0;

	for (const char *end = text + size; (text = memchr(text, '\n', (size_t)(end - text)));
		text++)
		n++;
	return n;
}

static void cdr_log(struct cdr *c, int error)
{
	uint64_t left_out;

	count(CDR_FAILED);
	if (log_limit_pass(&c->limit, loop_now(c->loop), 1, CDR_LOG_WINDOW_MS, &left_out))
		log_error("cdr-failed", "error=\"%s\" waiting=%zu left_out=%llu",
			error_text(-error), c->end - c->begin, (unsigned long long)left_out);
}

/* Waits before the line at hand is tried again. */
static void cdr_failed(struct cdr *c, int error)
{
	if (error == EAGAIN || error == ENOBUFS) {
		loop_set(c->loop, &c->timer, CDR_FULL_MS);
		return;
	}
	cdr_log(c, error);
	loop_set(c->loop, &c->timer, CDR_RETRY_MS);
	/* nobody has bound the socket, or whoever had has gone */
	if (error == ENOTCONN || error == ECONNREFUSED || error == EDESTADDRREQ ||
		error == ECONNRESET)
		c->lost(c->arg);
}

/* Counts what was written of a portion and takes it from the queue. A disk that has become full
 * within a line, or more than a datagram holds: that record is lost, for what others write comes
 * behind its piece. */
static void cdr_wrote(struct cdr *c, size_t portion, ssize_t n)
{
	const char *text = c->queue + c->begin;

	if (n == (ssize_t)portion) {
		counter_add(COUNTER_CDR_WRITTEN, cdr_lines(text, portion));
		c->begin += portion;
		return;
	}
	size_t written = n > 0 ? (size_t)n : 0;
	counter_add(COUNTER_CDR_WRITTEN, cdr_lines(text, written));
	const char *whole = written && text[written - 1] == '\n'
	                            ? text + written - 1
	                            : memchr(text + written, '\n', portion - written);
	c->begin += (size_t)(whole - text) + 1;
	if (!written || text[written - 1] != '\n')
		count(CDR_DROPPED);
	cdr_log(c, n < 0 ? EMSGSIZE : ENOSPC);
}

/* Writes a portion. False: no more for now. */
static bool cdr_write(struct cdr *c)
{
	size_t portion = cdr_portion(c);
	uint64_t before = clock_monotonic_ns();
	ssize_t n = write(c->fd, c->queue + c->begin, portion);

	if (n < 0 && errno != EMSGSIZE) {
		if (errno != EINTR)
			cdr_failed(c, errno);
		return errno == EINTR;
	}
	cdr_wrote(c, portion, n);
	uint64_t took = clock_monotonic_ns() - before;
	if (took <= CDR_SLOW_NS)
		return true;
	count(CDR_SLOW);
	loop_set(c->loop, &c->timer, took * CDR_PAUSE / CLOCK_NS_PER_MS);
	return false;
}

static bool cdr_waits(const struct cdr *c)
{
	return c->fd >= 0 && c->begin < c->end;
}

/* The end of a turn. */
static bool cdr_turn(void *arg)
{
	struct cdr *c = arg;

	if (!cdr_waits(c) || timer_armed(&c->timer))
		return false;
	for (unsigned i = 0; i < CDR_LINES_PER_TURN && cdr_waits(c); i++)
		if (!cdr_write(c))
			return false;
	return cdr_waits(c);
}

int cdr_new(struct cdr **out, struct loop *loop, void (*lost)(void *arg), void *arg)
{
	struct cdr *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*c = (struct cdr){.loop = loop, .lost = lost, .arg = arg, .fd = -1};
	timer_init(&c->timer, cdr_timer, c);
	int error = loop_on_turn(loop, cdr_turn, c);
	if (error) {
		free(c);
		return error;
	}
	*out = c;
	return 0;
}

void cdr_free(struct cdr *c)
{
	if (!c)
		return;
	loop_unset(c->loop, &c->timer);
	if (c->fd >= 0)
		close(c->fd);
	free(c->queue);
	free(c);
}

void cdr_use(struct cdr *c, int fd)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = fd;
	struct stat is;
	c->file = fd >= 0 && fstat(fd, &is) == 0 && S_ISREG(is.st_mode);
	loop_unset(c->loop, &c->timer);
	if (fd < 0)
		c->begin = c->end = 0;
}

bool cdr_wanted(const struct cdr *c)
{
	return c && c->fd >= 0;
}

/* Makes room for so many bytes behind what waits. */
static bool cdr_make_room(struct cdr *c, size_t size)
{
	if (!c->queue)
		c->queue = malloc(CDR_QUEUE_MAX);
	if (!c->queue || size > CDR_QUEUE_MAX - (c->end - c->begin))
		return false;
	if (size > CDR_QUEUE_MAX - c->end) {
		memmove(c->queue, c->queue + c->begin, c->end - c->begin);
		c->end -= c->begin;
		c->begin = 0;
	}
	return true;
}

void cdr_add(struct cdr *c, struct str line)
{
	if (c->begin == c->end) {
		c->begin = c->end = 0;
		if (c->file && !timer_armed(&c->timer))
			loop_set(c->loop, &c->timer, CDR_GATHER_MS);
	}
	if (!line.n || !cdr_make_room(c, line.n)) {
		count(CDR_DROPPED);
		return;
	}
	memcpy(c->queue + c->end, line.p, line.n);
	c->end += line.n;
}

void cdr_finish(struct cdr *c)
{
	for (bool moved = c != NULL; moved && cdr_waits(c);) {
		size_t before = c->begin;

		cdr_write(c);
		moved = c->begin != before;
	}
}
