/* subscription_sweep.c - see subscription_sweep.h. A look walks over all of them; it follows upon a
 * change of the config, of users or of workers, and not upon a message. */
#include "subscription_sweep.h"

#include "subscription.h"
#include "worker-sip/user_gone.h"

bool subscription_user_is_gone(const struct sip *sip, struct str name)
{
	size_t at = str_find(name, '@');

	return at < name.n && user_is_gone(sip, (struct str){name.p, at}, str_from(name, at + 1));
}

bool subscription_listener_is_gone(const struct sip *sip, const struct dialog *d)
{
	return d->flow.listener < sip->settings->listeners.count &&
	       settings_listener(sip->settings, d->flow.listener)->gone;
}

/* What the last NOTIFY of a subscription that cannot stay says; n == 0: it stays. */
static struct str subscription_verdict(const struct subscription *s)
{
	const struct sip *sip = s->sip;
	uint8_t slot = s->a->slot;

	if (subscription_user_is_gone(sip, s->user))
		return S(SUBSCRIPTION_REMOVED);
	if (subscription_user_is_gone(sip, s->called))
		return S(SUBSCRIPTION_LOST);
	if (sip->slots.worker[slot] == sip->index && sip->slots.next[slot] != sip->index)
		return S(SUBSCRIPTION_MOVED);
	if (subscription_listener_is_gone(sip, s->a) || subscription_listener_is_gone(sip, s->b))
		return S(SUBSCRIPTION_MOVED);
	return STR_EMPTY;
}

static void subscription_look(struct timer *t, void *arg)
{
	struct sip *sip = arg;
	struct subscription *next = sip->subscription_list;
	unsigned ended = 0;

	while (next && ended < SUBSCRIPTIONS_PER_LOOK) {
		struct subscription *s = next;

		next = s->next; /* while s is there */
		struct str state = subscription_verdict(s);
		if (!state.n)
			continue;
		subscription_end(s, state);
		ended++;
	}
	if (next)
		loop_set(sip->loop, t, SUBSCRIPTION_LOOK_MS);
}

void subscriptions_sweep(struct sip *sip)
{
	if (!sip->subscription_list)
		return;
	if (!timer_armed(&sip->subscription_sweep))
		timer_init(&sip->subscription_sweep, subscription_look, sip);
	loop_set(sip->loop, &sip->subscription_sweep, 0);
}
