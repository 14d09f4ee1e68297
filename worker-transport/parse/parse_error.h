/* parse_error.h - the fault of a message that cannot be parsed. */
#ifndef SIPWARD_TRANSPORT_PARSE_PARSE_ERROR_H
#define SIPWARD_TRANSPORT_PARSE_PARSE_ERROR_H

#include "common/counters.h"

#include <stdbool.h>
#include <stdint.h>

struct parse_error {
	uint16_t status; /* of the answer: 400, 505, ...; 0: drop silently (a response, an ACK, no
	                    SIP at all) */
	bool answerable; /* the block holds what a stateless answer copies (RFC 3261
	                    section 8.2.6.2); false: drop, whatever status says */
	bool adrift;  /* the method is that of CSeq with octets before it: they are the rest of the
	                 body before, whose Content-Length was too small */
	bool crowded; /* it has more header lines than are read */
	enum counter counter; /* the caller counts it: counter_add(error.counter, 1) */
	const char *reason;   /* static phrase that says what is wrong, e.g. "Missing Call-ID" */
};

#endif
