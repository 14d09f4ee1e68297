/* server.c - server transactions (RFC 3261 section 17.2, RFC 6026, RFC 4320): matching, 100 Trying,
 * CANCEL, answers and the 2xx that waits for its ACK. Relies on machine.c for what the machines do,
 * on response.c for local answers. */
#include "ipc/emergency.h"
#include "machine.h"
#include "worker-sip/labels.h"
#include "worker-sip/message/response.h"
#include "worker-sip/message/wire_header.h"

#include <assert.h>
#include <errno.h>

/* Told in the 503 of a worker that has all the transactions it may have, seconds. */
#define RETRY_AFTER "Retry-After: 5\r\n"

/* ---- matching (RFC 3261 section 17.2.3) ---- */

static bool server_same_key(const struct table_node *node, const void *arg)
{
	const struct transaction *t = container_of(node, const struct transaction, node);
	const struct transaction_key *key = arg;

	return t->key.part[0] == key->part[0] && t->key.part[1] == key->part[1];
}

static struct transaction *server_find(
	const struct transactions *ts, const struct transaction_key *key)
{
	struct table_node *node = table_find(&ts->servers, key->part[0], server_same_key, key);

	return node ? container_of(node, struct transaction, node) : NULL;
}

/* The INVITE's transaction that a CANCEL or an ACK names. NULL: none. */
static struct transaction *server_find_invite(
	const struct transactions *ts, const struct message *m)
{
	struct transaction_key key = key_of_server(ts, m, S("INVITE"));
	struct transaction *t = server_find(ts, &key);

	if (t)
		return t;
	t = merged_find_invite(ts, m);
	if (t)
		count(REQUESTS_MATCHED_BY_FLOW);
	return t;
}

/* RFC 3261 section 22.1: CANCEL cannot be challenged, so it has to come from the hop that its
 * INVITE came from. Trusted peers may be several hosts behind one sent-by. */
static bool server_same_hop(const struct transaction *t, const struct message *m)
{
	unsigned listener = m->flow.listener;

	if (endpoint_same_host(&t->flow.peer, &m->flow.peer))
		return true;
	return listener == t->flow.listener && settings_trusts(t->owner->sip->settings, listener);
}

/* ---- steps ---- */

/* Returns how long a client's timer E takes to reach T2. Only then may, and must, a request other
 * than INVITE have its 100 (RFC 4320 section 4.1). On reliable transports it may come at any time;
 * we make no difference. */
static uint64_t server_trying_delay(const struct settings *s)
{
	uint64_t delay = 0;

	for (uint64_t interval = s->t1_ms; interval && interval < s->t2_ms; interval *= 2)
		delay += interval;
	return delay ? delay : s->t1_ms;
}

/* Takes the outcome of a machine's step. It may run below a user's call, so errors are told
 * later. */
static void server_settle(struct transaction *t)
{
	if (t->outcome & OUTCOME_ERROR) {
		count(TRANSACTION_SEND_FAILED);
		transaction_fail_later(t, 503, t->error);
		return;
	}
	transaction_arm(t);
}

static struct transaction *server_new(struct transactions *ts, const struct message *m,
	uint8_t slot, const struct transaction_key *key)
{
	const struct settings *s = ts->sip->settings;
	struct transaction *t = transaction_new(ts,
		m->method == METHOD_INVITE ? SERVER_INVITE : SERVER_OTHER, m->method, slot,
		&m->flow);

	if (!t)
		return NULL;
	t->key = *key;
	table_add(&ts->servers, &t->node, key->part[0]);
	t->request = held_message_new(m);
	if (!t->request || machine_take(t) != 0) {
		transaction_end(t);
		return NULL;
	}
	machine_step(t, MACHINE_REQUEST);
	if (t->kind == SERVER_INVITE) {
		/* 100 Trying at once, but not before the user had its chance to answer in this
		 * turn: a challenge needs no 100 before it */
		t->again_at = transaction_now(t);
	} else {
		t->again_at = transaction_now(t) + server_trying_delay(s);
		/* by then the client has given up (timer F), and RFC 4320 section 4.2 wants no
		 * answer after that */
		t->end_at = transaction_now(t) + settings_64_t1(s);
	}
	transaction_arm(t);
	counter_set(COUNTER_TRANSACTIONS, ts->servers.count + ts->clients.count);
	count(TRANSACTIONS_SERVER);
	return t;
}

static void server_trying(struct transaction *t)
{
	struct response r = {.status = 100};

	if (response_build(t->owner->sip, &t->request->message, &r, &t->sent) != 0) {
		count(RESPONSES_NOT_BUILT);
		return;
	}
	machine_step(t, MACHINE_PROVISIONAL);
}

