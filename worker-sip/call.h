/* call.h - the back-to-back user agent: initial INVITEs (invite.c) and what follows in their dialogs (call.c). */
#ifndef SIPWARD_SIP_CALL_H
#define SIPWARD_SIP_CALL_H

#include "dialog.h"
#include "route.h"

/* An authorized INVITE outside a dialog with its targets (count > 0). Takes over t. */
void call_invite(struct sip *sip, struct transaction *t, const struct message *m, uint8_t slot, const struct identity *who, const struct target *targets, unsigned count);
/* A request with our To-tag: finds the dialog (481 where there is none) and passes it to the other leg. t is NULL for ACK. */
void call_request(struct sip *sip, struct transaction *t, const struct message *m, uint8_t slot);
/* A stream flow has ended. */
void call_flow_closed(struct sip *sip, uint64_t flow);
/* A 2xx for an INVITE whose transaction is gone: ACK and BYE. */
void call_stray_answer(struct sip *sip, const struct message *m);
/* JSON lines of all calls for sipwardctl. */
void call_list(struct sip *sip, void (*line)(void *arg, struct str json), void *arg);

#endif
