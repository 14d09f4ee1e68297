/* master-quarantine.c - the folder of what workers died of. */
#include "master/workers/quarantine.h"

#include "common/counters.h"
#include "common/log.h"
#include "own_folder.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char base[64], path[300];
static int directory;
static struct quarantine *q;
static unsigned char bytes[EVIDENCE_MAX];
static size_t size;

static void quiet(void *arg, enum log_level level, const char *line, size_t length)
{
	(void)arg, (void)level, (void)line, (void)length;
}

static void setup(void)
{
	cr_assert(sodium_init() >= 0);
	log_init("test", -1, LOG_INFO, quiet, NULL);
	own_folder_make(base);
	directory = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert_eq(quarantine_open(&q, directory), 0);
}

static void teardown(void)
{
	quarantine_close(q);
	own_folder_remove(base);
}

TestSuite(quarantine, .init = setup, .fini = teardown);

static const struct poison *keep(const char *text, int64_t time)
{
	const struct poison *p = NULL;

	cr_assert_eq(quarantine_keep(q, EVIDENCE_MESSAGE, (const unsigned char *)text, strlen(text),
			     "transport-0", "SEGV", time, &p),
		0);
	cr_assert_not_null(p);
	return p;
}

static void again(void)
{
	quarantine_close(q);
	cr_assert_eq(quarantine_open(&q, directory), 0);
}

static unsigned files(void)
{
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "ls -A %s/quarantine | wc -l", base);
	f = popen(path, "r");
	cr_assert_eq(fscanf(f, "%u", &n), 1);
	pclose(f);
	return n;
}

static char *name_of(const struct poison *p)
{
	char print[FINGERPRINT_TEXT_SIZE];

	snprintf(path, sizeof(path), "%s/quarantine/%lld.message.%s.%s.%s", base,
		(long long)p->time, p->worker, p->reason, fingerprint_text(&p->print, print));
	return path;
}

Test(quarantine, keeps_the_bytes_for_the_master_alone)
{
	struct stat st;
	const struct poison *p = keep("INVITE sip:bob@example.net SIP/2.0\r\n\r\n", 1767225600123);

	cr_assert_eq(quarantine_count(q), 1);
	cr_assert(p->stored);
	cr_assert_eq(stat(name_of(p), &st), 0, "%s", path);
	cr_assert_eq(st.st_mode & 0777, 0600);
	cr_assert_eq(st.st_size, 38, "nothing but the bytes");
	snprintf(path, sizeof(path), "%s/quarantine", base);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0700);
	cr_assert_eq(quarantine_read(q, 0, bytes, &size), 0);
	cr_assert(size == 38 && memcmp(bytes, "INVITE sip:bob@", 15) == 0);
}

Test(quarantine, the_same_bytes_are_kept_once)
{
	keep("one", 1000);
	cr_assert_eq(keep("one", 2000)->deaths, 2);
	cr_assert_eq(quarantine_count(q), 1);
	cr_assert_eq(files(), 1);
	cr_assert_eq(quarantine_at(q, 0)->time, 1000);
}

Test(quarantine, survives_a_restart)
{
	struct lifeline_quarantine before, after;

	keep("one", 1000);
	keep("two", 2000);
	quarantine_list(q, &before);
	cr_assert_eq(before.count, 2);
	again();
	quarantine_list(q, &after);
	cr_assert_eq(memcmp(&before, &after, sizeof(before)), 0);
	cr_assert_str_eq(quarantine_at(q, 1)->reason, "SEGV");
	cr_assert_str_eq(quarantine_at(q, 1)->worker, "transport-0");
	cr_assert_eq(quarantine_at(q, 1)->time, 2000);
	cr_assert_eq(quarantine_at(q, 1)->deaths, 0);
	cr_assert_eq(keep("two", 3000)->deaths, 1);
	cr_assert_eq(files(), 2);
}

Test(quarantine, what_is_no_message_is_kept_and_not_refused)
{
	const struct poison *p;
	struct lifeline_quarantine list;

	cr_assert_eq(quarantine_keep(q, EVIDENCE_RECORD, (const unsigned char *)"\0\1", 2, "sip-0",
			     "ABRT", 5, &p),
		0);
	cr_assert_eq(quarantine_keep(q, EVIDENCE_STREAM, (const unsigned char *)"GET / HTTP/1.1",
			     14, "transport-0", "ABRT", 6, &p),
		0);
	again();
	cr_assert_eq(quarantine_count(q), 2);
	quarantine_list(q, &list);
	cr_assert_eq(list.count, 0);
}

