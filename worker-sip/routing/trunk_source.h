/* trunk_source.h - which trunk a request comes from by its address, where no token says it
 * (trunk_line.h). */
#ifndef SIPWARD_SIP_ROUTING_TRUNK_SOURCE_H
#define SIPWARD_SIP_ROUTING_TRUNK_SOURCE_H

#include "worker-sip/sip.h"

/* The first trunk of the zone that has a target at that address, by whatever port. NONE_INDEX:
 * there is none, or the zone does not name its sources, so that an address shows nothing. Looks at
 * all targets of the zone: to be asked once a call. */
unsigned trunk_of_source(const struct sip *sip, unsigned zone, const struct endpoint *peer);

#endif
