/* balance.h - in which order the targets of a trunk are tried that have the same priority. */
#ifndef SIPWARD_SIP_ROUTING_BALANCE_H
#define SIPWARD_SIP_ROUTING_BALANCE_H

#include "ipc/settings.h"

/* Writes the indexes of the first count targets of a trunk in the order in which they are tried:
 * lower priorities first, as the settings have them sorted. Those of one priority stand as they are
 * written, or where hashed by key: each comes first for as many keys as its weight deserves, and
 * for the same key always in the same order. A target more or less changes the order of the others
 * for no key. */
void balance_order(const struct settings *s, const struct trunk_settings *t, bool hashed,
	uint64_t key, unsigned count, uint8_t order[]);

#endif
