/* core.c - from a checked message to the layer that answers it: transaction, dialog, authorization,
 * registrar, route, call or relay. The order matters: nothing is looked up for a stranger before it
 * is challenged.
 */
#include "core.h"

#include "admission.h"
#include "debug_watch.h"
#include "decision_log.h"
#include "drain.h"
#include "ipc/emergency.h"
#include "labels.h"
#include "ipc/token.h"
#include "worker-sip/auth/authorize.h"
#include "worker-sip/call/call.h"
#include "worker-sip/call/dialog_reference.h"
#include "worker-sip/call/exchange.h"
#include "worker-sip/call/forwarding.h"
#include "worker-sip/call/invite.h"
#include "worker-sip/call/limits.h"
#include "worker-sip/call/star_code.h"
#include "worker-sip/incoming.h"
#include "worker-sip/message/option_tags.h"
#include "worker-sip/message/privacy.h"
#include "worker-sip/message/refusal_log.h"
#include "worker-sip/registrar/registrar.h"
#include "worker-sip/routing/relay.h"
#include "worker-sip/routing/rewriting.h"
#include "worker-sip/routing/route.h"
#include "worker-sip/routing/target_state.h"
#include "worker-sip/routing/trunk_line.h"
#include "worker-sip/subscription/event.h"
#include "worker-sip/subscription/reg_watch.h"
#include "worker-sip/subscription/subscribe.h"
#include "worker-sip/transaction/transaction.h"

/* ---- responses ---- */

/* Reads the id of the branch where it is one of our tokens. */
static bool core_branch(struct sip *sip, struct str text, uint64_t *branch)
{
	uint8_t slot;

	if (text.n != BRANCH_LENGTH)
		return false;
	struct str token = str_from(text, BRANCH_LENGTH - TOKEN_LENGTH);
	return token_prove(&sip->keys.minting, TOKEN_BRANCH, token, &slot, branch) == 0;
}

void core_unreachable(struct sip *sip, const struct record_unreachable *r)
{
	uint64_t branch;

	if (core_branch(sip, (struct str){r->branch, sizeof(r->branch)}, &branch))
		transactions_unreachable(sip->transactions, branch, &r->to, r->error);
	else
		count(RESPONSE_FORGED);
}

/* A response, whose branch is one of ours or not. */
static void core_explain_response(const struct incoming *in, bool ours)
{
	explanation_say(in->explanation, "transaction", STR_EMPTY, 0,
		ours ? "a response to a request of this gateway, by its branch: it passes to the "
		       "other leg"
		     : "a response whose branch is none of this gateway's: dropped");
}

static void core_response(const struct incoming *in)
{
	struct sip *sip = in->sip;
	const struct message *m = in->message;
	uint64_t branch;

	if (in->explanation) {
		core_explain_response(in, core_branch(sip, message_str(m, m->via_branch), &branch));
		return;
	}
	if (!core_branch(sip, message_str(m, m->via_branch), &branch)) {
		count(RESPONSE_FORGED);
		refusal_log_response(sip, m, "branch is not ours");
		return;
	}
	if (transactions_response(sip->transactions, m, branch) == 1)
		call_stray_answer(in, branch);
}

/* ---- requests that pass on ---- */

/* The peer of a leg as the only target, by that leg's route set. False where its URI and the set
 * are too long for one. */
static bool core_target_of_leg(struct sip *sip, const struct dialog *d, struct target *target)
{
	if (d->target.n + d->route.n > sizeof(target->buffer))
		return false;
	*target = (struct target){.flow = dialog_flow(sip, d),
		.zone = d->zone,
		.trunk = NONE_INDEX,
		.explicit_transport = 1};
	memcpy(target->buffer, d->target.p, d->target.n);
	target->request_uri = (struct str){target->buffer, d->target.n};
	if (d->route.n) {
		memcpy(target->buffer + d->target.n, d->route.p, d->route.n);
		target->route = (struct str){target->buffer + d->target.n, d->route.n};
	}
	return true;
}

/* Whether the request is to take a call over, or to join it. */
static bool core_names_dialog(const struct message *m)
{
	return message_first(m, HEADER_REPLACES) || message_first(m, HEADER_JOIN);
}

/* The target of a request whose Request-URI is our own Contact in another call (a transfer's): the
 * far leg's peer. A call that rings can only be picked up. False where it names none. */