Test(quarantine, the_oldest_makes_room)
{
	char text[32];

	for (int i = 0; i < QUARANTINE_MAX; i++) {
		snprintf(text, sizeof(text), "message %d", i);
		keep(text, 1000 + i);
	}
	cr_assert_eq(counters_page->counter[COUNTER_QUARANTINE_REMOVED], 0);
	keep("one more", 1); /* the clock went back */
	cr_assert_eq(quarantine_count(q), QUARANTINE_MAX);
	cr_assert_eq(files(), QUARANTINE_MAX);
	cr_assert_eq(counters_page->counter[COUNTER_QUARANTINE_REMOVED], 1);
	cr_assert_eq(quarantine_at(q, 0)->time, 1001);
	cr_assert_eq(quarantine_at(q, QUARANTINE_MAX - 1)->time, 1000 + QUARANTINE_MAX - 1);
	cr_assert_eq(quarantine_read(q, QUARANTINE_MAX - 1, bytes, &size), 0);
	cr_assert(size == 8 && memcmp(bytes, "one more", 8) == 0);
	again();
	cr_assert_eq(quarantine_count(q), QUARANTINE_MAX);
}

Test(quarantine, what_is_not_refused_makes_room_first)
{
	const struct poison *p;
	char text[32];

	keep("refused and oldest", 1);
	cr_assert_eq(quarantine_keep(q, EVIDENCE_RECORD, (const unsigned char *)"\0\1", 2, "sip-0",
			     "ABRT", 2, &p),
		0);
	for (int i = 2; i < QUARANTINE_MAX; i++) {
		snprintf(text, sizeof(text), "message %d", i);
		keep(text, 1000 + i);
	}
	keep("one more", 2000);
	cr_assert_eq(quarantine_count(q), QUARANTINE_MAX);
	cr_assert_eq(quarantine_at(q, 0)->time, 1);
	cr_assert_eq(quarantine_at(q, 1)->time, 1002);
}

Test(quarantine, one_is_found_by_some_digits)
{
	char print[FINGERPRINT_TEXT_SIZE], digits[8];
	size_t i = 99;

	keep("one", 1000);
	keep("two", 2000);
	fingerprint_text(&quarantine_at(q, 1)->print, print);
	snprintf(digits, sizeof(digits), "%.7s", print);
	cr_assert_eq(quarantine_find(q, digits, &i), 0);
	cr_assert_eq(i, 1);
	cr_assert_eq(quarantine_find(q, print, &i), 0);
	cr_assert_eq(quarantine_find(q, "abc", &i), -EINVAL, "too few");
	cr_assert_eq(quarantine_find(q, "", &i), -EINVAL);
	cr_assert_eq(quarantine_find(q, "../../etc/passwd", &i), -EINVAL);
	digits[0] = digits[0] == 'f' ? '0' : (char)(digits[0] == '9' ? 'a' : digits[0] + 1);
	cr_assert_eq(quarantine_find(q, digits, &i), -ENOENT);
}

Test(quarantine, clearing_removes_files_and_list)
{
	keep("one", 1000);
	keep("two", 2000);
	keep("three", 3000);
	cr_assert_eq(quarantine_remove(q, 1), 0);
	cr_assert_eq(files(), 2);
	cr_assert_eq(quarantine_at(q, 1)->time, 3000);
	cr_assert_eq(quarantine_clear(q), 0);
	cr_assert_eq(quarantine_count(q), 0);
	cr_assert_eq(files(), 0);
}