static void server_repeat(struct transaction *t, const struct message *m)
{
	count(REQUEST_RETRANSMISSIONS);
	allowance_add(t->allowance, m->raw_size - m->grown);
	switch (t->stage) {
	case STAGE_LIVE:
	case STAGE_COMPLETED:
		if (t->machine) {
			machine_step(t, MACHINE_REQUEST);
			/* the 100 that was not sent before (transaction_bound) */
			if (t->allowance && t->kind == SERVER_INVITE && !t->sent)
				server_trying(t);
			server_settle(t);
		} else if (t->sent && server_transmit(t) != 0) {
			t->outcome = OUTCOME_ERROR;
			server_settle(t);
		}
		break;
	case STAGE_ACCEPTED:
		if (t->unsent && server_transmit(t) != 0) {
			t->outcome = OUTCOME_ERROR;
			server_settle(t);
		}
		break;  /* else absorbed (RFC 6026 section 7.1) */
	default: break; /* Confirmed: absorbed */
	}
}

/* ---- requests ---- */

static enum request_kind server_receive_ack(struct transactions *ts, const struct message *m)
{
	struct transaction *t = server_find_invite(ts, m);

	/* of a refusal that nothing was kept of (RFC 3261 section 8.2.7) */
	if (!t && answer_stateless_is_ack(ts->sip, m)) {
		count(ACKS_ABSORBED);
		return REQUEST_ABSORBED;
	}
	/* one of a 2xx has a branch of its own; those that reuse their INVITE's mean the dialog all
	 * the same */
	if (!t || t->stage == STAGE_ACCEPTED)
		return REQUEST_ACK;
	if (t->stage == STAGE_COMPLETED && t->machine) {
		machine_step(t, MACHINE_ACK);
		/* Confirmed: only timer I is left */
		t->stage = STAGE_CONFIRMED;
		transaction_set_owed(t, false);
		t->end_at = machine_deadline(t);
		machine_release(t);
		wire_drop(t->sent);
		t->sent = NULL;
		transaction_arm(t);
	}
	count(ACKS_ABSORBED);
	return REQUEST_ABSORBED;
}

static void server_receive_cancel(struct transactions *ts, const struct message *m, uint8_t slot)
{
	struct transaction_key key = key_of_server(ts, m, S("CANCEL"));
	struct transaction *c = server_find(ts, &key), *t;
	struct response r = {.status = 200};
	char buffer[TOKEN_LENGTH];
	struct wire *wire;

	if (c) {
		server_repeat(c, m);
		return;
	}
	t = server_find_invite(ts, m);
	if (!t || t->stage == STAGE_ENDED || !server_same_hop(t, m)) {
		count(CANCELS_UNMATCHED);
		answer_stateless(ts->sip, m, 481, STR_NONE);
		return;
	}
	/* RFC 3261 section 9.2: the tag of the INVITE's answers */
	r.to_tag = transaction_tag(t, buffer);
	r.brief = allowance_binds(t->allowance);
	if (response_build(ts->sip, m, &r, &wire) == 0) {
		c = server_new(ts, m, slot, &key);
		if (c) {
			c->allowance = allowance_hold(t->allowance);
			allowance_add(t->allowance, m->raw_size - m->grown);
			transaction_answer(c, 200, wire);
		} else {
			sip_send(ts->sip, &m->flow, (struct str){wire->byte, wire->size}, 0, true);
		}
		wire_drop(wire);
	} else {
		count(RESPONSES_NOT_BUILT);
	}
	if (t->stage == STAGE_LIVE && !t->cancelled) {
		t->cancelled = true;
		if (t->server && t->server->cancelled)
			t->server->cancelled(t->user, t, m);
	}
}

bool transactions_full(const struct transactions *ts, const struct message *m)
{
	uint64_t limit = ts->sip->settings->transactions_max;

	if (ts->servers.count < limit)
		return false;
	/* dialogs that stand have an eighth more: what ends a call lightens the load */
	if (m->to_tag.length)
		limit += limit / 8;
	else if (emergency_call(ts->sip->settings, m))
		limit += EMERGENCY_RESERVE;
	return ts->servers.count >= limit;
}

/* Whether a request has a key among those of merged requests: each that is outside of a dialog, and
 * each INVITE, for merged_find_invite. */
static bool server_has_merged(const struct message *m)
{
	return !m->to_tag.length || m->method == METHOD_INVITE;
}

enum request_kind transactions_match(struct transactions *ts, const struct message *m, uint8_t slot)
{
	struct transaction_key *key = &ts->matched.key, *merged_key = &ts->matched.merged_key;
	struct transaction *t;
	bool in_dialog = m->to_tag.length != 0;

