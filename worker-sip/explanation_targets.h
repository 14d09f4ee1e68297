/* explanation_targets.h - what is said of the targets of a request that is explained. */
#ifndef SIPWARD_SIP_EXPLANATION_TARGETS_H
#define SIPWARD_SIP_EXPLANATION_TARGETS_H

#include "incoming.h"
#include "worker-sip/message/wire.h"
#include "worker-sip/routing/target.h"

/* The targets in their order, and what the first one of each zone would get: its header lines with
 * what becomes of them, and the request. replaces: as invite_request takes it. */
void explanation_targets(const struct incoming *in, const struct target *targets, unsigned count,
	struct str replaces);
/* What would go out to a zone by that flow: what becomes of each header line, and the head of the
 * bytes line by line. */
void explanation_sends(
	const struct incoming *in, unsigned zone, const struct flow *to, const struct wire *bytes);

#endif
