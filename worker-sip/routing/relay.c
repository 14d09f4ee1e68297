/* relay.c - requests outside dialogs, passed on statefully. */
#include "relay.h"

#include "ipc/token.h"
#include "forward.h"
#include "worker-sip/call/dialog_reference.h"

#include <stdlib.h>

struct relay_branch {
	struct relay *relay;
	uint64_t id; /* of our From tag, Call-ID, Contact towards this target */
	bool sent, done, switched;
};

/* One request on its way. Lives until its transactions are gone. */
struct relay {
	struct sip *sip;
	struct transaction *server;
	struct held_message *request, *best;
	struct target *targets;
	struct relay_branch *branches;
	unsigned count, next, transactions, best_status, zone;
	uint64_t id; /* of our To tag and Contact towards the sender: ids stand in clear, and no
	                side may know another's */
	uint8_t slot;
	bool answered;
};

static void next_targets(struct relay *r);

static void release(struct relay *r)
{
	if (r->server || r->transactions)
		return;
	held_message_drop(r->request);
	held_message_drop(r->best);
	free(r->targets);
	free(r->branches);
	free(r);
}

/* Sends m (NULL: an answer of our own) to where the request came from. */
static void pass(struct relay *r, unsigned status, const struct message *m, unsigned from_zone)
{
	struct wire *bytes;
	char tag[TOKEN_LENGTH], user[TOKEN_LENGTH];
	struct splice s = {.sip = r->sip,
		.in = m,
		.slot = r->slot,
		.from_zone = from_zone,
		.to_zone = r->zone};

	if (r->answered || !r->server)
		return;
	if (status >= 200)
		r->answered = true;
	if (status == 503)
		status = 500;
	if (status >= 300 && status < 400)
		status = 480;
	if (!m) {
		/* No 408 for other requests than INVITE: it would come too late for anyone (RFC
		 * 4320 section 4.2). */
		answer(r->sip, r->server, status == 408 ? 480 : status, STR_EMPTY);
		return;
	}
	if ((status == 401 || status == 407) && !settings_zone(r->sip->settings, from_zone)->trust)
		status = 403;
	token_mint(&r->sip->keys.minting, TOKEN_TAG, r->slot, r->id, tag);
	token_mint(&r->sip->keys.minting, TOKEN_CONTACT, r->slot, r->id, user);
	if (message_first(m, HEADER_CONTACT) && status < 300)
		s.contact_user = (struct str){user, sizeof(user)};
	if (splice_response(
		    &s, &r->request->message, status, (struct str){tag, sizeof(tag)}, &bytes)) {
		answer(r->sip, r->server, 500, STR_EMPTY);
		return;
	}
	transaction_answer(r->server, status, bytes);
	wire_drop(bytes);
}

static void branch_failed(struct relay_branch *b, unsigned status, const struct message *m)
{
	struct relay *r = b->relay;
	const struct target *target = &r->targets[b - r->branches];

	if (b->done)
		return;
	b->done = true;
	if (!r->best_status || response_rank(status) < response_rank(r->best_status)) {
		r->best_status = status;
		held_message_drop(r->best);
		r->best = m ? held_message_new(m) : NULL;
	}
	if (status >= 600 || (target->trunk != NONE_INDEX && status != 503 && status != 408))
		r->next = r->count;
	for (unsigned i = 0; i < r->count; i++)
		if (r->branches[i].sent && !r->branches[i].done)
			return;
	next_targets(r);
}

static void on_response(void *user, struct transaction *t, const struct message *m)
{
	struct relay_branch *b = user;
	struct relay *r = b->relay;

	(void)t;
	if (m->status < 200 || b->done)
		return; /* provisionals of other requests than INVITE go hop by hop (RFC 4320) */
	if (m->status >= 300) {
		branch_failed(b, m->status, m);
		return;
	}
	b->done = true;
	r->next = r->count;
	pass(r, m->status, m, r->targets[b - r->branches].zone);
}

static bool start(struct relay_branch *b, bool udp);

static void on_failed(void *user, struct transaction *t, unsigned status, int error)
{
	struct relay_branch *b = user;

	(void)t;
	if (b->switched && status == 503) {
		b->switched = false;
		if (start(b, true))
			return;
	}
	if (b->relay->targets[b - b->relay->branches].trunk == NONE_INDEX && error)
		status = 480;
	branch_failed(b, status, NULL);
}

static void on_gone(void *user, struct transaction *t)
{
	struct relay_branch *b = user;

	(void)t;
	b->relay->transactions--;
	release(b->relay);
}

static const struct client_user relay_client = {
	.response = on_response, .failed = on_failed, .gone = on_gone};