static bool core_target_of_contact(const struct incoming *in, struct target *target)
{
	const struct message *m = in->message;
	struct dialog *d = dialog_of_contact(in->sip, message_str(m, m->request_uri.user));

	if (!d || !d->call || (!d->call->answered && !core_names_dialog(m)))
		return false;
	uint8_t transport = dialog_flow(in->sip, d->other).transport;
	bool secure = transport == TRANSPORT_TLS || transport == TRANSPORT_WSS;
	if (m->request_uri.scheme == URI_SIPS && !secure)
		return false;
	return core_target_of_leg(in->sip, d->other, target);
}

static void core_invite(struct incoming *in, struct target *targets, unsigned count)
{
	char buffer[512];
	struct writer replaces = WRITER(buffer);
	struct str value = message_value(in->message, HEADER_REPLACES),
		   join = message_value(in->message, HEADER_JOIN);

	if (value.n && join.n) {
		incoming_answer(in, 400, STR_EMPTY); /* RFC 3911 section 4 */
		return;
	}
	value = value.n ? value : join;
	if (value.n) {
		struct dialog *d = dialog_reference_find(in->sip, value);

		if (!d) {
			count(REPLACES_UNMATCHED);
			/* RFC 3891 section 3, RFC 3911 section 4 */
			incoming_answer(in, 481, STR_EMPTY);
			return;
		}
		dialog_reference_replaces(&replaces, d->other, value);
		/* It is for the peer of that dialog's far leg, wherever the Request-URI would
		 * lead. */
		if (core_target_of_leg(in->sip, d->other, &targets[0])) {
			count = 1;
			in->callee_domain = NONE_INDEX;
			in->user = NULL;
			in->route = NONE_INDEX;
			if (!route_rewrite_caller(in, &targets[0])) {
				incoming_answer(in, 403, STR_EMPTY);
				return;
			}
		}
	}
	invite_request(in, targets, count, replaces.full ? STR_EMPTY : writer_text(&replaces));
}

/* What goes with the answer that the routes, or what is asked before them, give. */
static struct str core_refusal_headers(const struct decision *d)
{
	if (d->numbers.blocked)
		return S(NUMBER_BLOCKED_HEADERS);
	return d->full ? S(LIMIT_TRUNK_HEADERS) : STR_EMPTY;
}

/* RFC 6665 section 8.3.2. */
static void core_refuse_event(const struct incoming *in)
{
	count(EVENTS_REFUSED);
	incoming_answer(in, 489, S(EVENT_ALLOW_EVENTS));
}

/* A NOTIFY outside of subscriptions: message waiting and orders to a phone (check-sync) come so.
 * From a trusted zone it passes to a registered phone, for many servers send no other; any other is
 * of a subscription that there is not (RFC 6665 section 4.1.3). */
static void core_notify(struct incoming *in, const struct target *targets, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (!in->sender.trusted || targets[i].trunk != NONE_INDEX) {
			count(NOTIFIES_REFUSED);
			incoming_answer(in, 481, STR_EMPTY);
			return;
		}
	if (event_package(in->message).n)
		relay_request(in, targets, count);
	else
		core_refuse_event(in);
}

/* Passes a request other than INVITE on to its targets. SUBSCRIBE and PUBLISH need their Event (RFC
 * 6665 section 8.2.1, RFC 3903 section 6). */
static void core_relay(struct incoming *in, const struct target *targets, unsigned count)
{
	uint8_t method = in->message->method;
	bool needs_event = method == METHOD_SUBSCRIBE || method == METHOD_PUBLISH;

	if (needs_event && !event_package(in->message).n) {
		core_refuse_event(in);
		return;
	}
	switch (method) {
	case METHOD_SUBSCRIBE: subscribe_request(in, targets, count); break;
	case METHOD_REFER: subscribe_refer(in, targets, count); break;
	case METHOD_NOTIFY: core_notify(in, targets, count); break;
	default: relay_request(in, targets, count);
	}
}

/* Whether no route takes a request that is for a server to one: the package is unknown here. What a
 * list of numbers or a rule refuses comes to no route. */
static bool core_lacks_server(const struct incoming *in, const struct decision *d)
{
	return d->route == NONE_INDEX && (d->status == 403 || d->status == 404) &&
	       !d->numbers.blocked && !d->rule_refused && event_is_for_server(in->message);
}

/* Whether a SUBSCRIBE asks our registrar: where no route names the package and gives it to another
 * server. */
