/* held_message.h - a received message that outlives its batch, shared by counted references. */
#ifndef SIPWARD_SIP_MESSAGE_HELD_MESSAGE_H
#define SIPWARD_SIP_MESSAGE_HELD_MESSAGE_H

#include "ipc/message.h"

struct held_message {
	uint32_t references;
	uint32_t zero;
	struct message message; /* the block continues behind it */
};
/* A copy of a checked message with one reference, or NULL where there is no memory. */
struct held_message *held_message_new(const struct message *checked);
struct held_message *held_message_hold(struct held_message *k); /* one reference more; returns k */
void held_message_drop(struct held_message *k); /* one less, freed with the last; NULL is a no-op */

#endif
