/* acknowledgement.c - the ACKs of 2xx to INVITEs (RFC 3261 sections 13.2.2.4 and 13.3.1.4): passed
 * on, repeated, sent in the place of one that does not come in time; and what waits for them.
 *
 * The two legs are acknowledged each for itself. Towards the one who answered we owe an ACK
 * whatever becomes of the call; from the one who asked it stops the 2xx that we repeat, even where
 * the call has ended meanwhile.
 */
#include "exchange_state.h"

#include "dialog_request.h"
#include "refused_answer.h"

static void exchange_send_ack(const struct exchange *x, const struct flow *flow)
{
	sip_send(x->sip, flow, (struct str){x->ack->byte, x->ack->size}, 0, true);
}

void exchange_repeat_ack(const struct exchange *x)
{
	struct flow flow = dialog_flow(x->sip, x->out);

	exchange_send_ack(x, &flow);
}

void exchange_acknowledge(struct exchange *x)
{
	if (x->accepted && !x->ack)
		x->ack = dialog_send_ack(x->sip, x->out, x->cseq.out);
}

void call_acknowledge_all(struct call *call)
{
	for (struct exchange *x = call->exchanges; x; x = x->next)
		exchange_acknowledge(x);
}

bool exchange_answer_again(struct exchange *x, const struct message *m)
{
	if (!x->call || !str_equal_nocase(x->out->remote_tag, message_str(m, m->to_tag)))
		return false;
	/* Our ACK was lost, or it has not come from the caller yet. */
	if (x->ack)
		exchange_repeat_ack(x);
	return true;
}

bool exchange_sent_invite(const struct exchange *x, struct sent_invite *out)
{
	const struct dialog *d = x->out;

	if (!x->call)
		return false;
	*out = (struct sent_invite){.call_id = d->call_id,
		.from = d->local,
		.from_tag = {d->tag, TOKEN_LENGTH},
		.cseq = x->cseq.out};
	return true;
}

/* Sends the BYE that waited for the ACK of x. */
static void exchange_conclude(struct exchange *x)
{
	struct exchange *bye = x->initial ? call_waiting_bye(x->call) : NULL;

	x->concluded = true;
	if (x->bye_owed)
		dialog_send_bye(x->sip, x->in, x->bye_reason);
	x->bye_owed = false;
	if (bye)
		exchange_send_waiting(bye);
}

/* Passes the sender's ACK on. One that is too large for the other leg is replaced by ours. */
static void exchange_pass_ack(struct exchange *x, const struct message *m)
{
	struct flow flow = dialog_flow(x->sip, x->out);

	if (exchange_write(x, m, &flow, random_u64(), &x->ack))
		exchange_acknowledge(x);
	else
		exchange_send_ack(x, &flow);
}

bool exchange_ack(struct dialog *d, const struct message *m)
{
	struct exchange *x = d->call->exchanges;

	while (x && !(exchange_is_invite(x, d) && x->cseq.in == m->cseq && x->accepted))
		x = x->next;
	if (!x)
		return false;
	if (x->server)
		transaction_acknowledged(x->server);
	if (!x->ack)
		exchange_pass_ack(x, m);
	else if (x->concluded && !x->call->ended)
		exchange_repeat_ack(x); /* it is repeated: the other leg may lack it, too */
	if (!x->concluded)
		exchange_conclude(x);
	return true;
}

void exchange_unacknowledged(struct exchange *x)
{
	struct call *call = x->call;

	if (!call || call->ended) {
		if (call)
			exchange_conclude(x);
		return;
	}
	count(CALLS_UNACKNOWLEDGED);
	x->concluded = true;
	call_end(call, true, true, S("Reason: SIP;cause=408;text=\"ACK missing\"\r\n"));
}

bool exchange_bye_taken(struct dialog *d)
{
	for (struct exchange *x = d->call ? d->call->exchanges : NULL; x; x = x->next) {
		if (x->in != d || !x->bye_owed)
			continue;
		x->bye_owed = false;
		return true;
	}
	return false;
}
