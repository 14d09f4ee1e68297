/* parse_value.h - the values of known header fields, each against its grammar (RFC 3261 sections 20
 * and 25.1), into the typed fields of the block. This is an inner part of the parser,
 * whose interface is parse.h. */
#ifndef SIPWARD_TRANSPORT_PARSE_PARSE_VALUE_H
#define SIPWARD_TRANSPORT_PARSE_PARSE_VALUE_H

#include "parse_state.h"

/* The most Via values: the 70 hops that Max-Forwards starts from (RFC 3261 section 8.1.1.6), and
 * room for a client that starts higher. */
#define PARSE_VIAS_MAX 128

/* Reads the value (trimmed, folds inside) of a header with that id into the block. again: it is not
 * the first header with that id. Faults are noted; the block has nothing of a spared header with a
 * fault. */
void parse_value(struct parser *p, uint8_t id, struct str value, bool again);

#endif
