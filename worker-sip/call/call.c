/* call.c - what passes between the two legs of a call: requests within its dialogs and their
 * answers, ACK, the end of the call.
 *
 * Every request but ACK is an exchange: a server transaction on the leg it came by, a client
 * transaction on the other. The place where a confirmed pair of dialogs is to be journalled is
 * call_confirmed, where it is to be erased call_free.
 */
#include "call.h"

#include "common/list.h"
#include "common/slab.h"
#include "ipc/token.h"
#include "worker-sip/json.h"
#include "dialog_reference.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct client_user exchange_client;
static const struct server_user exchange_server;

static void grace_over(struct timer *t, void *arg)
{
	(void)t;
	count(CALLS_LEG_LOST);
	call_end(arg, true, true, S("Reason: SIP;cause=503;text=\"Flow lost\"\r\n"));
}

int call_new(struct sip *sip, const struct dialog_parts *a, const struct dialog_parts *b,
	struct call **out)
{
	struct slab *slab = dialogs_slab(sip->dialogs);
	struct call *call = slab_take(slab, sizeof(*call));

	if (!call)
		return -ENOMEM;
	memset(call, 0, sizeof(*call));
	call->sip = sip;
	if (dialog_new(sip, a, &call->a) || dialog_new(sip, b, &call->b)) {
		dialog_free(sip, call->a);
		slab_give(slab, call, sizeof(*call));
		return -ENOMEM;
	}
	call->a->call = call->b->call = call;
	call->started = loop_now(sip->loop);
	timer_init(&call->grace, grace_over, call);
	list_insert(&sip->call_list, call);
	sip->calls++;
	*out = call;
	return 0;
}

static void exchange_unlink(struct exchange *x)
{
	if (!x->call)
		return;
	list_remove(x);
	x->call->exchange_count--;
	x->call = NULL;
	x->in = x->out = NULL;
}

/* Frees x when nothing will call it back. */
static void exchange_check(struct exchange *x)
{
	if (x->server || x->client || x->held)
		return;
	loop_unset(x->sip->loop, &x->patience);
	exchange_unlink(x);
	held_message_drop(x->request);
	wire_drop(x->ack);
	free(x);
}

void exchange_release(struct exchange *x)
{
	x->held = false;
	exchange_check(x);
}

/* The other leg does not answer the BYE. Its sender waits no longer than timer F, and an answer
 * after that is none (RFC 4320 section 4.2): it gets its 200 in time, while the other leg's BYE is
 * still repeated. */
static void patience_over(struct timer *t, void *arg)
{
	struct exchange *x = arg;

	(void)t;
	if (x->answered || !x->call)
		return;
	x->answered = true;
	if (x->server && !transaction_answered(x->server))
		answer(x->sip, x->server, 200, STR_EMPTY);
	count(CALLS_ENDED);
	call_free(x->call);
}

static struct exchange *exchange_new(
	struct call *call, struct dialog *in, struct dialog *out, uint8_t method)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	x->sip = call->sip;
	x->call = call;
	x->in = in;
	x->out = out;
	x->method = method;
	timer_init(&x->patience, patience_over, x);
	list_insert(&call->exchanges, x);
	call->exchange_count++;
	return x;
}

void call_free(struct call *call)
{
	struct sip *sip = call->sip;

	while (call->exchanges)
		exchange_unlink(call->exchanges);
	loop_unset(sip->loop, &call->grace);
	list_remove(call);
	dialog_free(sip, call->a);
	dialog_free(sip, call->b);
	sip->calls--;
	slab_give(dialogs_slab(sip->dialogs), call, sizeof(*call));
}

/* The 2xx has gone out: both dialogs stand. */
static void call_confirmed(struct call *call)
{
	call->invite = NULL;
	call->answered = loop_now(call->sip->loop);
	call->a->state = call->b->state = DIALOG_CONFIRMED;
	if (call->a->flow.id)
		sip_watch(call->sip, &call->a->flow, call->a->slot);
	if (call->b->flow.id)
		sip_watch(call->sip, &call->b->flow, call->b->slot);
	count(CALLS_ANSWERED);
}

