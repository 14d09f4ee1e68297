/* subscription_listing.h - what sipwardctl subscriptions says of those of this worker. */
#ifndef SIPWARD_SIP_SUBSCRIPTION_SUBSCRIPTION_LISTING_H
#define SIPWARD_SIP_SUBSCRIPTION_SUBSCRIPTION_LISTING_H

#include "worker-sip/sip.h"

/* Hands a JSON line of each subscription to line that fits the arguments (query_argument.h): user
 * (who subscribed, or whose phone it is to), zone, event (package), older (seconds), at most limit
 * lines (0: all; where it is absent, QUERY_LISTED), with count none. Then a line {"matched":N} with
 * the number of all that fit. */
void subscription_list(struct sip *sip, const char *arguments,
	void (*line)(void *arg, struct str json), void *arg);

#endif
