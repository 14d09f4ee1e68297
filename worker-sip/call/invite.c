/* invite.c - the INVITE that makes a call (RFC 3261 sections 13 and 16): targets in order, parallel
 * forks, early dialogs, the first 2xx, CANCEL and its races, the best failure.
 *
 * struct invite lives until its transactions are gone; each early dialog of each branch is a struct
 * call already, so that PRACK, UPDATE and INFO work before the answer.
 */
#include "call.h"
#include "worker-sip/routing/forward.h"

#include "ipc/token.h"

#include <errno.h>
#include <stdlib.h>

/* Timer C for branches to registered phones (RFC 3261 section 16.6 asks for more than three
 * minutes). */
#define TIMER_C_MS 181000
/* Early dialogs of one branch, at most: what a downstream proxy may fork to. */
#define EARLY_MAX 16

struct branch {
	struct invite *invite;
	const struct target *target; /* NULL once the INVITE is settled */
	uint16_t zone, trunk;        /* of the target */
	struct transaction *client;  /* NULL: not sent or gone */
	struct flow flow;
	struct flow_user flow_user; /* by that flow */
	uint64_t id;                /* of our From tag and Contact */
	char call_id[TOKEN_LENGTH];
	struct call *early[EARLY_MAX];
	unsigned early_count;
	struct exchange *answer;  /* of the call that this branch won */
	struct wire *refused_ack; /* for a 2xx that nobody wanted */
	struct timer timer;       /* no provisional yet: next target; else timer C */
	uint32_t answer_ms,
		ring_ms; /* of its trunk; the settings may be others by the time they are needed */
	bool sent, done, provisional, switched, cancelled;
};

struct invite {
	struct sip *sip;
	struct transaction *server; /* NULL: gone or handed to the call */
	struct flow_user caller;    /* by the flow that the INVITE came by, until it is answered */
	struct held_message *request;
	struct identity sender;
	struct target *targets;
	struct branch *branches;   /* one a target */
	unsigned count, next;      /* targets; the next to try */
	unsigned transactions;     /* client transactions alive */
	struct held_message *best; /* best failure received */
	unsigned best_status;      /* 0: none */
	uint64_t id;               /* of our To tag where no early dialog gives one */
	uint8_t slot;
	bool answered, stopped; /* 2xx or failure sent; no more targets */
	bool counted;           /* in sip->calls, until it is answered */
	char replaces[512];
	size_t replaces_length;
};

static void next_targets(struct invite *v);

/* Frees v when nothing points to it any more. */
static void release(struct invite *v)
{
	if (v->server || v->transactions)
		return;
	for (unsigned i = 0; i < v->count; i++) {
		struct branch *b = &v->branches[i];

		loop_unset(v->sip->loop, &b->timer);
		flow_users_remove(&dialogs_flow_users(v->sip->dialogs)->branches, &b->flow_user);
		for (unsigned k = 0; k < b->early_count; k++)
			call_free(b->early[k]);
		if (b->answer)
			exchange_release(b->answer);
		wire_drop(b->refused_ack);
	}
	flow_users_remove(&dialogs_flow_users(v->sip->dialogs)->callers, &v->caller);
	held_message_drop(v->request);
	held_message_drop(v->best);
	free(v->branches);
	free(v->targets);
	free(v);
}

static void drop_early(struct branch *b, const struct call *except)
{
	unsigned keep = 0;

	for (unsigned k = 0; k < b->early_count; k++) {
		if (b->early[k] == except)
			b->early[keep++] = b->early[k];
		else
			call_free(b->early[k]);
	}
	b->early_count = keep;
}

static void own_tag(const struct invite *v, char tag[TOKEN_LENGTH])
{
	token_mint(&v->sip->keys.minting, TOKEN_TAG, v->slot, v->id, tag);
}

/* What only an unanswered INVITE needs goes: what is left lives 64*T1 longer, and there are many of
 * it. */
static void trim(struct invite *v)
{
	held_message_drop(v->request);
	held_message_drop(v->best);
	free(v->targets);
	v->request = v->best = NULL;
	v->targets = NULL;
	for (unsigned i = 0; i < v->count; i++)
		v->branches[i].target = NULL;
}