/* A request of our own that nobody waits for (BYE). */
static void send_own(struct sip *sip, struct dialog *d, uint8_t method, struct str headers)
{
	struct wire *bytes;
	struct transaction *t;
	uint64_t branch = random_u64();

	if (dialog_request(
		    sip, d, str_of(method_name(method)), ++d->local_cseq, branch, headers, &bytes))
		return;
	struct flow flow = dialog_flow(sip, d);
	transaction_send(sip->transactions, method, branch, d->slot, &flow, bytes, NULL, NULL, &t);
	wire_drop(bytes);
}

static struct wire *send_ack(struct sip *sip, const struct dialog *d, uint32_t cseq)
{
	struct wire *bytes;

	if (dialog_request(sip, d, S("ACK"), cseq, random_u64(), STR_EMPTY, &bytes))
		return NULL;
	struct flow flow = dialog_flow(sip, d);
	sip_send(sip, &flow, (struct str){bytes->byte, bytes->size}, 0, true);
	return bytes;
}

void call_end(struct call *call, bool bye_a, bool bye_b, struct str reason)
{
	struct sip *sip = call->sip;

	/* An answer that the other side never acknowledged is still to be acknowledged here, or its
	 * UAS would go on retransmitting. */
	for (struct exchange *x = call->exchanges; x; x = x->next)
		if (x->accepted && !x->ack)
			x->ack = send_ack(sip, x->out, x->out_cseq);
	if (bye_a)
		send_own(sip, call->a, METHOD_BYE, reason);
	if (bye_b)
		send_own(sip, call->b, METHOD_BYE, reason);
	count(CALLS_ENDED);
	call_free(call);
}

int exchange_adopt(struct call *call, struct transaction *server, uint32_t in_cseq,
	uint32_t out_cseq, struct exchange **out)
{
	struct exchange *x = exchange_new(call, call->a, call->b, METHOD_INVITE);

	if (!x)
		return -ENOMEM;
	x->server = server;
	x->in_cseq = in_cseq;
	x->out_cseq = out_cseq;
	x->answered = x->accepted = x->held = true;
	transaction_serve(server, &exchange_server, x);
	call_confirmed(call);
	*out = x;
	return 0;
}

/* ---- the way back ---- */

static void splice_base(
	const struct exchange *x, struct splice *s, bool back, char user[TOKEN_LENGTH])
{
	const struct dialog *from = back ? x->out : x->in, *to = back ? x->in : x->out;

	*s = (struct splice){
		.sip = x->sip, .slot = x->in->slot, .from_zone = from->zone, .to_zone = to->zone};
	token_mint(&x->sip->keys.minting, TOKEN_CONTACT, to->slot, to->id, user);
	s->contact_user = (struct str){user, TOKEN_LENGTH};
}

/* Whether a 481 or 408 to it says that the call is over and not only that a subscription or a
 * provisional response is unknown (RFC 5057 section 5.3, RFC 3262 section 3). */
static bool ends_dialog(uint8_t method)
{
	return method != METHOD_NOTIFY && method != METHOD_SUBSCRIBE && method != METHOD_REFER &&
	       method != METHOD_PRACK;
}

