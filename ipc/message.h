/* message.h - the parsed message: one contiguous block that a transport worker makes and a SIP
 * worker checks and reads.
 *
 * Layout: struct message, then header_count struct message_header, then the raw bytes (raw_size),
 * then zero bytes up to a multiple of 8. No pointers: every position is a struct span relative to
 * the raw bytes. The raw bytes are the message exactly as received, or as it was repaired
 * (worker-transport/parse/repair.h). The sender is not trusted: message_check comes before anything
 * else.
 */
#ifndef SIPWARD_IPC_MESSAGE_H
#define SIPWARD_IPC_MESSAGE_H

#include "flow.h"
#include "names.h"
#include "uri.h"

#define MESSAGE_VERSION 2
/* The largest SIP message, bytes: what fits a UDP datagram fits here, and spans stay 16 bits. */
#define MESSAGE_RAW_MAX 65535
/* The most header lines: RFC 4475's longest has under 60; 0xff in first[] means "none". */
#define MESSAGE_HEADERS_MAX 200
/* Bytes that a source which has not shown itself is sent for each byte that came from there, at
 * most: the source of a datagram may be forged. */
#define ANSWER_RATIO 4
/* The largest block. */
#define MESSAGE_BLOCK_MAX                                                                          \
	(sizeof(struct message) + MESSAGE_HEADERS_MAX * sizeof(struct message_header) +            \
		MESSAGE_RAW_MAX + 8)

struct message_header {
	uint8_t id;          /* enum header, HEADER_OTHER, HEADER_UNREADABLE */
	uint8_t name_length; /* the name starts at line; of an unreadable line: the octets of a
	                        token that it starts with, 255 at most */
	uint16_t line;       /* first byte of the header line(s) */
	uint16_t end;        /* one past the CRLF that ends it, folded lines included */
	struct span value;   /* without white space at its ends; folds stand inside as they came; of
	                        an unreadable line: all zero */
};
_Static_assert(sizeof(struct message_header) == 10, "crosses process borders");

struct message {
	uint32_t size;        /* of the whole block, a multiple of 8 */
	uint16_t version;     /* MESSAGE_VERSION */
	uint8_t is_request;   /* 1 request, 0 response */
	uint8_t method;       /* enum method; of a response: its CSeq's */
	struct flow flow;     /* where it came from: the way back */
	uint64_t received_ns; /* CLOCK_MONOTONIC */
	uint32_t raw_size;    /* start line to the end of the body */
	uint32_t cseq;        /* 0 to 2^31 - 1 (RFC 3261 section 8.1.1.5) */
	uint16_t status;      /* of a response: 100 to 699 */
	uint16_t header_count;
	int16_t max_forwards;  /* 0 to 255, -1: no such header */
	uint8_t slot;          /* that the sender found; the receiver finds it again */
	uint8_t via_transport; /* enum transport of the top Via, 0: another */
	int64_t expires;       /* value of Expires, -1: none */

	struct span start_line; /* without its CRLF */
	struct span method_name;
	struct span reason; /* reason phrase of a response */
	struct uri request_uri;

	struct span via;      /* the whole first via-parm of the top Via */
	struct span via_host; /* sent-by host */
	uint16_t via_port;    /* 0: none given */
	uint16_t via_count;   /* Via values in all */
	struct span via_branch;
	struct span via_params; /* from the first ';' of that via-parm to its end, the ';' included;
	                           empty: none */
	struct span call_id;
	struct span from_tag;
	struct span to_tag;
	struct uri from;
	struct uri to;
	struct uri contact; /* the first Contact's URI; whole.length 0: no Contact, or "*" */
	uint16_t contact_count;
	uint8_t contact_star;   /* 1: Contact is "*" */
	uint8_t rport;          /* 1: the top Via has rport without a value (RFC 3581) */
	uint8_t unreadable;     /* how many header lines have HEADER_UNREADABLE */
	uint8_t broken;         /* of a response, 1: something that it needs is missing or cannot
	                           be read, though its status and its Via can. It ends what it
	                           answers; any other field may be absent */
	uint8_t empty_elements; /* 0: no list has an empty element, which a sender must not write */
	struct span content_type; /* value */
	struct span body;

	uint32_t grown;              /* bytes by which a repair made the raw ones more than came */
	uint8_t first[HEADER_COUNT]; /* index of the first header line with that id, 0xff: none */
};

/* The most bytes of an answer to a source which has not shown itself: by what came from there, not
 * by what a repair made of it. */
static inline size_t message_answer_max(const struct message *m)
{
	return (size_t)ANSWER_RATIO * (m->raw_size - m->grown);
}

static inline const struct message_header *message_headers(const struct message *m)
{
	return (const struct message_header *)(const void *)(m + 1);
}
static inline const char *message_raw(const struct message *m)
{
	return (const char *)(message_headers(m) + m->header_count);
}
static inline struct str message_str(const struct message *m, struct span s)
{
	return (struct str){message_raw(m) + s.at, s.length};
}
/* The bytes a block with this many headers and raw bytes takes. */
static inline size_t message_block_size(size_t header_count, size_t raw_size)
{
	return (sizeof(struct message) + header_count * sizeof(struct message_header) + raw_size +
		       7) &
	       ~(size_t)7;
}

/* Checks a block from another process before anything in it is believed: size equals the header's
 * own count, version, counts, ranges, every span inside the raw bytes and every header inside the
 * header part and in order, first[] in step with the table, mandatory fields present, sub-spans of
 * URIs inside their whole. Also: header lines follow each other without a gap, each ends with its
 * only CRLF that is no fold, its id is its name's: who strips headers by id cannot be made to miss
 * one. A NUL before the body stands only in a quoted-pair within a quoted string of the value of a
 * header that header_takes_nul, or in an unreadable line. A line is unreadable by its id alone: it
 * has no value, its name is the token that it starts with and none of the five that every message
 * needs (of a response: no Via), and there are as many as the block says, so that none is
 * in first[] and whoever passes lines on finds each of them. 0, or -EBADMSG. Constant memory,
 * linear in the size of the header part. */
int message_check(const void *block, size_t size);
/* The place of the raw bytes in a block that nobody has checked yet; STR_NONE where they would
 * not lie inside. To know which message it is, and for nothing else. */
struct str message_raw_unchecked(const void *block, size_t size);

/* The first header with that id, or NULL; message_next: the next one with the same id, or NULL. */
const struct message_header *message_first(const struct message *m, enum header id);
const struct message_header *message_next(const struct message *m, const struct message_header *h);
/* The value of the first header with that id; n == 0 where there is none. */
struct str message_value(const struct message *m, enum header id);
static inline struct str message_header_value(
	const struct message *m, const struct message_header *h)
{
	return message_str(m, h->value);
}
static inline struct str message_header_name(
	const struct message *m, const struct message_header *h)
{
	return (struct str){message_raw(m) + h->line, h->name_length};
}
/* What an unreadable line's header would be: enum header or HEADER_OTHER. */
static inline uint8_t message_unreadable_id(const struct message *m, const struct message_header *h)
{
	return h->name_length ? header_of(message_header_name(m, h)) : HEADER_OTHER;
}

/* The parts of one of the message's typed URIs as strings. */
struct uri_parts uri_of(const struct message *m, const struct uri *uri);

#endif
