/* early_dialog.c - the early dialogs of an INVITE that makes a call (RFC 3261 section 12.1): each
 * of each branch is a struct call already, so that PRACK, UPDATE and INFO work before the answer.
 */
#include "invite_state.h"

#include "dialog_pair.h"
#include "dialog_request.h"
#include "worker-sip/message/allowance.h"

/* Makes the call of the early dialog between the INVITE's sender and the sender of m. NULL where it
 * cannot be made. */
static struct call *early_dialog_new(struct invite_branch *b, const struct message *m)
{
	struct fork *f = b->fork.fork;
	const struct message *request = &f->request->message;
	struct dialog_pair pair;
	struct call *call;

	if (!dialog_pair_of_branch(&pair, &b->fork, request, m) ||
		call_new(f->sip, &pair.a, &pair.b, &call))
		return NULL;
	call->invite = invite_of(f);
	if (f->server)
		call->a->allowance = allowance_hold(transaction_allowance(f->server));
	call->invites[0] = (struct cseq_pair){request->cseq, b->fork.cseq};
	return call;
}

/* A 2xx says anew which route set an early dialog has (RFC 3261 section 13.2.2.4). False: it cannot
 * be kept. */
static bool early_dialog_take_route_set(struct call *call, const struct message *m)
{
	struct writer w = WRITER(call->sip->scratch.early_call.b_route);

	if (m->status < 200 || m->broken)
		return true;
	return dialog_write_route_set(&w, m, true) &&
	       dialog_set_route(call->sip, call->b, writer_text(&w)) == 0;
}

struct call *early_dialog_call(struct invite_branch *b, const struct message *m)
{
	struct str tag = message_str(m, m->to_tag); /* none, as RFC 2543 has it, is one as well */

	for (unsigned k = 0; k < b->early_count; k++) {
		struct call *call = b->early[k];

		if (!str_equal_nocase(call->b->remote_tag, tag))
			continue;
		if (m->contact.whole.length)
			dialog_refresh(call->sip, call->b, m);
		return early_dialog_take_route_set(call, m) ? call : NULL;
	}
	/* a 2xx has to be acknowledged and ended with what there is; an early dialog of which not
	 * even the route set is known serves nobody */
	if (b->early_count == EARLY_MAX || (m->broken && m->status < 200))
		return NULL;
	struct call *call = early_dialog_new(b, m);
	if (call)
		b->early[b->early_count++] = call;
	return call;
}

/* ---- their end ---- */

void early_dialogs_drop(struct invite_branch *b, const struct call *except)
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

void early_dialogs_drop_all(struct invite *v, const struct invite_branch *except)
{
	for (unsigned i = 0; i < v->fork.next; i++) {
		struct invite_branch *b = invite_branch_of(fork_branch_at(&v->fork, i));

		if (b != except)
			early_dialogs_drop(b, NULL);
	}
}

struct invite_branch *early_dialog_branch(
	const struct invite *v, const struct call *call, bool *others)
{
	struct invite_branch *found = NULL;

	*others = false;
	for (unsigned i = 0; i < v->fork.next; i++) {
		struct invite_branch *b = invite_branch_of(fork_branch_at(&v->fork, i));

		for (unsigned k = 0; k < b->early_count; k++) {
			if (b->early[k] == call)
				found = b;
			else
				*others = true;
		}
	}
	return found;
}

void early_dialog_end(struct invite_branch *b, struct call *call)
{
	unsigned k = 0;

	while (b->early[k] != call)
		k++;
	b->early[k] = b->early[--b->early_count];
	dialog_send_bye(call->sip, call->b, STR_EMPTY);
	call_free(call);
}
