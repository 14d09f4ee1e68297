/* named_dialog.h - requests that begin something and name a dialog (Replaces, Join, Target-Dialog)
 * are for the SIP worker that has it, whatever slot their Call-ID is of: by our tag, which is a
 * token. Their tags are of its slot from then on; only CANCEL, which names nothing, still comes by
 * the Call-ID, and is found by a note.
 */
#ifndef SIPWARD_SIP_NAMED_DIALOG_H
#define SIPWARD_SIP_NAMED_DIALOG_H

#include "sip.h"

/* The slot of the dialog that a request outside of dialogs names. False where it names none of
 * ours, and of what the registrar answers. Proves nothing. */
bool named_dialog_slot(const struct message *m, uint8_t *slot);
/* Notes that an INVITE has been handed on to the owner of that slot. A note stands until so many
 * more have been made. */
void named_dialog_note(struct sip *sip, const struct message *m, uint8_t slot);
/* The slot that was noted for the INVITE of that CANCEL. False: none. */
bool named_dialog_noted(const struct sip *sip, const struct message *cancel, uint8_t *slot);

#endif
