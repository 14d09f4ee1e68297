/* refused_answer.h - a 2xx to an INVITE that nobody wants: of a second fork, after a CANCEL, of a
 * call that is given up. It is acknowledged, and its dialog is ended (RFC 3261 section 13.2.2.4).
 */
#ifndef SIPWARD_SIP_CALL_REFUSED_ANSWER_H
#define SIPWARD_SIP_CALL_REFUSED_ANSWER_H

#include "dialog.h"

/* What is known of an INVITE of ours, whatever its answer says; target may be empty. */
struct sent_invite {
	struct str call_id, from, from_tag, target;
	uint32_t cseq;
};

/* Reads it from the INVITE's bytes, into which it points. False where they are NULL. */
bool sent_invite_read(const struct wire *bytes, struct sent_invite *out);

/* Sends ACK and BYE for the 2xx m, back to where it came from; zone is that of its sender. Each of
 * its repetitions within 64*T1 gets the ACK again and no second BYE, and so does one of a call that
 * has ended. Of a broken one the rest is taken from invite (NULL: not known); where To cannot
 * be read there is nothing to be sent, and it is counted. */
void refused_answer_take(
	struct sip *sip, const struct message *m, unsigned zone, const struct sent_invite *invite);

#endif
