/* subscription_limits.h - how many subscriptions there may be over all SIP workers: of a user, and
 * in all. They stand in the page that calls are counted in (call/limits.h); what comes of a limit
 * is known to a moment. */
#ifndef SIPWARD_SIP_SUBSCRIPTION_SUBSCRIPTION_LIMITS_H
#define SIPWARD_SIP_SUBSCRIPTION_SUBSCRIPTION_LIMITS_H

#include "worker-sip/incoming.h"

/* What a subscription counts for: all of them, and who subscribes. */
#define SUBSCRIPTION_LIMITS 2
struct subscription_limits {
	uint64_t key[SUBSCRIPTION_LIMITS]; /* 0: there is no limit */
	uint32_t most[SUBSCRIPTION_LIMITS];
};

/* Those of a request that makes one. */
void subscription_limits_of(const struct incoming *in, struct subscription_limits *out);
/* Whether there may be one more. 0, or the status of the refusal, which is counted: 503, and 480 of
 * a user, whose next one may pass while others are served (RFC 3261 section 21.4.18). */
unsigned subscription_limits_admit(struct sip *sip, const struct subscription_limits *l);
/* The header lines of such a refusal. */
struct str subscription_limits_headers(unsigned status);
/* There is one more, until it is given back. Those that there is no room for become 0. */
void subscription_limits_hold(struct sip *sip, struct subscription_limits *l);
void subscription_limits_release(struct sip *sip, struct subscription_limits *l);

#endif
