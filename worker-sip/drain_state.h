/* drain_state.h - what a worker keeps of its last order to drain (drain.h), as a part of its one
 * context. */
#ifndef SIPWARD_SIP_DRAIN_STATE_H
#define SIPWARD_SIP_DRAIN_STATE_H

#include "common/wheel.h"
#include "ipc/lifeline.h"

struct drain {
	struct timer timer;
	uint32_t sequence; /* of the last order */
	uint8_t mode;      /* enum drain_mode */
	bool told, done;   /* something of this order; that nothing is left */
	uint32_t calls;    /* as told last */
	uint64_t stood;    /* loop time at which something was left; 0: never */
	uint64_t ended;    /* loop time at which the last call was ended; 0: there are more */
};

#endif
