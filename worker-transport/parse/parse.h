/* parse.h - the strict parser: raw bytes from the network into the one block that crosses to the
 * SIP worker (ipc/message.h).
 *
 * A malformed message ends here, in the process that has least to lose. It is dropped, or answered
 * with the status that the parser gives, and always counted under its reason. A message is
 * malformed by what it needs alone (parse_needs.h); a line that cannot be read and that it does not
 * need is marked in the block as HEADER_UNREADABLE, and nobody passes it on. The parser's time is
 * linear in the size of its input, whatever that holds, and nothing is allocated.
 */
#ifndef SIPWARD_TRANSPORT_PARSE_PARSE_H
#define SIPWARD_TRANSPORT_PARSE_PARSE_H

#include "ipc/message.h"
#include "parse_error.h"

/* Parses one message: a datagram, a framed part of a stream, or a WebSocket message. CRLFs before
 * the start line are skipped; bytes past Content-Length are cut off (RFC 3261 section 18.3; a
 * stream's framing leaves none). raw: 0 to MESSAGE_RAW_MAX bytes. buffer: 8-byte aligned, at least
 * message_block_size(MESSAGE_HEADERS_MAX, size) bytes; raw must not lie in it. Only the block's own
 * bytes are written.
 *
 * 0: buffer holds the block (message->size bytes), which passes message_check once the caller has
 * filled in flow, received_ns and slot (they are zero). Where it is broken (ipc/message.h), *error
 * says why. -EBADMSG: *error says why. Where
 * error->answerable, buffer holds a block with header table and raw bytes, of which the caller may
 * use is_request, method, start_line, method_name, via*, rport, and
 * message_first/message_next/message_header_value for VIA, FROM, TO, CALL_ID and CSEQ: Via is
 * there, the others may be missing; each is in UTF-8 without bare line ends, a NUL stands in From
 * and To alone and there in quoted-pairs. The top Via has a well-formed sent-by; via_params may be
 * anything, and via_branch be missing where it is not a list of parameters. From, To and CSeq are
 * not known to be well-formed; to_tag is set where To is and has one. It does not pass
 * message_check.
 * -ENOBUFS: buffer is too small. */
int parse_message(
	const char *raw, size_t size, void *buffer, size_t buffer_size, struct parse_error *error);

/* The same, and with any_octets those from 0x80 on need not be UTF-8 where the grammar has UTF-8.
 */
int parse_message_octets(const char *raw, size_t size, bool any_octets, void *buffer,
	size_t buffer_size, struct parse_error *error);

/* Whether the bytes hold nothing but CR, LF and NUL: a keep-alive, to be counted and dropped. */
bool parse_keepalive(const char *raw, size_t size);

#endif
