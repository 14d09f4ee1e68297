/* refused_answer.h - a 2xx to an INVITE that nobody wants: of a second fork, after a CANCEL, of a
 * call that is given up. It is acknowledged, and its dialog is ended (RFC 3261 section 13.2.2.4).
 */
#ifndef SIPWARD_SIP_CALL_REFUSED_ANSWER_H
#define SIPWARD_SIP_CALL_REFUSED_ANSWER_H

#include "dialog.h"

/* Sends ACK and BYE for the 2xx m, back to where it came from; zone is that of its sender. Each of
 * its repetitions within 64*T1 gets the ACK again and no second BYE, and so does one of a call that
 * has ended. A broken 2xx of which Call-ID, From, To or CSeq cannot be read is left alone. */
void refused_answer_take(struct sip *sip, const struct message *m, unsigned zone);

#endif
