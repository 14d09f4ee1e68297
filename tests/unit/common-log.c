/* common-log.c - log lines, their escapes and their limits. */
#include "common/log.h"

#include "common/clock.h"
#include "common/counters.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <time.h>
#include <unistd.h>

static char last[LOG_LINE_MAX + 1];
static size_t last_length;
static enum log_level last_level;
static int lines;

static void sink(void *arg, enum log_level level, const char *line, size_t length)
{
	cr_assert_eq(arg, &lines);
	cr_assert_leq(length, LOG_LINE_MAX);
	memcpy(last, line, length);
	last[length] = 0;
	last_length = length;
	last_level = level;
	lines++;
	errno = EBADMSG;
}

static bool matches(const char *text, const char *pattern)
{
	regex_t r;

	cr_assert_eq(regcomp(&r, pattern, REG_EXTENDED | REG_NOSUB), 0);
	bool yes = regexec(&r, text, 0, NULL, 0) == 0;
	regfree(&r);
	return yes;
}

#define TIME "^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\\.[0-9]{3}Z "

Test(log, writes_one_line_an_event)
{
	log_init("transport", 0, LOG_INFO, sink, &lines);
	log_info("listener-up", "bind=%s port=%d", "127.0.0.1", 5060);
	cr_assert(
		matches(last, TIME "info transport/0 listener-up bind=127\\.0\\.0\\.1 port=5060$"),
		"%s", last);
	cr_assert_eq(last_length, strlen(last));
	cr_assert_eq(last_level, LOG_INFO);
	log_init("master", -1, LOG_DEBUG, sink, &lines);
	log_error("stopped", "%s", "");
	cr_assert(matches(last, TIME "error master stopped $"), "%s", last);
	log_event(LOG_WARN, "bare", "%s", "x=1");
	cr_assert(matches(last, TIME "warn master bare x=1$"), "%s", last);
	log_debug("detail", "x=%d", 2);
	cr_assert(matches(last, TIME "debug master detail x=2$"), "%s", last);
	cr_assert_eq(lines, 4);
}

/* time(2) may be a tick behind the clock. */
static void utc_second(char buffer[32])
{
	time_t now = (time_t)(clock_realtime_ms() / 1000);
	struct tm tm;

	strftime(buffer, 32, "%Y-%m-%dT%H:%M:%S", gmtime_r(&now, &tm));
}

Test(log, tells_the_time_in_utc)
{
	char before[32], after[32];

	setenv("TZ", "Asia/Kathmandu", 1);
	utc_second(before);
	log_init("sip", 3, LOG_INFO, sink, &lines);
	log_info("event", "x=1");
	utc_second(after);
	cr_assert(strncmp(last, before, 19) >= 0 && strncmp(last, after, 19) <= 0, "%s", last);
}

Test(log, keeps_to_its_level)
{
	log_init("sip", 0, LOG_WARN, sink, &lines);
	log_info("quiet", "x=1");
	log_debug("quiet", "x=1");
	cr_assert_eq(lines, 0);
	log_warn("loud", "x=1");
	cr_assert_eq(lines, 1);
	cr_assert(!log_enabled(LOG_INFO));
	log_set_level(LOG_DEBUG);
	cr_assert(log_enabled(LOG_DEBUG));
	log_debug("loud", "x=1");
	cr_assert_eq(lines, 2);
}

Test(log, keeps_errno)
{
	log_init("sip", 0, LOG_INFO, sink, &lines);
	errno = ENOENT;
	log_info("failed", "error=\"%s\"", error_text(-EACCES));
	cr_assert_eq(errno, ENOENT);
	cr_assert(strstr(last, "error=\"Permission denied\""), "%s", last);
}

Test(log, an_errno_in_words)
{
	cr_assert_str_eq(error_text(-ENOENT), "No such file or directory");
	cr_assert_str_eq(error_text(-ETIMEDOUT), "Connection timed out");
	cr_assert_str_eq(error_text(-4095), "Unknown error");
	cr_assert_str_eq(error_text(4), "Unknown error");
}

Test(log, a_raw_value_forges_no_line)
{
	log_init("sip", 0, LOG_INFO, sink, &lines);
	log_info("event", "value=%s", "a\nb\rc\x1b[2Jd\te\x7f");
	cr_assert(strstr(last, "value=a?b?c?[2Jd?e?"), "%s", last);
}

Test(log, cuts_long_lines_between_characters)
{
	static char text[2 * LOG_LINE_MAX];

	log_init("sip", 0, LOG_INFO, sink, &lines);
	memset(text, 'x', sizeof(text) - 1);
	log_info("event", "value=%s", text);
	cr_assert_eq(last_length, LOG_LINE_MAX);
	/* Two bytes a character, with and without a byte before them. */
	for (int shift = 0; shift < 2; shift++) {
		for (size_t i = 0; i + 2 < sizeof(text); i += 2)
			memcpy(text + i, "\xc3\xa9", 2);
		log_info("event", "value=%s%s", shift ? "x" : "", text);
		cr_assert_geq(last_length, LOG_LINE_MAX - 1);
		cr_assert_eq((unsigned char)last[last_length - 1], 0xa9);
		cr_assert_eq((unsigned char)last[last_length - 2], 0xc3);
	}
	/* A short line is whole. */
	for (int n = LOG_LINE_MAX - 60; n < LOG_LINE_MAX + 5; n++) {
		log_event(LOG_INFO, "event", "%.*s", n, "");
		memset(text, 'y', sizeof(text) - 1);
		log_event(LOG_INFO, "event", "%.*s", n, text);
		cr_assert(last_length <= LOG_LINE_MAX && last[last_length - 1] == 'y');
	}
}

