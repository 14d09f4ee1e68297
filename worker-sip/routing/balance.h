/* balance.h - in which order the targets of a trunk are tried that have the same priority. */
#ifndef SIPWARD_SIP_ROUTING_BALANCE_H
#define SIPWARD_SIP_ROUTING_BALANCE_H

#include "ipc/settings.h"

/* Writes the indexes of the first count rows of a trunk (target_rows.h) in the order in which they
 * are tried: lower priorities first, as they are sorted. Those of one priority stand as they are
 * written, or where hashed by key: each comes first for as many keys as its weight deserves, and
 * for the same key always in the same order. A target more or less changes the order of the others
 * for no key. The hosts of one name stand by SRV's priority and, by key, its weight (RFC 2782), the
 * addresses of one host in their order. */
void balance_order(const struct target_settings *rows, bool hashed, uint64_t key, unsigned count,
	uint8_t order[]);

#endif
