/* name_permit.h - where what the DNS says may lead: a trusted zone is sent to at its sources only,
 * and never ourselves. */
#ifndef SIPWARD_SIP_ROUTING_NAME_PERMIT_H
#define SIPWARD_SIP_ROUTING_NAME_PERMIT_H

#include "ipc/settings.h"

/* Whether an address may be sent to for that trunk, and by which listener. */
bool name_permit(const struct settings *s, unsigned trunk, uint8_t transport,
	const struct endpoint *to, uint16_t *listener);

#endif
