/* parse_needs.h - what a message needs to be handled here: the fault of another header costs that
 * header alone (RFC 3261 sections 8.2.2 and 16.3). This is an inner part of the parser, whose
 * interface is parse.h. */
#ifndef SIPWARD_TRANSPORT_PARSE_PARSE_NEEDS_H
#define SIPWARD_TRANSPORT_PARSE_PARSE_NEEDS_H

#include "ipc/message.h"

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

#endif