static void on_response(void *user, struct transaction *t, const struct message *m)
{
	struct exchange *x = user;
	struct splice s;
	struct wire *bytes;
	char contact[TOKEN_LENGTH];

	(void)t;
	if (!x->call) {
		/* The call ended meanwhile. A 2xx to a re-INVITE needs no BYE of its own: one is on
		 * its way. */
		if (m->status >= 200 && x->server && !transaction_answered(x->server)) {
			answer(x->sip, x->server, x->method == METHOD_BYE ? 200 : 487, STR_EMPTY);
			x->answered = true;
		}
		return;
	}
	if (m->status == 100)
		return;
	if (x->answered) {
		if (x->method == METHOD_INVITE && m->status < 300 && m->status >= 200 && x->ack) {
			struct flow flow = dialog_flow(x->sip, x->out);

			sip_send(x->sip, &flow, (struct str){x->ack->byte, x->ack->size}, 0, true);
		}
		return;
	}
	unsigned status = m->status;
	if (status == 503)
		status = 500; /* it would turn the peer away from all of us */
	if ((status == 401 || status == 407) &&
		!settings_zone(x->sip->settings, x->out->zone)->trust)
		status = 403;
	if (status < 300 && status > 100 &&
		(x->method == METHOD_INVITE || x->method == METHOD_UPDATE))
		dialog_refresh(x->sip, x->out, m);
	splice_base(x, &s, true, contact);
	s.in = m;
	if (x->server && splice_response(&s, &x->request->message, status,
				 (struct str){x->in->tag, TOKEN_LENGTH}, &bytes) == 0) {
		transaction_answer(x->server, status, bytes);
		wire_drop(bytes);
	} else if (x->server && status >= 200) {
		answer(x->sip, x->server, 500, STR_EMPTY);
	}
	if (status < 200)
		return;
	x->answered = true;
	held_message_drop(x->request); /* the rest of its life, 64*T1, it only absorbs */
	x->request = NULL;
	x->accepted = x->method == METHOD_INVITE && status < 300;
	struct call *call = x->call;
	if (!x->accepted)
		exchange_unlink(x); /* what only absorbs is not in progress */
	if (x->method == METHOD_BYE && status != 401 && status != 407) {
		count(CALLS_ENDED);
		call_free(call);
	} else if (x->method == METHOD_BYE) {
		call->ending = false;
	} else if ((status == 481 || status == 408) && ends_dialog(x->method)) {
		/* RFC 3261 section 12.2.1.2: that leg's dialog is over, and a call of one leg is
		 * none */
		if (call->answered)
			call_end(
				call, true, true, S("Reason: SIP;cause=481;text=\"Leg gone\"\r\n"));
	}
}

static void on_failed(void *user, struct transaction *t, unsigned status, int error)
{
	struct exchange *x = user;

	(void)t;
	(void)error;
	if (x->answered)
		return;
	x->answered = true;
	if (x->server && !transaction_answered(x->server))
		answer(x->sip, x->server,
			x->method == METHOD_BYE ? 200
			: status == 503         ? 500
						: status,
			STR_EMPTY);
	struct call *call = x->call;
	if (!call)
		return;
	exchange_unlink(x);
	if (x->method == METHOD_BYE) {
		count(CALLS_ENDED);
		call_free(call);
	} else if (status == 408 && call->answered && ends_dialog(x->method)) {
		call_end(call, true, true, S("Reason: SIP;cause=408;text=\"Leg gone\"\r\n"));
	}
}

static void on_client_gone(void *user, struct transaction *t)
{
	struct exchange *x = user;

	(void)t;
	x->client = NULL;
	exchange_check(x);
}

static void on_cancelled(void *user, struct transaction *t, const struct message *cancel)
{
	struct exchange *x = user;

	(void)t;
	(void)cancel;
	if (x->client && !x->answered)
		transaction_cancel(x->client, STR_EMPTY);
}

static void on_unacknowledged(void *user, struct transaction *t)
{
	struct exchange *x = user;

	(void)t;
	count(CALLS_UNACKNOWLEDGED);
	if (x->call)
		call_end(x->call, true, true, S("Reason: SIP;cause=408;text=\"ACK missing\"\r\n"));
}

static void on_server_failed(void *user, struct transaction *t, int error)
{
	struct exchange *x = user;

	(void)error;
	/* A 2xx that cannot be sent is not repeated any more: its ACK will not come. */
	if (x->accepted && !x->ack)
		on_unacknowledged(user, t);
}

static void on_server_gone(void *user, struct transaction *t)
{
	struct exchange *x = user;

	(void)t;
	x->server = NULL;
	exchange_check(x);
}

static const struct client_user exchange_client = {
	.response = on_response, .failed = on_failed, .gone = on_client_gone};
static const struct server_user exchange_server = {.cancelled = on_cancelled,
	.unacknowledged = on_unacknowledged,
	.failed = on_server_failed,
	.gone = on_server_gone};

/* ---- the way out ---- */

