/* parse_list.h - header fields that are lists (RFC 3261 section 7.3.1): the grammar of their
 * elements, how many there may be, and whether one of them is empty. Faults are noted. This is an
 * inner part of the parser, whose interface is parse.h. */
#ifndef SIPWARD_TRANSPORT_PARSE_PARSE_LIST_H
#define SIPWARD_TRANSPORT_PARSE_PARSE_LIST_H

#include "parse_state.h"

/* The most elements of all comma lists of one message. A proxy chain may not be longer than
 * Max-Forwards' 70; lists are walked by code further in whose cost grows with the square of their
 * length (32,000 elements cost it 1.9 s, 512 half a millisecond). */
#define PARSE_ITEMS_MAX 512
/* The most auth-params of one set of credentials, for the same reason. Addresses, via-parms and
 * media types have PARAMS_MAX parameters at most (ipc/uri.h). */
#define PARSE_PARAMS_MAX 64

/* Counts one more list element. False where there are too many: the caller stops reading. */
static inline bool parse_list_count(struct parser *p)
{
	if (++p->items <= PARSE_ITEMS_MAX)
		return true;
	parse_fail(p, 400, COUNTER_PARSE_LIMIT, "Too Many List Elements");
	return false;
}

/* Reads a list of addresses, one at least. bracketed: each must be a name-addr, as routes are (RFC
 * 3261 sections 20.30 and 20.34). */
void parse_list_addresses(struct parser *p, uint8_t id, struct str value, bool bracketed);
/* Checks a list of tokens, which may be empty: option tags and methods. */
void parse_list_tokens(struct parser *p, uint8_t id, struct str value);
/* Bounds the number of elements of a list. Their grammar is left to whoever reads them, and so is
 * whether a comma stands within quotes: then there may seem to be empty elements. */
void parse_list_bounded(struct parser *p, struct str value);
/* Checks a list of a header that is known, whose elements nobody here reads: each ends where it
 * seems to. */
void parse_list_known(struct parser *p, uint8_t id, struct str value);
/* Checks a list of auth-params, one at least. */
void parse_list_auth_params(struct parser *p, uint8_t id, struct str value);
/* Checks a challenge: a scheme, and for Digest its auth-params. Nobody here reads other schemes.
 * Credentials are not checked here but by whoever asked for them, who answers broken ones with a
 * challenge. */
void parse_list_challenge(struct parser *p, uint8_t id, struct str value);

#endif
