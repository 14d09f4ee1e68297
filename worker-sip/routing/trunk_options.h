/* trunk_options.h - OPTIONS to a target of a trunk, which ask whether it is there (RFC 3261 section
 * 11), as pings do (target_ping.c). */
#ifndef SIPWARD_SIP_ROUTING_TRUNK_OPTIONS_H
#define SIPWARD_SIP_ROUTING_TRUNK_OPTIONS_H

#include "worker-sip/sip.h"

/* Writes one to that target of the trunk of that index, which goes by the flow. slot, branch: of
 * the transaction. */
void trunk_options_write(struct writer *w, struct sip *sip, const struct flow *to, unsigned trunk,
	const struct target_settings *t, uint8_t slot, uint64_t branch);

#endif
