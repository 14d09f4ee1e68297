/* ack_cancel.h - the two requests that repeat an INVITE's own headers on its one hop: the ACK of a
 * failure (RFC 3261 section 17.1.1.3) and CANCEL (section 9.1). */
#ifndef SIPWARD_SIP_TRANSACTION_ACK_CANCEL_H
#define SIPWARD_SIP_TRANSACTION_ACK_CANCEL_H

#include "worker-sip/sip.h"

/* Writes the ACK of a failure from the bytes of its INVITE (RFC 3261 section 17.1.1.3). to is the
 * value of the response's To. -ENOBUFS, -ENOMEM. *out is the caller's to drop. */
int ack_build(struct sip *sip, const struct wire *invite, struct str to, struct wire **out);
/* Writes the CANCEL of an INVITE from its bytes (section 9.1). headers: further header lines
 * (Reason), may be empty. */
int cancel_build(struct sip *sip, const struct wire *invite, struct str headers, struct wire **out);

#endif