/* The INVITE has its final answer: what lives on only absorbs and forwards late 2xx. */
static void settled(struct invite *v)
{
	v->answered = v->stopped = true;
	flow_users_remove(&dialogs_flow_users(v->sip->dialogs)->callers, &v->caller);
	if (v->counted)
		v->sip->calls--;
	v->counted = false;
}

/* A failure of our own to the caller. */
static void refuse(struct invite *v, unsigned status)
{
	char tag[TOKEN_LENGTH];
	struct wire *bytes;

	own_tag(v, tag);
	struct response r = {.status = status, .to_tag = {tag, sizeof(tag)}};
	settled(v);
	if (v->server && v->request &&
		response_build(v->sip, &v->request->message, &r, &bytes) == 0) {
		transaction_answer(v->server, status, bytes);
		wire_drop(bytes);
	}
	trim(v);
}

static void cancel_branches(struct invite *v, const struct branch *except, struct str reason)
{
	v->stopped = true;
	for (unsigned i = 0; i < v->count; i++) {
		struct branch *b = &v->branches[i];

		loop_unset(v->sip->loop, &b->timer);
		if (b == except || !b->client || b->done || b->cancelled)
			continue;
		b->cancelled = true;
		transaction_cancel(b->client, reason);
	}
}

static void splice_of(const struct invite *v, struct splice *s)
{
	*s = (struct splice){.sip = v->sip, .slot = v->slot};
}

/* The best failure goes to the caller. */
static void finish(struct invite *v)
{
	struct wire *bytes;
	struct splice s;
	char tag[TOKEN_LENGTH];
	unsigned status = v->best_status ? v->best_status : 480;

	v->stopped = true;
	if (v->answered || !v->server)
		return;
	/* 503 says "send me nothing more", which is for the failed peer to say and not for us (RFC
	 * 3261 section 16.7); a redirection would tell where the other side lives. */
	if (status == 503)
		status = 500;
	if (status < 400)
		status = 480;
	if (!v->best) {
		refuse(v, status);
		return;
	}
	bool permitted;
	splice_of(v, &s);
	s.in = &v->best->message;
	s.from_zone = settings_zone_of(
		v->sip->settings, s.in->flow.listener, &s.in->flow.peer, &permitted);
	s.to_zone = v->sender.zone;
	/* A challenge does not pass from the access side, and without it 401 and 407 say
	 * nothing. */
	if ((status == 401 || status == 407) &&
		!settings_zone(v->sip->settings, s.from_zone)->trust)
		status = 403;
	own_tag(v, tag);
	settled(v);
	if (splice_response(&s, &v->request->message, status, (struct str){tag, sizeof(tag)},
		    &bytes) == 0) {
		transaction_answer(v->server, status, bytes);
		wire_drop(bytes);
		trim(v);
	} else {
		refuse(v, 500);
	}
}

/* A branch has failed with status; m is its response or NULL. */
static void branch_failed(struct branch *b, unsigned status, const struct message *m)
{
	struct invite *v = b->invite;

	if (b->done)
		return;
	b->done = true;
	loop_unset(v->sip->loop, &b->timer);
	drop_early(b, NULL);
	if (v->answered)
		return;
	if (!v->best_status || response_rank(status) < response_rank(v->best_status)) {
		v->best_status = status;
		held_message_drop(v->best);
		v->best = m ? held_message_new(m) : NULL;
	}
	if (status >= 600)
		cancel_branches(v, b, STR_EMPTY);
	/* A trunk's own answer is final: only what says "not I" goes on to its next target. */
	if (b->trunk != NONE_INDEX && status != 503 && status != 408)
		v->stopped = true;
	for (unsigned i = 0; i < v->next; i++)
		if (v->branches[i].sent && !v->branches[i].done &&
			!(v->branches[i].cancelled && v->branches[i].target->trunk != NONE_INDEX))
			return;
	next_targets(v);
}

