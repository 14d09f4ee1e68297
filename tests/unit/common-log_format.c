/* common-log_format.c - log lines as JSON and as journald's datagrams. */
#include "common/log_format.h"

#include "common/log.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD "2026-11-28T07:20:59.904Z warn sip/1 bad-thing"

static char out[LOG_FORMATTED_MAX];

static void json_is(const char *line, const char *expected)
{
	size_t n = log_format_json(str_of(line), out, sizeof(out));

	cr_assert(str_equal((struct str){out, n}, str_of(expected)), "%.*s", (int)n, out);
}

static void journal_is(const char *line, const char *expected, size_t expected_size)
{
	size_t n = log_format_journal(str_of(line), out, sizeof(out));

	cr_assert(str_equal((struct str){out, n}, (struct str){expected, expected_size}), "%.*s",
		(int)n, out);
}

Test(log_format, json)
{
	json_is(HEAD " path=/a/b why=\"a \\\"b\\\"\\n\\x01=\" empty=\"\" n=5",
		"{\"time\":\"2026-11-28T07:20:59.904Z\",\"level\":\"warn\",\"process\":\"sip/1\","
		"\"event\":\"bad-thing\",\"path\":\"/a/b\",\"why\":\"a \\\"b\\\"\\u000a\\u0001=\","
		"\"empty\":\"\",\"n\":\"5\"}\n");
	json_is(HEAD, "{\"time\":\"2026-11-28T07:20:59.904Z\",\"level\":\"warn\","
		      "\"process\":\"sip/1\",\"event\":\"bad-thing\"}\n");
}

Test(log_format, what_is_no_such_line_stays_whole)
{
	json_is("x", "{\"text\":\"x\"}\n");
	json_is("", "{}\n");
	json_is("a b c d e=f", "{\"text\":\"a b c d e=f\"}\n");
	json_is(HEAD " a=1 free text=\"2",
		"{\"time\":\"2026-11-28T07:20:59.904Z\",\"level\":\"warn\",\"process\":\"sip/1\","
		"\"event\":\"bad-thing\",\"a\":\"1\",\"text\":\"free text=\\\"2\"}\n");
	journal_is("x", S("SYSLOG_IDENTIFIER=sipward\nMESSAGE=x\n").p,
		sizeof("SYSLOG_IDENTIFIER=sipward\nMESSAGE=x\n") - 1);
}

Test(log_format, journal)
{
	static const char expected[] = "SYSLOG_IDENTIFIER=sipward\nPRIORITY=4\n"
				       "SIPWARD_PROCESS=sip/1\nSIPWARD_EVENT=bad-thing\n"
				       "SIPWARD_CALL_ID=a@b\n"
				       "SIPWARD_WHY\n\x03\0\0\0\0\0\0\0a\nb\n"
				       "MESSAGE=sip/1 bad-thing call-id=a@b why=\"a\\nb\"\n";

	journal_is(HEAD " call-id=a@b why=\"a\\nb\"", expected, sizeof(expected) - 1);
}

Test(log_format, the_longest_line_fits)
{
	char line[LOG_LINE_MAX + 2] = HEAD " a=";

	for (size_t n = strlen(line); n < LOG_LINE_MAX; n++)
		line[n] = '"';
	line[LOG_LINE_MAX] = 0;
	cr_assert_gt(log_format_json(str_of(line), out, sizeof(out)), 0);
	cr_assert_gt(log_format_journal(str_of(line), out, sizeof(out)), 0);
	/* many short values take the most room: each has a name of its own */
	for (size_t n = sizeof(HEAD); n < LOG_LINE_MAX; n++)
		line[n - 1] = "a= "[n % 3];
	cr_assert_gt(log_format_journal(str_of(line), out, sizeof(out)), 0);
	line[LOG_LINE_MAX] = 'x';
	line[LOG_LINE_MAX + 1] = 0;
	cr_assert_eq(log_format_json(str_of(line), out, sizeof(out)), 0);
}

/* What is logged arrives at journald's socket, a datagram a line, with the fields of its own. */
Test(log_format, lines_arrive_at_the_journal)
{
	char folder[] = "/tmp/sipward-journal-XXXXXX", datagram[LOG_FORMATTED_MAX + 1];
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	cr_assert_not_null(mkdtemp(folder));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
	log_format_journal_at(address.sun_path);
	cr_assert_eq(log_format_set(LOG_FORMAT_JOURNALD), -ENOENT, "nobody listens");
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(log_format_set(LOG_FORMAT_JOURNALD), 0);
	log_init("master", -1, LOG_INFO, NULL, NULL);
	log_warn("bad-thing", "call-id=%s status=%d", "a@b", 503);
	log_debug("not-now", "a=b");
	log_info("good-thing", "%s", "");
	ssize_t n = recv(fd, datagram, sizeof(datagram) - 1, MSG_DONTWAIT);
	cr_assert_gt(n, 0);
	datagram[n] = '\0';
	cr_assert_str_eq(datagram, "SYSLOG_IDENTIFIER=sipward\nPRIORITY=4\n"
				   "SIPWARD_PROCESS=master\nSIPWARD_EVENT=bad-thing\n"
				   "SIPWARD_CALL_ID=a@b\nSIPWARD_STATUS=503\n"
				   "MESSAGE=master bad-thing call-id=a@b status=503\n");
	n = recv(fd, datagram, sizeof(datagram) - 1, MSG_DONTWAIT);
	cr_assert_gt(n, 0);
	datagram[n] = '\0';
	cr_assert(strstr(datagram, "PRIORITY=6\n"), "%s", datagram);
	cr_assert_eq(recv(fd, datagram, sizeof(datagram), MSG_DONTWAIT), -1, "a third line");
	close(fd);
	unlink(address.sun_path);
	rmdir(folder);
}
