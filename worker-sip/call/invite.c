/* invite.c - the INVITE that makes a call (RFC 3261 section 13): early dialogs, the first 2xx,
 * CANCEL and its races. Its targets and their failures are fork.c's.
 *
 * Each early dialog of each branch is a struct call already, so that PRACK, UPDATE and INFO work
 * before the answer.
 */
#include "invite.h"

#include "common/list.h"
#include "call_record.h"
#include "dialog_request.h"
#include "exchange.h"
#include "limits.h"
#include "ipc/token.h"
#include "provisional.h"
#include "refused_answer.h"
#include "worker-sip/labels.h"
#include "worker-sip/message/wire_header.h"
#include "worker-sip/message/party.h"
#include "worker-sip/routing/fork.h"
#include "worker-sip/routing/trunk_auth.h"

#include <errno.h>

/* Early dialogs of one branch, at most: what a downstream proxy may fork to. */
#define EARLY_MAX 16

struct invite_branch {
	struct fork_branch fork;
	struct call *early[EARLY_MAX];
	unsigned early_count;
	struct exchange *answer;  /* of the call that this branch won */
	struct wire *refused_ack; /* of the first 2xx that cannot be read */
	bool given_up;            /* the caller has ended its dialog */
};

struct invite {
	struct fork fork;
	struct flow_user caller; /* by the flow that the INVITE came by, until it is answered */
	/* of sip->invite_list, and counted in sip->calls, until it is answered */
	struct invite *next, **link;
	struct call_record *record; /* until it is settled */
	char replaces[512];
};
_Static_assert(offsetof(struct invite, fork) == 0 && offsetof(struct invite_branch, fork) == 0,
	"fork.c frees both by their first members");

static struct invite *invite_of(struct fork *f)
{
	return container_of(f, struct invite, fork);
}

static struct invite_branch *invite_branch_of(struct fork_branch *b)
{
	return container_of(b, struct invite_branch, fork);
}

static void invite_drop_early(struct invite_branch *b, const struct call *except)
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

static void invite_drop_all_early(struct invite *v, const struct invite_branch *except)
{
	for (unsigned i = 0; i < v->fork.next; i++) {
		struct invite_branch *b = invite_branch_of(fork_branch_at(&v->fork, i));

		if (b != except)
			invite_drop_early(b, NULL);
	}
}

/* Notes why the INVITE has failed, where nobody gave it up, and tells of it. */
static void invite_close_record(struct invite *v)
{
	const struct fork *f = &v->fork;
	struct call_record *r = v->record;

	if (f->best && f->failure) {
		call_record_final(r, &f->best->message);
		call_record_ends(r, CALL_ENDER_CALLEE, CALL_END_REFUSED,
			message_value(&f->best->message, HEADER_REASON));
	} else if (f->failure) {
		call_record_ends_unanswered(r);
	}
	call_record_close(r, f->failure);
	v->record = NULL;
}

static void invite_settled(struct fork *f)
{
	struct invite *v = invite_of(f);

	invite_close_record(v);
	flow_users_remove(&dialogs_flow_users(f->sip->dialogs)->callers, &v->caller);
	if (!v->link)
		return;
	list_remove(v);
	sip_count_call(f->sip, -1);
}

static void invite_released(struct fork *f)
{
	struct invite *v = invite_of(f);

	invite_close_record(v);
	for (unsigned i = 0; i < f->count; i++) {
		struct invite_branch *b = invite_branch_of(fork_branch_at(f, i));

		invite_drop_early(b, NULL);
		if (b->answer)
			exchange_release(b->answer);
		wire_drop(b->refused_ack);
	}
	flow_users_remove(&dialogs_flow_users(f->sip->dialogs)->callers, &v->caller);
}

static void invite_branch_tried(struct fork_branch *b, bool sent)
{
	struct call_record *r = invite_of(b->fork)->record;

	if (sent)
		call_record_tried(
			r, fork_branch_place(b), (struct str){b->call_id, sizeof(b->call_id)});
	else
		call_record_unsent(r, fork_branch_place(b));
}

