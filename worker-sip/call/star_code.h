/* star_code.h - numbers by which a user of ours has his calls forwarded, from his own phone: the
 * codes of his domain (options code-always and so on), as networks have them (ETSI ETS 300 738):
 *
 *     *21*5551000#      have all calls go there
 *     *61*5551000*30#   the same after 30 seconds without an answer
 *     #21#, ##21#       no longer
 *
 * Such an INVITE makes no call. The forward is set in all SIP workers, and kept, once the master
 * has answered (FORWARD_DONE); until then the INVITE waits. It is answered with a failure either
 * way, 480 with a reason phrase that a phone shows, where it was done: a 2xx would make a session,
 * whose offer nobody here could answer with media (RFC 3261 section 13.2.1), and 204 has no meaning
 * for INVITE. What he may not call is asked when a call is forwarded, not here: it may change.
 */
#ifndef SIPWARD_SIP_CALL_STAR_CODE_H
#define SIPWARD_SIP_CALL_STAR_CODE_H

#include "worker-sip/incoming.h"

/* Orders of one SIP worker that the master has not answered, at most. */
#define STAR_CODES_WAITING 64

/* Whether an INVITE is one, whose sender has shown right credentials: it has been taken then. */
bool star_code_request(struct incoming *in);
/* The master has answered an order. */
void star_code_done(struct sip *sip, const struct lifeline_forward_done *done);

#endif
