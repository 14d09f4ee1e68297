/* message_slot.h - which of the 256 slots a message belongs to, found the same way in every
 * process. */
#ifndef SIPWARD_IPC_MESSAGE_SLOT_H
#define SIPWARD_IPC_MESSAGE_SLOT_H

#include "message.h"
#include "settings.h"
#include "slot.h"

/* Whether a request is REGISTER, or SUBSCRIBE to reg: what the registrar answers. */
bool slot_is_about_registration(const struct message *m);

/* The slot of a checked message, by the first rule that applies: REGISTER: keyed hash of the
 * canonical address of record of To (its bindings have one writer); token in the top Via branch of
 * a response; in the To-tag of a request; in the user part of its Request-URI; SUBSCRIBE to reg:
 * address of record as REGISTER; everything else: keyed hash of the Call-ID. Reads tokens without
 * proving them. settings: what stands for our own address (address_of_record.h); NULL: nothing. */
uint8_t slot_of_message(
	const struct message *m, const struct hash_key *key, const struct settings *settings);

#endif