static void invite_branch_failed(struct fork_branch *b, unsigned status, const struct message *m)
{
	enum call_outcome outcome = m               ? CALL_OUTCOME_ANSWERED
	                            : b->late       ? CALL_OUTCOME_TIMEOUT
	                            : status == 502 ? CALL_OUTCOME_UNREADABLE
	                            : status == 487 ? CALL_OUTCOME_CANCELLED
	                                            : CALL_OUTCOME_UNREACHABLE;

	call_record_failed(
		invite_of(b->fork)->record, fork_branch_place(b), outcome, m ? m->status : 0);
	invite_drop_early(invite_branch_of(b), NULL);
}

/* ---- early dialogs ---- */

/* Makes the call of the early dialog between the INVITE's sender and the sender of m. NULL where it
 * cannot be made. */
static struct call *invite_early_new(struct invite_branch *b, const struct message *m)
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
	struct call *call;

	token_mint(&sip->keys.minting, TOKEN_TAG, f->slot, id, a_tag);
	token_mint(&sip->keys.minting, TOKEN_TAG, f->slot, b->fork.id, b_tag);
	write_address_tag(
		&a_local, message_value(request, HEADER_TO), (struct str){a_tag, sizeof(a_tag)});
	write_party(&b_local, &hosts, message_value(request, HEADER_FROM),
		(struct str){b_tag, sizeof(b_tag)});
	if (!remote.n) { /* of a broken response: as we wrote it */
		struct writer to = WRITER(sip->scratch.leg_request.to);

		write_party(&to, &hosts, message_value(request, HEADER_TO), STR_EMPTY);
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
	call->invites[0] = (struct cseq_pair){request->cseq, b->fork.cseq};
	return call;
}

/* A 2xx says anew which route set an early dialog has (RFC 3261 section 13.2.2.4). False: it cannot
 * be kept. */
static bool invite_take_route_set(struct call *call, const struct message *m)
{
	struct writer w = WRITER(call->sip->scratch.early_call.b_route);

	if (m->status < 200 || m->broken)
		return true;
	return dialog_write_route_set(&w, m, true) &&
	       dialog_set_route(call->sip, call->b, writer_text(&w)) == 0;
}

/* The call of the early dialog that m belongs to, made where it is new. NULL where it cannot be. */
static struct call *invite_early_call(struct invite_branch *b, const struct message *m)
{
	struct str tag = message_str(m, m->to_tag); /* none, as RFC 2543 has it, is one as well */

	for (unsigned k = 0; k < b->early_count; k++) {
		struct call *call = b->early[k];

		if (!str_equal_nocase(call->b->remote_tag, tag))
			continue;
		if (m->contact.whole.length)
			dialog_refresh(call->sip, call->b, m);
		return invite_take_route_set(call, m) ? call : NULL;
	}
	/* a 2xx has to be acknowledged and ended with what there is; an early dialog of which not
	 * even the route set is known serves nobody */
	if (b->early_count == EARLY_MAX || (m->broken && m->status < 200))
		return NULL;
	struct call *call = invite_early_new(b, m);
	if (call)
		b->early[b->early_count++] = call;
	return call;
}

/* ---- responses ---- */

/* Passes a response on to the caller, in the dialog of call (NULL: in none). */
static int invite_pass(struct invite_branch *b, const struct message *m, const struct call *call)
{
	struct fork *f = b->fork.fork;
	char user[TOKEN_LENGTH], tag[TOKEN_LENGTH];

	if (!call) {
		fork_tag(f, tag);
		return fork_pass(&b->fork, m, STR_NONE, (struct str){tag, sizeof(tag)});
	}
	token_mint(&f->sip->keys.minting, TOKEN_CONTACT, f->slot, call->a->id, user);
	return fork_pass(&b->fork, m, (struct str){user, sizeof(user)},
		(struct str){call->a->tag, sizeof(call->a->tag)});
}

