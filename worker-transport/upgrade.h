/* upgrade.h - the HTTP request that turns a connection into a WebSocket, and its answer (RFC 6455
 * section 4.2, RFC 7118 section 5).
 *
 * Reading is incremental: bytes that were looked at are not looked at again. Nothing is allocated.
 */
#ifndef SIPWARD_TRANSPORT_UPGRADE_H
#define SIPWARD_TRANSPORT_UPGRADE_H

#include "common/counters.h"
#include "common/str.h"

#include <stdint.h>

/* The largest request, bytes, blank line included. */
#define UPGRADE_MAX 8192
/* The most header lines of one. Browsers send about fifteen. */
#define UPGRADE_LINES_MAX 64
/* Bytes that any answer fits in. */
#define UPGRADE_ANSWER_MAX 256
/* Characters of Sec-WebSocket-Accept: base64 of a SHA-1. */
#define UPGRADE_ACCEPT_LENGTH 28

/* The clients that a listener lets in. */
struct upgrade_rules {
	/* Whether pages from that origin may connect; n == 0: the client named none. */
	bool (*origin)(void *arg, struct str origin);
	void *arg;
};

/* The state of one connection. It is all zero at the start. */
struct upgrade {
	uint32_t scanned; /* bytes looked at */
	uint32_t line;    /* start of the line being read */
	uint32_t lines;   /* whole lines so far */
};

enum upgrade_result {
	UPGRADE_MORE, /* read on */
	UPGRADE_DONE, /* answer with 101 and consume step.consume bytes: frames follow */
	UPGRADE_BAD   /* answer, then close */
};

struct upgrade_step {
	size_t consume;
	uint16_t status;                        /* 101, 400, 403, 405, 426, 431 or 505 */
	enum counter counter;                   /* BAD: the caller counts it */
	char accept[UPGRADE_ACCEPT_LENGTH + 1]; /* DONE */
};

/* Looks at size bytes of buffer, which holds all that has come since the connection began. A buffer
 * of UPGRADE_MAX bytes always suffices for a result other than MORE. */
enum upgrade_result upgrade_next(struct upgrade *u, const char *buffer, size_t size,
	const struct upgrade_rules *rules, struct upgrade_step *step);

/* Writes the answer to buffer, without a NUL; returns its length. */
size_t upgrade_answer(const struct upgrade_step *step, char buffer[UPGRADE_ANSWER_MAX]);

/* Writes Sec-WebSocket-Accept for a Sec-WebSocket-Key, with a NUL (RFC 6455 section 4.2.2). 0;
 * -EINVAL: a key of another length; -EIO: the library has no SHA-1. Its first call may open files,
 * and has to be made before the jail closes. */
int upgrade_accept(struct str key, char accept[UPGRADE_ACCEPT_LENGTH + 1]);

#endif
