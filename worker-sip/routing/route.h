/* route.h - where a request goes: zones, match rules and trunks, as pure functions over the message
 * and the settings. */
#ifndef SIPWARD_SIP_ROUTING_ROUTE_H
#define SIPWARD_SIP_ROUTING_ROUTE_H

#include "worker-sip/auth/authorize.h"
#include "worker-sip/registrar/location.h"

/* One place that a request may be sent to. */
struct target {
	struct flow flow; /* where the bytes go */
	struct str request_uri;
	struct str route; /* value of a Route header (a binding's Path); may be empty */
	unsigned zone;
	uint16_t q;     /* 0 to 1000; equal ones are tried together, higher ones first */
	uint16_t trunk; /* NONE_INDEX: a binding */
	uint8_t explicit_transport; /* 1: the transport is not ours to change (a flow, or
	                               ;transport=) */
	char buffer[BINDING_CONTACT_MAX + BINDING_PATH_MAX]; /* what the strings point into */
};
#define TARGETS_MAX 32
/* Copies a target; its strings then point into its own room. */
void target_copy(struct target *to, const struct target *from);

/* The rules of the settings with their compiled expressions, indexed by what numbers they match
 * begin with. The settings have to stay as long. */
int routes_new(struct routes **out,
	const struct settings
		*settings); /* -errno; a bad expression is logged (the master has checked it) */
void routes_free(struct routes *r);

/* What the rules say of a request. */
struct decision {
	unsigned status; /* 0: targets were found; else the answer: 403, 404, 480, 482, 484, 416, a
	                    route's own */
	uint16_t route;  /* index of the rule that matched, NONE_INDEX: none */
	unsigned count;  /* targets */
	bool to_self; /* the request is addressed to the gateway itself (our listener or domain, no
	                 user part) */
};
/* Finds the targets for a request from who. Writes at most limit (of TARGETS_MAX) into targets,
 * sorted by q then order. `registered` matches users that exist in the domain; a user without a
 * binding: 480. Our own listeners' addresses count as the first domain. A trunk target that is one
 * of our own listeners: 482. Nothing matches: 403 to an untrusted zone, 404 to a trusted one. */
void route_request(struct sip *sip, const struct message *m, const struct identity *sender,
	struct target *targets, unsigned limit, struct decision *out);

#endif
