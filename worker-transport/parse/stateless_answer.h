/* stateless_answer.h - stateless answers (RFC 3261 section 8.2.7): to malformed requests, and to
 * requests that no SIP worker has room for.
 *
 * The To-tag is a keyed hash of Call-ID, From-tag and top branch, so that the ACK of such an answer
 * is recognized without state, and absorbed.
 */
#ifndef SIPWARD_TRANSPORT_PARSE_STATELESS_ANSWER_H
#define SIPWARD_TRANSPORT_PARSE_STATELESS_ANSWER_H

#include "common/hash.h"
#include "ipc/message.h"

/* A To-tag that was made here: this prefix and 16 hex digits. */
#define STATELESS_ANSWER_TAG_PREFIX "st"
#define STATELESS_ANSWER_TAG_LENGTH 18
/* Bytes that any answer fits in. */
#define STATELESS_ANSWER_MAX (MESSAGE_RAW_MAX + 1024)

struct stateless_answer {
	unsigned status;      /* 300 to 699 */
	const char *reason;   /* reason phrase; NULL: the status' own */
	unsigned retry_after; /* seconds; 0: no such header */
	struct str server;    /* text of the Server header; n == 0: none */
};

/* Writes the answer to request m, which came from peer, into size bytes of buffer. m: a whole
 * block, or one that parse_message called answerable. Returns the answer's length; -EPERM for an
 * ACK or a response, which are never answered; -ENOBUFS. */
long stateless_answer_write(const struct hash_key *tag_key, const struct message *m,
	const struct endpoint *peer, const struct stateless_answer *why, char *buffer, size_t size);

/* Whether m, a whole block, is the ACK of an answer that was made here. */
bool stateless_answer_is_ack(const struct hash_key *tag_key, const struct message *m);

#endif