static bool core_is_for_registrar(const struct incoming *in, const struct decision *d)
{
	const struct settings *s = in->sip->settings;

	if (d->numbers.blocked || d->rule_refused)
		return false;
	if (d->route != NONE_INDEX && settings_route(s, d->route)->events.count)
		return false;
	return reg_watch_is_asked(in);
}

/* Routes the request and passes it on, or answers what the route says. */
static void core_pass_on(struct incoming *in)
{
	struct sip *sip = in->sip;

	if (in->message->method == METHOD_INVITE && star_code_request(in))
		return;
	struct target *targets = sip->scratch.targets;
	struct decision decision = {.count = 1, .route = NONE_INDEX, .user = NULL};

	sip->scratch.rewrites_size = 0;
	if (core_target_of_contact(in, &targets[0])) {
		decision.rule_refused = !route_rewrite_caller(in, &targets[0]);
		if (decision.rule_refused)
			decision.status = 403;
	} else {
		unsigned limit = sip->settings->forks_max < TARGETS_MAX ? sip->settings->forks_max
		                                                        : TARGETS_MAX;

		route_request(in, targets, limit, &decision);
		in->route = decision.route;
		in->emergency = decision.emergency;
		in->callee = decision.callee;
		in->callee_domain = decision.callee_domain;
		in->user = decision.user;
		in->user_domain = decision.callee_domain;
		in->called = decision.called;
		in->number_list = decision.numbers.list;
		if (decision.numbers.blocked)
			number_lists_tell(in, &decision.numbers);
	}
	if (in->explanation)
		route_explain_decision(in, &decision);
	else if (log_enabled(LOG_DEBUG))
		route_log(in, &decision);
	if (decision.status && decision.too_long)
		count(URIS_TOO_LONG);
	bool forwarded = in->message->method == METHOD_INVITE && in->message->max_forwards &&
	                 forwarding_takes(in, &decision);
	if (in->explanation && in->message->method == METHOD_INVITE)
		forwarding_explain(in);
	if (core_is_for_registrar(in, &decision))
		reg_watch_request(in);
	else if (decision.to_self)
		relay_self(in);
	else if (core_lacks_server(in, &decision))
		core_refuse_event(in);
	else if (forwarded)
		core_invite(in, targets, 0);
	else if (decision.status)
		incoming_answer(in, decision.status, core_refusal_headers(&decision));
	else if (in->message->max_forwards == 0)
		relay_self(in); /* OPTIONS at its last hop is answered as if it were ours (RFC 3261
		                   section 11) */
	else if (in->message->method == METHOD_INVITE)
		core_invite(in, targets, decision.count);
	else
		core_relay(in, targets, decision.count);
}

/* ---- requests ---- */

/* Whether a challenge may go out before a transaction is looked for (RFC 3261 section 8.2.7), to
 * whoever it is: what it answers brought no credentials, so that a repetition gets a challenge as
 * good. A stranger then costs no memory, and a phone that registers one transaction instead of two.
 * Only for methods that may be carried out twice: a reload may have it challenged while an earlier
 * copy, which was not, is on its way. Who is to come again later (503) is told so first. */
static bool core_may_challenge_stateless(const struct incoming *in)
{
	const struct message *m = in->message;

	return in->sip->drain.mode == DRAIN_OFF &&
	       ((m->method == METHOD_REGISTER && m->max_forwards) ||
		       (m->method == METHOD_OPTIONS && !m->to_tag.length)) &&
	       !message_first(m, HEADER_AUTHORIZATION) &&
	       !message_first(m, HEADER_PROXY_AUTHORIZATION) &&
	       !transactions_full(in->sip->transactions, m);
}

/* The domain that a REGISTER is for; our own address stands for the first one. NONE_INDEX: none. */
static unsigned core_domain(const struct settings *s, struct str host, uint16_t port)
{
	unsigned domain = settings_domain_of(s, host);

	if (domain != NONE_INDEX || !settings_has_domain(s))
		return domain;
	return settings_listener_at(s, host, port) == NONE_INDEX ? NONE_INDEX : s->first_domain;
}

static void core_register(struct incoming *in)
{
	const struct message *m = in->message;
	unsigned domain = core_domain(in->sip->settings, message_str(m, m->to.host), m->to.port);

	if (domain == NONE_INDEX) {
		count(REGISTER_FOREIGN);
		incoming_answer(in, in->sender.trusted ? 404 : 403, STR_EMPTY);
	} else if (incoming_begin(in)) {
		registrar_request(in->sip->registrar, in, domain);
	}
}

