/* route.h - where a request goes: zones, match rules and trunks, as pure functions over the message
 * and the settings. */
#ifndef SIPWARD_SIP_ROUTING_ROUTE_H
#define SIPWARD_SIP_ROUTING_ROUTE_H

#include "number_list.h"
#include "target.h"
#include "worker-sip/incoming.h"

/* The rules of the settings with their compiled expressions, indexed by what the numbers that they
 * match begin with. */
struct routes;
/* The settings have to stay as long as the rules. -ENOMEM; -EINVAL for a bad expression, which is
 * logged (the master has checked it). */
int routes_new(struct routes **out, const struct settings *settings);
void routes_free(struct routes *r); /* NULL is a no-op */

/* The answer of the rules for a request. */
struct decision {
	unsigned status; /* 0: targets were found; else the answer: 403, 404, 414, 416, 480, 482, a
	                    route's own */
	uint16_t route;  /* index of the rule that matched, NONE_INDEX: none */
	unsigned count;  /* targets */
	bool too_long;   /* 414: no rule says so, but the Request-URI cannot be routed */
	bool full;       /* 503: trunks have all the calls that they may have */
	bool rule_refused; /* 403: a rule about numbers and headers cannot be carried out; or such
	                      a trunk was passed over */
	bool emergency;
	uint64_t callee; /* limits_callee_key of the user who is called; 0: none */
	unsigned callee_domain;
	const struct user_row *user; /* who is called, of that domain; NULL: no user of ours */
	struct str called; /* NAME@DOMAIN of the user who is called, whatever led to him, the name
	                      as in a URI; n == 0: none */
	struct number_verdict numbers; /* what the lists of numbers say: 403 where it is blocked */
	bool to_self; /* the request is addressed to the gateway itself (our listener or domain, no
	                user part) */
};
/* How a rule is met. */
enum route_match {
	ROUTE_MATCHES,
	ROUTE_OTHER_ZONE,
	ROUTE_NOT_EMERGENCY, /* it refuses, and a call for help is not refused */
	ROUTE_OTHER_DOMAIN,
	ROUTE_OTHER_EVENT,
	ROUTE_FOR_SERVER, /* it is for registered phones, and no phone takes the request */
	ROUTE_NO_NUMBER,  /* it is for numbers, and none is called */
	ROUTE_OTHER_NUMBER,
	ROUTE_NO_USER /* it matches, and is for registered users: the called one is none */
};
/* Finds the targets for an authorized request outside a dialog. Writes at most limit (of
 * TARGETS_MAX) into targets, sorted by q then order. `registered` matches users that exist in the
 * domain, and nothing that is for a server (event_is_for_server); a user without a binding: 480.
 * Our own listeners' addresses count as the first domain. A trunk target that is one of our own
 * listeners: 482. Nothing matches: 403 to an untrusted zone, 404 to a trusted one. */
void route_request(
	const struct incoming *in, struct target *targets, unsigned limit, struct decision *out);
/* Applies the rules of the sender's zone to a request that no route leads, but a dialog; not those
 * about whom it is for. False: one cannot be carried out. */
bool route_rewrite_caller(const struct incoming *in, struct target *target);
/* The rules of the settings about numbers and headers; NULL: there are none. */
const struct rules *route_rules(const struct sip *sip);
/* Says in the log what the rules have answered; for the level debug, which the caller asks for. */
void route_log(const struct incoming *in, const struct decision *d);

/* Explains how a rule is met, and beyond the targets what the rules have answered. */
void route_explain(const struct incoming *in, unsigned rule, enum route_match match);
void route_explain_decision(const struct incoming *in, const struct decision *d);

#endif
