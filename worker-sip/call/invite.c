/* invite.c - the INVITE that makes a call (RFC 3261 section 13): its responses, the first 2xx,
 * CANCEL and its races. Its targets and their failures are fork.c's, its early dialogs
 * early_dialog.c's. */
#include "invite_state.h"

#include "common/list.h"
#include "call_record.h"
#include "dialog_request.h"
#include "limits.h"
#include "minutes.h"
#include "ipc/token.h"
#include "provisional.h"
#include "refused_answer.h"
#include "ipc/emergency.h"
#include "worker-sip/explanation_targets.h"
#include "worker-sip/labels.h"
#include "worker-sip/message/wire_header.h"

#include <errno.h>

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
	forwarding_settled(&v->forwarding);
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
	forwarding_end(&v->forwarding);
	minutes_end(v->minutes);
	for (unsigned i = 0; i < f->count; i++) {
		struct invite_branch *b = invite_branch_of(fork_branch_at(f, i));

		early_dialogs_drop(b, NULL);
		if (b->answer)
			exchange_release(b->answer);
		wire_drop(b->refused_ack);
	}
	flow_users_remove(&dialogs_flow_users(f->sip->dialogs)->callers, &v->caller);
}

static bool invite_branch_permitted(struct fork_branch *b)
{
	return b->trunk == NONE_INDEX ||
	       call_record_permits(invite_of(b->fork)->record, fork_branch_place(b), b->trunk);
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
	early_dialogs_drop(invite_branch_of(b), NULL);
	forwarding_failed(&invite_of(b->fork)->forwarding, b, status, m);
}

static bool invite_branch_redirected(struct fork_branch *b, const struct message *m)
{
	struct fork *f = b->fork;
	struct invite *v = invite_of(f);
	unsigned redirect = forwarding_hop(&v->forwarding, b->hop)->redirect, status;

	f->unfollowed = 0;
	f->passes = false;
	if (redirect == REDIRECT_PASS)
		f->passes = m->status != 305;
	if (redirect != REDIRECT_FOLLOW || m->status > 302) {
		if (!f->passes)
			count(REDIRECTIONS_REFUSED);
		return false;
	}
	status = forwarding_redirect(&v->forwarding, b, m);
	if (status) {
		f->unfollowed = status;
		return false;
	}
	if (b->trunk != NONE_INDEX)
		fork_skip_hop(f, b->hop);
	return true;
}

static bool invite_exhausted(struct fork *f)
{
	return forwarding_exhausted(&invite_of(f)->forwarding);
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

/* Whoever has forwarded a call pays for it, and not who has called him. */
static void invite_count_minutes(struct invite *v, uint8_t hop, struct call *call)
{
	if (hop) {
		call_count_minutes(call, forwarding_take_minutes(&v->forwarding, hop));
		return;
	}
	call_count_minutes(call, v->minutes);
	v->minutes = NULL;
}

/* How long its call may last: for who has called, and for who has forwarded it. 0: as it likes. */
static uint32_t invite_duration(
	struct invite *v, const struct target *target, const struct call_record *record)
{
	const struct fork *f = &v->fork;
	uint32_t caller = limits_duration(
		f->sip, f->zone, call_record_domain(record), target->trunk);
	uint32_t forwarder = forwarding_duration(&v->forwarding, target->hop, target->trunk);

	return !caller || (forwarder && forwarder < caller) ? forwarder : caller;
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
	early_dialogs_drop(b, call);
	b->early_count = 0;
	bool offered = f->request->message.body.length != 0;
	if (invite_pass(b, m, call) || exchange_adopt(call, server, cseq, offered, &x)) {
		v->record = record;
		call_record_ends(record, CALL_ENDER_GATEWAY, CALL_END_FAILED, STR_EMPTY);
		fork_refuse(f, 500);
		call_free(call);
		early_dialogs_drop_all(v, b);
		invite_refuse_answer(b, m);
		fork_cancel(f, &b->fork, STR_EMPTY);
		return;
	}
	f->server = NULL;
	b->answer = x;
	call->record = record;
	if (!call_record_is_emergency(record))
		call_limit_duration(call, invite_duration(v, b->fork.target, record));
	call_refresh_session(call, &f->request->message, m);
	invite_count_minutes(v, b->fork.target->hop, call);
	call_record_answered(record, fork_branch_place(&b->fork), m);
	early_dialogs_drop_all(v, b);
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
	struct call *call = early_dialog_call(b, m);
	count(RESPONSES_BROKEN);
	if (call) {
		b->refused_ack = dialog_send_ack(f->sip, call->b, b->fork.cseq);
		dialog_send_bye(
			f->sip, call->b, S("Reason: SIP;cause=502;text=\"Unreadable answer\"\r\n"));
	}
	fork_branch_failed(&b->fork, 502, NULL);
	/* a branch that was over before, of which the fork tells nothing, has one by now, too */
	early_dialogs_drop(b, NULL);
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
	struct call *call = early_dialog_call(b, m);
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
	struct call *call = in_dialog ? early_dialog_call(b, m) : NULL;

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
	early_dialogs_drop_all(v, NULL);
}

void invite_end_early(struct call *call)
{
	struct invite *v = call->invite;
	bool others;
	struct invite_branch *b = early_dialog_branch(v, call, &others);

	if (v->fork.answered)
		return;
	if (!b || !others) {
		invite_give_up(v, NULL, STR_EMPTY);
	} else if (b->early_count > 1) {
		early_dialog_end(b, call);
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
	early_dialogs_drop_all(v, NULL);
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
	.permits = invite_branch_permitted,
	.tried = invite_branch_tried,
	.failed = invite_branch_failed,
	.redirected = invite_branch_redirected,
	.exhausted = invite_exhausted,
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

/* Calls of emergency have some more room than all others. */
static bool invite_has_room(const struct incoming *in)
{
	uint32_t calls = in->sip->calls, most = in->sip->settings->calls_max;

	if (calls < most)
		return true;
	if (!in->emergency || calls >= most + EMERGENCY_RESERVE)
		return false;
	count(EMERGENCY_PAST_CALLS);
	return true;
}

void invite_request(
	struct incoming *in, const struct target *targets, unsigned count, struct str replaces)
{
	struct sip *sip = in->sip;
	uint64_t limit[LIMIT_KEYS];
	struct invite *v;

	if (!invite_has_room(in)) {
		counter_add(COUNTER_CALLS_LIMIT, 1);
		incoming_answer(in, 503, S("Retry-After: 5\r\n"));
		return;
	}
	if (in->emergency)
		count(EMERGENCY_CALLS);
	if (!limits_admit(in, limit) || !minutes_admit(in))
		return;
	if (in->explanation) {
		explanation_targets(in, targets, count, replaces);
		return;
	}
	if (!incoming_begin(in))
		return;
	if (invite_new(in, targets, count, replaces, &v)) {
		incoming_answer(in, 500, STR_EMPTY);
		return;
	}
	v->record = call_record_new(in, targets, count);
	call_record_hold(v->record, in, limit);
	forwarding_begin(&v->forwarding, &v->fork, &v->record, in, targets, count);
	v->minutes = minutes_new(in);
	list_insert(&sip->invite_list, v);
	flow_users_add(
		&dialogs_flow_users(sip->dialogs)->callers, &v->caller, in->message->flow.id);
	sip_count_call(sip, 1);
	counter_add(COUNTER_CALLS, 1);
	sip_watch(sip, transaction_flow(in->transaction), in->slot);
	fork_start(&v->fork);
}