/* Ends the dialog of a 2xx that is for nobody. */
static void invite_refuse_answer(struct invite_branch *b, const struct message *m)
{
	const struct fork_branch *branch = &b->fork;
	const struct wire *sent = branch->client ? transaction_sent(branch->client) : NULL;
	struct sent_invite invite;
	bool known = m->broken && sent_invite_read(sent, &invite);

	if (m->broken && !known && b->answer)
		known = exchange_sent_invite(b->answer, &invite);
	refused_answer_take(branch->fork->sip, m, branch->zone, known ? &invite : NULL);
}

/* The branch has won: its call stands, and all others end. */
static void invite_accept(struct invite_branch *b, const struct message *m, struct call *call)
{
	struct fork *f = b->fork.fork;
	struct invite *v = invite_of(f);
	struct transaction *server = f->server;
	struct cseq_pair cseq = {f->request->message.cseq, b->fork.cseq};
	struct exchange *x;
	struct call_record *record = v->record;

	v->record = NULL; /* it goes over to the call */
	fork_branch_done(&b->fork);
	fork_settle(f);
	invite_drop_early(b, call);
	b->early_count = 0;
	bool offered = f->request->message.body.length != 0;
	if (invite_pass(b, m, call) || exchange_adopt(call, server, cseq, offered, &x)) {
		v->record = record;
		call_record_ends(record, CALL_ENDER_GATEWAY, CALL_END_FAILED, STR_EMPTY);
		fork_refuse(f, 500);
		call_free(call);
		invite_drop_all_early(v, b);
		invite_refuse_answer(b, m);
		fork_cancel(f, &b->fork, STR_EMPTY);
		return;
	}
	f->server = NULL;
	b->answer = x;
	call->record = record;
	if (!call_record_is_emergency(record))
		call_limit_duration(call, limits_duration(f->sip, f->zone, b->fork.target->trunk));
	call_record_answered(record, fork_branch_place(&b->fork), m);
	invite_drop_all_early(v, b);
	fork_cancel(f, &b->fork, S("Reason: SIP;cause=200;text=\"Call completed elsewhere\"\r\n"));
	fork_trim(f);
}

/* A 2xx that cannot be read, after one that the branch has failed with: with the same To tag it
 * repeats that one, and its ACK goes out again; with another it is the answer of another dialog. */
static void invite_refuse_broken_again(struct invite_branch *b, const struct message *m)
{
	struct sip *sip = b->fork.fork->sip;
	const struct wire *ack = b->refused_ack;

	if (str_equal_nocase(wire_to_tag(ack), message_str(m, m->to_tag)))
		sip_send(sip, &m->flow, (struct str){ack->byte, ack->size}, 0, true);
	else
		invite_refuse_answer(b, m);
}

/* The callee has answered, with what no call can be made of: its call is ended, and the branch has
 * failed. False where the INVITE has been answered already. */
static bool invite_refuse_broken(struct invite_branch *b, const struct message *m)
{
	struct fork *f = b->fork.fork;

	if (b->refused_ack) {
		invite_refuse_broken_again(b, m);
		return true;
	}
	if (f->answered || !f->server)
		return false;
	struct call *call = invite_early_call(b, m);
	count(RESPONSES_BROKEN);
	if (call) {
		b->refused_ack = dialog_send_ack(f->sip, call->b, b->fork.cseq);
		dialog_send_bye(
			f->sip, call->b, S("Reason: SIP;cause=502;text=\"Unreadable answer\"\r\n"));
	}
	fork_branch_failed(&b->fork, 502, NULL);
	/* a branch that was over before, of which the fork tells nothing, has one by now, too */
	invite_drop_early(b, NULL);
	return true;
}

