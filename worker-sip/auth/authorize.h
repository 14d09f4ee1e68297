/* authorize.h - digest authorization of requests outside dialogs (RFC 3261 section 22), before
 * anything is looked up for their senders. */
#ifndef SIPWARD_SIP_AUTH_AUTHORIZE_H
#define SIPWARD_SIP_AUTH_AUTHORIZE_H

#include "worker-sip/incoming.h"

/* For a request outside a dialog (not ACK, not CANCEL). Returns true with in->sender where it may
 * go on; false where it has been answered: 401 (REGISTER, and what is addressed to the gateway) or
 * 407 with one challenge for each of the domain's algorithms, strongest first; stale=true for an
 * old nonce, another source or slot, a repeated count; 403 where the authenticated user does not
 * own the To of its REGISTER or the From of anything else. Credentials that a client's error spoils
 * (several in one header, no qop, a URI spelled otherwise) get a fresh challenge and a line at a
 * bounded rate that says what is wrong; 400 where they are for the URI of another place. The domain
 * of the challenge is the From's (REGISTER: the To's) when it is ours, else the first. An unknown
 * user and a wrong password get the same answer in the same time. A wrong digest on a valid nonce
 * bound to its source is reported to the transport workers (RECORD_PENALTY) and logged in one fixed
 * line that fail2ban can match. Answers in->transaction; where that is NULL the answer is
 * stateless, and nothing of the request is kept. Right credentials make the transaction where there
 * is none. OPTIONS to the gateway itself by which a registered phone keeps its flow open
 * (keep_alive.h) are not challenged. */
bool authorize(struct incoming *in);

#endif
