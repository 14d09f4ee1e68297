/* header_line.h - header lines that are written anew in the place of received ones, under the names
 * that those have: whole lines, each with its CRLF. */
#ifndef SIPWARD_SIP_MESSAGE_HEADER_LINE_H
#define SIPWARD_SIP_MESSAGE_HEADER_LINE_H

#include "hosts.h"

/* Writes "name: value CRLF". */
void header_line_write(struct writer *w, const struct message *m, const struct message_header *h,
	struct str value);
/* Writes a list without its empty elements, which RFC 3261 lets nobody write; nothing where none is
 * left of it. hosts: those that are not written, whatever hosts->keep says of other headers; NULL:
 * all are. */
void header_line_elements(struct writer *w, const struct message *m, const struct message_header *h,
	const struct hosts *hosts);
/* Writes Warning, one line a value, with a pseudonym in the place of the host (RFC 3261
 * section 20.43); a value that does not parse is dropped with all after it. */
void header_line_warning(struct writer *w, const struct message *m, const struct message_header *h,
	const struct hosts *hosts);
/* Writes Event with its id mapped (RFC 6665 section 8.2.1), for the id of a refer subscription is a
 * CSeq number of the leg. id: the other leg's; n == 0: it stays. */
void header_line_event(struct writer *w, const struct message *m, const struct message_header *h,
	struct str id, const struct hosts *hosts);
/* Writes "name: value CRLF" without hosts, whatever hosts->keep says of other headers. */
void header_line_text(struct writer *w, const struct message *m, const struct message_header *h,
	const struct hosts *hosts, struct str value);
/* The same with the value that it came with. */
void header_line_hosts(struct writer *w, const struct message *m, const struct message_header *h,
	const struct hosts *hosts);

#endif
