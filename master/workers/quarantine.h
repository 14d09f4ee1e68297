/* quarantine.h - the bytes that workers had in hand when they died: kept for analysis, and refused
 * from then on.
 *
 * A folder of the state directory that the master alone may enter, one file of exactly the bytes
 * each, whose name says the rest:
 *
 *     quarantine/TIME.KIND.WORKER.REASON.FINGERPRINT 1767225600123.message.transport-0.SEGV.6fd1...
 *
 * They are whole messages, credentials included. What is there at a start is refused again; nothing
 * in the folder is believed: the fingerprint is made anew from the bytes. When there are too many
 * the oldest one goes: what ends workers now matters most.
 */
#ifndef SIPWARD_MASTER_WORKERS_QUARANTINE_H
#define SIPWARD_MASTER_WORKERS_QUARANTINE_H

#include "ipc/lifeline.h"

#include <stdio.h>

/* The most that are kept; with EVIDENCE_MAX a bound of 16 MB on disk. */
#define QUARANTINE_MAX FINGERPRINTS_MAX
#define QUARANTINE_NAME_MAX 120
#define QUARANTINE_WORKER_SIZE 20
#define QUARANTINE_REASON_SIZE 20
/* Hexadecimal digits by which one can be named at least. */
#define QUARANTINE_PREFIX_MIN 4

struct poison {
	struct fingerprint print;
	int64_t time;                        /* of the first death, unix milliseconds */
	char worker[QUARANTINE_WORKER_SIZE]; /* "transport-0" */
	char reason[QUARANTINE_REASON_SIZE]; /* "SEGV", "hangs", "jail-violation", "exit-1" */
	unsigned deaths;                     /* since this start: 0 where it was there before */
	bool stored;                         /* there is a file */
};

struct quarantine;

/* Makes the folder below directory where it is missing and reads what is there. -errno, logged. */
int quarantine_open(struct quarantine **out, int directory);
void quarantine_close(struct quarantine *q); /* NULL is a no-op */

/* Keeps size bytes (1 to EVIDENCE_MAX), or counts one more death where they are kept already. *out
 * is valid until the next call. 0; -errno: there is no file of it, but it is listed all the same.
 * Logged and counted. */
int quarantine_keep(struct quarantine *q, enum evidence_kind kind, const unsigned char *bytes,
	size_t size, const char *worker, const char *reason, int64_t time,
	const struct poison **out);

/* All of them, oldest first. */
size_t quarantine_count(const struct quarantine *q);
const struct poison *quarantine_at(const struct quarantine *q, size_t i);
/* The one whose fingerprint begins with these hexadecimal digits. -EINVAL: too few, or no such
 * digits; -ENOENT; -ENOTUNIQ. */
int quarantine_find(const struct quarantine *q, const char *digits, size_t *i);
/* Its bytes; buffer has EVIDENCE_MAX. -ENOENT: there is no file; -EBADMSG: it is not what it was.
 */
int quarantine_read(const struct quarantine *q, size_t i, unsigned char *buffer, size_t *size);
/* Removes one, or all of them: files and list. -errno: a file could not be removed; it is not
 * refused any more until the next start. */
int quarantine_remove(struct quarantine *q, size_t i);
int quarantine_clear(struct quarantine *q);

/* Writes the list of what workers are to refuse. */
void quarantine_list(const struct quarantine *q, struct lifeline_quarantine *out);

/* The bytes as text for a terminal: a CRLF ends a line; what is not printable ASCII, and a
 * backslash, as \xNN, \r, \n, \t or \\. */
void quarantine_print(const unsigned char *bytes, size_t size, FILE *to);

#endif