static void branch_timer(struct timer *t, void *arg)
{
	struct branch *b = arg;

	(void)t;
	if (!b->client || b->done)
		return;
	b->cancelled = true;
	transaction_cancel(b->client, STR_EMPTY);
	if (!b->provisional)
		branch_failed(b, 408, NULL);
	/* timer C: the 487 that follows the CANCEL, or its absence, ends the branch */
}

/* The call of the early dialog that m (with a To tag) belongs to, made where it is new. */
static struct call *early_call(struct branch *b, const struct message *m)
{
	struct invite *v = b->invite;
	const struct message *request = &v->request->message;
	struct str tag = message_str(m, m->to_tag);

	for (unsigned k = 0; k < b->early_count; k++)
		if (str_equal_nocase(b->early[k]->b->remote_tag, tag)) {
			if (m->contact.whole.length)
				dialog_refresh(v->sip, b->early[k]->b, m);
			return b->early[k];
		}
	if (b->early_count == EARLY_MAX)
		return NULL;

	char a_tag[TOKEN_LENGTH], b_tag[TOKEN_LENGTH];
	struct writer a_local = WRITER(v->sip->scratch.early_call.a_local),
		      b_local = WRITER(v->sip->scratch.early_call.b_local),
		      a_route = WRITER(v->sip->scratch.early_call.a_route),
		      b_route = WRITER(v->sip->scratch.early_call.b_route);
	uint64_t id = random_u64();
	token_mint(&v->sip->keys.minting, TOKEN_TAG, v->slot, id, a_tag);
	token_mint(&v->sip->keys.minting, TOKEN_TAG, v->slot, b->id, b_tag);
	write_address_tag(
		&a_local, message_value(request, HEADER_TO), (struct str){a_tag, sizeof(a_tag)});
	write_party(&b_local, v->sip, message_value(request, HEADER_FROM),
		(struct str){b_tag, sizeof(b_tag)}, &b->target->flow);
	if (!write_route_set(&a_route, request, false) || !write_route_set(&b_route, m, true) ||
		a_local.full || b_local.full)
		return NULL;
	struct dialog_parts a = {.id = id,
		.slot = v->slot,
		.zone = (uint16_t)v->sender.zone,
		.flow = &request->flow,
		.call_id = message_str(request, request->call_id),
		.local = writer_text(&a_local),
		.remote = message_value(request, HEADER_FROM),
		.remote_tag = message_str(request, request->from_tag),
		.route = writer_text(&a_route),
		.target = message_str(request, request->contact.whole),
		.local_cseq = 0,
		.remote_cseq = request->cseq};
	struct dialog_parts c = {.id = b->id,
		.slot = v->slot,
		.zone = b->zone,
		.flow = &m->flow,
		.call_id = {b->call_id, sizeof(b->call_id)},
		.local = writer_text(&b_local),
		.remote = message_value(m, HEADER_TO),
		.remote_tag = tag,
		.route = writer_text(&b_route),
		.target = m->contact.whole.length ? message_str(m, m->contact.whole)
	                                          : b->target->request_uri,
		.local_cseq = 1};
	struct call *call;
	if (call_new(v->sip, &a, &c, &call))
		return NULL;
	call->invite = v;
	call->invite_in = request->cseq;
	call->invite_out = 1;
	b->early[b->early_count++] = call;
	return call;
}

/* Passes a response on to the caller, in the dialog of call (NULL: in none). */
static int pass(struct branch *b, const struct message *m, struct call *call)
{
	struct invite *v = b->invite;
	struct splice s;
	struct wire *bytes;
	char user[TOKEN_LENGTH], tag[TOKEN_LENGTH];

	splice_of(v, &s);
	s.in = m;
	s.from_zone = b->zone;
	s.to_zone = v->sender.zone;
	if (call) {
		token_mint(&v->sip->keys.minting, TOKEN_CONTACT, v->slot, call->a->id, user);
		s.contact_user = (struct str){user, sizeof(user)};
		memcpy(tag, call->a->tag, sizeof(tag));
	} else {
		own_tag(v, tag);
	}
	int error = splice_response(
		&s, &v->request->message, 0, (struct str){tag, sizeof(tag)}, &bytes);
	if (error)
		return error;
	error = transaction_answer(v->server, m->status, bytes);
	wire_drop(bytes);
	return error;
}

