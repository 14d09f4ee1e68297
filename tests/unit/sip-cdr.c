/* cdr.c - the queue of call records: whole lines, nothing waits, nothing grows. */
#include "virtual_clock.h"

#include "common/counters.h"
#include "common/log.h"
#include "worker-sip/cdr.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>

static struct loop *loop;
static struct cdr *cdr;
static int pair[2] = {-1, -1};
static unsigned lost;

static void note_lost(void *arg)
{
	(void)arg;
	lost++;
}

static void set_up(void)
{
	log_init("test", -1, LOG_ERROR, NULL, NULL);
	virtual_clock_start();
	cr_assert_eq(loop_new(&loop), 0);
	cr_assert_eq(cdr_new(&cdr, loop, note_lost, NULL), 0);
}

static void tear_down(void)
{
	cdr_free(cdr);
	loop_free(loop);
	for (unsigned i = 0; i < 2; i++)
		if (pair[i] >= 0)
			close(pair[i]);
	virtual_clock_stop();
}

TestSuite(cdr, .init = set_up, .fini = tear_down);

#define COUNTED(id) (counters_page->counter[COUNTER_##id])

/* A socket in the place of the file: what one write wrote is one datagram. */
static void use_socket(void)
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), 0);
	cdr_use(cdr, pair[1]);
	pair[1] = -1;
}

static ssize_t take(char buffer[static 4096])
{
	ssize_t n = recv(pair[0], buffer, 4095, 0);

	buffer[n > 0 ? n : 0] = 0;
	return n;
}

Test(cdr, a_line_is_one_write_at_the_end_of_the_turn)
{
	char text[4096];

	cr_assert(!cdr_wanted(NULL));
	cr_assert(!cdr_wanted(cdr));
	use_socket();
	cr_assert(cdr_wanted(cdr));
	cdr_add(cdr, S("{1}\n"));
	cdr_add(cdr, S("{2}\n"));
	cr_assert_eq(take(text), -1, "not before");
	virtual_clock_advance(loop, 0);
	take(text);
	cr_assert_str_eq(text, "{1}\n");
	take(text);
	cr_assert_str_eq(text, "{2}\n");
	cr_assert_eq(COUNTED(CDR_WRITTEN), 2);
}

Test(cdr, many_lines_are_written_in_several_turns)
{
	int null = open("/dev/null", O_WRONLY);

	cdr_use(cdr, null);
	for (unsigned i = 0; i < 10 * CDR_LINES_PER_TURN; i++)
		cdr_add(cdr, S("{}\n"));
	loop_once(loop, 0);
	cr_assert_eq(COUNTED(CDR_WRITTEN), CDR_LINES_PER_TURN);
	virtual_clock_advance(loop, 0);
	cr_assert_eq(COUNTED(CDR_WRITTEN), 10 * CDR_LINES_PER_TURN);
}

static int new_file(void)
{
	char name[] = "/tmp/cdr-XXXXXX";
	int fd = mkostemp(name, O_APPEND);

	cr_assert_geq(fd, 0);
	unlink(name);
	return fd;
}

static void file_says(int fd, const char *expected)
{
	char text[4096];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	cr_assert_geq(n, 0);
	text[n] = 0;
	cr_assert_str_eq(text, expected);
}

Test(cdr, what_comes_at_once_is_one_write_to_a_file)
{
	int fd = new_file(), mine = dup(fd);

	cdr_use(cdr, fd);
	cdr_add(cdr, S("{1}\n"));
	virtual_clock_advance(loop, CDR_GATHER_MS / 2);
	file_says(mine, "");
	cdr_add(cdr, S("{2}\n"));
	virtual_clock_advance(loop, CDR_GATHER_MS / 2);
	file_says(mine, "{1}\n{2}\n");
	cr_assert_eq(COUNTED(CDR_WRITTEN), 2);
	/* and each that is not followed is written as soon */
	cdr_add(cdr, S("{3}\n"));
	virtual_clock_advance(loop, CDR_GATHER_MS);
	cdr_add(cdr, S("{4}\n"));
	cdr_finish(cdr);
	file_says(mine, "{1}\n{2}\n{3}\n{4}\n");
	cr_assert_eq(COUNTED(CDR_WRITTEN), 4);
	close(mine);
}

Test(cdr, a_write_to_a_file_ends_with_a_line)
{
	static char line[1000], text[CDR_WRITE_MAX + 1];
	unsigned count = 3 * CDR_WRITE_MAX / sizeof(line);
	int fd = new_file(), mine = dup(fd);

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	cdr_use(cdr, fd);
	for (unsigned i = 0; i < count; i++)
		cdr_add(cdr, (struct str){line, sizeof(line)});
	virtual_clock_advance(loop, CDR_GATHER_MS);
	cr_assert_eq(COUNTED(CDR_WRITTEN), count);
	cr_assert_eq(lseek(mine, 0, SEEK_END), (off_t)(count * sizeof(line)));
	cr_assert_eq(pread(mine, text, sizeof(text), 0), (ssize_t)sizeof(text));
	close(mine);
}

