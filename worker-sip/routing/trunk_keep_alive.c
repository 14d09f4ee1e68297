/* trunk_keep_alive.c - keep-alives of a flow by which we are registered with outbound (RFC 5626
 * section 4.4): NATs and firewalls on its way forget it otherwise, and the server cannot reach us.
 *
 * By a stream the transport worker sends pings, and ends it where no pong comes. By UDP it is
 * OPTIONS and not STUN (section 4.4.2): every server answers them, and what answers is the server
 * that has our binding. Relies on: transactions, whose timers are not waited for: the trunk's
 * answer-timeout ends one.
 */
#include "trunk_registration_state.h"

#include "target_state.h"
#include "trunk_options.h"
#include "trunk_slot.h"
#include "worker-sip/transaction/transaction.h"

#include <errno.h>

static const struct client_user keep_alive_client;

/* The next one comes after 80 to 100 % of the time (section 4.4). */
static void keep_alive_next(struct trunk_registration *g)
{
	uint64_t most = (uint64_t)g->keep_alive * 1000;

	loop_set(g->sip->loop, &g->keep_alive_timer, trunk_registration_jitter(most / 5 * 4, most));
}

/* 0, or a negative errno: nothing was sent. */
static int keep_alive_send(struct trunk_registration *g)
{
	struct sip *sip = g->sip;
	uint64_t branch = random_u64();
	uint8_t slot = trunk_slot(sip, g->trunk);
	struct writer w = scratch_message(&sip->scratch);
	struct wire *bytes;
	int error;

	trunk_options_write(&w, sip, &g->flow, g->trunk, &g->row, slot, branch);
	error = scratch_wire(&sip->scratch, &w, &bytes);
	if (error)
		return error;
	error = transaction_send(sip->transactions, METHOD_OPTIONS, branch, slot, &g->flow, bytes,
		&keep_alive_client, g, &g->keep_alive_client);
	wire_drop(bytes);
	if (error)
		return error;
	count(TRUNK_KEEP_ALIVES_SENT);
	g->references++;
	g->keep_alive_at = loop_now(sip->loop);
	return 0;
}

/* Nothing that comes to the last one is heard any more. */
static void keep_alive_cut(struct trunk_registration *g)
{
	struct transaction *t = g->keep_alive_client;

	if (!t)
		return;
	g->keep_alive_client = NULL;
	transaction_cut(t);
	g->references--; /* not the last one: that is the list's */
}

static void keep_alive_failed(struct trunk_registration *g, int error)
{
	count(TRUNK_KEEP_ALIVES_FAILED);
	g->status = 0;
	g->error = error;
	target_states_heard(g->sip->target_states, g->target, g->keep_alive_at, 0, error);
	trunk_flow_failed(g);
}

static void keep_alive_answered(struct trunk_registration *g, unsigned status)
{
	target_states_heard(g->sip->target_states, g->target, g->keep_alive_at, status, 0);
	keep_alive_next(g);
}

static void keep_alive_on_response(void *user, struct transaction *t, const struct message *m)
{
	struct trunk_registration *g = user;

	if (m->status < 200 || g->keep_alive_client != t)
		return;
	g->keep_alive_client = NULL;
	keep_alive_answered(g, m->status);
}

static void keep_alive_on_failed(void *user, struct transaction *t, unsigned status, int error)
{
	struct trunk_registration *g = user;

	if (g->keep_alive_client != t)
		return;
	g->keep_alive_client = NULL;
	if (error)
		keep_alive_failed(g, error);
	else
		keep_alive_answered(g, status); /* it came, and could not be read */
}

static void keep_alive_on_gone(void *user, struct transaction *t)
{
	(void)t;
	trunk_registration_drop(user);
}

static const struct client_user keep_alive_client = {.response = keep_alive_on_response,
	.failed = keep_alive_on_failed,
	.gone = keep_alive_on_gone};

static void keep_alive_on_timer(struct timer *timer, void *arg)
{
	struct trunk_registration *g = arg;

	(void)timer;
	if (g->keep_alive_client) {
		keep_alive_cut(g);
		keep_alive_failed(g, -ETIMEDOUT);
	} else if (g->state != REGISTERED || g->trunk == NONE_INDEX) {
		return; /* begins again with the binding */
	} else if (keep_alive_send(g)) {
		keep_alive_next(g); /* our own queue is full, say */
	} else {
		loop_set(g->sip->loop, &g->keep_alive_timer,
			trunk_registration_settings(g)->answer_ms);
	}
}

void trunk_keep_alive_init(struct trunk_registration *g)
{
	timer_init(&g->keep_alive_timer, keep_alive_on_timer, g);
}

void trunk_keep_alive_begin(struct trunk_registration *g, const struct flow *flow, uint32_t seconds)
{
	g->keep_alive = seconds;
	trunk_keep_alive_end(g); /* the 200 has kept it */
	if (seconds && flow->id)
		sip_keep_alive(g->sip, flow->id, seconds);
	else if (seconds)
		keep_alive_next(g);
}

void trunk_keep_alive_end(struct trunk_registration *g)
{
	loop_unset(g->sip->loop, &g->keep_alive_timer);
	keep_alive_cut(g);
}
