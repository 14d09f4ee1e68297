/* subscribe.c - requests that make subscriptions (subscribe.h). Their targets and their failures
 * are fork.c's; the subscriptions are subscription.c's. */
#include "subscribe.h"

#include "common/list.h"
#include "event.h"
#include "ipc/slot.h"
#include "ipc/syntax.h"
#include "ipc/token.h"
#include "subscription.h"
#include "worker-sip/explanation_targets.h"
#include "worker-sip/message/allowance.h"
#include "worker-sip/routing/fork.h"
#include "worker-sip/routing/relay.h"

#define SUBSCRIBE_USER_MAX (USER_NAME_MAX + 256)

struct subscribe_branch {
	struct fork_branch fork;
	struct table_node node; /* of dialogs_awaited, by fork.id, while it awaits NOTIFYs */
	unsigned made;          /* subscriptions */
	bool awaits;
};

struct subscribe {
	struct fork fork;
	struct subscribe *next, **link;    /* of sip->subscribe_list */
	struct held_message *request;      /* as it was received */
	struct subscription_limits limits; /* of what it makes */
	struct timer timer;                /* N; the fork is held while it is armed */
	struct allowance *allowance;       /* its sender's; NULL: none */
	size_t user_length, called_length;
	char user[SUBSCRIBE_USER_MAX], called[SUBSCRIBE_USER_MAX];
};
_Static_assert(
	offsetof(struct subscribe, fork) == 0 && offsetof(struct subscribe_branch, fork) == 0,
	"fork.c frees both by their first members");

static struct subscribe *subscribe_of(struct fork *f)
{
	return container_of(f, struct subscribe, fork);
}

static struct subscribe_branch *subscribe_branch_of(struct fork_branch *b)
{
	return container_of(b, struct subscribe_branch, fork);
}

/* ---- what is made ---- */

static bool subscribe_full(const struct sip *sip)
{
	if (sip->subscriptions < sip->settings->subscriptions_max)
		return false;
	count(SUBSCRIPTIONS_LIMIT);
	return true;
}

/* Makes the subscription between the sender and whoever said m, a 2xx or a NOTIFY. NULL: it cannot
 * be made. */
static struct subscription *subscribe_make(struct subscribe_branch *b, const struct message *m)
{
	struct fork *f = b->fork.fork;
	struct subscribe *v = subscribe_of(f);
	const struct message *request = &v->request->message;
	bool refer = request->method == METHOD_REFER;
	struct dialog_pair pair;
	struct subscription_about about = {
		.event = refer ? S("refer") : message_value(request, HEADER_EVENT),
		.user = {v->user, v->user_length},
		.called = {v->called, v->called_length},
		.refer = refer ? (struct cseq_pair){request->cseq, b->fork.cseq}
	                       : (struct cseq_pair){0, 0}};
	struct subscription *s;

	if (b->made == SUBSCRIBE_FORKED_MAX || subscribe_full(f->sip) ||
		subscription_limits_admit(f->sip, &v->limits))
		return NULL;
	if (!dialog_pair_of_branch(&pair, &b->fork, request, m) ||
		subscription_new(f->sip, &pair, &about, &s))
		return NULL;
	s->a->allowance = allowance_hold(v->allowance);
	s->limits = v->limits;
	subscription_limits_hold(f->sip, &s->limits);
	b->made++;
	return s;
}

/* The subscription of a 2xx, where a NOTIFY has made it before. */
static struct subscription *subscribe_find(
	const struct subscribe_branch *b, const struct message *m)
{
	struct dialog *d = dialog_of_tags(b->fork.fork->sip, message_str(m, m->call_id),
		message_str(m, m->from_tag), message_str(m, m->to_tag));

	return d ? d->subscription : NULL;
}

/* Whether a 2xx to REFER says that there is no subscription (RFC 4488 section 4). */
static bool subscribe_is_declined(const struct message *m)
{
	return str_equal_nocase(
		value_without_params(message_value(m, HEADER_REFER_SUB)), S("false"));
}

/* ---- responses ---- */

/* The 2xx says how long the subscription stands. */
static void subscribe_take_expires(
	const struct subscribe *v, struct subscription *s, const struct message *m)
{
	const struct message *request = &v->request->message;
	int64_t seconds = m->expires >= 0 ? m->expires : request->expires;

	if (request->method != METHOD_SUBSCRIBE)
		return;
	if (seconds > 0 && request->expires != 0)
		subscription_extend(s, (uint64_t)seconds);
	else if (seconds == 0 || request->expires == 0)
		subscription_leave(s); /* it asked for the state once */
}

