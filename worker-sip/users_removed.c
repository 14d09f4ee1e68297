/* users_removed.c - see users_removed.h. Relies on call_listing.c, which knows whose a call is, and
 * on the registrar's tending, which asks of each binding whether its user is still there. */
#include "users_removed.h"

#include "worker-sip/call/call_listing.h"
#include "worker-sip/registrar/registrar.h"
#include "worker-sip/subscription/reg_watch.h"
#include "worker-sip/subscription/subscription_sweep.h"

/* Whether a user of before is not among those in force. A user of a domain that the config has no
 * more stays: what he has comes to its own end. */
static bool users_removed_any(const struct sip *sip, const struct users *before)
{
	for (uint32_t i = 0; before && i <= before->mask; i++) {
		const struct user_row *row = &before->row[i];

		if (row->hash && row->domain < sip->settings->domains.count &&
			!users_find(
				sip->users, row->domain, (struct str){row->name, row->name_length}))
			return true;
	}
	return false;
}

/* Ends calls of users who are gone, USER_REMOVED_CALLS at most. False: there are no more. */
static bool users_removed_end_calls(struct sip *sip)
{
	struct call_view next = {.sip = sip};
	bool more = call_view_next(&next);
	unsigned ended = 0;

	while (more && ended < USER_REMOVED_CALLS) {
		struct call_view v = next;

		more = call_view_next(&next); /* while v is there */
		if (!call_view_lacks_user(&v))
			continue;
		call_view_end(&v, S(USER_REMOVED_REASON));
		ended++;
	}
	return more;
}

static void users_removed_on_timer(struct timer *t, void *arg)
{
	struct sip *sip = arg;

	if (users_removed_end_calls(sip))
		loop_set(sip->loop, t, USER_REMOVED_PAUSE_MS);
}

void users_removed(struct sip *sip, const struct users *before)
{
	if (!users_removed_any(sip, before))
		return;
	subscriptions_sweep(sip);
	reg_watches_sweep(sip);
	if (!timer_armed(&sip->users_removed))
		timer_init(&sip->users_removed, users_removed_on_timer, sip);
	loop_set(sip->loop, &sip->users_removed, 0);
	if (sip->registrar)
		registrar_slots_changed(sip->registrar);
}
