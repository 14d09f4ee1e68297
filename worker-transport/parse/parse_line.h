/* parse_line.h - the lines of a message's head (RFC 3261 section 7.3.1): where each ends, and
 * whether every octet in it may be there. */
#ifndef SIPWARD_TRANSPORT_PARSE_PARSE_LINE_H
#define SIPWARD_TRANSPORT_PARSE_PARSE_LINE_H

#include "common/str.h"

enum line_fault {
	LINE_OK,
	LINE_OPEN, /* the bytes end before the line does */
	LINE_BARE, /* a CR or LF stands by itself */
	LINE_NUL,  /* a NUL stands where the grammar has none: outside of a quoted-pair in a quoted
	              string, or in the start line */
	LINE_CONTROL, /* another control byte stands there */
	LINE_UTF8     /* octets from 0x80 on are not UTF-8 */
};

/* Finds the end of the header line that starts at p, folded lines included; limit: the end of the
 * bytes. *end is its final CRLF, and is not written with LINE_OPEN and LINE_BARE, after which
 * nothing can be read on. */
enum line_fault line_end(const char *p, const char *limit, const char **end);
/* The same for the start line, which is never folded. */
enum line_fault line_end_unfolded(const char *p, const char *limit, const char **end);

#endif