/* Names that fit what is written on the other leg: with our tag, and an address of ours in the
 * place of theirs. */
#define NAME_MAX_LENGTH (SCRATCH_VALUE_MAX - 512)

/* Answers a request whose From or To is too long to be passed on. False: both fit. */
static bool core_refuse_names(const struct incoming *in)
{
	if (message_value(in->message, HEADER_FROM).n <= NAME_MAX_LENGTH &&
		message_value(in->message, HEADER_TO).n <= NAME_MAX_LENGTH)
		return false;
	count(NAMES_TOO_LONG);
	incoming_answer(in, 400, STR_EMPTY);
	return true;
}

/* Answers what Privacy asks for and nobody here can give (RFC 3323 section 5), and calls of those
 * who do not say who they are from a zone whose calls have to (RFC 5079). False: it may go on. */
static bool core_refuse_private(const struct incoming *in)
{
	const struct message *m = in->message;

	if (emergency_call(in->sip->settings, m))
		return false;
	if (message_first(m, HEADER_PRIVACY) && privacy_is_impossible(m)) {
		count(PRIVACY_REFUSED);
		incoming_answer(in, 500, S(PRIVACY_REFUSED_HEADERS));
		return true;
	}
	if (settings_zone(in->sip->settings, in->zone)->anonymous != ANONYMOUS_REFUSE ||
		m->method != METHOD_INVITE || !privacy_hides_caller(m))
		return false;
	if (in->explanation)
		explanation_say(in->explanation, "sender", STR_EMPTY, 0,
			"calls without a name, which its zone refuses (anonymous)");
	count(ANONYMOUS_REFUSED);
	incoming_answer(in, 433, STR_EMPTY);
	return true;
}

/* An authorized request outside a dialog. */
static void core_authorized(struct incoming *in)
{
	const struct message *m = in->message;
	char buffer[512];
	struct writer unsupported = WRITER(buffer);

	decision_authorized(in);
	if (m->request_uri.scheme == URI_OTHER && !emergency_call(in->sip->settings, m)) {
		incoming_answer(in, 416, STR_EMPTY);
	} else if (m->method == METHOD_REGISTER) {
		core_register(in);
	} else if (core_refuse_names(in) || core_refuse_private(in)) {
		return;
	} else if (option_tags_require(m, &unsupported)) {
		incoming_answer(in, 420, unsupported.full ? STR_EMPTY : writer_text(&unsupported));
	} else {
		core_pass_on(in);
	}
}

/* Whether a request has come as far as it may (RFC 3261 section 16.3). OPTIONS then is for us, and
 * a BYE ends its dialog with us, whom it has reached. */
static bool core_refuse_last_hop(const struct incoming *in)
{
	const struct message *m = in->message;

	if (m->max_forwards != 0 || m->method == METHOD_OPTIONS || m->method == METHOD_BYE)
		return false;
	count(MAX_FORWARDS_REACHED);
	incoming_answer(in, 483, STR_EMPTY);
	return true;
}

/* No transaction is found for a message that is explained: it repeats none. */
static enum request_kind core_explain_kind(const struct incoming *in)
{
	switch (in->message->method) {
	case METHOD_ACK: return REQUEST_ACK;
	case METHOD_CANCEL:
		explanation_say(in->explanation, "transaction", STR_EMPTY, 0,
			"a CANCEL is for the INVITE of its branch: 200 and the end of that, or 481 "
			"where there is none");
		return REQUEST_ABSORBED;
	default: return REQUEST_NEW;
	}
}

/* Takes a request to its transaction. A stranger's that is new has none yet, nor has any that may
 * be for nobody because we drain. */
static enum request_kind core_match(struct incoming *in)
{
	struct transactions *ts = in->sip->transactions;

	if (in->explanation)
		return core_explain_kind(in);
	if ((!in->shown && incoming_is_stranger(in)) || in->sip->drain.mode != DRAIN_OFF)
		return transactions_match(ts, in->message, in->slot);
	return transactions_request(ts, in->message, in->slot, &in->transaction);
}

/* Requests that mean something only within a dialog (RFC 3261 section 15, RFC 3262 section 3, RFC
 * 3311 section 5.1): without a To tag they name none. */
