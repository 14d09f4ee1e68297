/* target.h - one place that a request may be sent to: a member of the target set of RFC 3261
 * section 16.5. */
#ifndef SIPWARD_SIP_ROUTING_TARGET_H
#define SIPWARD_SIP_ROUTING_TARGET_H

#include "ipc/message.h"

/* Targets of one request, at most. */
#define TARGETS_MAX 32
/* Room for the strings of a target: a binding's contact and its path. */
#define TARGET_TEXT_MAX (512 + 1024)

struct rewrite;

struct target {
	struct flow flow; /* where the bytes go */
	struct str request_uri;
	struct str route; /* value of a Route header (a binding's Path); may be empty */
	const struct rewrite *rewrite; /* what rules have made of the request; NULL: nothing. In
	                                  the worker's scratch, or with the copy of the target */
	unsigned zone;
	uint16_t q;     /* 0 to 1000; equal ones are tried together, higher ones first */
	uint16_t trunk; /* NONE_INDEX: a binding */
	uint16_t index; /* of the trunk's target */
	uint8_t hop;  /* of a call that was forwarded: the number of the forward (call/forwarding.h)
	                 that leads there; 0: none */
	uint8_t turn; /* of a phone's flows (RFC 5626): one is tried after the other; 0: the first
	               */
	uint64_t instance;            /* a hash of that phone's; 0: it has no flows */
	uint64_t expires_at;          /* of the binding, where it has */
	uint8_t explicit_transport;   /* 1: the transport is not ours to change (a flow, or
	                                 ;transport=) */
	char buffer[TARGET_TEXT_MAX]; /* what the strings point into */
};

/* Copies a target; the copy's strings point into its own buffer. */
void target_copy(struct target *to, const struct target *from);

#endif