/* A disk with room for so many bytes. */
static void limit_file(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

Test(cdr, a_file_that_becomes_full_loses_the_line_that_it_cut)
{
	int fd = new_file(), mine = dup(fd);

	cdr_use(cdr, fd);
	limit_file(10);
	cdr_add(cdr, S("{1}\n"));
	cdr_add(cdr, S("{2}\n"));
	cdr_add(cdr, S("{3}\n"));
	cdr_add(cdr, S("{4}\n"));
	virtual_clock_advance(loop, CDR_GATHER_MS);
	cr_assert_eq(COUNTED(CDR_WRITTEN), 2);
	cr_assert_eq(COUNTED(CDR_DROPPED), 1);
	limit_file(100);
	virtual_clock_advance(loop, 2000);
	file_says(mine, "{1}\n{2}\n{3{4}\n");
	cr_assert_eq(COUNTED(CDR_WRITTEN), 3);
	close(mine);
}

Test(cdr, a_file_that_becomes_full_between_lines_loses_none)
{
	int fd = new_file(), mine = dup(fd);

	cdr_use(cdr, fd);
	limit_file(8);
	cdr_add(cdr, S("{1}\n"));
	cdr_add(cdr, S("{2}\n"));
	cdr_add(cdr, S("{3}\n"));
	virtual_clock_advance(loop, CDR_GATHER_MS);
	cr_assert_eq(COUNTED(CDR_WRITTEN), 2);
	limit_file(100);
	virtual_clock_advance(loop, 2000);
	file_says(mine, "{1}\n{2}\n{3}\n");
	cr_assert_eq(COUNTED(CDR_DROPPED), 0);
	close(mine);
}

Test(cdr, a_reader_that_is_behind_gets_all_of_it_later)
{
	char text[4096], expected[32];
	unsigned count = 2000, got = 0;

	use_socket();
	for (unsigned i = 0; i < count; i++) {
		snprintf(expected, sizeof(expected), "{%u}\n", i);
		cdr_add(cdr, str_of(expected));
	}
	virtual_clock_advance(loop, 0);
	cr_assert_lt(COUNTED(CDR_WRITTEN), count, "the socket has no room for all");
	while (got < count) {
		while (take(text) > 0) {
			snprintf(expected, sizeof(expected), "{%u}\n", got++);
			cr_assert_str_eq(text, expected);
		}
		virtual_clock_advance(loop, 5);
	}
	cr_assert_eq(COUNTED(CDR_WRITTEN), count);
	cr_assert_eq(COUNTED(CDR_FAILED), 0);
	cr_assert_eq(COUNTED(CDR_DROPPED), 0);
}

Test(cdr, a_full_disk_is_tried_again_once_a_second)
{
	cdr_use(cdr, open("/dev/full", O_WRONLY | O_APPEND));
	cdr_add(cdr, S("{1}\n"));
	cdr_add(cdr, S("{2}\n"));
	virtual_clock_advance(loop, 0);
	cr_assert_eq(COUNTED(CDR_FAILED), 1);
	virtual_clock_advance(loop, 3000);
	cr_assert_eq(COUNTED(CDR_FAILED), 4);
	/* there is room again */
	char text[4096];
	use_socket();
	virtual_clock_advance(loop, 0);
	take(text);
	cr_assert_str_eq(text, "{1}\n");
	cr_assert_eq(COUNTED(CDR_WRITTEN), 2);
	cr_assert_eq(COUNTED(CDR_DROPPED), 0);
	cr_assert_eq(lost, 0);
}

Test(cdr, what_the_queue_has_no_room_for_is_counted)
{
	static char line[1024];
	unsigned fits = CDR_QUEUE_MAX / sizeof(line);

	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	cdr_use(cdr, open("/dev/full", O_WRONLY));
	for (unsigned i = 0; i < fits + 3; i++)
		cdr_add(cdr, (struct str){line, sizeof(line)});
	cr_assert_eq(COUNTED(CDR_DROPPED), 3);
	cdr_use(cdr, open("/dev/null", O_WRONLY));
	virtual_clock_advance(loop, 0);
	cr_assert_eq(COUNTED(CDR_WRITTEN), fits);
	/* its room is used again */
	for (unsigned i = 0; i < 3 * fits; i++) {
		cdr_add(cdr, (struct str){line, sizeof(line)});
		virtual_clock_advance(loop, 0);
	}
	cr_assert_eq(COUNTED(CDR_WRITTEN), 4 * fits);
	cr_assert_eq(COUNTED(CDR_DROPPED), 3);
}

Test(cdr, a_socket_that_nobody_receives_at_is_told_of)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	cdr_use(cdr, fd);
	cdr_add(cdr, S("{1}\n"));
	virtual_clock_advance(loop, 0);
	cr_assert_eq(lost, 1);
	virtual_clock_advance(loop, 2000);
	cr_assert_eq(lost, 3);
	use_socket();
	virtual_clock_advance(loop, 0);
	cr_assert_eq(COUNTED(CDR_WRITTEN), 1);
}

Test(cdr, a_stop_writes_what_waits)
{
	char text[4096];

	use_socket();
	cdr_add(cdr, S("{1}\n"));
	cdr_finish(cdr);
	take(text);
	cr_assert_str_eq(text, "{1}\n");
	cdr_use(cdr, open("/dev/full", O_WRONLY));
	cdr_add(cdr, S("{2}\n"));
	cdr_finish(cdr); /* and waits for nothing */
	cr_assert_eq(COUNTED(CDR_FAILED), 1);
	cdr_finish(NULL);
}

Test(cdr, what_is_not_wanted_any_more_is_forgotten)
{
	use_socket();
	cdr_add(cdr, S("{1}\n"));
	cdr_use(cdr, -1);
	cr_assert(!cdr_wanted(cdr));
	virtual_clock_advance(loop, 0);
	cr_assert_eq(COUNTED(CDR_WRITTEN), 0);
}