/* Passes the first 2xx back, in the dialog of s (NULL: in none). */
static int subscribe_answer(
	struct subscribe_branch *b, const struct message *m, const struct subscription *s)
{
	struct fork *f = b->fork.fork;
	char tag[TOKEN_LENGTH], user[TOKEN_LENGTH];

	if (!s)
		fork_tag(f, tag);
	else
		memcpy(tag, s->a->tag, sizeof(tag));
	token_mint(&f->sip->keys.minting, TOKEN_CONTACT, f->slot, s ? s->a->id : f->id, user);
	return fork_pass(
		&b->fork, m, (struct str){user, sizeof(user)}, (struct str){tag, sizeof(tag)});
}

static void subscribe_on_response(struct fork_branch *branch, const struct message *m)
{
	struct subscribe_branch *b = subscribe_branch_of(branch);
	struct fork *f = branch->fork;
	struct subscribe *v = subscribe_of(f);
	bool first = !branch->done && !f->answered && f->server;
	bool wanted = v->request->message.method == METHOD_SUBSCRIBE || !subscribe_is_declined(m);

	struct subscription *s = subscribe_find(b, m);
	if (!s && first && wanted)
		s = subscribe_make(b, m);
	if (s)
		subscribe_take_expires(v, s, m);
	if (!first)
		return;
	fork_branch_done(branch);
	if ((wanted && !s) || subscribe_answer(b, m, s)) {
		fork_refuse(f, 500);
		if (s)
			subscription_end(s, S(SUBSCRIPTION_LOST));
		return;
	}
	fork_settle(f);
	fork_trim(f);
}

static void subscribe_stop_waiting(struct subscribe_branch *b)
{
	if (b->awaits)
		table_remove(dialogs_awaited(b->fork.fork->sip->dialogs), &b->node);
	b->awaits = false;
}

/* NOTIFYs are awaited for 64*T1 from now on. */
static void subscribe_wait(struct subscribe *v)
{
	struct sip *sip = v->fork.sip;

	if (!timer_armed(&v->timer))
		fork_hold(&v->fork);
	loop_set(sip->loop, &v->timer, settings_64_t1(sip->settings));
}

/* Whoever refused it has made no subscription, whatever his NOTIFY said before. */
static void subscribe_branch_failed(
	struct fork_branch *branch, unsigned status, const struct message *m)
{
	struct subscribe_branch *b = subscribe_branch_of(branch);
	struct sip *sip = branch->fork->sip;
	struct dialog *d;

	(void)status;
	(void)m;
	subscribe_stop_waiting(b);
	while (b->made && (d = dialog_of_id(sip, branch->id)) && d->subscription) {
		subscription_free(d->subscription);
		b->made--;
	}
}

static void subscribe_branch_tried(struct fork_branch *branch, bool sent)
{
	struct subscribe_branch *b = subscribe_branch_of(branch);
	struct sip *sip = branch->fork->sip;

	if (!sent || b->awaits)
		return;
	b->awaits = true;
	table_add(dialogs_awaited(sip->dialogs), &b->node, branch->id);
	subscribe_wait(subscribe_of(branch->fork));
}

static void subscribe_released(struct fork *f)
{
	struct subscribe *v = subscribe_of(f);

	for (unsigned i = 0; i < f->count; i++)
		subscribe_stop_waiting(subscribe_branch_of(fork_branch_at(f, i)));
	loop_unset(f->sip->loop, &v->timer);
	list_remove(v);
	held_message_drop(v->request);
	allowance_drop(v->allowance);
}

/* Timer N is over: a NOTIFY that comes now is of nothing. */
static void subscribe_time_over(struct timer *t, void *arg)
{
	struct subscribe *v = arg;

	(void)t;
	for (unsigned i = 0; i < v->fork.count; i++)
		subscribe_stop_waiting(subscribe_branch_of(fork_branch_at(&v->fork, i)));
	fork_drop(&v->fork);
}

static const struct fork_user subscribe_user = {.response = subscribe_on_response,
	.tried = subscribe_branch_tried,
	.failed = subscribe_branch_failed,
	.released = subscribe_released};

/* ---- NOTIFY ---- */

struct subscribe_wanted {
	uint64_t id;
	struct str call_id;
};

static bool subscribe_same(const struct table_node *node, const void *key)
{
	const struct subscribe_branch *b = container_of(node, const struct subscribe_branch, node);
	const struct subscribe_wanted *w = key;

	return b->fork.id == w->id &&
	       str_equal((struct str){b->fork.call_id, sizeof(b->fork.call_id)}, w->call_id);
}

