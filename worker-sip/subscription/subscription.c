/* subscription.c - the life of a subscription (subscription.h). Requests within it are in
 * subscription_request.c. */
#include "subscription.h"

#include "common/list.h"
#include "common/slab.h"
#include "subscription_request.h"
#include "worker-sip/call/dialog_request.h"
#include "worker-sip/message/allowance.h"
#include "worker-sip/message/splice.h"
#include "worker-sip/transaction/transaction.h"

#include <errno.h>

static void subscription_gauge(struct sip *sip, int more)
{
	sip->subscriptions += (uint32_t)more;
	counter_set(COUNTER_SUBSCRIPTIONS_ACTIVE, sip->subscriptions);
}

static void subscription_set_timer(struct subscription *s, uint64_t due)
{
	uint64_t now = loop_now(s->sip->loop);

	loop_set(s->sip->loop, &s->timer, due > now ? due - now : 0);
}

static uint64_t subscription_64_t1(const struct subscription *s)
{
	return settings_64_t1(s->sip->settings);
}

static void subscription_time_over(struct timer *t, void *arg)
{
	struct subscription *s = arg;

	(void)t;
	if (s->over) {
		subscription_free(s);
		return;
	}
	if (s->notified)
		count(SUBSCRIPTIONS_EXPIRED);
	else
		count(SUBSCRIPTIONS_UNCONFIRMED);
	subscription_over(s);
}

/* A side has not come back: the other one is told. */
static void subscription_grace_over(struct timer *t, void *arg)
{
	struct subscription *s = arg;

	(void)t;
	if (s->over || (!s->a->lost && !s->b->lost))
		return;
	count(SUBSCRIPTIONS_LEG_LOST);
	subscription_end(s, S(SUBSCRIPTION_LOST));
}

static struct str subscription_put(char **at, struct str text)
{
	struct str copy = {*at, text.n};

	if (text.n)
		memcpy(*at, text.p, text.n);
	*at += text.n;
	return copy;
}

int subscription_new(struct sip *sip, const struct dialog_pair *pair,
	const struct subscription_about *about, struct subscription **out)
{
	struct slab *slab = dialogs_slab(sip->dialogs);
	size_t size = about->event.n + about->user.n + about->called.n;
	struct subscription *s = slab_take(slab, sizeof(*s) + size);

	if (!s)
		return -ENOMEM;
	memset(s, 0, sizeof(*s));
	if (dialog_new(sip, &pair->a, &s->a) || dialog_new(sip, &pair->b, &s->b)) {
		dialog_free(sip, s->a);
		slab_give(slab, s, sizeof(*s) + size);
		return -ENOMEM;
	}
	char *at = s->text;
	s->sip = sip;
	s->text_size = (uint32_t)size;
	s->event = subscription_put(&at, about->event);
	s->user = subscription_put(&at, about->user);
	s->called = subscription_put(&at, about->called);
	s->refer = about->refer;
	s->a->subscription = s->b->subscription = s;
	s->a->other = s->b;
	s->b->other = s->a;
	s->a->state = s->b->state = DIALOG_CONFIRMED;
	if (s->a->flow.id)
		sip_watch(sip, &s->a->flow, s->a->slot);
	if (s->b->flow.id)
		sip_watch(sip, &s->b->flow, s->b->slot);
	s->began = loop_now(sip->loop);
	timer_init(&s->timer, subscription_time_over, s);
	timer_init(&s->grace, subscription_grace_over, s);
	subscription_set_timer(s, s->began + subscription_64_t1(s));
	list_insert(&sip->subscription_list, s);
	subscription_gauge(sip, 1);
	count(SUBSCRIPTIONS);
	*out = s;
	return 0;
}

void subscription_extend(struct subscription *s, uint64_t seconds)
{
	if (s->over || s->leaving)
		return;
	uint32_t most = s->sip->settings->subscription_expires;
	if (most && seconds > most)
		seconds = most;
	s->expires_at = loop_now(s->sip->loop) + seconds * 1000;
	/* one that has sent no NOTIFY yet has the time of timer N */
	if (s->notified)
		subscription_confirm(s);
}

bool subscription_is_brief(const struct sip *sip, const struct message *m)
{
	return m->expires > 0 && m->expires < (int64_t)sip->settings->subscription_expires_least;
}

