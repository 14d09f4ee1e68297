/* log.h - one event, one line, one write.
 *
 * A line reads  ts level role worker event key=value ...  The event is a stable name in lower case
 * with hyphens; what follows is logfmt (values with a space, a quote or a control character are
 * quoted and escaped by log_value). Never a credential. Workers hand their lines to the master over
 * the lifeline; the master writes them to stderr, or in the form that log-format names
 * (log_format.h).
 */
#ifndef SIPWARD_COMMON_LOG_H
#define SIPWARD_COMMON_LOG_H

#include "str.h"

enum log_level { LOG_ERROR = 0, LOG_WARN = 1, LOG_INFO = 2, LOG_DEBUG = 3 };

/* The longest line, bytes; what is longer is cut. */
#define LOG_LINE_MAX 1024

/* Takes one whole line without a newline. Must not block. */
typedef void (*log_sink)(void *arg, enum log_level level, const char *line, size_t length);

/* The process's log: role ("master", "transport", ...), the worker's index (-1: none), the least
 * important level still written and where lines go (sink NULL: one write to stderr). The only
 * global state beside main's context: a log has to be reachable from everywhere. */
void log_init(const char *role, int index, enum log_level level, log_sink sink, void *arg);
/* Writes one whole line, whose last byte the caller may overwrite: there must be room for one more
 * behind its n bytes. Never waits. False: it could not be written. */
typedef bool (*log_writer)(char *line, size_t n);
/* What writes lines where there is no sink, in place of log_write_line. */
void log_set_writer(log_writer write);
/* Writes the line to standard error. */
bool log_write_line(char *line, size_t n);
/* Writes to standard error unless its reader is so far behind that it would block: a log must not
 * stop a call. */
bool log_write_bytes(const char *text, size_t n);
void log_set_level(enum log_level level);
enum log_level log_level(void);
/* "error", "warn", "info", "debug". */
const char *log_level_name(enum log_level level);
/* The level of that name, or -1. */
int log_level_of(const char *name);
bool log_enabled(enum log_level level);

/* Writes one event; format gives the "key=value ..." part and may be "". */
void log_event(enum log_level level, const char *event, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#define log_error(event, ...) log_event(LOG_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...) log_event(LOG_WARN, event, __VA_ARGS__)
#define log_info(event, ...) log_event(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...)                                                                      \
	do {                                                                                       \
		if (log_enabled(LOG_DEBUG))                                                        \
			log_event(LOG_DEBUG, event, __VA_ARGS__);                                  \
	} while (0)

/* A negative errno in words ("No such file or directory"), for log lines:
 * log_error("state-open", "path=%s error=\"%s\"", path, error_text(error)). Static text, from any
 * thread, and in a jail as well: it opens no file of a locale, as strerror may. */
const char *error_text(int error);

/* s as a logfmt value in buffer (quoted and escaped where needed, cut with "..." where too
 * long); returns buffer. For use in log_event's arguments. */
const char *log_value(struct str s, char *buffer, size_t size);

#endif
