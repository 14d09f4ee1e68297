/* subscription_request.c - SUBSCRIBE and NOTIFY within a subscription: each passes from the one
 * dialog to the other, and its answer back, and both say how long the subscription stands (RFC 6665
 * sections 4.1.2, 4.1.3 and 4.2).
 */
#include "subscription_request.h"

#include "common/list.h"
#include "ipc/syntax.h"
#include "ipc/token.h"
#include "worker-sip/call/dialog_request.h"
#include "worker-sip/message/allowance.h"
#include "worker-sip/message/option_tags.h"
#include "worker-sip/message/splice.h"
#include "worker-sip/routing/later_rules.h"
#include "worker-sip/routing/trunk_auth.h"
#include "worker-sip/transaction/transaction.h"

#include <errno.h>
#include <stdlib.h>

struct subscription_request {
	struct subscription_request *next, **link; /* of s->requests, until it is answered */
	struct sip *sip;
	struct subscription *s; /* NULL once it is answered; the dialogs stand as long */
	struct dialog *in, *out;
	struct transaction *server, *client;
	struct held_message *request; /* until it is answered */
	struct trunk_challenges challenges;
	unsigned clients; /* its client transactions */
	uint32_t cseq;    /* on the other side */
	uint8_t method;
	bool last; /* NOTIFY: it says that the subscription is terminated */
};

static const struct client_user subscription_client;
static const struct server_user subscription_server;

bool subscription_status_ends(unsigned status)
{
	return status == 404 || status == 405 || status == 410 || status == 416 ||
	       (status >= 480 && status <= 485) || status == 489 || status == 501 || status == 604;
}

/* ---- life ---- */

static void subscription_request_check(struct subscription_request *r)
{
	if (r->server || r->clients)
		return;
	if (r->s) {
		list_remove(r);
		r->s->request_count--;
	}
	held_message_drop(r->request);
	free(r);
}

/* It is answered: the rest of its life it only absorbs. */
static void subscription_request_settle(struct subscription_request *r)
{
	if (!r->s)
		return;
	list_remove(r);
	r->s->request_count--;
	r->s = NULL;
	r->in = r->out = NULL;
	held_message_drop(r->request);
	r->request = NULL;
}

void subscription_requests_drop(struct subscription *s)
{
	while (s->requests) {
		struct subscription_request *r = s->requests;

		if (r->server && !transaction_answered(r->server))
			answer(r->sip, r->server, 481, STR_EMPTY);
		subscription_request_settle(r);
	}
}

/* NULL: no memory, or too many are on their way. */
static struct subscription_request *subscription_request_new(
	struct dialog *d, const struct incoming *in)
{
	struct subscription *s = d->subscription;
	struct subscription_request *r = s->request_count < SUBSCRIPTION_REQUESTS_MAX
	                                         ? calloc(1, sizeof(*r))
	                                         : NULL;

	if (!r)
		return NULL;
	*r = (struct subscription_request){.sip = s->sip,
		.s = s,
		.in = d,
		.out = d->other,
		.server = in->transaction,
		.request = held_message_hold(transaction_request(in->transaction)),
		.cseq = ++d->other->local_cseq,
		.method = in->message->method};
	list_insert(&s->requests, r);
	s->request_count++;
	transaction_serve(in->transaction, &subscription_server, r);
	return r;
}

/* ---- the way back ---- */

/* What a final answer means for the subscription. m: NULL where it is ours. */
static void subscription_request_conclude(
	struct subscription_request *r, unsigned status, const struct message *m)
{
	struct subscription *s = r->s;
	const struct message *request = &r->request->message;

	if (subscription_status_ends(status) || r->last) {
		subscription_over(s);
	} else if (r->method == METHOD_SUBSCRIBE && status < 300 && m) {
		int64_t seconds = m->expires >= 0 ? m->expires : request->expires;

		if (request->expires == 0 || seconds == 0)
			subscription_leave(s);
		else if (seconds > 0)
			subscription_extend(s, (uint64_t)seconds);
	}
}

/* The status that passes to the side which the request came by. */
static unsigned subscription_request_status(const struct subscription_request *r, unsigned status)
{
	bool challenge = status == 401 || status == 407;

	if (status == 503)
		return 500; /* it would turn the peer away from all of us */
	if (challenge && !settings_zone(r->sip->settings, r->out->zone)->trust)
		return 403;
	return status;
}