	assert(m->is_request);
	ts->matched.message = NULL;
	if (m->method == METHOD_ACK)
		return server_receive_ack(ts, m);
	if (m->method == METHOD_CANCEL) {
		server_receive_cancel(ts, m, slot);
		return REQUEST_ABSORBED;
	}
	*key = key_of_server(ts, m, message_str(m, m->method_name));
	t = server_find(ts, key);
	if (t) {
		server_repeat(t, m);
		return REQUEST_ABSORBED;
	}
	if (server_has_merged(m))
		*merged_key = key_of_merged(ts, m, message_str(m, m->method_name));
	if (!in_dialog && merged_find(ts, merged_key)) {
		count(REQUESTS_MERGED);
		answer_stateless(ts->sip, m, 482, STR_NONE);
		return REQUEST_ABSORBED;
	}
	if (transactions_full(ts, m)) {
		count(TRANSACTIONS_REFUSED);
		answer_stateless(ts->sip, m, 503, S(RETRY_AFTER));
		return REQUEST_ABSORBED;
	}
	ts->matched.message = m;
	return REQUEST_NEW;
}

struct transaction *transactions_begin(
	struct transactions *ts, const struct message *m, uint8_t slot)
{
	assert(ts->matched.message == m);
	ts->matched.message = NULL;
	struct transaction *t = server_new(ts, m, slot, &ts->matched.key);
	if (!t) {
		count(TRANSACTIONS_REFUSED);
		answer_stateless(ts->sip, m, 503, S(RETRY_AFTER));
	} else if (server_has_merged(m)) {
		merged_add(t, &ts->matched.merged_key);
	}
	return t;
}

enum request_kind transactions_request(
	struct transactions *ts, const struct message *m, uint8_t slot, struct transaction **out)
{
	enum request_kind kind = transactions_match(ts, m, slot);

	if (kind != REQUEST_NEW)
		return kind;
	*out = transactions_begin(ts, m, slot);
	return *out ? REQUEST_NEW : REQUEST_ABSORBED;
}

bool transactions_have(const struct transactions *ts, const struct message *m)
{
	struct str method = message_str(m, m->method_name);
	struct transaction_key key = key_of_server(ts, m, method);

	if (m->method != METHOD_ACK && server_find(ts, &key))
		return true;
	if (m->method == METHOD_ACK || m->method == METHOD_CANCEL) {
		key = key_of_server(ts, m, S("INVITE"));
		return server_find(ts, &key) || merged_find_invite(ts, m);
	}
	if (m->to_tag.length)
		return false;
	key = key_of_merged(ts, m, method);
	return merged_find(ts, &key);
}

bool transactions_have_of_peer(const struct transactions *ts, const struct message *m)
{
	bool of_invite = m->method == METHOD_ACK || m->method == METHOD_CANCEL;
	struct transaction_key key = key_of_server(
		ts, m, of_invite ? S("INVITE") : message_str(m, m->method_name));
	const struct transaction *t = server_find(ts, &key);

	return t && t->flow.listener == m->flow.listener &&
	       endpoint_equal(&t->flow.peer, &m->flow.peer);
}

/* ---- what users ask ---- */

void transaction_serve(struct transaction *t, const struct server_user *ops, void *user)
{
	assert(transaction_is_server(t));
	t->server = ops;
	t->user = user;
}

struct held_message *transaction_request(const struct transaction *t)
{
	return t->request;
}

bool transaction_answered(const struct transaction *t)
{
	return t->stage != STAGE_LIVE;
}

struct str transaction_tag(struct transaction *t, char buffer[static TOKEN_LENGTH])
{
	struct str tag = STR_NONE;

	if (!t->has_tag && t->sent)
		tag = wire_to_tag(t->sent);
	if (tag.n)
		return tag;
	if (t->request && t->request->message.to_tag.length)
		return tag;
	if (!t->has_tag) {
		token_mint(
			&t->owner->sip->keys.minting, TOKEN_TAG, t->slot, random_u64(), t->to_tag);
		t->has_tag = true;
	}
	memcpy(buffer, t->to_tag, TOKEN_LENGTH);
	return (struct str){buffer, TOKEN_LENGTH};
}

void transaction_abandon(struct transaction *t, int error)
{
	if (t->stage == STAGE_LIVE)
		transaction_fail_later(t, 503, error);
}