void subscription_refuse_brief(const struct incoming *in)
{
	char buffer[48];
	struct writer w = WRITER(buffer);

	count(SUBSCRIPTIONS_TOO_BRIEF);
	write_literal(&w, "Min-Expires: ");
	write_number(&w, in->sip->settings->subscription_expires_least);
	write_literal(&w, "\r\n");
	incoming_answer(in, 423, writer_text(&w));
}

void subscription_confirm(struct subscription *s)
{
	uint64_t now = loop_now(s->sip->loop);

	if (s->over || s->leaving)
		return;
	/* the notifier may be a little late with its last NOTIFY */
	subscription_set_timer(
		s, (s->expires_at > now ? s->expires_at : now) + subscription_64_t1(s));
}

void subscription_leave(struct subscription *s)
{
	if (s->over || s->leaving)
		return;
	s->leaving = true;
	subscription_set_timer(s, loop_now(s->sip->loop) + subscription_64_t1(s));
}

void subscription_over(struct subscription *s)
{
	struct sip *sip = s->sip;

	if (s->over)
		return;
	s->over = true;
	list_remove(s);
	list_insert(&sip->subscription_over_list, s);
	loop_unset(sip->loop, &s->grace);
	subscription_gauge(sip, -1);
	subscription_limits_release(sip, &s->limits);
	count(SUBSCRIPTIONS_OVER);
	subscription_set_timer(s, loop_now(sip->loop) + subscription_64_t1(s));
}

void subscription_free(struct subscription *s)
{
	struct sip *sip = s->sip;

	subscription_over(s);
	subscription_requests_drop(s);
	loop_unset(sip->loop, &s->timer);
	list_remove(s);
	dialog_free(sip, s->a);
	dialog_free(sip, s->b);
	slab_give(dialogs_slab(sip->dialogs), s, sizeof(*s) + s->text_size);
}

/* ---- ended by us ---- */

/* Sends a request of our own by a dialog; nobody waits for its answer. headers: whole lines. */
static void subscription_send(
	struct subscription *s, struct dialog *d, uint8_t method, struct str headers)
{
	struct sip *sip = s->sip;
	struct str name = str_of(method_name(method));
	uint64_t branch = random_u64();
	struct wire *bytes;
	struct transaction *t;

	if (d->lost || allowance_binds(d->allowance) ||
		dialog_request_write(
			sip, d, name, ++d->local_cseq, branch, headers, STR_EMPTY, &bytes))
		return;
	struct flow flow = dialog_flow(sip, d);
	transaction_send(sip->transactions, method, branch, d->slot, &flow, bytes, NULL, NULL, &t);
	wire_drop(bytes);
}

/* Writes the lines that all requests of a subscription have: our Contact, and its Event. */
static void subscription_write_head(
	struct writer *w, const struct subscription *s, const struct dialog *d)
{
	char user[TOKEN_LENGTH];
	struct flow flow = dialog_flow(s->sip, d);

	token_mint(&s->sip->keys.minting, TOKEN_CONTACT, d->slot, d->id, user);
	splice_write_own_contact(w, s->sip, (struct str){user, sizeof(user)}, &flow,
		d->target.n > 5 && strncasecmp(d->target.p, "sips:", 5) == 0);
	write_literal(w, "Event: ");
	write_str(w, s->event);
	write_literal(w, "\r\n");
}

void subscription_end(struct subscription *s, struct str state)
{
	char buffer[2048];
	struct writer notify = WRITER(buffer);

	if (s->over)
		return;
	subscription_write_head(&notify, s, s->a);
	write_literal(&notify, "Subscription-State: terminated;reason=");
	write_str(&notify, state);
	write_literal(&notify, "\r\n");
	if (!notify.full)
		subscription_send(s, s->a, METHOD_NOTIFY, writer_text(&notify));
	struct writer subscribe = WRITER(buffer);
	subscription_write_head(&subscribe, s, s->b);
	write_literal(&subscribe, "Expires: 0\r\n");
	if (!subscribe.full && !s->leaving)
		subscription_send(s, s->b, METHOD_SUBSCRIBE, writer_text(&subscribe));
	count(SUBSCRIPTIONS_STOPPED);
	subscription_over(s);
	s->ended = true;
}

void subscription_leg_lost(struct dialog *d)
{
	struct subscription *s = d->subscription;

	if (settings_zone(s->sip->settings, d->zone)->trust) {
		/* the next request opens another connection */
		d->flow.id = 0;
		return;
	}
	d->lost = true;
	if (!s->over && !timer_armed(&s->grace))
		loop_set(s->sip->loop, &s->grace, SUBSCRIPTION_GRACE_MS);
}
