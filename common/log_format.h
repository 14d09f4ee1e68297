/* log_format.h - how whole lines of the log are written: as they are (logfmt), as JSON objects, or
 * to journald with fields of their own. The master writes all lines, those of workers too. */
#ifndef SIPWARD_COMMON_LOG_FORMAT_H
#define SIPWARD_COMMON_LOG_FORMAT_H

#include "str.h"

/* The words of the option log-format, in their order. */
enum log_format { LOG_FORMAT_AUTO = 0, LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON, LOG_FORMAT_JOURNALD };

/* Bytes of one line in another format, at most: each byte of it escaped, and the names. */
#define LOG_FORMATTED_MAX 16384

/* How lines are written from now on. AUTO: to journald where standard error is its stream, as
 * JOURNAL_STREAM says (systemd.exec(5)), else logfmt. JOURNALD where no journald listens: logfmt,
 * and -errno is returned. */
int log_format_set(enum log_format format);
/* Writes one whole line, whose last byte the caller may overwrite: there must be room for one more
 * behind its n bytes. Never waits. False: it could not be written. */
bool log_format_write(char *line, size_t n);

/* Where journald is looked for from now on, for tests; path stays the caller's. */
void log_format_journal_at(const char *path);

/* The parts, for tests: a line as a JSON object with a newline, and as a datagram of journald's
 * native protocol. Their size; 0: it does not fit. */
size_t log_format_json(struct str line, char *out, size_t size);
size_t log_format_journal(struct str line, char *out, size_t size);

#endif
