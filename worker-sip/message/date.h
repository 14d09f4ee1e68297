/* date.h - the Date header (RFC 3261 section 20.17). */
#ifndef SIPWARD_SIP_MESSAGE_DATE_H
#define SIPWARD_SIP_MESSAGE_DATE_H

#include "writer.h"

/* Writes the whole header line, "Date: Sun, 22 Nov 2026 18:00:00 GMT" and its CRLF. seconds: since
 * 1970-01-01 00:00:00 UTC. */
void write_date(struct writer *w, uint64_t seconds);

#endif
