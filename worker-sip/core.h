/* core.h - the user agent core of RFC 3261 section 8.2: what each received message is for. */
#ifndef SIPWARD_SIP_CORE_H
#define SIPWARD_SIP_CORE_H

#include "explanation.h"
#include "sip.h"

/* Takes one checked message that came by a listener of ours. slot is the message's, and ours. A
 * source that its zone does not permit is dropped and counted. */
void core_message(struct sip *sip, const struct message *m, uint8_t slot);

/* Says what would become of it, and changes nothing. */
void core_explain(struct sip *sip, const struct message *m, uint8_t slot, struct explanation *x);

/* An ICMP error quotes a request that this worker has sent, or claims to. */
void core_unreachable(struct sip *sip, const struct record_unreachable *r);

#endif
