/* trunk_slot.h - which SIP worker a trunk belongs to: the one that owns the slot of its name. It
 * alone looks up its names, pings its targets and registers there. */
#ifndef SIPWARD_SIP_ROUTING_TRUNK_SLOT_H
#define SIPWARD_SIP_ROUTING_TRUNK_SLOT_H

#include "common/hash.h"
#include "worker-sip/sip.h"

/* The slot of the trunk of that index. */
static inline uint8_t trunk_slot(const struct sip *sip, unsigned trunk)
{
	return (uint8_t)hash_str(&sip->keys.slot_key,
		settings_str(sip->settings, settings_trunk(sip->settings, trunk)->name));
}

static inline bool trunk_is_ours(const struct sip *sip, unsigned trunk)
{
	return sip->slots.next[trunk_slot(sip, trunk)] == sip->index;
}

#endif