static void answered(struct branch *b, const struct message *m)
{
	struct invite *v = b->invite;

	if (b->answer && b->answer->call &&
		str_equal_nocase(b->answer->out->remote_tag, message_str(m, m->to_tag))) {
		/* a retransmission: our ACK was lost, or has not come from the caller yet */
		if (b->answer->ack) {
			struct flow flow = dialog_flow(v->sip, b->answer->out);

			sip_send(v->sip, &flow,
				(struct str){b->answer->ack->byte, b->answer->ack->size}, 0, true);
		}
		return;
	}
	if (!m->to_tag.length) {
		/* RFC 3261 section 12.1.2: no dialog can be made of it, and none is there to be
		 * ended */
		branch_failed(b, 500, NULL);
		return;
	}
	if (v->answered || !v->server) {
		call_refuse_answer(v->sip, m, &m->flow, b->zone, &b->refused_ack);
		b->done = true;
		return;
	}
	struct call *call = early_call(b, m);
	if (!call) {
		call_refuse_answer(v->sip, m, &m->flow, b->zone, &b->refused_ack);
		branch_failed(b, 500, NULL);
		return;
	}
	b->done = true;
	loop_unset(v->sip->loop, &b->timer);
	settled(v);
	drop_early(b, call);
	b->early_count = 0;
	struct transaction *server = v->server;
	int error = pass(b, m, call);
	struct exchange *x;
	if (error || exchange_adopt(call, server, v->request->message.cseq, 1, &x)) {
		call->invite = NULL;
		refuse(v, 500);
		call_end(call, false, true, STR_EMPTY);
		return;
	}
	v->server = NULL;
	b->answer = x;
	for (unsigned i = 0; i < v->next; i++)
		if (&v->branches[i] != b)
			drop_early(&v->branches[i], NULL);
	cancel_branches(v, b, S("Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n"));
	trim(v);
}

static void on_response(void *user, struct transaction *t, const struct message *m)
{
	struct branch *b = user;
	struct invite *v = b->invite;

	(void)t;
	if (m->status >= 300) {
		branch_failed(b, m->status, m);
		return;
	}
	if (m->status >= 200) {
		answered(b, m);
		return;
	}
	b->provisional = true;
	if (b->done || v->answered)
		return;
	if (!b->flow.id && m->flow.id) {
		/* the connection that the transport worker opened: now it has a name */
		b->flow.id = m->flow.id;
		flow_users_add(
			&dialogs_flow_users(v->sip->dialogs)->branches, &b->flow_user, b->flow.id);
		sip_watch(v->sip, &b->flow, v->slot);
	}
	loop_set(v->sip->loop, &b->timer, b->ring_ms);
	if (m->status == 100 || !v->server)
		return;
	struct call *call = m->to_tag.length ? early_call(b, m) : NULL;
	pass(b, m, call);
}

static bool start(struct branch *b, bool udp);

static void on_failed(void *user, struct transaction *t, unsigned status, int error)
{
	struct branch *b = user;

	(void)t;
	if (b->switched && status == 503 && !b->provisional && !b->done && !b->invite->stopped) {
		b->switched = false;
		if (start(b, true))
			return;
	}
	/* A binding whose flow is gone is a phone that is not there. */
	if (b->trunk == NONE_INDEX && error)
		status = 480;
	branch_failed(b, status, NULL);
}

static void on_gone(void *user, struct transaction *t)
{
	struct branch *b = user;

	if (b->client == t)
		b->client = NULL;
	b->invite->transactions--;
	release(b->invite);
}

static const struct client_user branch_user = {
	.response = on_response, .failed = on_failed, .gone = on_gone};