/* The branch that a NOTIFY answers, by our tag and our Call-ID. */
static struct subscribe_branch *subscribe_branch_of_notify(struct sip *sip, const struct message *m)
{
	struct subscribe_wanted w = {.call_id = message_str(m, m->call_id)};
	struct table *awaited = dialogs_awaited(sip->dialogs);
	uint8_t slot;

	if (m->method != METHOD_NOTIFY || !awaited->count ||
		token_prove(&sip->keys.minting, TOKEN_TAG, message_str(m, m->to_tag), &slot, &w.id))
		return NULL;
	struct table_node *node = table_find(awaited, w.id, subscribe_same, &w);
	return node ? container_of(node, struct subscribe_branch, node) : NULL;
}

bool subscribe_awaits(struct sip *sip, const struct message *m)
{
	return subscribe_branch_of_notify(sip, m) != NULL;
}

bool subscribe_awaits_from(struct sip *sip, const struct message *m, unsigned zone)
{
	const struct subscribe_branch *b = subscribe_branch_of_notify(sip, m);

	return b && b->fork.zone == zone;
}

struct dialog *subscribe_notified(const struct incoming *in)
{
	struct subscribe_branch *b = subscribe_branch_of_notify(in->sip, in->message);

	if (!b || b->fork.zone != in->zone)
		return NULL;
	struct subscription *s = subscribe_make(b, in->message);
	return s ? s->b : NULL;
}

void subscribe_slots(const struct sip *sip, struct slot_set *out)
{
	for (const struct subscribe *v = sip->subscribe_list; v; v = v->next)
		slot_set_add(out, v->fork.slot);
}

/* ---- a new one ---- */

/* Notes who asks, and whom: by it they end with their user. */
static void subscribe_note_users(struct subscribe *v, const struct incoming *in)
{
	const struct settings *settings = in->sip->settings;
	struct writer user = WRITER(v->user), called = WRITER(v->called);

	if (in->sender.authenticated) {
		write_bytes(&user, in->sender.name, in->sender.name_length);
		write_literal(&user, "@");
		write_str(&user,
			settings_str(settings, settings_domain(settings, in->sender.domain)->name));
	}
	write_str(&called, in->called);
	v->user_length = user.full ? 0 : user.n;
	v->called_length = called.full ? 0 : called.n;
}

static void subscribe_start(struct incoming *in, const struct target *targets, unsigned count)
{
	struct sip *sip = in->sip;
	struct subscription_limits limits;
	struct fork *f;

	if (in->explanation) {
		explanation_targets(in, targets, count, STR_EMPTY);
		return;
	}
	if (subscribe_full(sip)) {
		incoming_answer(in, 503, S("Retry-After: 30\r\n"));
		return;
	}
	subscription_limits_of(in, &limits);
	unsigned status = subscription_limits_admit(sip, &limits);
	if (status) {
		incoming_answer(in, status, subscription_limits_headers(status));
		return;
	}
	if (!incoming_begin(in))
		return;
	if (fork_new(in, targets, count, sizeof(struct subscribe), sizeof(struct subscribe_branch),
		    &subscribe_user, &f)) {
		incoming_answer(in, 500, STR_EMPTY);
		return;
	}
	struct subscribe *v = subscribe_of(f);
	v->request = held_message_hold(f->request);
	v->allowance = allowance_hold(transaction_allowance(in->transaction));
	v->limits = limits;
	subscribe_note_users(v, in);
	timer_init(&v->timer, subscribe_time_over, v);
	list_insert(&sip->subscribe_list, v);
	subscribe_wait(v);
	count(SUBSCRIBES);
	fork_start(f);
}

void subscribe_request(struct incoming *in, const struct target *targets, unsigned count)
{
	if (!in->message->contact.whole.length)
		incoming_answer(in, 400, STR_EMPTY); /* nobody knows where a NOTIFY would go */
	else if (subscription_is_brief(in->sip, in->message))
		subscription_refuse_brief(in);
	else
		subscribe_start(in, targets, count);
}

/* Whether the sender of a REFER forbids its implicit subscription (RFC 7614 section 4). */
static bool subscribe_is_forbidden(const struct message *m)
{
	for (const struct message_header *h = message_first(m, HEADER_REQUIRE); h;
		h = message_next(m, h)) {
		struct str rest = message_header_value(m, h), item;

		while (list_next(&rest, &item) == 0)
			if (str_equal_nocase(item, S("nosub")) ||
				str_equal_nocase(item, S("explicitsub")))
				return true;
	}
	return false;
}

void subscribe_refer(struct incoming *in, const struct target *targets, unsigned count)
{
	if (!in->message->contact.whole.length || subscribe_is_forbidden(in->message))
		relay_request(in, targets, count);
	else
		subscribe_start(in, targets, count);
}
