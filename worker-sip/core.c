/* core.c - from a checked message to the layer that answers it: transaction, dialog, authorization,
 * registrar, route, call or relay. The order is the design's: nothing is looked up for a stranger
 * before it is challenged.
 */
#include "core.h"

#include "ipc/token.h"
#include "worker-sip/auth/authorize.h"
#include "worker-sip/call/call.h"
#include "worker-sip/call/dialog_reference.h"
#include "worker-sip/registrar/registrar.h"
#include "worker-sip/routing/relay.h"
#include "worker-sip/routing/route.h"
#include "worker-sip/message/splice.h"
#include "worker-sip/transaction/transaction.h"

static void response(struct sip *sip, const struct message *m)
{
	uint8_t slot;
	uint64_t branch;
	struct str text = message_str(m, m->via_branch);

	/* We are the only hop of what we send: a second Via means that the response is not for us
	 * (RFC 3261 section 8.1.3.3). */
	if (m->via_count != 1 || text.n != BRANCH_LENGTH ||
		token_prove(&sip->keys.minting, TOKEN_BRANCH,
			str_from(text, BRANCH_LENGTH - TOKEN_LENGTH), &slot, &branch)) {
		count(RESPONSE_FORGED);
		return;
	}
	if (transactions_response(sip->transactions, m, branch) == 1)
		call_stray_answer(sip, m);
}

/* An INVITE whose Request-URI is our own Contact in another call (a transfer's target): the far
 * leg's peer. False where it names none. */
static bool contact_target(struct sip *sip, const struct message *m, struct target *target)
{
	struct dialog *d = dialog_of_contact(sip, message_str(m, m->request_uri.user));

	if (!d || !d->call->answered)
		return false;
	struct dialog *other = d == d->call->a ? d->call->b : d->call->a;
	uint8_t transport = dialog_flow(sip, other).transport;
	if (other->target.n > BINDING_CONTACT_MAX ||
		(m->request_uri.scheme == URI_SIPS && transport != TRANSPORT_TLS &&
			transport != TRANSPORT_WSS))
		return false;
	*target = (struct target){.flow = dialog_flow(sip, other),
		.zone = other->zone,
		.trunk = NONE_INDEX,
		.explicit_transport = 1};
	memcpy(target->buffer, other->target.p, other->target.n);
	target->request_uri = (struct str){target->buffer, other->target.n};
	return true;
}

static void invite(struct sip *sip, struct transaction *t, const struct message *m, uint8_t slot,
	const struct identity *sender, struct target *targets, unsigned count)
{
	char buffer[512];
	struct writer replaces = WRITER(buffer);
	struct str value = message_value(m, HEADER_REPLACES);

	if (value.n) {
		struct dialog *d = map_replaces_dialog(sip, value);

		if (!d) {
			answer(sip, t, 481, STR_EMPTY); /* RFC 3891 section 3 */
			return;
		}
		struct dialog *other = d == d->call->a ? d->call->b : d->call->a;
		map_replaces(&replaces, other, value);
		/* It is for the peer of that dialog's far leg, wherever the Request-URI would
		 * lead. */
		if (other->target.n <= BINDING_CONTACT_MAX) {
			targets[0] = (struct target){.flow = dialog_flow(sip, other),
				.zone = other->zone,
				.trunk = NONE_INDEX,
				.explicit_transport = 1};
			memcpy(targets[0].buffer, other->target.p, other->target.n);
			targets[0].request_uri = (struct str){targets[0].buffer, other->target.n};
			count = 1;
		}
	}
	call_invite(sip, t, m, slot, sender, targets, count,
		replaces.full ? STR_EMPTY : writer_text(&replaces));
}

