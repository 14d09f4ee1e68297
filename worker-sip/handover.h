/* handover.h - slots that move from this SIP worker to another one while calls run.
 *
 * The old owner of a moving slot gets all of its messages and serves what it has: transactions,
 * dialogs, calls until they end. What begins, and what it does not know, it hands on to the new
 * owner. Once nothing of a slot is left it says so, and the slot has moved.
 */
#ifndef SIPWARD_SIP_HANDOVER_H
#define SIPWARD_SIP_HANDOVER_H

#include "sip.h"

/* How often the old owner looks which slots are free, milliseconds. */
#define HANDOVER_LOOK_MS 500

void handover_init(struct sip *sip);
/* sip->slots has changed. */
void handover_slots_changed(struct sip *sip);
/* Whether a message of a slot that moves away from here belongs to something that is here. */
bool handover_keeps(struct sip *sip, const struct message *m);

#endif
