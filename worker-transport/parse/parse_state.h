/* parse_state.h - one message on its way through the parser: how far it has come, the first fault,
 * and what is noted of a header that is not needed. This is an inner part of the parser, whose
 * interface is parse.h. */
#ifndef SIPWARD_TRANSPORT_PARSE_PARSE_STATE_H
#define SIPWARD_TRANSPORT_PARSE_PARSE_STATE_H

#include "ipc/message.h"
#include "parse_error.h"

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
	bool unsized;    /* nobody knows where the body ends */
	const char *expected;  /* of a list: where its next element begins if none is empty */
	unsigned items;        /* elements of all comma lists so far */
	unsigned sip_contacts; /* Contacts so far that are SIP URIs */
	bool has_length;       /* a well-formed Content-Length was seen */
	uint64_t content_length;
};

/* Notes a fault with the status to answer, its counter and a static reason phrase. The first fault
 * stays. Where the header is spared, it is the header's alone. */
void parse_fail(struct parser *p, uint16_t status, enum counter counter, const char *reason);
/* The fault of the value of a header with that id, by what a reader of ipc/syntax.h has returned.
 */
void parse_fail_value(struct parser *p, uint8_t id, int error);

/* The reason phrases "Malformed NAME", "Missing NAME" and "More Than One NAME" for the header with
 * that id. */
const char *parse_malformed_reason(uint8_t id);
const char *parse_missing_reason(uint8_t id);
const char *parse_duplicate_reason(uint8_t id);

/* s, which lies within the message, as a span; an empty one is all zero. */
static inline struct span span_of(const struct parser *p, struct str s)
{
	return s.n ? (struct span){(uint16_t)(s.p - p->raw), (uint16_t)s.n} : (struct span){0, 0};
}
/* The parts of a URI that lies within the message, as spans. */
struct uri uri_spans(const struct parser *p, const struct uri_parts *parts);

#endif
