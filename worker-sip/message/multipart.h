/* multipart.h - bodies whose parts have headers of their own (RFC 5621, RFC 2046 section 5.1), and
 * bodies that are messages (message/rfc822, message/sip, message/sipfrag of RFC 3420, message/cpim
 * of RFC 3862, ...): without the hosts of the sender's side. What parts and messages hold beyond
 * their headers is octets and passes as it is. */
#ifndef SIPWARD_SIP_MESSAGE_MULTIPART_H
#define SIPWARD_SIP_MESSAGE_MULTIPART_H

#include "hosts.h"

/* Whether a body of that Content-Type has headers in it. */
bool multipart_has_headers(struct str content_type);
static inline bool multipart_is(struct str content_type)
{
	return content_type.n && (content_type.p[0] | 0x20) == 'm' &&
	       multipart_has_headers(content_type);
}
/* Writes such a body without hosts in the headers of its parts and messages, of theirs down to the
 * sixteenth level, and in its delimiters, for Content-Type is written so, too. A part in which a
 * multipart or a message stands deeper does not pass, and is counted: what nobody has looked at
 * could name any host. A message within that would not be as long as its Content-Length says loses
 * that line. */
void write_multipart(
	struct writer *w, const struct hosts *h, struct str content_type, struct str body);

#endif
