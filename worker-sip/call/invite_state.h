/* invite_state.h - inside of INVITEs that make calls: for invite.c, which has their responses and
 * their end, and early_dialog.c, which has their early dialogs. */
#ifndef SIPWARD_SIP_CALL_INVITE_STATE_H
#define SIPWARD_SIP_CALL_INVITE_STATE_H

#include "exchange.h"
#include "forwarding.h"
#include "invite.h"
#include "worker-sip/routing/fork.h"

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
	struct forwarding forwarding;
	struct minutes *minutes; /* that its call is to count for, until it has one */
	char replaces[512];
};
_Static_assert(offsetof(struct invite, fork) == 0 && offsetof(struct invite_branch, fork) == 0,
	"fork.c frees both by their first members");

static inline struct invite *invite_of(struct fork *f)
{
	return container_of(f, struct invite, fork);
}

static inline struct invite_branch *invite_branch_of(struct fork_branch *b)
{
	return container_of(b, struct invite_branch, fork);
}

/* The call of the early dialog that m belongs to, made where it is new. NULL where it cannot be. */
struct call *early_dialog_call(struct invite_branch *b, const struct message *m);
/* Frees the early dialogs of a branch but for that one (NULL: all); it keeps its place. */
void early_dialogs_drop(struct invite_branch *b, const struct call *except);
/* Frees those of all branches but for that one (NULL: all). */
void early_dialogs_drop_all(struct invite *v, const struct invite_branch *except);
/* The branch that an early dialog is of; *others: whether the caller has further ones. */
struct invite_branch *early_dialog_branch(
	const struct invite *v, const struct call *call, bool *others);
/* Takes one early dialog out of its branch, and ends it. */
void early_dialog_end(struct invite_branch *b, struct call *call);

#endif
