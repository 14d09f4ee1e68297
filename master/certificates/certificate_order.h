/* certificate_order.h - what a TLS or transport worker is told of one generation of certificates.
 */
#ifndef SIPWARD_MASTER_CERTIFICATES_CERTIFICATE_ORDER_H
#define SIPWARD_MASTER_CERTIFICATES_CERTIFICATE_ORDER_H

#include "certificate_set.h"
#include "master/workers/worker_slot.h"

/* Whether w is of a role that is told of certificates. */
static inline bool certificate_order_concerns(const struct worker_slot *w)
{
	return w->role == PEER_TLS || w->role == PEER_TRANSPORT;
}

/* Hands it the certificates of set, with their keys where it is a TLS worker. */
void certificate_order_hand(struct worker_slot *w, const struct certificate_set *set);
/* Has it check them, and try the authorities, and answer with sequence, which is not 0. */
void certificate_order_check(
	struct worker_slot *w, const struct certificate_set *set, uint32_t sequence);
/* They and the authorities are in force from now on. */
void certificate_order_commit(struct worker_slot *w, const struct certificate_set *set);
/* Has it forget them. */
void certificate_order_drop(struct worker_slot *w, const struct certificate_set *set);

#endif
