/* subscription_sweep.h - ends subscriptions that cannot stay as they are: of users who are gone, of
 * slots that move to another SIP worker, of listeners that a reload has taken away. Where the
 * subscriber may have it anew, its last NOTIFY says so ("deactivated", RFC 6665 section 4.1.3). */
#ifndef SIPWARD_SIP_SUBSCRIPTION_SUBSCRIPTION_SWEEP_H
#define SIPWARD_SIP_SUBSCRIPTION_SUBSCRIPTION_SWEEP_H

#include "worker-sip/sip.h"

struct dialog;

/* Ended with one look, and milliseconds between two looks: each ends with two requests. */
#define SUBSCRIPTIONS_PER_LOOK 50
#define SUBSCRIPTION_LOOK_MS 10

/* Users, slots or settings have changed: what cannot stay ends, from the next turn of the loop on.
 * Costs nothing where there is no subscription. */
void subscriptions_sweep(struct sip *sip);

/* Whether name, NAME@DOMAIN, is of a domain of ours, and nobody there. */
bool subscription_user_is_gone(const struct sip *sip, struct str name);
/* Whether a reload has taken away the listener by which a leg is reached. */
bool subscription_listener_is_gone(const struct sip *sip, const struct dialog *d);

#endif
