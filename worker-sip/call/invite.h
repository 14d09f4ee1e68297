/* invite.h - the INVITE that makes a call (RFC 3261 section 13). */
#ifndef SIPWARD_SIP_CALL_INVITE_H
#define SIPWARD_SIP_CALL_INVITE_H

#include "worker-sip/incoming.h"
#include "worker-sip/routing/target.h"

struct call;
struct call_record;
struct fork;
struct invite;

/* Calls the targets (count > 0, or 0 where forwarding_takes it) of an authorized INVITE outside a
 * dialog. Takes over in->transaction. replaces: the value of the Replaces header as the targets
 * know that dialog; n == 0: none. */
void invite_request(
	struct incoming *in, const struct target *targets, unsigned count, struct str replaces);
/* A stream flow has ended: the callers of unanswered INVITEs that came by it are gone, and nobody
 * shall ring for them. */
void invite_flow_closed(struct sip *sip, uint64_t flow);
/* The caller has ended an early dialog with BYE. Where it was the only one the INVITE is given up:
 * 487, and nobody rings on. Else the other dialogs stay: its branch is cancelled, or sent a BYE
 * where it has further ones (RFC 3261 section 15, RFC 5407 appendix A). call is gone afterwards,
 * unless the INVITE has been answered. */
void invite_end_early(struct call *call);
/* Ends one of sip->invite_list: it is answered with status and headers, and nobody rings on. Both
 * are whole lines, and may be empty; reason is for the CANCELs. transactions_owed counts what is
 * then to be answered. */
void invite_end(struct invite *v, unsigned status, struct str headers, struct str reason);
/* Marks each listener, by its index, that one of them came by or went out by. */
void invite_mark_listeners(const struct sip *sip, bool used[static LISTENERS_MAX]);
/* What is known of one of sip->invite_list: the INVITE with its branches, its record (NULL: none
 * could be made), and the next one (NULL: it is the last). */
const struct fork *invite_fork(const struct invite *v);
struct call_record *invite_record(const struct invite *v);
struct invite *invite_next(const struct invite *v);
/* How many there are in sip->invite_list. */
uint32_t invite_count(const struct sip *sip);

#endif
