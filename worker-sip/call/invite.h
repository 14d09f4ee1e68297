/* invite.h - the INVITE that makes a call (RFC 3261 section 13). */
#ifndef SIPWARD_SIP_CALL_INVITE_H
#define SIPWARD_SIP_CALL_INVITE_H

#include "worker-sip/incoming.h"
#include "worker-sip/routing/target.h"

struct invite;

/* Calls the targets (count > 0) of an authorized INVITE outside a dialog. Takes over
 * in->transaction. replaces: the value of the Replaces header as the targets know that dialog; n ==
 * 0: none. */
void invite_request(
	struct incoming *in, const struct target *targets, unsigned count, struct str replaces);
/* A stream flow has ended: the callers of unanswered INVITEs that came by it are gone, and nobody
 * shall ring for them. */
void invite_flow_closed(struct sip *sip, uint64_t flow);
/* The caller gives the INVITE up: 487, and nobody rings on. */
void invite_abandon(struct invite *v);

#endif
