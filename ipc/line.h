/* line.h - the parameter "line" of the Contact that we register at a trunk: a token by which the
 * trunk's server shows that a request is for that Contact (RFC 3261 section 10.3: a registrar keeps
 * its parameters, and a proxy puts it into the Request-URI, section 16.5).
 *
 * Here is its form alone, for processes that cannot prove it; worker-sip/routing/trunk_line.h makes
 * and proves it.
 */
#ifndef SIPWARD_IPC_LINE_H
#define SIPWARD_IPC_LINE_H

#include "message.h"

#define LINE_NAME "line"
#define LINE_BYTES 16
#define LINE_LENGTH (2 * LINE_BYTES) /* of its text: hex */

/* Whether a request's Request-URI is a SIP URI with such a parameter; *out is its text, of
 * LINE_LENGTH bytes, as it stands there. Proves nothing. */
bool line_of_request(const struct message *m, struct str *out);

#endif
