/* from_sip.h - the orders that SIP workers give: to send, to watch a flow, to count a failed
 * authentication against its source. */
#ifndef SIPWARD_TRANSPORT_FROM_SIP_H
#define SIPWARD_TRANSPORT_FROM_SIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transport_worker;

/* Takes a record of size bytes from the SIP worker peer. False where it is out of range: it is
 * counted and dropped. A send that fails is reported to peer. */
bool from_sip_record(
	struct transport_worker *t, uint16_t peer, uint16_t type, const void *data, size_t size);

#endif