static bool core_wants_dialog(uint8_t method)
{
	return method == METHOD_BYE || method == METHOD_PRACK || method == METHOD_UPDATE;
}

static void core_request(struct incoming *in)
{
	const struct message *m = in->message;
	bool early = core_may_challenge_stateless(in);

	if (early && !authorize(in))
		return;
	switch (core_match(in)) {
	case REQUEST_ABSORBED: return;
	case REQUEST_ACK: call_request(in); return;
	case REQUEST_NEW: break;
	}
	if (core_refuse_last_hop(in)) {
		return;
	} else if (m->to_tag.length && m->method != METHOD_REGISTER) {
		call_request(in);
	} else if (core_wants_dialog(m->method)) {
		count(DIALOG_UNMATCHED);
		incoming_answer(in, 481, STR_EMPTY);
	} else if (!drain_refuses(in) && (early || authorize(in))) {
		core_authorized(in);
	}
}

/* Whether a message comes from the trunk of that index, as its token shows; one that an operator
 * has disabled has none. */
static bool core_is_of_trunk(const struct incoming *in)
{
	return in->trunk != NONE_INDEX &&
	       !target_states_is_disabled(in->sip->target_states, in->trunk);
}

static void core_serve(struct incoming *in)
{
	const struct message *m = in->message;

	if (m->is_request) {
		labels_request(in->sip->settings, in->zone, m->method);
		core_request(in);
	} else {
		core_response(in);
	}
}

/* The same of what has a trunk's token, which goes no further than here. */
static void core_serve_of_trunk(struct incoming *in)
{
	struct held_message *blanked = trunk_line_blank(in->message);

	if (!blanked)
		return; /* no memory: it comes again */
	in->message = &blanked->message;
	count(TRUNK_LINES_SHOWN);
	if (in->explanation)
		explanation_trunk(in->explanation, in->sip->settings, in->trunk,
			in->shown ? "it comes from there: it is for the Contact that is "
				    "registered"
				  : "it is for the Contact that is registered, but the trunk is "
				    "disabled");
	core_serve(in);
	held_message_drop(blanked);
}

/* Serves a message, or explains it where x is not NULL. */
static void core_take(struct sip *sip, const struct message *m, uint8_t slot, struct explanation *x)
{
	struct incoming in;
	bool permitted;

	sip->scratch.rules_told_n = 0;
	in.sip = sip;
	in.message = m;
	in.zone = settings_zone_of(sip->settings, m->flow.listener, &m->flow.peer, &permitted);
	in.trunk = sip->trunk_lines ? (uint16_t)trunk_line_find(sip, m, in.zone) : NONE_INDEX;
	in.shown = core_is_of_trunk(&in);
	if (!admission_permits(&in, permitted, x))
		return;
	in.slot = slot;
	in.transaction = NULL;
	in.explanation = x;
	in.emergency = false;
	in.called = STR_EMPTY;
	in.route = NONE_INDEX;
	in.callee = 0;
	in.user = NULL;
	in.user_domain = NONE_INDEX;
	in.forwarded_to = NULL;
	in.number_list = NONE_INDEX;
	in.sender.trusted = settings_zone(sip->settings, in.zone)->trust;
	in.sender.authenticated = in.sender.anonymous = false;
	if (in.trunk == NONE_INDEX)
		core_serve(&in);
	else
		core_serve_of_trunk(&in);
}

/* Whether an operator has picked the message, or its call by the other leg's Call-ID. */
static bool core_is_watched(struct sip *sip, const struct message *m)
{
	if (debug_watch_has(sip, m))
		return true;
	const struct dialog *d = m->is_request && m->to_tag.length ? dialog_of_request(sip, m)
	                                                           : NULL;
	return d && d->other && debug_watch_has_call(sip, d->other->call_id);
}

void core_message(struct sip *sip, const struct message *m, uint8_t slot)
{
	if (!sip->debug.count || !core_is_watched(sip, m) || !debug_watch_begin(sip, m)) {
		core_take(sip, m, slot, NULL);
		return;
	}
	enum log_level before = debug_watch_raise();
	core_take(sip, m, slot, NULL);
	log_set_level(before);
}

void core_explain(struct sip *sip, const struct message *m, uint8_t slot, struct explanation *x)
{
	const struct rule_watch watch = {.note = rewriting_explain, .arg = x};

	sip->rule_watch = &watch;
	core_take(sip, m, slot, x);
	sip->rule_watch = NULL;
}
