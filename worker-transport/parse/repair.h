/* repair.h - the bytes of a message as its sender meant them, where they break rules about octets
 * and line ends that many devices break: ISO 8859-1 in place of UTF-8, lines that end in LF alone,
 * no empty line at the end. What a zone does with them is its option's. And what is left of a
 * response that nobody can read. */
#ifndef SIPWARD_TRANSPORT_PARSE_REPAIR_H
#define SIPWARD_TRANSPORT_PARSE_REPAIR_H

#include "common/str.h"

/* Writes raw with CRLF at the end of each header line and with the empty line behind them into size
 * bytes of out, without empty lines before the start line; what follows is the body and stays.
 * Returns how many bytes that are; 0 where there is nothing to repair, where it does not fit, and
 * where a CR stands by itself, which no repair gives a sense. */
size_t repair_line_ends(struct str raw, char *out, size_t size);

/* Whether all of a message's head, up to its empty line, is UTF-8. */
bool repair_is_utf8(struct str raw);

/* Writes raw, whose head is not UTF-8, so that it is: each line that is not is read as ISO 8859-1,
 * or, with drop, loses the display names that are not, and a response its reason phrase. Returns
 * how many bytes that are; 0 where they do not fit, and where nothing of raw can be written so. */
size_t repair_octets(struct str raw, bool drop, char *out, size_t size);

/* Writes of raw, a response that cannot be read as a whole, its status and those header lines that
 * say what it answers and where an ACK of it goes, without its body: of the Vias the first, of
 * which sent-by and branch. A line in which a CR stands by itself is not among them, and of each
 * header REPAIR_LINES_EACH at most. Returns how many bytes that are; 0 where they do not fit, and
 * where raw is no response or nobody could say of which class. */
size_t repair_response(struct str raw, char *out, size_t size);
/* The lines of a header that are kept: of all of them together few enough to be read. */
#define REPAIR_LINES_EACH 24

#endif
