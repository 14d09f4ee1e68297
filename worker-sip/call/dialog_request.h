/* dialog_request.h - requests of our own within a dialog: BYE, and the ACK of a 2xx (RFC 3261
 * sections 15.1.1 and 13.2.2.4). */
#ifndef SIPWARD_SIP_CALL_DIALOG_REQUEST_H
#define SIPWARD_SIP_CALL_DIALOG_REQUEST_H

#include "dialog.h"

/* Writes a request of our own within the dialog. cseq is written as given; branch is the id of the
 * Via's branch token; headers are whole lines, and may be empty; so may body, whose type is theirs.
 * -ENOBUFS where it is too large, -ENOMEM. *out is the caller's to drop. */
int dialog_request_write(struct sip *sip, const struct dialog *d, struct str method, uint32_t cseq,
	uint64_t branch, struct str headers, struct str body, struct wire **out);

/* The credentials of a request by that dialog to a trunk that has asked for some: a header line, or
 * nothing. An ACK has those of an INVITE (RFC 3261 section 22.1). Good until the next one is
 * written. */
struct str dialog_credentials(struct sip *sip, const struct dialog *d, struct str method);

/* Sends BYE with the dialog's next CSeq; nobody waits for its answer. headers are whole lines
 * (Reason), and may be empty. Failures are the transaction layer's to count. A caller who has not
 * shown himself, and so has not acknowledged the answer either, gets none. */
void dialog_send_bye(struct sip *sip, struct dialog *d, struct str headers);

/* Sends the ACK of the 2xx to the INVITE with that CSeq. Returns its bytes, which are the caller's
 * to drop, for when the 2xx is repeated. NULL where it could not be written. */
struct wire *dialog_send_ack(struct sip *sip, const struct dialog *d, uint32_t cseq);

#endif