static bool start(struct relay_branch *b, bool udp)
{
	struct relay *r = b->relay;
	const struct target *target = &r->targets[b - r->branches];
	const struct message *m = &r->request->message;
	struct scratch_leg_request *scratch = &r->sip->scratch.leg_request;
	char tag[TOKEN_LENGTH], user[TOKEN_LENGTH], call_id[TOKEN_LENGTH];
	struct writer w_from = WRITER(scratch->from), w_to = WRITER(scratch->to),
		      w_refer = WRITER(scratch->refer_to),
		      w_referred = WRITER(scratch->referred_by);
	struct forwarded f;
	struct splice s = {.sip = r->sip,
		.in = m,
		.slot = r->slot,
		.from_zone = r->zone,
		.to_zone = target->zone};

	token_mint(&r->sip->keys.minting, TOKEN_TAG, r->slot, b->id, tag);
	token_mint(&r->sip->keys.minting, TOKEN_CONTACT, r->slot, b->id, user);
	token_mint(&r->sip->keys.minting, TOKEN_CALL_ID, r->slot, b->id, call_id);
	write_party(&w_from, r->sip, message_value(m, HEADER_FROM), (struct str){tag, sizeof(tag)},
		&target->flow);
	write_party(&w_to, r->sip, message_value(m, HEADER_TO), STR_EMPTY, &target->flow);
	if (message_first(m, HEADER_REFER_TO))
		map_address(&w_refer, r->sip, message_value(m, HEADER_REFER_TO), &target->flow);
	if (message_first(m, HEADER_REFERRED_BY))
		map_address(
			&w_referred, r->sip, message_value(m, HEADER_REFERRED_BY), &target->flow);
	if (w_from.full || w_to.full || w_refer.full || w_referred.full)
		return false;
	if (message_first(m, HEADER_CONTACT))
		s.contact_user = (struct str){user, sizeof(user)};
	s.request_uri = target->request_uri;
	s.from = writer_text(&w_from);
	s.to_value = writer_text(&w_to);
	s.call_id = (struct str){call_id, sizeof(call_id)};
	s.cseq = 1;
	s.route = target->route;
	s.refer_to = writer_text(&w_refer);
	s.referred_by = writer_text(&w_referred);
	if (forward_send(&s, target, udp, &relay_client, b, &f))
		return false;
	b->sent = true;
	b->switched = f.switched;
	r->transactions++;
	return true;
}

static void next_targets(struct relay *r)
{
	while (!r->answered && r->next < r->count) {
		unsigned q = r->targets[r->next].q, sent = 0;
		bool trunk = r->targets[r->next].trunk != NONE_INDEX;

		do {
			struct relay_branch *b = &r->branches[r->next++];

			if (start(b, false)) {
				sent++;
			} else {
				b->done = true;
				if (!r->best_status)
					r->best_status = 503;
			}
		} while (!trunk && r->next < r->count && r->targets[r->next].q == q &&
			 r->targets[r->next].trunk == NONE_INDEX);
		if (sent)
			return;
	}
	bool permitted;
	if (r->best) {
		const struct flow *flow = &r->best->message.flow;

		pass(r, r->best_status, &r->best->message,
			settings_zone_of(
				r->sip->settings, flow->listener, &flow->peer, &permitted));
	} else {
		pass(r, r->best_status ? r->best_status : 480, NULL, 0);
	}
}

static void on_server_gone(void *user, struct transaction *t)
{
	struct relay *r = user;

	(void)t;
	r->server = NULL;
	r->answered = true;
	release(r);
}

static const struct server_user relay_server = {.gone = on_server_gone};

void relay_request(struct sip *sip, struct transaction *t, const struct message *m,
	const struct identity *sender, const struct target *targets, unsigned count)
{
	if (m->method == METHOD_SUBSCRIBE || m->method == METHOD_NOTIFY) {
		/* Without a dialog kept for it a subscription's NOTIFY could not come back. */
		answer(sip, t, m->method == METHOD_SUBSCRIBE ? 489 : 481, STR_EMPTY);
		return;
	}
	struct relay *r = calloc(1, sizeof(*r));
	struct target *copy = calloc(count, sizeof(*copy));
	struct relay_branch *branches = calloc(count, sizeof(*branches));
	if (!r || !copy || !branches) {
		free(r);
		free(copy);
		free(branches);
		answer(sip, t, 500, STR_EMPTY);
		return;
	}
	*r = (struct relay){.sip = sip,
		.server = t,
		.request = held_message_hold(transaction_request(t)),
		.targets = copy,
		.branches = branches,
		.count = count,
		.zone = sender->zone,
		.id = random_u64(),
		.slot = slot_of_message(m, &sip->keys.slot_key)};
	for (unsigned i = 0; i < count; i++) {
		target_copy(&copy[i], &targets[i]);
		branches[i].relay = r;
		branches[i].id = random_u64();
	}
	counter_add(COUNTER_RELAYED, 1);
	transaction_serve(t, &relay_server, r);
	r->transactions++; /* held while targets are started */
	next_targets(r);
	r->transactions--;
	release(r);
}

void relay_self(struct sip *sip, struct transaction *t, const struct message *m)
{
	static const char capabilities[] =
		"Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, INFO, UPDATE, PRACK, "
		"REFER, NOTIFY\r\n"
		"Accept: application/sdp\r\nAccept-Encoding: identity\r\nAccept-Language: "
		"en\r\nSupported: replaces, timer, 100rel, path\r\n";

	switch (m->method) {
	case METHOD_OPTIONS: answer(sip, t, 200, S(capabilities)); break;
	case METHOD_UNKNOWN: answer(sip, t, 501, STR_EMPTY); break;
	case METHOD_INVITE: /* nobody lives at the gateway itself */
	case METHOD_MESSAGE: answer(sip, t, 404, STR_EMPTY); break;
	default:
		answer(sip, t, 405,
			S("Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, INFO, "
			  "UPDATE, PRACK, REFER, NOTIFY\r\n"));
	}
}
