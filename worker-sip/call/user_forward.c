/* user_forward.c - the forwards that are kept for a user of ours: always, while he is busy, where
 * he does not answer, and where no phone of his can be reached (forwarding.h).
 *
 * Which of them holds, what his phones have said decides. 486 and 600 are busy. No answer is a
 * phone that has rung: until its time was over, for timer C, or until it said 480 or 408 itself.
 * Away is one that has not rung, because it is not registered, does not answer at all, or said 480
 * at once. A call that is declined (603) or refused otherwise goes nowhere: somebody has decided,
 * for his other phones, too, where he declined. Where he has several phones, one that is busy
 * decides before one that rang, and that before one that was not there.
 */
#include "forwarding_state.h"

#include "worker-sip/routing/route.h"

/* Of each: what it is in a CDR, and the status that says it in History-Info. */
static const struct {
	uint8_t cause;
	uint16_t status;
} user_forward_kinds[FORWARD_WHENS] = {
	[FORWARD_ALWAYS] = {CALL_FORWARD_ALWAYS, 302},
	[FORWARD_BUSY] = {CALL_FORWARD_BUSY, 486},
	[FORWARD_NO_ANSWER] = {CALL_FORWARD_NO_ANSWER, 408},
	[FORWARD_AWAY] = {CALL_FORWARD_AWAY, 480},
};

static const struct forward_row *user_forward_row(
	const struct sip *sip, const struct forward_hop *hop, enum forward_when when)
{
	if (hop->domain == NONE_INDEX)
		return NULL;
	return forwards_find(
		sip->forwards, hop->domain, (struct str){hop->name, hop->name_length}, when);
}

const struct forward_row *user_forward_at_once(
	const struct sip *sip, unsigned domain, const struct user_row *user, unsigned status)
{
	const struct forward_row *row = NULL;

	if (!user || !sip->forwards)
		return NULL;
	struct str name = {user->name, user->name_length};
	if (!status || status == 480)
		row = forwards_find(sip->forwards, domain, name, FORWARD_ALWAYS);
	if (!row && status == 480)
		row = forwards_find(sip->forwards, domain, name, FORWARD_AWAY);
	return row;
}

bool forwarding_takes(const struct incoming *in, const struct decision *d)
{
	return user_forward_at_once(in->sip, d->callee_domain, d->user, d->status) != NULL;
}

unsigned user_forward(
	struct forwarding *fw, const struct forward_hop *from, const struct forward_row *row)
{
	struct forward forward = {.from = from,
		.zone = from->zone,
		.cause = user_forward_kinds[row->when].cause,
		.status = user_forward_kinds[row->when].status};

	/* the image has been checked */
	if (uri_parse((struct str){row->to, row->to_length}, &forward.to))
		return 500;
	return forwarding_forward(fw, &forward);
}

/* ---- how long it rings ---- */

static void user_forward_rang(struct timer *t, void *arg)
{
	struct forwarding *fw = arg;
	struct forward_hop *hop = fw->ringing;

	(void)t;
	if (!hop || fw->fork->answered)
		return;
	fw->ringing = NULL;
	hop->waited = true;
	fork_skip_hop(fw->fork, hop->number);
	fork_give_up_pending(fw->fork);
}

void user_forward_rings(struct forwarding *fw, struct forward_hop *hop)
{
	struct sip *sip = fw->fork->sip;
	const struct forward_row *row = user_forward_row(sip, hop, FORWARD_NO_ANSWER);

	loop_unset(sip->loop, &fw->ring);
	fw->ringing = row ? hop : NULL;
	if (!row)
		return;
	timer_init(&fw->ring, user_forward_rang, fw);
	loop_set(sip->loop, &fw->ring, row->seconds * 1000u);
}

/* ---- what has become of it ---- */

void forwarding_failed(struct forwarding *fw, const struct fork_branch *b, unsigned status,
	const struct message *m)
{
	if (!fw->fork->sip->forwards)
		return;
	struct forward_hop *hop = forwarding_hop(fw, b->hop);
	bool silent = status == 408 || status == 480 || (status == 487 && b->cancelled);

	if (fw->fork->answered)
		return;
	if (m && (status == 486 || status == 600))
		hop->busy = true;
	else if (m && status > 600)
		hop->declined = true;
	else if (silent && b->early)
		hop->unanswered = true;
	else if (silent || (!m && status == 503))
		hop->away = true;
}

static const struct forward_row *user_forward_due(
	const struct sip *sip, const struct forward_hop *hop)
{
	const struct forward_row *row = NULL;

	if (hop->declined)
		return NULL; /* for his other phones, too, which rang or were not there */
	if (hop->busy)
		row = user_forward_row(sip, hop, FORWARD_BUSY);
	if (!row && hop->unanswered)
		row = user_forward_row(sip, hop, FORWARD_NO_ANSWER);
	if (!row && hop->away)
		row = user_forward_row(sip, hop, FORWARD_AWAY);
	/* a phone that says nothing has not answered either */
	if (!row && hop->away && hop->waited)
		row = user_forward_row(sip, hop, FORWARD_NO_ANSWER);
	return row;
}

static bool user_forward_ask(struct forwarding *fw, struct forward_hop *hop)
{
	const struct forward_row *row;
	unsigned status;

	if (hop->asked)
		return false;
	hop->asked = true;
	row = user_forward_due(fw->fork->sip, hop);
	/* one without targets of its own */
	if (!row && !fw->fork->count)
		row = user_forward_row(fw->fork->sip, hop, FORWARD_ALWAYS);
	if (!row && !fw->fork->count)
		row = user_forward_row(fw->fork->sip, hop, FORWARD_AWAY);
	if (!row)
		return false;
	status = user_forward(fw, hop, row);
	if (status && !fw->fork->best_status)
		fw->fork->best_status = status;
	return status == 0;
}

bool forwarding_exhausted(struct forwarding *fw)
{
	if (!fw->fork->sip->forwards)
		return false;
	for (struct forward_hop *hop = fw->later; hop; hop = hop->next)
		if (user_forward_ask(fw, hop))
			return true;
	return user_forward_ask(fw, &fw->first);
}

void forwarding_explain(const struct incoming *in)
{
	const struct user_row *user = in->user;

	for (unsigned i = 0; user && in->sip->forwards && i < FORWARD_WHENS; i++) {
		const struct str name = {user->name, user->name_length};
		const struct forward_row *row = forwards_find(
			in->sip->forwards, in->user_domain, name, i);

		if (row)
			explanation_say(in->explanation, "forward", name, 0,
				"%s: the call would go on to %.*s, by the routes of this user",
				forward_when_name(i), row->to_length, row->to);
	}
}
