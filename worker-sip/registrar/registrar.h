/* registrar.h - REGISTER for the domains we are authoritative for (RFC 3261 section 10.3, RFC
 * 3327).
 *
 * Decided here, where the RFCs leave it open or our place at the edge changes it:
 * - Path is stored (and needs `Supported: path`, else 421) only from a trusted zone: a phone is
 *   reached by its flow alone, and a Path of its own would name a hop of its choice; from there it
 *   is ignored, and counted.
 * - More bindings than the domain allows: 403, since trying again does not help, or the one that
 * was refreshed longest ago goes (bindings-full). A store that takes no more: 503 with Retry-After.
 * - A Contact that is neither sip: nor sips: is refused (400): nothing could be sent there. What
 *   follows '?' in a Contact is not stored.
 * - A request of the same Call-ID and CSeq whose every change is in the store already is answered
 *   200 and changes nothing: it is the repetition of one that a worker took before it died. Any
 *   other CSeq that is not newer: 500. Both only for 64*T1 after the last REGISTER of that Call-ID:
 *   what comes later is none that was overtaken, but of a phone that has restarted.
 * - A Contact that is not bound takes the place of the same phone's, where the instance says so, or
 *   its user and host, User-Agent and source.
 * - The expiry that a zone allows may be shorter than the domain's least one; the least is then
 *   the zone's. Malformed expiries count as absent, q that is not 0 to 1 is 400.
 * - +sip.instance with reg-id name a binding whatever its URI (RFC 5626 section 6); `outbound`
 *   itself is not promised: no Require: outbound in answers.
 */
#ifndef SIPWARD_SIP_REGISTRAR_REGISTRAR_H
#define SIPWARD_SIP_REGISTRAR_REGISTRAR_H

#include "location.h"
#include "worker-sip/incoming.h"

/* Makes the registrar of the worker, which has its store already: the stored bindings of its slots
 * are tended from now on. -ENOMEM. */
int registrar_new(struct registrar **out, struct sip *sip);
/* NULL is a no-op. Answers that wait for the store are not given any more. */
void registrar_free(struct registrar *r);

/* Handles an authorized REGISTER whose To is in settings domain `domain`, and answers it. */
void registrar_request(struct registrar *r, const struct incoming *in, unsigned domain);
/* A stream flow that a binding came by has ended: its bindings go (RFC 5626 section 4.2.2: a flow
 * that is gone reaches nobody). */
void registrar_flow_closed(struct registrar *r, uint64_t flow, uint8_t slot);
/* A transport worker's life has ended, and with it all its flows. */
void registrar_transport_gone(struct registrar *r, uint8_t worker, uint32_t incarnation);
/* Slots have come to this worker: their stream bindings are to be watched. */
void registrar_slots_changed(struct registrar *r);

#endif
