/* subscribe.h - requests outside of dialogs that make subscriptions: SUBSCRIBE (RFC 6665), and
 * REFER with its implicit subscription (RFC 3515).
 *
 * A subscription is made by the first 2xx, or by a NOTIFY, which may come before it. SUBSCRIBE may
 * be forked, here or behind us, and each phone that it reaches sends its own NOTIFY: each makes a
 * subscription of its own, with its own To tag towards the subscriber, who may keep or refuse it
 * (section 4.1.4). NOTIFYs are awaited for 64*T1 (timer N); one that comes later is answered 481.
 */
#ifndef SIPWARD_SIP_SUBSCRIPTION_SUBSCRIBE_H
#define SIPWARD_SIP_SUBSCRIPTION_SUBSCRIBE_H

#include "worker-sip/incoming.h"
#include "worker-sip/routing/target.h"

/* Subscriptions that one target may make of one request, at most: what is forked behind it. */
#define SUBSCRIBE_FORKED_MAX 16

struct dialog;
struct slot_set;

/* Passes a SUBSCRIBE on to the targets (count > 0), and keeps the subscriptions that come of it.
 * Takes over in->transaction, which it makes where there is none. */
void subscribe_request(struct incoming *in, const struct target *targets, unsigned count);
/* The same for a REFER; one whose sender wants no subscription, or that makes no dialog, passes as
 * any other request. */
void subscribe_refer(struct incoming *in, const struct target *targets, unsigned count);
/* The dialog of a NOTIFY that is of none, and awaited; it is made. NULL: it is not. */
struct dialog *subscribe_notified(const struct incoming *in);
/* Whether a NOTIFY is awaited. Changes nothing. */
bool subscribe_awaits(struct sip *sip, const struct message *m);
/* The same of one that comes from that zone. */
bool subscribe_awaits_from(struct sip *sip, const struct message *m, unsigned zone);
/* Adds the slots of those that are on their way to out. */
void subscribe_slots(const struct sip *sip, struct slot_set *out);

#endif
