/* rewriting_state.h - what rules have made of a request so far (rewriting.h); the worker's scratch
 * holds it. */
#ifndef SIPWARD_SIP_ROUTING_REWRITING_STATE_H
#define SIPWARD_SIP_ROUTING_REWRITING_STATE_H

#include "ipc/message.h"
#include "rules.h"

#define REWRITING_IDENTITY_MAX 2048 /* bytes of P-Asserted-Identity, all values of it */
#define REWRITING_REQUEST_MAX 2048  /* of the Request-URI's user, escaped */

struct sip;

/* Which octets of a user came escaped that may stand there bare: ";" and "%3B" are two (RFC 3261
 * section 19.1.4), and each goes on as it came. */
struct user_escapes {
	bool any;
	uint8_t bit[RULE_PART_MAX / 8];
};

/* A part of the request: unescaped, unquoted. */
struct rewriting_part {
	bool read, there, changed;
	uint16_t n;
	char text[RULE_PART_MAX];
	struct user_escapes escapes; /* of a user */
};

struct rewriting {
	struct sip *sip;
	const struct message *message;
	struct uri_parts uri; /* of the request, as it came; scheme URI_NONE: it is not for rules */
	bool emergency;
	bool identity_read, identity_changed;
	uint16_t request_n, identity_n, added_n, removed_n;
	struct rewriting_part part[RULE_IDENTITY_USER];
	char request[REWRITING_REQUEST_MAX]; /* the Request-URI's user, escaped, with what belongs
	                                        to a number behind it */
	char identity[REWRITING_IDENTITY_MAX];
	char added[RULES_ADDED_MAX];
	char removed[RULES_REMOVED_MAX];
};

#endif