static void subscription_request_answer(struct subscription_request *r, const struct message *m)
{
	unsigned status = subscription_request_status(r, m->status);
	char contact[TOKEN_LENGTH];
	struct wire *bytes;
	struct splice s = {.sip = r->sip,
		.in = m,
		.slot = r->in->slot,
		.from_zone = r->out->zone,
		.to_zone = r->in->zone,
		.contact_user = {contact, TOKEN_LENGTH},
		.rewrite = later_rules_of_response(r->sip, m, r->out->zone, r->in->zone)};

	if (!r->server || transaction_answered(r->server))
		return;
	if (r->method == METHOD_SUBSCRIBE)
		s.expires_most = r->sip->settings->subscription_expires;
	token_mint(&r->sip->keys.minting, TOKEN_CONTACT, r->in->slot, r->in->id, contact);
	if (splice_response(&s, &r->request->message, status,
		    (struct str){r->in->tag, TOKEN_LENGTH}, &bytes)) {
		answer(r->sip, r->server, 500, STR_EMPTY);
		return;
	}
	transaction_answer(r->server, status, bytes);
	wire_drop(bytes);
}

/* Writes the request for the other side and sends it. */
static int subscription_request_send(struct subscription_request *r)
{
	const struct message *m = &r->request->message;
	const struct dialog *other = r->out;
	uint64_t branch = random_u64();
	struct flow flow = dialog_flow(r->sip, other);
	struct splice s;
	struct wire *bytes;
	struct leg_request leg = {.sip = r->sip,
		.message = m,
		.from_zone = r->in->zone,
		.to_zone = other->zone,
		.slot = other->slot,
		.in_dialog = true,
		.id = other->id,
		.to = &flow,
		.request_uri = other->target,
		.route = other->route,
		.call_id = other->call_id,
		.cseq = r->cseq,
		.from = other->local,
		.to_value = other->remote,
		/* the id of Event: refer, which the subscriber says with its own number */
		.refer = r->in == r->s->b ? r->s->refer
	                                  : (struct cseq_pair){r->s->refer.out, r->s->refer.in}};
	int error = leg_request_splice(&leg, &s);

	if (error)
		return error;
	s.branch = branch;
	s.credentials = dialog_credentials(r->sip, other, message_str(m, m->method_name));
	error = splice_request(&s, &bytes);
	if (error)
		return error;
	error = allowance_take(other->allowance, bytes->size, 0)
	                ? transaction_send(r->sip->transactions, m->method, branch, other->slot,
				  &flow, bytes, &subscription_client, r, &r->client)
	                : -EAGAIN;
	wire_drop(bytes);
	if (error)
		return error;
	r->clients++;
	transaction_send_within(r->client, other->allowance);
	return 0;
}

/* Sends the request once more, with what the trunk's server asks for (RFC 3261 section 22.2). */
static bool subscription_request_answers_challenge(
	struct subscription_request *r, const struct message *m)
{
	if ((m->status != 401 && m->status != 407) ||
		!trunk_auth_take(r->sip, r->out->trunk, m, &r->challenges))
		return false;
	r->cseq = ++r->out->local_cseq;
	return subscription_request_send(r) == 0;
}

static void subscription_on_response(void *user, struct transaction *t, const struct message *m)
{
	struct subscription_request *r = user;

	(void)t;
	if (r->s && m->status >= 200 && m->status < 300)
		allowance_lift(r->out->allowance); /* it has got the request, and wants it */
	if (!r->s || m->status < 200 || subscription_request_answers_challenge(r, m))
		return;
	if (m->status < 300)
		dialog_refresh(r->sip, r->out, m);
	subscription_request_answer(r, m);
	subscription_request_conclude(r, m->status, m);
	subscription_request_settle(r);
}

static void subscription_on_failed(void *user, struct transaction *t, unsigned status, int error)
{
	struct subscription_request *r = user;

	(void)t;
	(void)error;
	if (!r->s)
		return;
	/* what cannot be sent now can be later; what nobody answers ends the subscription */
	if (r->server && !transaction_answered(r->server))
		answer(r->sip, r->server, status == 503 ? 500 : status,
			status == 503 ? S("Retry-After: 5\r\n") : STR_EMPTY);
	if (status == 408) {
		count(SUBSCRIPTIONS_UNANSWERED);
		subscription_over(r->s);
	} else {
		subscription_request_conclude(r, 500, NULL);
	}
	subscription_request_settle(r);
}