static void invite_on_success(struct invite_branch *b, const struct message *m)
{
	struct fork *f = b->fork.fork;

	if (b->answer && exchange_answer_again(b->answer, m))
		return;
	if (b->given_up) {
		invite_refuse_answer(b, m);
		return;
	}
	if (m->broken && invite_refuse_broken(b, m))
		return;
	if (f->answered || !f->server) {
		invite_refuse_answer(b, m);
		b->fork.done = true;
		return;
	}
	struct call *call = invite_early_call(b, m);
	if (!call) {
		invite_refuse_answer(b, m);
		fork_branch_failed(&b->fork, 500, NULL);
		return;
	}
	invite_accept(b, m, call);
}

/* A provisional response passes on whatever cannot be read of it: the caller hears that it rings.
 * In its early dialog, or in none where that cannot be made, and then without asking for a PRACK.
 */
static void invite_on_provisional(struct invite_branch *b, const struct message *m)
{
	const bool in_dialog = m->to_tag.length && dialog_can_read(m);
	struct call *call = in_dialog ? invite_early_call(b, m) : NULL;

	if (call) {
		invite_pass(b, m, call);
		return;
	}
	const bool offered = b->fork.fork->request->message.body.length != 0;
	struct held_message *copy = provisional_unreliable(m, offered);
	if (!copy)
		return; /* it comes again, or the answer does */
	invite_pass(b, &copy->message, NULL);
	held_message_drop(copy);
}

static void invite_on_response(struct fork_branch *branch, const struct message *m)
{
	struct invite_branch *b = invite_branch_of(branch);

	if (m->status >= 200) {
		invite_on_success(b, m);
	} else if (m->status > 100 && branch->fork->server) {
		call_record_rings(invite_of(branch->fork)->record);
		invite_on_provisional(b, m);
	}
}

/* ---- the caller gives up ---- */

/* cancel: by which he does, NULL: he is gone, for that reason. */
static void invite_give_up(struct invite *v, const struct message *cancel, struct str reason)
{
	call_record_ends(v->record, CALL_ENDER_CALLER,
		reason.n ? CALL_END_GONE : CALL_END_CANCELLED,
		cancel ? message_value(cancel, HEADER_REASON) : STR_EMPTY);
	fork_refuse(&v->fork, 487);
	if (cancel)
		fork_cancel_as(&v->fork, cancel);
	else
		fork_cancel(&v->fork, NULL, reason);
	invite_drop_all_early(v, NULL);
}

