/* client.c - client transactions (RFC 3261 section 17.1, RFC 6026): sending, matching responses,
 * the ACK of a failure, CANCEL. Relies on branches being our own tokens, proved by the caller: two
 * transactions share one only as INVITE and its CANCEL. */
#include "ack_cancel.h"
#include "machine.h"
#include "worker-sip/message/refusal_log.h"
#include "worker-sip/message/wire_header.h"

#include <assert.h>
#include <errno.h>

struct client_key {
	uint64_t branch;
	uint8_t method;
};

static bool client_same_key(const struct table_node *node, const void *arg)
{
	const struct transaction *t = container_of(node, const struct transaction, node);
	const struct client_key *key = arg;

	return t->branch == key->branch && t->method == key->method;
}

static uint64_t client_hash(const struct transactions *ts, uint64_t branch, uint8_t method)
{
	struct hash_key key;
	unsigned char text[9];

	memcpy(&key, ts->secret, sizeof(key));
	memcpy(text, &branch, sizeof(branch));
	text[8] = method;
	return hash_bytes(&key, text, sizeof(text));
}

static struct transaction *client_find(
	const struct transactions *ts, uint64_t branch, uint8_t method)
{
	struct client_key key = {branch, method};
	struct table_node *node = table_find(
		&ts->clients, client_hash(ts, branch, method), client_same_key, &key);

	return node ? container_of(node, struct transaction, node) : NULL;
}

int transaction_send(struct transactions *ts, uint8_t method, uint64_t branch, uint8_t slot,
	const struct flow *to, struct wire *bytes, const struct client_user *ops, void *user,
	struct transaction **out)
{
	struct transaction *t;
	int error;

	assert(method != METHOD_ACK);
	if (client_find(ts, branch, method))
		return -EEXIST;
	t = transaction_new(
		ts, method == METHOD_INVITE ? CLIENT_INVITE : CLIENT_OTHER, method, slot, to);
	if (!t)
		return -ENOMEM;
	t->branch = branch;
	t->sent = wire_hold(bytes);
	t->reserve = method == METHOD_CANCEL || wire_to_tag(bytes).n != 0;
	table_add(&ts->clients, &t->node, client_hash(ts, branch, method));
	error = machine_take(t);
	if (error == 0) {
		machine_step(t, MACHINE_REQUEST);
		if (t->outcome & OUTCOME_ERROR)
			error = t->error;
	}
	if (error) {
		/* the caller knows from the result: no callback was attached yet */
		count(TRANSACTION_SEND_FAILED);
		transaction_end(t);
		return error;
	}
	t->client = ops;
	t->user = user;
	transaction_set_owed(t, method == METHOD_INVITE || method == METHOD_BYE);
	transaction_arm(t);
	count(TRANSACTIONS_CLIENT);
	counter_set(COUNTER_TRANSACTIONS, ts->servers.count + ts->clients.count);
	*out = t;
	return 0;
}

void transaction_send_within(struct transaction *t, struct allowance *allowance)
{
	assert(!transaction_is_server(t) && !t->allowance);
	t->allowance = allowance_hold(allowance);
}

const struct wire *transaction_sent(const struct transaction *t)
{
	assert(!transaction_is_server(t));
	return t->sent;
}

const struct wire *transactions_sent(const struct transactions *ts, uint8_t method, uint64_t branch)
{
	const struct transaction *t = client_find(ts, branch, method);

	return t ? t->sent : NULL;
}

/* One that a response may belong to. NULL: none. */
static const struct transaction *client_any(
	const struct transactions *ts, const struct message *m, uint64_t branch)
{
	const struct transaction *t = client_find(ts, branch, m->method);

	/* of one whose CSeq cannot be read, or lies */
	for (unsigned method = METHOD_UNKNOWN; !t && method < METHOD_COUNT; method++)
		t = client_find(ts, branch, (uint8_t)method);
	return t;
}

bool transactions_await(const struct transactions *ts, const struct message *m, uint64_t branch)
{
	return client_any(ts, m, branch) != NULL;
}

bool transactions_asked_by(const struct transactions *ts, const struct message *m, uint64_t branch)
{
	const struct transaction *t = client_any(ts, m, branch);

	return t && t->flow.listener == m->flow.listener;
}

/* ---- CANCEL ---- */