static void server_completed(struct transaction *t, unsigned status)
{
	const struct settings *s = t->owner->sip->settings;

	t->again_at = 0;
	if (t->kind == SERVER_OTHER) {
		/* timer J; retransmissions are answered from the bytes */
		t->stage = STAGE_COMPLETED;
		t->end_at = machine_deadline(t);
		machine_release(t);
	} else if (status >= 300) {
		t->stage = STAGE_COMPLETED; /* timers G and H are the machine's */
	} else {
		t->stage = STAGE_ACCEPTED;
		transaction_set_owed(t, true);
		machine_release(t);
		t->again_ms = s->t1_ms;
		t->again_at = transaction_now(t) + s->t1_ms;
		t->end_at = transaction_now(t) + settings_64_t1(s); /* timer L */
	}
}

int transaction_answer(struct transaction *t, unsigned status, struct wire *bytes)
{
	assert(transaction_is_server(t) && status >= 100 && status <= 699);
	if (t->stage != STAGE_LIVE)
		return -EALREADY;
	if (t->kind == SERVER_OTHER && status < 200)
		return 0; /* RFC 4320 section 4.1: only 100, and that is server_timer's */
	if (t->kind == SERVER_OTHER && status == 408) {
		/* RFC 4320 section 4.2: the client's timer F has fired or is about to: nothing is
		 * sent, what it still repeats is absorbed */
		count(ANSWERS_TOO_LATE);
		t->stage = STAGE_CONFIRMED;
		t->again_at = 0;
		machine_release(t);
		transaction_arm(t);
	} else {
		labels_response(t->owner->sip->settings, &t->flow, t->method, status);
		wire_hold(bytes);
		wire_drop(t->sent);
		t->sent = bytes;
		if (t->kind == SERVER_INVITE)
			t->again_at = 0;
		machine_step(t, status < 200   ? MACHINE_PROVISIONAL
				: status < 300 ? MACHINE_SUCCESS
					       : MACHINE_FAILURE);
		if (status >= 200 && !(t->outcome & OUTCOME_ERROR))
			server_completed(t, status);
		server_settle(t);
	}
	if (status >= 200 && !t->unsent) {
		held_message_drop(t->request);
		t->request = NULL;
	}
	return 0;
}

void transaction_await_ack(struct transaction *t)
{
	if (t->stage == STAGE_COMPLETED && t->kind == SERVER_INVITE)
		transaction_set_owed(t, true);
}

void transaction_acknowledged(struct transaction *t)
{
	if (t->stage != STAGE_ACCEPTED)
		return;
	t->acknowledged = true;
	transaction_set_owed(t, false);
	t->again_at = 0;
	transaction_arm(t);
}

/* ---- time ---- */

static void server_live_timer(struct transaction *t, uint64_t now)
{
	if (t->end_at && t->end_at <= now) {
		count(TRANSACTION_TIMEOUTS);
		transaction_fail(t, 408, -ETIMEDOUT);
		return;
	}
	if (t->again_at && t->again_at <= now) {
		t->again_at = 0;
		if (t->orphan)
			answer(t->owner->sip, t, 500, STR_NONE);
		else if (!t->sent)
			server_trying(t);
	}
	server_settle(t);
}

void server_timer(struct transaction *t, uint64_t now)
{
	t->outcome = 0;
	if (t->stage == STAGE_LIVE) {
		server_live_timer(t, now);
		return;
	}
	if (t->stage == STAGE_COMPLETED && t->machine) {
		machine_expire(t, now);
		if (t->outcome & OUTCOME_DONE && !(t->outcome & OUTCOME_ERROR)) {
			count(TRANSACTION_TIMEOUTS); /* timer H: the ACK never came */
			server_bound_tell(t);
			transaction_end(t);
			return;
		}
		server_settle(t);
		return;
	}
	if (t->end_at && t->end_at <= now) {
		server_bound_tell(t);
		if (t->stage == STAGE_ACCEPTED && !t->acknowledged) {
			count(TRANSACTION_TIMEOUTS);
			t->stage = STAGE_ENDED;
			if (t->server && t->server->unacknowledged)
				t->server->unacknowledged(t->user, t);
		}
		transaction_end(t);
		return;
	}
	if (t->again_at && t->again_at <= now) {
		/* RFC 3261 section 13.3.1.4, on every transport: some hop may be unreliable */
		t->again_ms = t->again_ms > t->owner->sip->settings->t2_ms / 2
		                      ? t->owner->sip->settings->t2_ms
		                      : t->again_ms * 2;
		t->again_at = now + t->again_ms;
		if (server_transmit(t) != 0)
			t->outcome = OUTCOME_ERROR;
	}
	server_settle(t);
}

void server_send_failed(struct transaction *t, int error)
{
	if (t->stage == STAGE_CONFIRMED || (t->stage == STAGE_ACCEPTED && t->acknowledged))
		return;
	count(TRANSACTION_SEND_FAILED);
	transaction_fail(t, 503, error);
}
