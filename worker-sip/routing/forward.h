/* forward.h - one request to one target: which transport it takes, and how it is written for it
 * (RFC 3261 section 16.6). */
#ifndef SIPWARD_SIP_ROUTING_FORWARD_H
#define SIPWARD_SIP_ROUTING_FORWARD_H

#include "target.h"
#include "worker-sip/message/splice.h"
#include "worker-sip/transaction/transaction.h"

/* Above this size a request over UDP goes over a congestion-controlled transport (RFC 3261
 * section 18.1.1), unless the flow or ;transport= says otherwise. */
#define UDP_REQUEST_MAX 1300

/* The result of forward_send. */
struct forwarded {
	struct flow flow; /* where it went */
	struct transaction *client;
	bool switched; /* from UDP to TCP because of its size: on failure call forward_send once
	                  more with udp = true */
};

/* Writes and sends the request of s to target with a fresh branch: s->to and s->branch are set
 * here, all else by the caller. udp: do not leave UDP for TCP. 0 or -errno (nothing was sent). */
int forward_send(struct splice *s, const struct target *target, bool udp,
	const struct client_user *ops, void *user, struct forwarded *out);

#endif