/* Writes m for the other leg. */
static int splice_across(struct exchange *x, const struct message *m, const struct flow *to,
	uint64_t branch, uint32_t cseq, struct wire **out)
{
	struct splice s;
	struct scratch_leg_request *scratch = &x->sip->scratch.leg_request;
	char user[TOKEN_LENGTH], rack[64], event[16];
	struct writer w_rack = WRITER(rack), w_refer = WRITER(scratch->refer_to),
		      w_referred = WRITER(scratch->referred_by),
		      w_target = WRITER(scratch->target_dialog),
		      w_replaces = WRITER(scratch->replaces), w_event = WRITER(event);
	struct call *call = x->call;
	bool from_a = x->in == call->a;
	struct str value;

	splice_base(x, &s, false, user);
	s.in = m;
	s.to = to;
	s.branch = branch;
	s.request_uri = x->out->target;
	s.from = x->out->local;
	s.to_value = x->out->remote;
	s.call_id = x->out->call_id;
	s.cseq = cseq;
	s.route = x->out->route;
	if (m->method != METHOD_INVITE && m->method != METHOD_UPDATE &&
		m->method != METHOD_SUBSCRIBE && m->method != METHOD_NOTIFY &&
		m->method != METHOD_REFER)
		s.contact_user.n = 0;
	if ((value = message_value(m, HEADER_RACK)).n) {
		/* response-num CSeq-num Method: the second number is of this leg's INVITE (RFC 3262
		 * section 7.2) */
		size_t space = str_find(value, ' ');
		struct str rest = str_trim(str_from(value, space));
		size_t second = str_find(rest, ' ');
		uint64_t number;

		if (str_number((struct str){rest.p, second}, UINT32_MAX, &number) == 0) {
			uint32_t in = from_a ? call->invite_in : call->back_in,
				 mapped = from_a ? call->invite_out : call->back_out;

			/* Any other number could name an INVITE of the other leg that was not
			 * meant. */
			if (number == in) {
				write_bytes(&w_rack, value.p, space);
				write_literal(&w_rack, " ");
				write_number(&w_rack, mapped);
				write_str(&w_rack, str_from(rest, second));
				s.rack = w_rack.full ? STR_EMPTY : writer_text(&w_rack);
			}
		}
		if (m->method == METHOD_PRACK && !s.rack.n)
			return -ESRCH; /* RFC 3262 section 3: it matches no provisional response */
	}
	if ((value = message_value(m, HEADER_REFER_TO)).n) {
		map_address(&w_refer, x->sip, value, to);
		s.refer_to = w_refer.full ? STR_EMPTY : writer_text(&w_refer);
	}
	if ((value = message_value(m, HEADER_REFERRED_BY)).n) {
		map_address(&w_referred, x->sip, value, to);
		s.referred_by = w_referred.full ? STR_EMPTY : writer_text(&w_referred);
	}
	if ((value = message_value(m, HEADER_TARGET_DIALOG)).n &&
		map_target_dialog(&w_target, x->sip, value) && !w_target.full)
		s.target_dialog = writer_text(&w_target);
	if ((value = message_value(m, HEADER_REPLACES)).n) {
		struct dialog *d = map_replaces_dialog(x->sip, value);

		if (d) {
			map_replaces(&w_replaces, d == d->call->a ? d->call->b : d->call->a, value);
			s.replaces = w_replaces.full ? STR_EMPTY : writer_text(&w_replaces);
		}
	}
	if ((value = message_value(m, HEADER_EVENT)).n) {
		struct str id;
		uint64_t number;
		unsigned referrer =
			from_a ? 1 : 0; /* who sends NOTIFY got the REFER from the other leg */

		if (param_find(value, S("id"), &id) && id.p &&
			str_number(id, UINT32_MAX, &number) == 0 && number &&
			number == call->refer_out[referrer]) {
			write_number(&w_event, call->refer_in[referrer]);
			s.event_id = writer_text(&w_event);
		}
	}
	return splice_request(&s, out);
}

static void ack(struct dialog *d, const struct message *m)
{
	struct call *call = d->call;
	struct exchange *x = call->exchanges;

	while (x &&
		!(x->in == d && x->method == METHOD_INVITE && x->in_cseq == m->cseq && x->accepted))
		x = x->next;
	if (!x) {
		count(ACK_UNMATCHED);
		return;
	}
	struct flow flow = dialog_flow(x->sip, x->out);
	if (!x->ack) {
		if (x->server)
			transaction_acknowledged(x->server);
		if (splice_across(x, m, &flow, random_u64(), x->out_cseq, &x->ack))
			return;
		held_message_drop(x->request);
		x->request = NULL;
	}
	sip_send(x->sip, &flow, (struct str){x->ack->byte, x->ack->size}, 0, true);
}