/* Sends the branch's INVITE. False where nothing could be sent. */
static bool start(struct branch *b, bool udp)
{
	struct invite *v = b->invite;
	const struct message *request = &v->request->message;
	struct scratch_leg_request *scratch = &v->sip->scratch.leg_request;
	char tag[TOKEN_LENGTH], user[TOKEN_LENGTH];
	struct writer w_from = WRITER(scratch->from), w_to = WRITER(scratch->to),
		      w_refer = WRITER(scratch->referred_by);
	struct splice s;
	struct forwarded f;

	splice_of(v, &s);
	token_mint(&v->sip->keys.minting, TOKEN_TAG, v->slot, b->id, tag);
	token_mint(&v->sip->keys.minting, TOKEN_CONTACT, v->slot, b->id, user);
	write_party(&w_from, v->sip, message_value(request, HEADER_FROM),
		(struct str){tag, sizeof(tag)}, &b->target->flow);
	write_party(&w_to, v->sip, message_value(request, HEADER_TO), STR_EMPTY, &b->target->flow);
	write_str(&w_refer, message_value(request, HEADER_REFERRED_BY));
	if (w_from.full || w_to.full)
		return false;
	s.in = request;
	s.from_zone = v->sender.zone;
	s.to_zone = b->zone;
	s.contact_user = (struct str){user, sizeof(user)};
	s.request_uri = b->target->request_uri;
	s.from = writer_text(&w_from);
	s.to_value = writer_text(&w_to);
	s.call_id = (struct str){b->call_id, sizeof(b->call_id)};
	s.cseq = 1;
	s.route = b->target->route;
	s.referred_by = w_refer.full ? STR_EMPTY : writer_text(&w_refer);
	s.replaces = (struct str){v->replaces, v->replaces_length};
	if (forward_send(&s, b->target, udp, &branch_user, b, &f))
		return false;
	b->sent = true;
	b->client = f.client;
	b->flow = f.flow;
	flow_users_add(&dialogs_flow_users(v->sip->dialogs)->branches, &b->flow_user, b->flow.id);
	b->switched = f.switched;
	v->transactions++;
	sip_watch(v->sip, &b->flow, v->slot);
	loop_set(v->sip->loop, &b->timer, b->answer_ms);
	return true;
}

/* Tries the next group: all bindings of one q together, trunk targets one by one. With none left
 * the best failure goes back. */
static void next_targets(struct invite *v)
{
	while (!v->stopped && !v->answered && v->next < v->count) {
		unsigned q = v->targets[v->next].q, sent = 0;
		bool trunk = v->targets[v->next].trunk != NONE_INDEX;

		do {
			struct branch *b = &v->branches[v->next++];

			if (start(b, false)) {
				sent++;
			} else {
				b->done = true;
				if (!v->best_status)
					v->best_status = 503;
			}
		} while (!trunk && v->next < v->count && v->targets[v->next].q == q &&
			 v->targets[v->next].trunk == NONE_INDEX);
		if (sent)
			return;
	}
	for (unsigned i = 0; i < v->next; i++)
		if (v->branches[i].sent && !v->branches[i].done)
			return;
	finish(v);
}

static void abandon(struct invite *v, struct str reason)
{
	refuse(v, 487);
	cancel_branches(v, NULL, reason);
	for (unsigned i = 0; i < v->next; i++)
		drop_early(&v->branches[i], NULL);
}

void invite_flow_closed(struct sip *sip, uint64_t flow)
{
	struct flow_user_tables *flow_user_tables = dialogs_flow_users(sip->dialogs);
	struct flow_user *flow_user;

	/* The caller is told by its own transport that its INVITE has failed (RFC 3261
	 * section 17.1.4): nobody shall ring for it. */
	while ((flow_user = flow_users_pop(&flow_user_tables->callers, flow))) {
		struct invite *v = container_of(flow_user, struct invite, caller);

		v->transactions++; /* held: nothing of what follows frees it */
		if (!v->answered && v->server)
			abandon(v, S("Reason: SIP;cause=487;text=\"Caller gone\"\r\n"));
		v->transactions--;
		release(v);
	}
	while ((flow_user = flow_users_pop(&flow_user_tables->branches, flow))) {
		struct branch *b = container_of(flow_user, struct branch, flow_user);
		struct invite *v = b->invite;

		if (!b->client || b->done)
			continue;
		v->transactions++;
		transaction_detach(b->client);
		b->client = NULL;
		v->transactions--;
		/* a phone whose flow is gone is not there; a trunk's next target may be */
		branch_failed(b, b->trunk == NONE_INDEX ? 480 : 503, NULL);
		v->transactions--;
		release(v);
	}
}