static void client_send_cancel(struct transaction *t)
{
	struct transaction *c;
	int error = t->cancel ? transaction_send(t->owner, METHOD_CANCEL, t->branch, t->slot,
					&t->flow, t->cancel, NULL, NULL, &c)
	                      : -ENOMEM;

	if (error)
		count(CANCELS_NOT_SENT);
	wire_drop(t->cancel);
	t->cancel = NULL;
	/* RFC 3261 section 9.1: no final response by then is a final response */
	t->end_at = transaction_now(t) + settings_64_t1(t->owner->sip->settings);
	transaction_arm(t);
}

void transaction_cancel(struct transaction *t, struct str headers)
{
	assert(t->kind == CLIENT_INVITE);
	if (t->stage != STAGE_LIVE || t->cancelled)
		return;
	t->cancelled = true;
	if (cancel_build(t->owner->sip, t->sent, headers, &t->cancel) != 0)
		t->cancel = NULL;
	if (t->provisional)
		client_send_cancel(t);
}

/* ---- responses ---- */

/* Moves to what a final response leads to. The machine has made its step. */
static void client_completed(struct transaction *t, unsigned status)
{
	wire_drop(t->cancel);
	t->cancel = NULL;
	transaction_set_owed(t, false);
	if (t->kind == CLIENT_INVITE && status < 300) {
		t->stage = STAGE_ACCEPTED;
		t->end_at = transaction_now(t) +
		            settings_64_t1(t->owner->sip->settings); /* timer M */
	} else {
		t->stage = STAGE_COMPLETED;
		t->end_at = machine_deadline(t); /* timer D or K */
	}
	machine_release(t);
	if (t->kind == CLIENT_OTHER || (t->stage == STAGE_ACCEPTED && !t->cancelled)) {
		/* nothing is sent again; a 2xx after CANCEL may have to be ended with what it says
		 */
		wire_drop(t->sent);
		t->sent = NULL;
	}
	transaction_arm(t);
}

/* The ACK of a failure, which the machine sends (RFC 3261 section 17.1.1.3). */
static void client_build_ack(struct transaction *t, const struct message *failure)
{
	struct str to = message_value(failure, HEADER_TO);

	if (ack_build(t->owner->sip, t->sent, to, &t->ack) != 0)
		count(ACKS_NOT_SENT);
}

/* A final response whose needed parts cannot be read has failed (502): nothing else will come. Only
 * a 2xx to INVITE is its user's to end, as it has made a dialog. */
static void client_tell(struct transaction *t, const struct message *m)
{
	const bool success = t->kind == CLIENT_INVITE && m->status < 300;

	if (!t->client)
		return;
	if (m->broken && m->status >= 200 && !success) {
		count(RESPONSES_BROKEN);
		if (t->client->failed)
			t->client->failed(t->user, t, 502, 0);
	} else if (t->client->response) {
		t->client->response(t->user, t, m);
	}
}

static void client_on_response(struct transaction *t, const struct message *m)
{
	enum machine_event event = m->status < 200   ? MACHINE_PROVISIONAL
	                           : m->status < 300 ? MACHINE_SUCCESS
	                                             : MACHINE_FAILURE;

	if (t->kind == CLIENT_INVITE && event == MACHINE_FAILURE)
		client_build_ack(t, m);
	machine_step(t, event);
	if (!(t->outcome & OUTCOME_DELIVER)) {
		transaction_arm(t);
		return;
	}
	if (event != MACHINE_PROVISIONAL) {
		client_completed(t, m->status);
	} else {
		t->provisional = true;
		if (t->cancelled && t->cancel)
			client_send_cancel(t);
		else
			transaction_arm(t);
	}
	client_tell(t, m);
}

/* The transaction of a response. A branch has one, or two as INVITE and its CANCEL. Where CSeq
 * cannot be read, or names a method that the branch was never sent with, it is the one that there
 * is; of an INVITE that is cancelled a 2xx is then more likely the CANCEL's. */
static struct transaction *client_of_response(
	const struct transactions *ts, const struct message *m, uint64_t branch)
{
	struct transaction *t = client_find(ts, branch, m->method);

	if (t || m->method == METHOD_CANCEL)
		return t;
	for (uint8_t method = METHOD_UNKNOWN; !t && method < METHOD_COUNT; method++)
		if (method != METHOD_CANCEL || !m->method_name.length)
			t = client_find(ts, branch, method);
	if (t && t->kind == CLIENT_INVITE && t->cancelled && m->status / 100 == 2) {
		count(ANSWERS_UNREADABLE);
		refusal_log_response(ts->sip, m, "its CSeq cannot be read");
		return NULL;
	}
	return t;
}

