/* dialog_reference.h - header values that name a dialog of one leg, mapped to the other leg's (RFC
 * 3891, 4538, 3515, 3892). */
#ifndef SIPWARD_SIP_CALL_DIALOG_REFERENCE_H
#define SIPWARD_SIP_CALL_DIALOG_REFERENCE_H

#include "dialog.h"
#include "worker-sip/message/hosts.h"

/* Finds the dialog that a Replaces value names: by its Call-ID and tags as its sender's peer, which
 * we are, has it, or by the name that dialog_reference_address gave it. NULL where there is none.
 */
struct dialog *dialog_reference_find(struct sip *sip, struct str value);
/* Writes the Replaces value as the peer of the leg `other` knows that dialog; early-only stays. */
void dialog_reference_replaces(struct writer *w, const struct dialog *other, struct str value);
/* Writes a Target-Dialog value as the other leg's peer knows that dialog. False where it names none
 * of ours. */
bool dialog_reference_target_dialog(struct writer *w, struct sip *sip, struct str value);
/* Writes a Refer-To or Referred-By value without the hosts of the sender's side. Our own Contact
 * and a URI at such a host get our address on the other leg. Where the URI has a Replaces for one
 * of our dialogs it becomes our Contact of that dialog, and the Replaces our own name for it, for
 * the INVITE that follows will come back to us. A Replaces for any other dialog is left out. Writes
 * nothing where the value is no address. */
void dialog_reference_address(struct writer *w, struct str value, const struct hosts *hosts);

#endif