static void on_cancelled(void *user, struct transaction *t, const struct message *cancel)
{
	struct invite *v = user;
	char buffer[512];
	struct writer w = WRITER(buffer);
	struct str reason = message_value(cancel, HEADER_REASON);

	(void)t;
	if (v->answered)
		return;
	if (reason.n) {
		write_literal(&w, "Reason: ");
		write_str(&w, reason);
		write_literal(&w, "\r\n");
	}
	abandon(v, w.full ? STR_EMPTY : writer_text(&w));
}

void invite_abandon(struct invite *v)
{
	if (!v->answered)
		abandon(v, STR_EMPTY);
}

static void on_server_failed(void *user, struct transaction *t, int error)
{
	struct invite *v = user;

	(void)t;
	(void)error;
	/* The caller cannot be told; nobody shall ring for it. */
	settled(v);
	cancel_branches(v, NULL, STR_EMPTY);
	trim(v);
}

static void on_server_gone(void *user, struct transaction *t)
{
	struct invite *v = user;

	(void)t;
	v->server = NULL;
	release(v);
}

static const struct server_user invite_user = {
	.cancelled = on_cancelled, .failed = on_server_failed, .gone = on_server_gone};

void call_invite(struct sip *sip, struct transaction *t, const struct message *m, uint8_t slot,
	const struct identity *sender, const struct target *targets, unsigned count,
	struct str replaces)
{
	if (sip->calls >= sip->settings->calls_max) {
		counter_add(COUNTER_CALLS_LIMIT, 1);
		answer(sip, t, 503, S("Retry-After: 5\r\n"));
		return;
	}
	struct invite *v = calloc(1, sizeof(*v));
	struct target *copy = calloc(count, sizeof(*copy));
	struct branch *branches = calloc(count, sizeof(*branches));
	if (!v || !copy || !branches || replaces.n > sizeof(v->replaces)) {
		free(v);
		free(copy);
		free(branches);
		answer(sip, t, 500, STR_EMPTY);
		return;
	}
	*v = (struct invite){.sip = sip,
		.server = t,
		.request = held_message_hold(transaction_request(t)),
		.sender = *sender,
		.targets = copy,
		.branches = branches,
		.count = count,
		.id = random_u64(),
		.slot = slot,
		.counted = true,
		.replaces_length = replaces.n};
	if (replaces.n)
		memcpy(v->replaces, replaces.p, replaces.n);
	for (unsigned i = 0; i < count; i++) {
		struct target *to = &copy[i];

		target_copy(to, &targets[i]);
		struct branch *b = &branches[i];
		b->invite = v;
		b->target = to;
		b->zone = (uint16_t)to->zone;
		b->trunk = to->trunk;
		b->id = random_u64();
		bool trunk = to->trunk != NONE_INDEX;
		b->answer_ms = trunk ? settings_trunk(sip->settings, to->trunk)->answer_ms
		                     : TIMER_C_MS;
		b->ring_ms = trunk ? settings_trunk(sip->settings, to->trunk)->ring_ms : TIMER_C_MS;
		token_mint(&sip->keys.minting, TOKEN_CALL_ID, slot, b->id, b->call_id);
		timer_init(&b->timer, branch_timer, b);
	}
	flow_users_add(&dialogs_flow_users(sip->dialogs)->callers, &v->caller, m->flow.id);
	sip->calls++;
	counter_add(COUNTER_CALLS, 1);
	transaction_serve(t, &invite_user, v);
	sip_watch(sip, transaction_flow(t), slot);
	v->transactions++; /* held while targets are started: a failure on the spot must not free
	                    * it */
	next_targets(v);
	v->transactions--;
	release(v);
}
