/* target_history.h - when a target went down and came up again, the last times. */
#ifndef SIPWARD_SIP_ROUTING_TARGET_HISTORY_H
#define SIPWARD_SIP_ROUTING_TARGET_HISTORY_H

#include "worker-sip/message/writer.h"

#define TARGET_CHANGES 8

struct target_change {
	uint64_t at_ms; /* since 1970; 0: there is none here */
	int32_t error;
	uint16_t status;
	bool down;
};
/* Zero-initialise before use. */
struct target_history {
	struct target_change change[TARGET_CHANGES];
	unsigned next; /* where the next one goes: the oldest one's place */
};

/* Notes that it went down or came up just now; status and error: target_reason's. */
void target_history_add(struct target_history *h, bool down, unsigned status, int error);
/* Writes them as a field "history" of a JSON object, the latest first. */
void target_history_write(const struct target_history *h, struct writer *w);

/* Why a target is down, or what it answered last when that was found out: error (negative errno) or
 * status; "" where both are 0. */
#define TARGET_REASON_SIZE 32
const char *target_reason(unsigned status, int error, char buffer[static TARGET_REASON_SIZE]);

#endif