/* What is for somebody behind us: there, or the answer that the routes name. */
static void send_on(struct sip *sip, struct transaction *t, const struct message *m, uint8_t slot,
	const struct identity *sender)
{
	struct target *targets = sip->scratch.targets;
	struct decision decision;

	if (contact_target(sip, m, &targets[0])) {
		decision = (struct decision){.count = 1, .route = NONE_INDEX};
	} else {
		unsigned limit = sip->settings->forks_max < TARGETS_MAX ? sip->settings->forks_max
		                                                        : TARGETS_MAX;

		route_request(sip, m, sender, targets, limit, &decision);
	}
	if (decision.to_self)
		relay_self(sip, t, m);
	else if (decision.status)
		answer(sip, t, decision.status, STR_EMPTY);
	else if (m->max_forwards == 0)
		relay_self(sip, t, m); /* OPTIONS at its last hop is answered as if it were ours
		                          (RFC 3261 section 11) */
	else if (m->method == METHOD_INVITE)
		invite(sip, t, m, slot, sender, targets, decision.count);
	else
		relay_request(sip, t, m, sender, targets, decision.count);
}

/* Whether a challenge may go out without a transaction (RFC 3261 section 8.2.7): what it answers
 * brought no credentials, so that a repetition gets a challenge as good. A stranger then costs no
 * memory, and a phone that registers one transaction instead of two. Only for methods that may be
 * carried out twice: a reload may have it challenged while an earlier copy, which was not, is on
 * its way. Who is to come again later (503) is told so first. */
static bool stateless(const struct sip *sip, const struct message *m)
{
	return ((m->method == METHOD_REGISTER && m->max_forwards) ||
		       (m->method == METHOD_OPTIONS && !m->to_tag.length)) &&
	       !message_first(m, HEADER_AUTHORIZATION) &&
	       !message_first(m, HEADER_PROXY_AUTHORIZATION) &&
	       !transactions_full(sip->transactions, false);
}

static void request(struct sip *sip, const struct message *m, uint8_t slot)
{
	struct transaction *t = NULL;
	struct identity sender;
	bool early = stateless(sip, m);

	if (early && !authorize(sip, NULL, m, slot, &sender))
		return;
	enum request_kind kind = transactions_request(sip->transactions, m, slot, &t);
	if (kind == REQUEST_ABSORBED)
		return;
	if (kind == REQUEST_ACK) {
		call_request(sip, NULL, m);
		return;
	}
	if (m->max_forwards == 0 && m->method != METHOD_OPTIONS) {
		count(MAX_FORWARDS_REACHED);
		answer(sip, t, 483, STR_EMPTY);
		return;
	}
	if (m->to_tag.length && m->method != METHOD_REGISTER) {
		call_request(sip, t, m);
		return;
	}
	if (!early && !authorize(sip, t, m, slot, &sender))
		return;
	if (m->request_uri.scheme == URI_OTHER) {
		answer(sip, t, 416, STR_EMPTY);
		return;
	}
	char buffer[512];
	struct writer unsupported = WRITER(buffer);
	if (m->method == METHOD_REGISTER) {
		struct str host = message_str(m, m->to.host);
		unsigned domain = settings_domain_of(sip->settings, host);

		if (domain == NONE_INDEX &&
			settings_listener_at(sip->settings, host, m->to.port) != NONE_INDEX &&
			sip->settings->domains.count)
			domain = 0; /* our own address stands for the first domain */
		if (domain == NONE_INDEX)
			answer(sip, t, sender.trusted ? 404 : 403, STR_EMPTY);
		else
			registrar_request(sip->registrar, t, m, domain);
		return;
	}
	if (splice_require(m, &unsupported)) {
		answer(sip, t, 420, unsupported.full ? STR_EMPTY : writer_text(&unsupported));
		return;
	}
	send_on(sip, t, m, slot, &sender);
}

void core_message(struct sip *sip, const struct message *m, uint8_t slot)
{
	bool permitted;

	if (m->flow.listener >= sip->settings->listeners.count) {
		count(MESSAGE_BAD_BLOCK);
		return;
	}
	settings_zone_of(sip->settings, m->flow.listener, &m->flow.peer, &permitted);
	if (!permitted) {
		count(SOURCE_REFUSED);
		return;
	}
	if (m->is_request)
		request(sip, m, slot);
	else
		response(sip, m);
}
