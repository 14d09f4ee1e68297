/* trace_filter.h - which messages and calls a QUERY_TRACE asks for: the text of its argument. */
#ifndef SIPWARD_IPC_TRACE_FILTER_H
#define SIPWARD_IPC_TRACE_FILTER_H

#include "common/endpoint.h"

enum trace_kind {
	TRACE_ALL,
	TRACE_CALL,   /* value: a Call-ID */
	TRACE_USER,   /* value: NAME or NAME@DOMAIN, of From, To or the Request-URI */
	TRACE_SOURCE, /* value: an address or a network of the peer */
	TRACE_TRUNK,  /* value: its name; messages do not say */
	TRACE_LAST,   /* value: a number: so many of the calls that ended last; no messages */
};
struct trace_filter {
	enum trace_kind kind;
	struct str value;      /* within the argument */
	struct prefix sources; /* of TRACE_SOURCE */
	uint64_t since_us;     /* of 1970 */
	unsigned last;         /* of TRACE_LAST */
};
#define TRACE_LAST_MAX 200

/* Reads "MICROSECONDS KIND:VALUE" or "MICROSECONDS all", with KIND call, user, source, trunk
 * or last. 0; -EINVAL. */
int trace_filter_parse(struct str text, struct trace_filter *out);

#endif