/* True where an INVITE is pending on the call in the given direction. */
static bool invite_pending(const struct call *call, const struct dialog *in)
{
	for (const struct exchange *x = call->exchanges; x; x = x->next)
		if (x->method == METHOD_INVITE && x->in == in &&
			(!x->answered || (x->accepted && !x->ack)))
			return true;
	return false;
}

void call_request(struct sip *sip, struct transaction *t, const struct message *m)
{
	struct dialog *d = dialog_of_request(sip, m);

	if (!t) {
		if (d)
			ack(d, m);
		else
			count(ACK_UNMATCHED);
		return;
	}
	bool permitted;
	if (!d || settings_zone_of(sip->settings, m->flow.listener, &m->flow.peer, &permitted) !=
			  d->zone) {
		count(DIALOG_UNMATCHED);
		answer(sip, t, 481, STR_EMPTY);
		return;
	}
	struct call *call = d->call;
	struct dialog *other = d == call->a ? call->b : call->a;
	if (d->remote_cseq && m->cseq <= d->remote_cseq) {
		answer(sip, t, 500, STR_EMPTY); /* RFC 3261 section 12.2.2: out of order */
		return;
	}
	d->remote_cseq = m->cseq;
	if (call->lost && d->flow.id == call->lost) {
		/* it is back, by another connection */
		dialog_refresh(sip, d, m);
		if (d->flow.id != call->lost) {
			loop_unset(sip->loop, &call->grace);
			call->lost = 0;
		}
	}
	if (call->ending) {
		/* both hang up at once: each gets its 200 */
		answer(sip, t, m->method == METHOD_BYE ? 200 : 481, STR_EMPTY);
		return;
	}
	if (call->invite && m->method == METHOD_BYE) {
		/* The caller may give up an early dialog with BYE (RFC 3261 section 15); the callee
		 * may not. */
		answer(sip, t, d == call->a ? 200 : 481, STR_EMPTY);
		if (d == call->a)
			invite_abandon(call->invite);
		return;
	}
	if (m->method == METHOD_INVITE || m->method == METHOD_UPDATE)
		dialog_refresh(sip, d, m);
	if (m->method == METHOD_INVITE) {
		if (call->invite || invite_pending(call, other)) {
			answer(sip, t, 491, STR_EMPTY);
			return;
		}
		if (invite_pending(call, d)) {
			answer(sip, t, 500, S("Retry-After: 3\r\n"));
			return;
		}
	}
	char buffer[512];
	struct writer unsupported = WRITER(buffer);
	if (splice_require(m, &unsupported)) {
		answer(sip, t, 420, unsupported.full ? STR_EMPTY : writer_text(&unsupported));
		return;
	}
	struct exchange *x = call->exchange_count < EXCHANGES_MAX
	                             ? exchange_new(call, d, other, m->method)
	                             : NULL;
	if (!x) {
		answer(sip, t, 500, S("Retry-After: 3\r\n"));
		return;
	}
	x->request = held_message_hold(transaction_request(t));
	x->server = t;
	x->in_cseq = m->cseq;
	x->out_cseq = ++other->local_cseq;
	transaction_serve(t, &exchange_server, x);
	if (m->method == METHOD_INVITE && d == call->a) {
		call->invite_in = x->in_cseq;
		call->invite_out = x->out_cseq;
	} else if (m->method == METHOD_INVITE) {
		call->back_in = x->in_cseq;
		call->back_out = x->out_cseq;
	} else if (m->method == METHOD_REFER) {
		call->refer_in[d == call->a ? 0 : 1] = x->in_cseq;
		call->refer_out[d == call->a ? 0 : 1] = x->out_cseq;
	}
	if (m->method == METHOD_BYE) {
		call->ending = true;
		loop_set(sip->loop, &x->patience, 32u * sip->settings->t1_ms);
	}
	uint64_t branch = random_u64();
	struct flow flow = dialog_flow(sip, other);
	struct wire *bytes;
	int error = splice_across(x, m, &flow, branch, x->out_cseq, &bytes);
	if (!error) {
		error = transaction_send(sip->transactions, m->method, branch, other->slot, &flow,
			bytes, &exchange_client, x, &x->client);
		wire_drop(bytes);
	}
	if (error) {
		x->answered = true;
		answer(sip, t,
			m->method == METHOD_BYE ? 200
			: error == -ESRCH       ? 481
						: 500,
			STR_EMPTY);
		if (m->method == METHOD_BYE)
			call_end(call, false, false, STR_EMPTY);
	}
}