void transactions_unreachable(
	struct transactions *ts, uint64_t branch, const struct endpoint *to, int error)
{
	struct transaction *t = NULL;

	/* An INVITE and its CANCEL share a branch: where the INVITE waits for nothing, the CANCEL
	 * has its own time. */
	for (uint8_t method = METHOD_UNKNOWN; !t && method < METHOD_COUNT; method++)
		if (method != METHOD_CANCEL)
			t = client_find(ts, branch, method);
	if (!t || error >= 0 || t->stage != STAGE_LIVE || t->provisional ||
		transport_is_stream(t->flow.transport) || !endpoint_equal(&t->flow.peer, to)) {
		count(TRANSACTION_REPORTS_STALE);
		return;
	}
	count(TRANSACTIONS_UNREACHABLE);
	client_send_failed(t, error);
}

static int client_take(struct transactions *ts, struct transaction *t, const struct message *m)
{
	bool success = (t ? t->method : m->method) == METHOD_INVITE && m->status / 100 == 2;

	if (!t || t->stage == STAGE_ENDED) {
		count(RESPONSES_UNMATCHED);
		if (!success)
			refusal_log_response(ts->sip, m, "no request waits for it");
		return success;
	}
	switch (t->stage) {
	case STAGE_LIVE:
		if (success && !t->client) {
			/* whoever placed the call has let go of it: it must not stand */
			client_on_response(t, m);
			return 1;
		}
		client_on_response(t, m);
		return 0;
	case STAGE_ACCEPTED:
		/* RFC 6026 section 7.2: every 2xx goes up, retransmissions and other forks' too;
		 * the user repeats its ACK */
		if (success && !t->client)
			return 1;
		if (success && t->client->response)
			t->client->response(t->user, t, m);
		else
			count(RESPONSES_ABSORBED);
		return 0;
	default:
		if (success) {
			/* a fork that answers after another's failure came through */
			count(RESPONSES_UNMATCHED);
			return 1;
		}
		if (t->kind == CLIENT_INVITE && m->status >= 300 && t->ack)
			transaction_transmit(t, t->ack, 0);
		count(RESPONSES_ABSORBED);
		return 0;
	}
}

/* Takes a response whose CSeq names another method than its request had: a broken one. */
static int client_take_contradiction(
	struct transactions *ts, struct transaction *t, const struct message *m)
{
	struct held_message *broken = held_message_new(m);
	int result;

	if (!broken)
		return 0; /* it comes again */
	broken->message.broken = 1;
	result = client_take(ts, t, &broken->message);
	held_message_drop(broken);
	return result;
}

int transactions_response(struct transactions *ts, const struct message *m, uint64_t branch)
{
	struct transaction *t = client_of_response(ts, m, branch);

	assert(!m->is_request);
	if (t && t->method != m->method && !m->broken)
		return client_take_contradiction(ts, t, m);
	return client_take(ts, t, m);
}

/* ---- time ---- */

void client_timer(struct transaction *t, uint64_t now)
{
	t->outcome = 0;
	if (t->end_at && t->end_at <= now) {
		if (t->stage == STAGE_LIVE) {
			count(TRANSACTION_TIMEOUTS);
			transaction_fail(t, 408, -ETIMEDOUT); /* cancelled, and no final response */
		} else {
			transaction_end(t);
		}
		return;
	}
	machine_expire(t, now);
	if (t->outcome & OUTCOME_ERROR) {
		count(TRANSACTION_SEND_FAILED);
		transaction_fail(t, 503, t->error);
	} else if (t->outcome & OUTCOME_TIMEOUT) {
		count(TRANSACTION_TIMEOUTS);
		transaction_fail(t, 408, -ETIMEDOUT);
	} else {
		transaction_arm(t);
	}
}

void client_send_failed(struct transaction *t, int error)
{
	if (t->stage != STAGE_LIVE)
		return;
	count(TRANSACTION_SEND_FAILED);
	transaction_fail(t, 503, error);
}
