/* early_dialog.c - the early dialogs of an INVITE that makes a call (RFC 3261 section 12.1): each
 * of each branch is a struct call already, so that PRACK, UPDATE and INFO work before the answer.
 */
#include "invite_state.h"

#include "dialog_request.h"
#include "ipc/token.h"
#include "worker-sip/message/party.h"
#include "worker-sip/message/rewrite.h"
#include "worker-sip/message/wire_header.h"
#include "worker-sip/routing/trunk_auth.h"

/* Makes the call of the early dialog between the INVITE's sender and the sender of m. NULL where it
 * cannot be made. */
static struct call *early_dialog_new(struct invite_branch *b, const struct message *m)
{
	struct fork *f = b->fork.fork;
	struct sip *sip = f->sip;
	const struct message *request = &f->request->message;
	char a_tag[TOKEN_LENGTH], b_tag[TOKEN_LENGTH];
	struct str remote = message_value(m, HEADER_TO);
	struct writer a_local = WRITER(sip->scratch.early_call.a_local),
		      b_local = WRITER(sip->scratch.early_call.b_local),
		      a_route = WRITER(sip->scratch.early_call.a_route),
		      b_route = WRITER(sip->scratch.early_call.b_route);
	const struct hosts hosts = hosts_between(sip, f->zone, b->fork.zone, &b->fork.target->flow);
	uint64_t id = random_u64();
	struct party_change change;
	struct call *call;

	token_mint(&sip->keys.minting, TOKEN_TAG, f->slot, id, a_tag);
	token_mint(&sip->keys.minting, TOKEN_TAG, f->slot, b->fork.id, b_tag);
	write_address_tag(
		&a_local, message_value(request, HEADER_TO), (struct str){a_tag, sizeof(a_tag)});
	write_party(&b_local, &hosts, message_value(request, HEADER_FROM),
		(struct str){b_tag, sizeof(b_tag)},
		rewrite_party(b->fork.target->rewrite, RULE_FROM_USER, &change));
	if (!remote.n) { /* of a broken response: as we wrote it */
		struct writer to = WRITER(sip->scratch.leg_request.to);

		write_party(&to, &hosts, message_value(request, HEADER_TO), STR_EMPTY,
			rewrite_party(b->fork.target->rewrite, RULE_TO_USER, &change));
		remote = writer_text(&to);
	}
	if (!dialog_write_route_set(&a_route, request, false))
		return NULL;
	if (!dialog_write_route_set(&b_route, m, true) || a_local.full || b_local.full)
		return NULL;
	struct dialog_parts caller = {.id = id,
		.slot = f->slot,
		.zone = (uint16_t)f->zone,
		.flow = &request->flow,
		.call_id = message_str(request, request->call_id),
		.local = writer_text(&a_local),
		.remote = message_value(request, HEADER_FROM),
		.remote_tag = message_str(request, request->from_tag),
		.route = writer_text(&a_route),
		.target = message_str(request, request->contact.whole),
		.local_cseq = 0,
		.remote_cseq = request->cseq};
	struct dialog_parts callee = {.id = b->fork.id,
		.slot = f->slot,
		.zone = b->fork.zone,
		.flow = &m->flow,
		.call_id = {b->fork.call_id, sizeof(b->fork.call_id)},
		.local = writer_text(&b_local),
		.remote = remote,
		.remote_tag = message_str(m, m->to_tag),
		.route = writer_text(&b_route),
		.target = m->contact.whole.length ? message_str(m, m->contact.whole)
	                                          : b->fork.target->request_uri,
		.trunk = b->fork.trunk != NONE_INDEX ? trunk_auth_of(sip, b->fork.trunk) : 0,
		.local_cseq = b->fork.cseq};
	if (call_new(sip, &caller, &callee, &call))
		return NULL;
	call->invite = invite_of(f);
	call->a->stranger = f->server && transaction_is_bound(f->server);
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
