/* names.h - the names of header fields, methods and statuses, and the ids by which they are known:
 * headers.def and methods.def are their tables. */
#ifndef SIPWARD_IPC_NAMES_H
#define SIPWARD_IPC_NAMES_H

#include "common/str.h"

enum method {
	METHOD_UNKNOWN = 0,
#define METHOD(id, name) METHOD_##id,
#include "methods.def"
#undef METHOD
	METHOD_COUNT
};

enum header {
#define HEADER(id, name, compact) HEADER_##id,
#include "headers.def"
#undef HEADER
	HEADER_COUNT,
	HEADER_UNREADABLE = 0xfe, /* in message_header.id: a line that could not be read */
	HEADER_OTHER = 0xff       /* in message_header.id: a name without an id */
};

/* header_of knows compact forms, any case; HEADER_OTHER for an unknown name. method_of is
 * case-sensitive (RFC 3261 section 7.1). */
const char *header_name(enum header id);
uint8_t header_of(struct str name);
/* Whether every message has the header, and an answer is made of its request's (RFC 3261
 * sections 8.1.1 and 8.2.6.2). */
static inline bool header_is_mandatory(uint8_t id)
{
	return id <= HEADER_CSEQ;
}
_Static_assert(HEADER_VIA == 0 && HEADER_CSEQ == 4, "Via, From, To, Call-ID and CSeq come first");
/* Whether a header's value may hold a NUL, as a quoted-pair: those with display names, which are
 * written without it (worker-sip/message/policy.h). */
bool header_takes_nul(uint8_t id);
/* Whether a header's value is text, in which a comma separates nothing (RFC 3261 section 7.3.1). */
bool header_is_text(uint8_t id);
const char *method_name(uint8_t method); /* "?" for METHOD_UNKNOWN */
uint8_t method_of(struct str name);
/* The reason phrase that RFC 3261 section 21 and the IANA registry give to a status; "Unknown"
 * otherwise. */
const char *status_reason(unsigned status);

#endif
