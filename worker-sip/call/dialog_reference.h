/* dialog_reference.h - header values that name a dialog of one leg, mapped to the other leg's (RFC
 * 3891, 4538, 3515). */
#ifndef SIPWARD_SIP_CALL_DIALOG_REFERENCE_H
#define SIPWARD_SIP_CALL_DIALOG_REFERENCE_H

#include "dialog.h"

/* The dialog that a Replaces value names (call-id;to-tag;from-tag as its sender's peer - we - has
 * it, or the name that dialog_reference_address gave it), or NULL. */
struct dialog *dialog_reference_find(struct sip *sip, struct str value);
/* Writes the Replaces value as the other leg of that dialog knows it; early-only stays. */
void dialog_reference_replaces(struct writer *w, const struct dialog *other, struct str value);
/* Target-Dialog, likewise. False where it names none of ours. */
bool dialog_reference_target_dialog(struct writer *w, struct sip *sip, struct str value);
/* Writes a Refer-To or Referred-By value for the other leg: our own Contact gets our address there;
 * where the URI has a Replaces for one of our dialogs it becomes our Contact of that dialog, and
 * the Replaces our own name for it, for the INVITE that follows will come back to us. A Replaces
 * for any other dialog is left out. */
void dialog_reference_address(
	struct writer *w, struct sip *sip, struct str value, const struct flow *to);

#endif
