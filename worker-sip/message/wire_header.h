/* wire_header.h - reads the headers of a finished message of ours back. */
#ifndef SIPWARD_SIP_MESSAGE_WIRE_HEADER_H
#define SIPWARD_SIP_MESSAGE_WIRE_HEADER_H

#include "common/str.h"
#include "ipc/message.h"
#include "ipc/syntax.h"
#include "wire.h"

/* The next header line of a finished message from *at (0: the first) on, with its name's id, folded
 * lines included. False at the end of the headers. */
bool wire_header(
	const struct wire *w, size_t *at, uint8_t *id, struct str *line, struct str *value);
/* The tag of its To; n == 0: none. Points into w. */
struct str wire_to_tag(const struct wire *w);

#endif
