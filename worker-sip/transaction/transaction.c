/* transaction.c - transactions (RFC 3261 section 17, RFC 6026): their tables, cookies, timer and
 * end. What servers do is in server.c, what clients do in client.c, libosip2's machines are in
 * machine.c.
 *
 * Users are called only from where the loop called us: a received message, a timer, a report. A
 * call of theirs into this layer never calls them back, so that they need not expect it; what fails
 * below such a call is told later, from the timer. t is freed only by transaction_end, which
 * nothing below a user's call reaches.
 */
#include "machine.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#define TABLE_EXPECTED 1024
#define COOKIES_FIRST 256
#define COOKIES_MAX (1u << 24) /* more transactions than that are a bug of ours */
#define COOKIE_NONE UINT32_MAX

/* ---- cookies: a random word and an index, so that a report names a transaction and nobody can
 * guess one ---- */

static int cookie_take(struct transaction *t)
{
	struct transactions *ts = t->owner;
	uint32_t size, index;
	void *more;

	if (ts->cookie_free == COOKIE_NONE) {
		if (ts->cookies >= COOKIES_MAX)
			return -ENOSPC;
		size = ts->cookies ? ts->cookies * 2 : COOKIES_FIRST;
		more = realloc(ts->cookie, size * sizeof(*ts->cookie));
		if (!more)
			return -ENOMEM;
		ts->cookie = more;
		for (uint32_t i = size; i-- > ts->cookies;) {
			ts->cookie[i].t = NULL;
			ts->cookie[i].next = ts->cookie_free;
			ts->cookie_free = i;
		}
		ts->cookies = size;
	}
	index = ts->cookie_free;
	ts->cookie_free = ts->cookie[index].next;
	ts->cookie[index].t = t;
	ts->cookie[index].check = (uint32_t)random_u64() |
	                          1; /* never 0: a cookie of 0 asks for no report */
	t->index = index;
	t->cookie = (uint64_t)ts->cookie[index].check << 32 | index;
	return 0;
}

static void cookie_give(struct transaction *t)
{
	struct transactions *ts = t->owner;

	ts->cookie[t->index].t = NULL;
	ts->cookie[t->index].next = ts->cookie_free;
	ts->cookie_free = t->index;
}

/* The transaction that gave the cookie, or NULL. */
static struct transaction *cookie_find(const struct transactions *ts, uint64_t cookie)
{
	uint32_t index = (uint32_t)cookie;

	if (index >= ts->cookies || ts->cookie[index].check != (uint32_t)(cookie >> 32))
		return NULL;
	return ts->cookie[index].t;
}

void transactions_send_failed(struct transactions *ts, unsigned worker, uint64_t cookie, int error)
{
	struct transaction *t = cookie_find(ts, cookie);

	if (!t || error >= 0 || (t->flow.id && FLOW_WORKER(t->flow.id) != worker)) {
		count(TRANSACTION_REPORTS_STALE);
		return;
	}
	if (t->stage == STAGE_ENDED)
		return;
	/* a full queue is a lost datagram */
	if (error == -EAGAIN && !transport_is_stream(t->flow.transport))
		return;
	if (transaction_is_server(t))
		server_send_failed(t, error);
	else
		client_send_failed(t, error);
}

/* ---- life ---- */

int transactions_new(struct transactions **out, struct sip *sip)
{
	struct transactions *ts = calloc(1, sizeof(*ts));

	if (!ts)
		return -ENOMEM;
	ts->sip = sip;
	ts->cookie_free = COOKIE_NONE;
	randombytes_buf(ts->secret, sizeof(ts->secret));
	int error = table_init(&ts->servers, TABLE_EXPECTED);
	if (error == 0)
		error = table_init(&ts->clients, TABLE_EXPECTED);
	if (error == 0)
		error = table_init(&ts->merged, TABLE_EXPECTED);
	if (error == 0)
		error = machines_new(&ts->machines);
	if (error) {
		transactions_free(ts);
		return error;
	}
	*out = ts;
	return 0;
}

static void transaction_destroy(struct transaction *t)
{
	loop_unset(t->owner->sip->loop, &t->timer);
	machine_release(t);
	cookie_give(t);
	held_message_drop(t->request);
	allowance_drop(t->allowance);
	wire_drop(t->sent);
	wire_drop(t->ack);
	wire_drop(t->cancel);
	free(t);
}

static bool transaction_destroy_visited(struct table_node *node, void *arg)
{
	(void)arg;
	transaction_destroy(container_of(node, struct transaction, node));
	return true;
}

static bool transaction_add_slot(struct table_node *node, void *arg)
{
	slot_set_add(arg, container_of(node, struct transaction, node)->slot);
	return true;
}

void transactions_slots(struct transactions *ts, struct slot_set *out)
{
	table_each(&ts->servers, transaction_add_slot, out);
	table_each(&ts->clients, transaction_add_slot, out);
}

unsigned transactions_owed(const struct transactions *ts)
{
	return ts->owed;
}

