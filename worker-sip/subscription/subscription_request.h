/* subscription_request.h - the requests on their way within a subscription: for subscription.c. */
#ifndef SIPWARD_SIP_SUBSCRIPTION_SUBSCRIPTION_REQUEST_H
#define SIPWARD_SIP_SUBSCRIPTION_SUBSCRIPTION_REQUEST_H

#include "subscription.h"

/* The subscription is freed: what is on its way is answered 481. */
void subscription_requests_drop(struct subscription *s);

#endif