void call_flow_closed(struct sip *sip, uint64_t flow)
{
	struct flow_user *flow_user;

	invite_flow_closed(sip, flow);
	while ((flow_user = flow_users_pop(&dialogs_flow_users(sip->dialogs)->legs, flow))) {
		struct dialog *d = container_of(flow_user, struct dialog, flow_user);
		struct call *call = d->call;

		if (!call || !call->answered)
			continue;
		if (settings_zone(sip->settings, d->zone)->trust) {
			d->flow.id = 0; /* a trunk may close a connection that is idle: the next
			                   request opens another */
		} else if (!timer_armed(&call->grace)) {
			call->lost = flow;
			loop_set(sip->loop, &call->grace, LEG_GRACE_MS);
		}
	}
}

void call_refuse_answer(struct sip *sip, const struct message *m, const struct flow *flow,
	uint16_t zone, struct wire **ack_out)
{
	char routes[8192];
	struct writer w = WRITER(routes);
	struct dialog *d;

	if (ack_out && *ack_out) {
		sip_send(sip, flow, (struct str){(*ack_out)->byte, (*ack_out)->size}, 0, true);
		return;
	}
	if (!m->to_tag.length || !write_route_set(&w, m, true))
		return;
	uint8_t slot;
	if (token_slot(message_str(m, m->from_tag), &slot))
		return;
	struct dialog_parts parts = {.id = random_u64(),
		.slot = slot,
		.zone = zone,
		.flow = flow,
		.call_id = message_str(m, m->call_id),
		.local = message_value(m, HEADER_FROM),
		.remote = message_value(m, HEADER_TO),
		.remote_tag = message_str(m, m->to_tag),
		.route = writer_text(&w),
		.target = m->contact.whole.length ? message_str(m, m->contact.whole)
	                                          : message_str(m, m->to.whole),
		.local_cseq = m->cseq};
	if (dialog_new(sip, &parts, &d))
		return;
	count(ANSWERS_REFUSED);
	struct wire *sent = send_ack(sip, d, m->cseq);
	send_own(sip, d, METHOD_BYE, STR_EMPTY);
	dialog_free(sip, d);
	if (ack_out)
		*ack_out = sent;
	else
		wire_drop(sent);
}

void call_stray_answer(struct sip *sip, const struct message *m)
{
	bool permitted;
	unsigned zone = settings_zone_of(
		sip->settings, m->flow.listener, &m->flow.peer, &permitted);
	struct dialog *d = dialog_of_tags(sip, message_str(m, m->call_id),
		message_str(m, m->from_tag), message_str(m, m->to_tag));

	if (d && permitted && d->zone == zone) {
		/* a late repetition of an answer whose call stands */
		wire_drop(send_ack(sip, d, m->cseq));
		return;
	}
	if (permitted)
		call_refuse_answer(sip, m, &m->flow, (uint16_t)zone, NULL);
}

void call_list(struct sip *sip, void (*line)(void *arg, struct str json), void *arg)
{
	for (struct call *call = sip->call_list; call; call = call->next) {
		char buffer[8192], peer[ENDPOINT_TEXT_SIZE];
		struct writer w = WRITER(buffer);

		write_literal(&w, "{");
		write_json_field(&w, "call-id", call->a->call_id);
		write_json_field(&w, "state",
			call->ending     ? S("ending")
			: call->answered ? S("established")
					 : S("early"));
		write_json_field(&w, "from", call->a->remote);
		write_json_field(&w, "to", call->a->local);
		write_json_field(
			&w, "caller", (struct str){peer, endpoint_text(&call->a->flow.peer, peer)});
		write_json_field(
			&w, "callee", (struct str){peer, endpoint_text(&call->b->flow.peer, peer)});
		write_literal(&w, "\"seconds\":");
		write_number(&w,
			(loop_now(sip->loop) - (call->answered ? call->answered : call->started)) /
				1000);
		write_literal(&w, ",\"slot\":");
		write_number(&w, call->a->slot);
		write_literal(&w, ",\"worker\":");
		write_number(&w, sip->index);
		write_literal(&w, "}");
		if (!w.full)
			line(arg, writer_text(&w));
	}
}
