/* call_explain.c - see call_explain.h. The questions are those of call_request, asked without
 * changing anything. */
#include "call_explain.h"

#include "exchange_state.h"
#include "worker-sip/explanation_targets.h"
#include "worker-sip/message/option_tags.h"
#include "worker-sip/subscription/subscribe.h"
#include "worker-sip/subscription/subscription.h"

#define CALL_ID(d) STR((d)->call_id)

/* It is of no dialog that stands. */
static void call_explain_none(const struct incoming *in, bool other_zone)
{
	struct explanation *x = in->explanation;
	const struct message *m = in->message;
	struct dialog *over = dialog_retired(in->sip, message_str(m, m->call_id),
		message_str(m, m->to_tag), message_str(m, m->from_tag));

	if (subscribe_awaits_from(in->sip, m, in->zone)) {
		explanation_say(x, "dialog", STR_EMPTY, 0,
			"none yet: a NOTIFY that is awaited, by the Call-ID and the tag of the "
			"request that asked for it; it makes the subscription, and passes to the "
			"subscriber");
		return;
	}
	explanation_say(x, "dialog", STR_EMPTY, 0, "%s",
		other_zone ? "found, but of another zone"
		: over     ? "of a call that has ended"
			   : "none");
	if (m->method == METHOD_ACK)
		explanation_say(x, "answer", STR_EMPTY, 0,
			over ? "none: an ACK has no answer; it ends the repetitions of what it is "
			       "for"
			     : "none: an ACK has no answer, and no answer waits for this one");
	else
		explanation_answer(x, 481, STR_EMPTY);
}

/* Whether an INVITE meets another one on that leg; the status that it gets then, or 0. */
static unsigned call_explain_invite(const struct dialog *d)
{
	if (d->call->invite || exchange_invite_pending(d->other))
		return 491;
	for (const struct exchange *x = d->call->exchanges; x; x = x->next) {
		if (!exchange_is_invite(x, d))
			continue;
		if (!x->answered)
			return 500;
		if (x->accepted && !x->ack && !x->offered)
			return 491;
	}
	return 0;
}

/* The status that a request gets from the gateway itself, with why; 0: it passes. */
static unsigned call_explain_status(
	const struct dialog *d, const struct message *m, const char **why)
{
	bool bye = m->method == METHOD_BYE;
	char buffer[512];
	struct writer unsupported = WRITER(buffer);
	unsigned status;

	if (m->method != METHOD_ACK && d->remote_cseq && m->cseq <= d->remote_cseq) {
		*why = "its CSeq is not above the last one of that leg";
		return 500;
	}
	if (d->subscription || m->method == METHOD_ACK)
		return 0;
	if (d->call->ending) {
		*why = "a BYE of this call is on its way";
		return bye ? 200 : 481;
	}
	if (d->call->invite && bye) {
		*why = d == d->call->a ? "the caller gives up what is not answered yet"
		                       : "the callee may not end what is not answered yet";
		return d == d->call->a ? 200 : 481;
	}
	status = m->method == METHOD_INVITE ? call_explain_invite(d) : 0;
	if (status) {
		*why = "it meets another INVITE of this call";
		return status;
	}
	if (!bye && option_tags_require(m, &unsupported)) {
		*why = "it requires what cannot be kept across the legs";
		return 420;
	}
	return 0;
}

/* What the other leg gets. Credentials for a trunk are used up by being written, and left out. */
static void call_explain_sends(const struct incoming *in, struct dialog *d)
{
	struct call *call = d->call;
	bool ack = in->message->method == METHOD_ACK;
	const struct exchange x = {.sip = in->sip,
		.call = call,
		.in = d,
		.out = d->other,
		.method = in->message->method,
		.cseq = {in->message->cseq,
			ack ? call->invites[d == call->a ? 0 : 1].out : d->other->local_cseq + 1}};
	struct flow flow = dialog_flow(in->sip, d->other);
	struct splice s;
	struct wire *bytes = NULL;
	int error = exchange_splice(&x, in->message, &flow, &s);

	if (error == 0) {
		s.branch = random_u64();
		error = splice_request(&s, &bytes);
	}
	if (error) {
		explanation_say(in->explanation, "sends", STR_EMPTY, 0, "nothing: %s",
			error == -ESRCH ? "it names no INVITE of its leg" : "it is too long");
		return;
	}
	explanation_sends(in, d->other->zone, &flow, bytes);
	wire_drop(bytes);
}

static void call_explain_dialog(const struct incoming *in, struct dialog *d)
{
	const struct settings *s = in->sip->settings;
	struct explanation *x = in->explanation;
	char peer[ENDPOINT_TEXT_SIZE];
	const char *why = "";
	struct flow flow = dialog_flow(in->sip, d->other);
	unsigned status;

	endpoint_text(&flow.peer, peer);
	if (d->subscription)
		explanation_say(x, "dialog", d->call_id, 0,
			"of a subscription to %.*s, from the %s", STR(d->subscription->event),
			d == d->subscription->a ? "subscriber" : "notifier");
	else
		explanation_say(x, "dialog", d->call_id, 0, "of a call that %s, from the %s%s",
			d->call->answered ? "stands" : "is not answered",
			d == d->call->a ? "caller" : "callee",
			d->lost ? ", whose connection was lost: it is back" : "");
	explanation_say(x, "dialog", d->other->call_id, 0,
		"is the other leg, over %s to %s, zone %.*s", transport_name(flow.transport), peer,
		STR(settings_zone_name(s, d->other->zone)));
	status = call_explain_status(d, in->message, &why);
	if (status) {
		explanation_say(x, "dialog", STR_EMPTY, 0, "%s", why);
		explanation_answer(x, status, STR_EMPTY);
		return;
	}
	if (!d->subscription)
		call_explain_sends(in, d);
	explanation_say(x, "answer", STR_EMPTY, 0, "%s",
		in->message->method == METHOD_ACK ? "none: an ACK has no answer"
						  : "that of the other leg: it would be passed on");
}

void call_explain(const struct incoming *in)
{
	struct dialog *d = dialog_of_request(in->sip, in->message);

	if (d && d->zone == in->zone && d->watch)
		explanation_say(in->explanation, "dialog", d->call_id, 0,
			"of a subscription to registrations, which the gateway answers itself");
	else if (d && d->zone == in->zone && (d->call || d->subscription))
		call_explain_dialog(in, d);
	else
		call_explain_none(in, d && d->zone != in->zone);
}