static void subscription_on_client_gone(void *user, struct transaction *t)
{
	struct subscription_request *r = user;

	if (r->client == t)
		r->client = NULL;
	r->clients--;
	subscription_request_check(r);
}

static void subscription_on_server_gone(void *user, struct transaction *t)
{
	struct subscription_request *r = user;

	(void)t;
	r->server = NULL;
	subscription_request_check(r);
}

static const struct client_user subscription_client = {.response = subscription_on_response,
	.failed = subscription_on_failed,
	.gone = subscription_on_client_gone};
static const struct server_user subscription_server = {.gone = subscription_on_server_gone};

/* ---- the way out ---- */

/* Whether the side that d is of may send such a request: the subscriber SUBSCRIBE, the notifier
 * NOTIFY. No other usage shares these dialogs (RFC 6665 section 4.5.2). */
static bool subscription_permits(const struct dialog *d, uint8_t method)
{
	return method == (d == d->subscription->a ? METHOD_SUBSCRIBE : METHOD_NOTIFY);
}

/* Answers a request that cannot pass. False: it can. */
static bool subscription_refuses(const struct dialog *d, const struct incoming *in)
{
	const struct subscription *s = d->subscription;
	char buffer[512];
	struct writer unsupported = WRITER(buffer);
	uint8_t method = in->message->method;

	if (s->over) {
		/* the notifier's last NOTIFY after we have ended it is no error of his */
		bool expected = s->ended && d == s->b && method == METHOD_NOTIFY;

		if (!expected)
			count(DIALOG_UNMATCHED);
		answer(in->sip, in->transaction, expected ? 200 : 481, STR_EMPTY);
	} else if (!subscription_permits(d, method)) {
		answer(in->sip, in->transaction, 405,
			d == s->a ? S("Allow: SUBSCRIBE\r\n") : S("Allow: NOTIFY\r\n"));
	} else if (method == METHOD_SUBSCRIBE && subscription_is_brief(in->sip, in->message)) {
		subscription_refuse_brief(in);
	} else if (option_tags_require(in->message, &unsupported)) {
		answer(in->sip, in->transaction, 420,
			unsupported.full ? STR_EMPTY : writer_text(&unsupported));
	} else if (d->other->lost || (allowance_binds(d->other->allowance) && s->requests)) {
		/* whoever has not shown himself gets one NOTIFY, once, until he answers it */
		count(DIALOG_LEG_GONE);
		answer(in->sip, in->transaction, 500, S("Retry-After: 5\r\n"));
	} else {
		return false;
	}
	return true;
}

/* Takes what a NOTIFY says of the subscription. Returns whether it is the last one. */
static bool subscription_on_notify(struct subscription *s, const struct message *m)
{
	struct str value = message_value(m, HEADER_SUBSCRIPTION_STATE), expires;
	struct str state = value_without_params(value);
	uint64_t seconds;

	s->notified = true;
	if (str_equal_nocase(state, S("terminated")))
		return true;
	if (param_find(value, S("expires"), &expires) && expires.p &&
		str_number(expires, UINT32_MAX, &seconds) == 0)
		subscription_extend(s, seconds);
	else if (!s->expires_at)
		subscription_extend(s, SUBSCRIPTION_EXPIRES);
	else
		subscription_confirm(s);
	return false;
}

void subscription_pass(struct dialog *d, const struct incoming *in)
{
	struct subscription *s = d->subscription;
	const struct message *m = in->message;

	allowance_lift(d->allowance); /* it knows our tag */
	dialog_refresh(in->sip, d, m);
	if (!s->a->lost && !s->b->lost)
		loop_unset(in->sip->loop, &s->grace);
	if (subscription_refuses(d, in))
		return;
	struct subscription_request *r = subscription_request_new(d, in);
	if (!r) {
		count(DIALOG_FULL);
		answer(in->sip, in->transaction, 500, S("Retry-After: 3\r\n"));
		return;
	}
	if (m->method == METHOD_NOTIFY)
		r->last = subscription_on_notify(s, m);
	if (subscription_request_send(r) == 0)
		return;
	answer(in->sip, r->server, 500, S("Retry-After: 5\r\n"));
	subscription_request_conclude(r, 500, NULL);
	subscription_request_settle(r);
}