/* The branch that an early dialog is of; *others: whether the caller has further ones. */
static struct invite_branch *invite_branch_with(
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

/* Takes one early dialog out of its branch, and ends it. */
static void invite_drop_one_early(struct invite_branch *b, struct call *call)
{
	unsigned k = 0;

	while (b->early[k] != call)
		k++;
	b->early[k] = b->early[--b->early_count];
	dialog_send_bye(call->sip, call->b, STR_EMPTY);
	call_free(call);
}

void invite_end_early(struct call *call)
{
	struct invite *v = call->invite;
	bool others;
	struct invite_branch *b = invite_branch_with(v, call, &others);

	if (v->fork.answered)
		return;
	if (!b || !others) {
		invite_give_up(v, NULL, STR_EMPTY);
	} else if (b->early_count > 1) {
		invite_drop_one_early(b, call);
	} else {
		b->given_up = true;
		fork_give_up_branch(&b->fork);
	}
}

void invite_end(struct invite *v, unsigned status, struct str headers, struct str reason)
{
	struct fork *f = &v->fork;

	fork_hold(f);
	call_record_ends(
		v->record, CALL_ENDER_GATEWAY, CALL_END_STOPPED, call_record_reason_value(reason));
	f->failure = status;
	fork_settle(f);
	if (f->server) {
		answer(f->sip, f->server, status, headers);
		transaction_await_ack(f->server);
	}
	fork_trim(f);
	fork_cancel(f, NULL, reason);
	invite_drop_all_early(v, NULL);
	fork_drop(f);
}

void invite_mark_listeners(const struct sip *sip, bool used[static LISTENERS_MAX])
{
	for (const struct invite *v = sip->invite_list; v; v = v->next) {
		const struct fork *f = &v->fork;

		used[f->request->message.flow.listener % LISTENERS_MAX] = true;
		for (unsigned i = 0; i < f->next; i++)
			used[fork_branch_at(f, i)->flow.listener % LISTENERS_MAX] = true;
	}
}

const struct fork *invite_fork(const struct invite *v)
{
	return &v->fork;
}

struct call_record *invite_record(const struct invite *v)
{
	return v->record;
}

struct invite *invite_next(const struct invite *v)
{
	return v->next;
}

uint32_t invite_count(const struct sip *sip)
{
	uint32_t invites = 0;

	for (const struct invite *v = sip->invite_list; v; v = v->next)
		invites++;
	return invites;
}

static void invite_on_cancelled(struct fork *f, const struct message *cancel)
{
	invite_give_up(invite_of(f), cancel, STR_EMPTY);
}

void invite_flow_closed(struct sip *sip, uint64_t flow)
{
	struct flow_user *caller;

	/* The caller is told by its own transport that its INVITE has failed (RFC 3261
	 * section 17.1.4). */
	while ((caller = flow_users_pop(&dialogs_flow_users(sip->dialogs)->callers, flow))) {
		struct invite *v = container_of(caller, struct invite, caller);

		fork_hold(&v->fork);
		if (!v->fork.answered && v->fork.server)
			invite_give_up(
				v, NULL, S("Reason: SIP;cause=487;text=\"Caller gone\"\r\n"));
		fork_drop(&v->fork);
	}
}

/* ---- a new one ---- */

static const struct fork_user invite_user = {.response = invite_on_response,
	.tried = invite_branch_tried,
	.failed = invite_branch_failed,
	.settled = invite_settled,
	.cancelled = invite_on_cancelled,
	.released = invite_released};

/* Makes the INVITE that goes on; it takes the transaction over. -ENOBUFS where replaces is too
 * long, -ENOMEM. */
static int invite_new(const struct incoming *in, const struct target *targets, unsigned count,
	struct str replaces, struct invite **out)
{
	struct fork *f;

	if (replaces.n > sizeof((*out)->replaces))
		return -ENOBUFS;
	int error = fork_new(in, targets, count, sizeof(struct invite),
		sizeof(struct invite_branch), &invite_user, &f);
	if (error)
		return error;
	struct invite *v = invite_of(f);
	if (replaces.n)
		memcpy(v->replaces, replaces.p, replaces.n);
	f->replaces = (struct str){v->replaces, replaces.n};
	*out = v;
	return 0;
}

void invite_request(
	struct incoming *in, const struct target *targets, unsigned count, struct str replaces)
{
	struct sip *sip = in->sip;
	struct invite *v;

	if (sip->calls >= sip->settings->calls_max) {
		counter_add(COUNTER_CALLS_LIMIT, 1);
		incoming_answer(in, 503, S("Retry-After: 5\r\n"));
		return;
	}
	if (in->emergency)
		count(EMERGENCY_CALLS);
	else if (!limits_admit(in))
		return;
	if (!incoming_begin(in))
		return;
	if (invite_new(in, targets, count, replaces, &v)) {
		incoming_answer(in, 500, STR_EMPTY);
		return;
	}
	v->record = call_record_new(in, targets, count);
	call_record_hold(v->record, in);
	list_insert(&sip->invite_list, v);
	flow_users_add(
		&dialogs_flow_users(sip->dialogs)->callers, &v->caller, in->message->flow.id);
	sip_count_call(sip, 1);
	counter_add(COUNTER_CALLS, 1);
	sip_watch(sip, transaction_flow(in->transaction), in->slot);
	fork_start(&v->fork);
}
