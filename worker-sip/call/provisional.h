/* provisional.h - provisional responses that pass on although no dialog can be made of them. */
#ifndef SIPWARD_SIP_CALL_PROVISIONAL_H
#define SIPWARD_SIP_CALL_PROVISIONAL_H

#include "worker-sip/message/held_message.h"

/* A copy of the provisional response m to an INVITE that asks for no PRACK (RFC 3262): whoever
 * gets it in no dialog cannot send one, and nobody could say where it would have to go. Without
 * Require and RSeq, and without its body where the INVITE had no offer: an offer in it would need
 * the PRACK for its answer (RFC 3262 section 5). It is sound but for what it lacks. The caller
 * drops it. NULL: no memory. */
struct held_message *provisional_unreliable(const struct message *m, bool offered);

#endif
