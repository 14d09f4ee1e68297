/* log.c - one event, one line, one write, and never a wait. Relies on the clock: no locale, no
 * time zone.
 */
#include "log.h"

#include "clock.h"
#include "counters.h"
#include "date.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define PROCESS_MAX 32

static struct {
	char process[PROCESS_MAX]; /* "transport/0" */
	enum log_level level;
	log_sink sink;
	void *arg;
	log_writer write; /* NULL: log_write_line */
} state = {.process = "-", .level = LOG_INFO};

static const char *const level_names[] = {
	[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};

void log_init(const char *role, int index, enum log_level level, log_sink sink, void *arg)
{
	if (index >= 0)
		snprintf(state.process, sizeof(state.process), "%s/%d", role, index);
	else
		snprintf(state.process, sizeof(state.process), "%s", role);
	state.level = level;
	state.sink = sink;
	state.arg = arg;
}

void log_set_writer(log_writer write)
{
	state.write = write;
}

bool log_write_bytes(const char *text, size_t n)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) && write(STDERR_FILENO, text, n) >= 0;
}

bool log_write_line(char *line, size_t n)
{
	line[n] = '\n';
	return log_write_bytes(line, n + 1);
}

void log_set_level(enum log_level level)
{
	state.level = level;
}

enum log_level log_level(void)
{
	return state.level;
}

const char *log_level_name(enum log_level level)
{
	return level_names[level];
}

int log_level_of(const char *name)
{
	for (int i = LOG_ERROR; i <= LOG_DEBUG; i++)
		if (strcmp(name, level_names[i]) == 0)
			return i;
	return -1;
}

bool log_enabled(enum log_level level)
{
	return level <= state.level;
}

/* ISO 8601 in UTC with milliseconds; returns the length. */
static size_t log_time_text(char *buffer, size_t size)
{
	uint64_t ms = clock_realtime_ms();
	struct date d;

	date_of((int64_t)(ms / 1000), &d);
	int n = snprintf(buffer, size, "%04lld-%02u-%02uT%02u:%02u:%02u.%03uZ", (long long)d.year,
		d.month, d.day, d.hour, d.minute, d.second, (unsigned)(ms % 1000));
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* Whether a sequence of UTF-8 with these first two bytes is overlong, a surrogate, beyond Unicode
 * or a control character. */
static bool log_is_no_character(const unsigned char *p)
{
	switch (p[0]) {
	case 0xc2: return p[1] < 0xa0;
	case 0xe0: return p[1] < 0xa0;
	case 0xed: return p[1] > 0x9f;
	case 0xf0: return p[1] < 0x90;
	case 0xf4: return p[1] > 0x8f;
	default: return false;
	}
}

/* The length of the valid UTF-8 sequence of a printable character at p (n bytes left), or 0: a
 * broken, overlong or surrogate one, or a control character of either set. */
static size_t log_printable_length(const unsigned char *p, size_t n)
{
	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	size_t length = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || length > n)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return log_is_no_character(p) ? 0 : length;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
	char line[LOG_LINE_MAX + 2]; /* and the newline and a NUL */
	int saved = errno;

	if (!log_enabled(level))
		return;
	size_t n = log_time_text(line, LOG_LINE_MAX);
	int head = snprintf(line + n, LOG_LINE_MAX + 1 - n, " %s %s %s", level_names[level],
		state.process, event);
	n += head > 0 ? (size_t)head : 0;
	if (n < LOG_LINE_MAX && format[0]) {
		line[n++] = ' ';
		va_list ap;
		va_start(ap, format);
		int body = vsnprintf(line + n, LOG_LINE_MAX + 1 - n, format, ap);
		va_end(ap);
		n += body > 0 ? (size_t)body : 0;
	}
	if (n > LOG_LINE_MAX) {
		/* Cut, and not in the middle of a character. */
		n = LOG_LINE_MAX;
		size_t whole = n;
		while (whole > 0 && n - whole < 4 &&
			((unsigned char)line[whole - 1] & 0xc0) == 0x80)
			whole--;
		if (whole > 0 && (unsigned char)line[whole - 1] >= 0xc0 &&
			!log_printable_length((unsigned char *)line + whole - 1, n - whole + 1))
			n = whole - 1;
	}
	/* Values go through log_value; what did not must still not be able to forge a line or move
	 * the reader's cursor. */
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[n] = 0;

	if (state.sink)
		state.sink(state.arg, level, line, n);
	else if (!(state.write ? state.write : log_write_line)(line, n))
		count(LOG_DROPPED);
	errno = saved;
}

const char *error_text(int error)
{
	const char *text = strerrordesc_np(-error);

	return text ? text : "Unknown error";
}

/* The text of the character at s into unit; returns its length and by *used how many bytes of s it
 * took. */
static size_t log_escape(struct str s, char unit[8], size_t *used)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char c = (unsigned char)s.p[0];
	char letter = c == '"' || c == '\\' ? (char)c
	              : c == '\n'           ? 'n'
	              : c == '\r'           ? 'r'
	              : c == '\t'           ? 't'
	                                    : 0;
	size_t length = log_printable_length((const unsigned char *)s.p, s.n);

	*used = 1;
	if (letter) {
		unit[0] = '\\';
		unit[1] = letter;
		return 2;
	}
	if (length == 0) {
		unit[0] = '\\';
		unit[1] = 'x';
		unit[2] = hex[c >> 4];
		unit[3] = hex[c & 15];
		return 4;
	}
	memcpy(unit, s.p, length);
	*used = length;
	return length;
}

const char *log_value(struct str s, char *buffer, size_t size)
{
	char unit[8];
	size_t used, at = 0, safe = 0;
	bool quoted = s.n == 0;

	if (size == 0)
		return "";
	for (size_t i = 0; i < s.n && !quoted; i += used)
		quoted = log_escape(str_from(s, i), unit, &used) != used || s.p[i] == ' ' ||
		         s.p[i] == '=';
	if (size < sizeof("\"...\"")) {
		/* No room for anything to be told apart from a whole value. */
		memset(buffer, '.', size - 1);
		buffer[size - 1] = 0;
		return buffer;
	}

	size_t end = size - 1 - quoted; /* room for the NUL and the closing quote stays */
	if (quoted)
		buffer[at++] = '"';
	safe = at;
	for (size_t i = 0; i < s.n; i += used) {
		size_t length = log_escape(str_from(s, i), unit, &used);

		if (at + length > end) {
			memcpy(buffer + safe, "...", 3);
			at = safe + 3;
			break;
		}
		memcpy(buffer + at, unit, length);
		at += length;
		if (at + 3 <= end)
			safe = at;
	}
	if (quoted)
		buffer[at++] = '"';
	buffer[at] = 0;
	return buffer;
}
