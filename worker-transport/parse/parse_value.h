/* parse_value.h - the values of known header fields, each against its grammar (RFC 3261 sections 20
 * and 25.1), into the typed fields of the block. This is an inner part of the parser,
 * whose interface is parse.h. */
#ifndef SIPWARD_TRANSPORT_PARSE_PARSE_VALUE_H
#define SIPWARD_TRANSPORT_PARSE_PARSE_VALUE_H

#include "ipc/message.h"
#include "ipc/syntax.h"
#include "parse_error.h"

/* The most elements of all comma lists of one message. A proxy chain may not be longer than
 * Max-Forwards' 70; lists are walked by code further in whose cost grows with the square of their
 * length (32,000 elements cost it 1.9 s, 512 half a millisecond). */
#define PARSE_ITEMS_MAX 512
/* The most auth-params of one set of credentials, for the same reason. Addresses, via-parms and
 * media types have PARAMS_MAX parameters at most (ipc/uri.h). */
#define PARSE_PARAMS_MAX 64
/* The most Via values: the 70 hops that Max-Forwards starts from (RFC 3261 section 8.1.1.6), and
 * room for a client that starts higher. */
#define PARSE_VIAS_MAX 128

/* One message on its way through the parser. */
struct parser {
	const char *raw; /* the start line's first octet, which spans are relative to */
	struct message *message;
	struct parse_error error; /* the first fault */
	bool failed;
	bool any_octets; /* those from 0x80 on need not be UTF-8 */
	bool spared;     /* what is read now is not needed for certain: a fault leaves it out */
	bool left_out;   /* it had one */
	bool empty;      /* it is a list with an empty element */
	const char *expected;  /* of a list: where its next element begins if none is empty */
	unsigned items;        /* elements of all comma lists so far */
	unsigned sip_contacts; /* Contacts so far that are SIP URIs */
	bool has_length;       /* a well-formed Content-Length was seen */
	uint64_t content_length;
};

/* Notes a fault with the status to answer, its counter and a static reason phrase. The first fault
 * stays. Where the header is spared, it is the header's alone. */
void parse_fail(struct parser *p, uint16_t status, enum counter counter, const char *reason);

/* Whether a message has no way through without the header with that id, whatever else it is: what
 * answers are made of, and the length of the body (RFC 3261 section 8.1.1). */
static inline bool parse_always_needs(uint8_t id)
{
	return header_is_mandatory(id) || id == HEADER_CONTENT_LENGTH;
}
/* Whether the message, of which method, status and tags have been read, needs the header with that
 * id to be handled here (RFC 3261 sections 8.2.2 and 16.3), so that one which cannot be read costs
 * the message. A body's own headers: parse_needs_body. */
bool parse_needs(const struct message *m, uint8_t id);
/* Whether the message would mean something else without its body. */
bool parse_needs_body(const struct message *m);

/* Reads the value (trimmed, folds inside) of a header with that id into the block. again: it is not
 * the first header with that id. Faults are noted; the block has nothing of a spared header with a
 * fault. */
void parse_value(struct parser *p, uint8_t id, struct str value, bool again);

/* The reason phrase "Missing NAME" for the header with that id. */
const char *parse_missing_reason(uint8_t id);

/* s, which lies within the message, as a span; an empty one is all zero. */
static inline struct span span_of(const struct parser *p, struct str s)
{
	return s.n ? (struct span){(uint16_t)(s.p - p->raw), (uint16_t)s.n} : (struct span){0, 0};
}
/* The parts of a URI that lies within the message, as spans. */
struct uri uri_spans(const struct parser *p, const struct uri_parts *parts);

#endif