static void put(const char *name, const char *text, mode_t mode)
{
	int fd;

	snprintf(path, sizeof(path), "%s/quarantine/%s", base, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	cr_assert_eq(fchmod(fd, mode), 0);
	close(fd);
}

Test(quarantine, nothing_in_the_folder_is_believed)
{
	char print[FINGERPRINT_TEXT_SIZE], name[200];
	struct fingerprint f;

	fingerprint_of(EVIDENCE_MESSAGE, "one", 3, &f);
	fingerprint_text(&f, print);
	static const char *const wrong[] = {"%s", "1000.message.transport-0.SEGV",
		"x.message.transport-0.SEGV.%s", "1000.text.transport-0.SEGV.%s",
		"1000.message.transport_0.SEGV.%s", "1000.message..SEGV.%s",
		"1000.message.transport-0.SEGV.%sff", "1000.message.transport-0.SEGV.%s.old",
		"01000.message.transport-0.SEGV.%s",
		"99999999999999999999.message.transport-0.SEGV.%s",
		"1000.stream.transport-0.SEGV.%s"};
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(name, sizeof(name), wrong[i], print);
#pragma GCC diagnostic pop
		put(name, "one", 0600);
	}
	/* right by name, but with other bytes, none, or readable by others */
	snprintf(name, sizeof(name), "1000.message.transport-0.SEGV.%s", print);
	put(name, "two", 0600);
	snprintf(name, sizeof(name), "1001.message.transport-0.SEGV.%s", print);
	put(name, "", 0600);
	snprintf(name, sizeof(name), "1002.message.transport-0.SEGV.%s", print);
	put(name, "one", 0644);
	snprintf(path, sizeof(path), "%s/quarantine/1003.message.transport-0.SEGV.%s", base, print);
	cr_assert_eq(symlink("/etc/hostname", path), 0);
	again();
	cr_assert_eq(quarantine_count(q), 0);
	/* and one that is right, twice */
	snprintf(name, sizeof(name), "1004.message.transport-0.SEGV.%s", print);
	put(name, "one", 0600);
	snprintf(name, sizeof(name), "1005.message.transport-0.SEGV.%s", print);
	put(name, "one", 0600);
	again();
	cr_assert_eq(quarantine_count(q), 1);
}

Test(quarantine, a_file_that_was_changed_or_is_gone_is_not_shown)
{
	const struct poison *p = keep("one", 1000);

	cr_assert_eq(truncate(name_of(p), 2), 0);
	cr_assert_eq(quarantine_read(q, 0, bytes, &size), -EBADMSG);
	unlink(path);
	cr_assert_eq(quarantine_read(q, 0, bytes, &size), -ENOENT);
	cr_assert_eq(quarantine_remove(q, 0), 0, "it is gone already");
}

/* A full disk: what kills is refused all the same. */
Test(quarantine, what_cannot_be_written_is_listed)
{
	const struct poison *p = NULL;
	struct lifeline_quarantine list;

	snprintf(path, sizeof(path), "rm -rf %s/quarantine", base);
	cr_assert_eq(system(path), 0);
	cr_assert_lt(quarantine_keep(q, EVIDENCE_MESSAGE, (const unsigned char *)"one", 3, "sip-1",
			     "hangs", 1000, &p),
		0);
	cr_assert_not_null(p);
	cr_assert_not(p->stored);
	quarantine_list(q, &list);
	cr_assert_eq(list.count, 1);
	cr_assert_eq(counters_page->counter[COUNTER_QUARANTINE_NOT_KEPT], 1);
	cr_assert_eq(quarantine_read(q, 0, bytes, &size), -ENOENT);
}

Test(quarantine, a_folder_of_somebody_else_is_refused)
{
	struct quarantine *other;

	quarantine_close(q);
	q = NULL;
	snprintf(path, sizeof(path), "%s/quarantine", base);
	cr_assert_eq(chmod(path, 0777), 0);
	cr_assert_eq(quarantine_open(&other, directory), -EPERM);
	cr_assert_eq(rmdir(path), 0);
	cr_assert_eq(symlink("/tmp", path), 0);
	cr_assert_lt(quarantine_open(&other, directory), 0);
}

Test(quarantine, prints_nothing_that_a_terminal_obeys)
{
	char *text = NULL;
	size_t length;
	FILE *f = open_memstream(&text, &length);
	static const unsigned char hostile[] = "OPTIONS \x1b[2J\r\nA: \\ \xc2\x9b\t\n\r\r\n\0\x7f";

	quarantine_print(hostile, sizeof(hostile) - 1, f);
	fclose(f);
	cr_assert_str_eq(text, "OPTIONS \\x1b[2J\nA: \\\\ \\xc2\\x9b\\t\\n\\r\n\\x00\\x7f");
	free(text);
}
