/* call.h - the back-to-back user agent within a call: requests by its dialogs, the end of its
 * connections (RFC 3261 sections 12.2, 14 and 15). */
#ifndef SIPWARD_SIP_CALL_CALL_H
#define SIPWARD_SIP_CALL_CALL_H

#include "worker-sip/incoming.h"

/* The time that a leg whose connection has ended has to come back by another flow before the call
 * ends. */
#define LEG_GRACE_MS 32000

/* Finds the dialog of a request with our To-tag (481 where there is none), and passes the request
 * to the other leg. Takes over in->transaction, which it makes where there is none; an ACK has
 * none. */
void call_request(struct incoming *in);
/* A stream flow has ended: calls with a leg on it end unless that leg comes back within
 * LEG_GRACE_MS, and branches of requests that wait on it fail. */
void call_flow_closed(struct sip *sip, uint64_t flow);
/* A 2xx for an INVITE of that branch whose transaction is gone or has failed: ACK where its call
 * stands, else ACK and BYE. */
void call_stray_answer(const struct incoming *in, uint64_t branch);
/* Hands a JSON line of each listener, by its index, that a call, or an INVITE that is to make one,
 * has to do with. */
void call_list_listeners(struct sip *sip, void (*line)(void *arg, struct str json), void *arg);

#endif