void transactions_free(struct transactions *ts)
{
	if (!ts)
		return;
	if (ts->servers.bucket)
		table_each(&ts->servers, transaction_destroy_visited, NULL);
	if (ts->clients.bucket)
		table_each(&ts->clients, transaction_destroy_visited, NULL);
	machines_free(ts->machines);
	table_free(&ts->servers);
	table_free(&ts->clients);
	table_free(&ts->merged);
	free(ts->cookie);
	sodium_memzero(ts->secret, sizeof(ts->secret));
	free(ts);
}

static void transaction_on_timer(struct timer *timer, void *arg)
{
	struct transaction *t = arg;
	uint64_t now = transaction_now(t);

	(void)timer;
	if (t->stage == STAGE_ENDED) {
		if (t->status)
			transaction_fail(t, t->status, t->error);
		else
			transaction_end(t);
	} else if (transaction_is_server(t)) {
		server_timer(t, now);
	} else {
		client_timer(t, now);
	}
}

struct transaction *transaction_new(struct transactions *ts, enum transaction_kind kind,
	uint8_t method, uint8_t slot, const struct flow *flow)
{
	struct transaction *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->owner = ts;
	t->kind = (uint8_t)kind;
	t->method = method;
	t->slot = slot;
	t->flow = *flow;
	t->stage = STAGE_LIVE;
	timer_init(&t->timer, transaction_on_timer, t);
	if (cookie_take(t) != 0) {
		free(t);
		return NULL;
	}
	return t;
}

void transaction_arm(struct transaction *t)
{
	struct loop *loop = t->owner->sip->loop;
	uint64_t now = loop_now(loop), due = machine_deadline(t);

	if (t->stage == STAGE_ENDED)
		due = now;
	if (t->again_at && t->again_at < due)
		due = t->again_at;
	if (t->end_at && t->end_at < due)
		due = t->end_at;
	if (due == UINT64_MAX)
		loop_unset(loop, &t->timer);
	else
		loop_set(loop, &t->timer, due > now ? due - now : 0);
}

void transaction_end(struct transaction *t)
{
	struct transactions *ts = t->owner;
	void *user = t->user;

	t->stage = STAGE_ENDED;
	transaction_set_owed(t, false);
	loop_unset(ts->sip->loop, &t->timer);
	/* out of the tables first: what gone() does may be of the same key */
	table_remove(transaction_is_server(t) ? &ts->servers : &ts->clients, &t->node);
	merged_remove(t);
	if (t->server && t->server->gone)
		t->server->gone(user, t);
	if (t->client && t->client->gone)
		t->client->gone(user, t);
	counter_set(COUNTER_TRANSACTIONS, ts->servers.count + ts->clients.count);
	transaction_destroy(t);
}

void transaction_fail(struct transaction *t, unsigned status, int error)
{
	t->stage = STAGE_ENDED;
	machine_release(t);
	if (t->server && t->server->failed)
		t->server->failed(t->user, t, error);
	if (t->client && t->client->failed)
		t->client->failed(t->user, t, status, error);
	transaction_end(t);
}

void transaction_fail_later(struct transaction *t, unsigned status, int error)
{
	if (t->stage == STAGE_ENDED)
		return;
	t->stage = STAGE_ENDED;
	t->status = (uint16_t)status;
	t->error = error;
	machine_release(t);
	transaction_arm(t);
}

int transaction_transmit(struct transaction *t, const struct wire *bytes, uint64_t cookie)
{
	bool reserve = transaction_is_server(t) || t->reserve;
	int error = sip_send(
		t->owner->sip, &t->flow, (struct str){bytes->byte, bytes->size}, cookie, reserve);

	if (error == -EAGAIN && !transport_is_stream(t->flow.transport))
		return 0;
	if (error)
		t->error = error;
	return error;
}

/* ---- what users ask ---- */

void transaction_detach(struct transaction *t)
{
	t->server = NULL;
	t->client = NULL;
	t->user = NULL;
	if (t->stage != STAGE_LIVE)
		return;
	if (t->kind == CLIENT_INVITE)
		transaction_cancel(t, STR_NONE); /* it would ring for ever */
	if (t->kind == SERVER_INVITE) {
		/* an INVITE that nobody answers any more would stay for ever: unless an answer
		 * still comes within this turn, server.c gives one */
		t->orphan = true;
		t->again_at = transaction_now(t);
		transaction_arm(t);
	}
}

void transaction_cut(struct transaction *t)
{
	assert(!transaction_is_server(t));
	t->client = NULL;
	t->user = NULL;
	transaction_fail_later(t, 503, -ENOTCONN);
}

uint8_t transaction_method(const struct transaction *t)
{
	return t->method;
}

const struct flow *transaction_flow(const struct transaction *t)
{
	return &t->flow;
}

uint64_t transaction_branch(const struct transaction *t)
{
	return t->branch;
}

uint8_t transaction_slot(const struct transaction *t)
{
	return t->slot;
}