Test(log, quotes_and_escapes_values)
{
	static const struct {
		struct str value;
		const char *expected;
	} row[] = {
		{{"plain", 5}, "plain"},
		{{"sip:alice@example.net;transport", 31}, "sip:alice@example.net;transport"},
		{{"", 0}, "\"\""},
		{{"two words", 9}, "\"two words\""},
		{{"a=b", 3}, "\"a=b\""},
		{{"say \"hi\"", 8}, "\"say \\\"hi\\\"\""},
		{{"back\\slash", 10}, "\"back\\\\slash\""},
		{{"a\r\nb\tc", 6}, "\"a\\r\\nb\\tc\""},
		{{"nul\0end", 7}, "\"nul\\x00end\""},
		{{"\x1b[2J\x7f", 5}, "\"\\x1b[2J\\x7f\""},
		{{"M\xc3\xbcller", 7}, "M\xc3\xbcller"},
		{{"\xe2\x82\xac\xf0\x9f\x98\x80", 7}, "\xe2\x82\xac\xf0\x9f\x98\x80"},
		{{"bad\xff", 4}, "\"bad\\xff\""},
		{{"cut\xc3", 4}, "\"cut\\xc3\""},
		{{"\xc2\x85", 2}, "\"\\xc2\\x85\""},          /* a C1 control */
		{{"\xc0\xaf", 2}, "\"\\xc0\\xaf\""},          /* overlong */
		{{"\xed\xa0\x80", 3}, "\"\\xed\\xa0\\x80\""}, /* a surrogate */
		{{"\xf4\x90\x80\x80", 4}, "\"\\xf4\\x90\\x80\\x80\""},
	};

	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char buffer[64];

		cr_assert_eq(log_value(row[i].value, buffer, sizeof(buffer)), buffer);
		cr_assert_str_eq(buffer, row[i].expected);
	}
}

Test(log, cuts_values_at_whole_characters)
{
	char buffer[16];

	cr_assert_str_eq(log_value(S("0123456789abcde"), buffer, 16), "0123456789abcde");
	cr_assert_str_eq(log_value(S("0123456789abcdef"), buffer, 16), "0123456789ab...");
	cr_assert_str_eq(log_value(S("a b"), buffer, 6), "\"a b\"");
	cr_assert_str_eq(log_value(S("a bc"), buffer, 6), "\"...\"");
	cr_assert_str_eq(log_value(S("\n\n\n\n\n\n\n"), buffer, 16), "\"\\n\\n\\n\\n\\n...\"");
	cr_assert_str_eq(log_value(S("abcdefgh"), buffer, 4), "...");
	cr_assert_str_eq(log_value(S("abcdefgh"), buffer, 1), "");

	/* Whatever comes in, at whatever size: it ends in time, and a quote that was opened is
	 * closed. */
	for (unsigned seed = 1; seed < 3000; seed++) {
		char value[40], guarded[48];
		size_t n = (size_t)rand() % sizeof(value), size = 6 + (size_t)rand() % 34;

		for (size_t i = 0; i < n; i++)
			value[i] = (char)(rand() % (seed % 2 ? 256 : 128));
		memset(guarded, 'G', sizeof(guarded));
		log_value((struct str){value, n}, guarded, size);
		size_t length = strnlen(guarded, size);
		cr_assert_lt(length, size);
		cr_assert_eq(guarded[size], 'G');
		if (guarded[0] == '"')
			cr_assert(length >= 2 && guarded[length - 1] == '"');
		for (size_t i = 0; i < length; i++)
			cr_assert((unsigned char)guarded[i] >= 0x20 && guarded[i] != 0x7f);
	}
}

Test(log, without_a_sink_goes_to_stderr_and_never_blocks, .timeout = 10)
{
	int fd[2], saved = dup(STDERR_FILENO);
	char text[4096];
	uint64_t dropped = counters_page->counter[COUNTER_LOG_DROPPED];

	cr_assert_eq(pipe(fd), 0);
	dup2(fd[1], STDERR_FILENO);
	log_init("sip", 1, LOG_INFO, NULL, NULL);
	log_info("hello", "x=1");
	ssize_t n = read(fd[0], text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	cr_assert(matches(text, TIME "info sip/1 hello x=1\n$"), "%s", text);
	cr_assert_eq(counters_page->counter[COUNTER_LOG_DROPPED], dropped);
	/* Nobody reads: the pipe fills up, lines are dropped and counted. */
	for (int i = 0; i < 5000; i++)
		log_info("flood", "value=%0500d", i);
	cr_assert_gt(counters_page->counter[COUNTER_LOG_DROPPED], dropped);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fd[0]);
	close(fd[1]);
}
