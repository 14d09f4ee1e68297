/* frame.h - finding messages in a stream (RFC 3261 section 18.3, keep-alives of RFC 5626
 * section 4.4.1).
 *
 * Framing is incremental: bytes that were looked at are not looked at again, and any split of the
 * bytes gives the same results.
 */
#ifndef SIPWARD_TRANSPORT_PARSE_FRAME_H
#define SIPWARD_TRANSPORT_PARSE_FRAME_H

#include "common/counters.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest header part on a stream, bytes, blank line included. It bounds what a peer can make
 * us hold before it has said how long its message is. */
#define FRAME_HEADER_MAX 32768

enum frame_result {
	FRAME_MORE,    /* there is nothing to consume yet: read on */
	FRAME_PING,    /* CRLF CRLF: consume, answer with one CRLF */
	FRAME_PONG,    /* a CRLF by itself: consume */
	FRAME_MESSAGE, /* one whole message of step.consume bytes starts the buffer: parse, consume
	                */
	FRAME_BAD      /* fatal: answer with step.status if it is set, then close */
};

/* The state of one stream. It is all zero at the start, and resets itself after each result that
 * consumes. */
struct frame {
	uint32_t scanned;     /* bytes looked at */
	uint32_t line;        /* start of the line being read */
	uint32_t header_size; /* bytes from start line to blank line; 0: not whole yet */
	uint32_t total;       /* header_size and body, once known */
	uint32_t value;       /* start of Content-Length's value; 0: none seen */
	uint32_t value_end;
	uint32_t former; /* the same of the one before, where it came again */
	uint32_t former_end;
	bool twice;     /* Content-Length came again with another value */
	bool in_length; /* the header being read is Content-Length: a folded line belongs to it */
};

struct frame_step {
	size_t consume; /* PING, PONG, MESSAGE: bytes to take from the front of the buffer */
	size_t need;    /* MORE: bytes still missing where that is known, else 0 */
	bool begun; /* MORE: a message has begun, and its time runs; false: the buffer holds at most
	               half a keep-alive */
	uint16_t status;      /* BAD: 400 or 513; 0: close without an answer */
	enum counter counter; /* BAD: the caller counts it */
	const char *reason;   /* BAD: static reason phrase */
	size_t header_size;   /* BAD: bytes that parse_message may see, to learn whether an answer
	                         (with status above) can be sent; 0: none */
};

/* Looks at size bytes of buffer, which starts at the first byte that was not consumed and holds at
 * least what it held in the last call. message_max: the largest message, bytes, at most
 * MESSAGE_RAW_MAX; a buffer of that size always suffices for a result other than MORE. To be called
 * again after each result that consumes, until MORE or BAD. */
enum frame_result frame_next(struct frame *f, const char *buffer, size_t size, size_t message_max,
	struct frame_step *step);

#endif
