/* subscription_limits.c - see subscription_limits.h. */
#include "subscription_limits.h"

#include "worker-sip/call/limits.h"

enum { SUBSCRIPTIONS_OF_ALL, SUBSCRIPTIONS_OF_USER };

void subscription_limits_of(const struct incoming *in, struct subscription_limits *out)
{
	const struct settings *s = in->sip->settings;
	const struct identity *sender = &in->sender;

	*out = (struct subscription_limits){.most[SUBSCRIPTIONS_OF_ALL] = s->subscriptions_in_all};
	if (sender->authenticated && sender->domain < s->domains.count)
		out->most[SUBSCRIPTIONS_OF_USER] =
			settings_domain(s, sender->domain)->subscriptions_per_user;
	for (unsigned i = 0; i < SUBSCRIPTION_LIMITS; i++)
		if (out->most[i])
			out->key[i] = limits_subscription_key(in, i == SUBSCRIPTIONS_OF_USER);
}

unsigned subscription_limits_admit(struct sip *sip, const struct subscription_limits *l)
{
	if (l->key[SUBSCRIPTIONS_OF_ALL] &&
		limits_held(sip, l->key[SUBSCRIPTIONS_OF_ALL]) >= l->most[SUBSCRIPTIONS_OF_ALL]) {
		count(SUBSCRIPTIONS_LIMIT);
		return 503;
	}
	if (l->key[SUBSCRIPTIONS_OF_USER] &&
		limits_held(sip, l->key[SUBSCRIPTIONS_OF_USER]) >= l->most[SUBSCRIPTIONS_OF_USER]) {
		count(LIMIT_USER_SUBSCRIPTIONS);
		return 480;
	}
	return 0;
}

struct str subscription_limits_headers(unsigned status)
{
	return status == 480 ? S("Retry-After: 30\r\n"
				 "Warning: 399 gateway \"limit of subscriptions of the user\"\r\n")
	                     : S("Retry-After: 30\r\n");
}

void subscription_limits_hold(struct sip *sip, struct subscription_limits *l)
{
	for (unsigned i = 0; i < SUBSCRIPTION_LIMITS; i++)
		if (!limits_take(sip, l->key[i]))
			l->key[i] = 0;
}

void subscription_limits_release(struct sip *sip, struct subscription_limits *l)
{
	for (unsigned i = 0; i < SUBSCRIPTION_LIMITS; i++) {
		limits_give(sip, l->key[i]);
		l->key[i] = 0;
	}
}
