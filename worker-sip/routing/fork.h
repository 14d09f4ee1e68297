/* fork.h - one request to several targets, and the best of their answers back: section 16 of RFC
 * 3261, as far as a back-to-back user agent needs it, for INVITE (call/invite.c) and for every
 * other request outside a dialog (relay.c).
 *
 * Targets are tried in groups: all bindings of one q together, trunk targets one by one. Of a phone
 * with several flows (RFC 5626) one is tried, and the next one where nothing came by it. A group
 * whose every branch has failed is followed by the next; an answer of a trunk that is not in its
 * failover is final, and so is any 6xx that is not. Of a trunk's targets those that are known to be
 * down come last (target_state.h). With no group left the best failure goes back (section 16.7).
 *
 * INVITE has two things of its own: its branches are cancelled when they are not needed any more
 * (section 9.1 permits it for no other method), and they have timer C (section 16.8) or their
 * trunk's times. For all others RFC 4320 holds: no provisional response passes, and a branch that
 * timed out is no 408.
 */
#ifndef SIPWARD_SIP_ROUTING_FORK_H
#define SIPWARD_SIP_ROUTING_FORK_H

#include "target.h"
#include "target_state.h"
#include "trunk_auth.h"
#include "worker-sip/call/flow_users.h"
#include "worker-sip/incoming.h"
#include "worker-sip/transaction/transaction.h"

/* Timer C for branches to registered phones (section 16.6 asks for more than three minutes), and
 * for the INVITE of a standing call. */
#define TIMER_C_MS 181000

struct fork;

/* The request on its way to one target. First member of what its user keeps for a branch. */
struct fork_branch {
	struct fork *fork;
	const struct target *target; /* NULL once the request is settled */
	struct transaction *client;  /* NULL: not sent, or gone */
	struct flow flow;            /* that it went by */
	struct flow_user flow_user;  /* by that flow */
	struct timer timer; /* INVITE: no provisional response yet: next target; else timer C */
	struct target_attempt attempt;
	uint32_t answer_ms, ring_ms; /* for both; the settings may be others by then */
	uint64_t id;                 /* of our From tag and Contact towards the target */
	char call_id[TOKEN_LENGTH];
	uint32_t cseq;                      /* that the request had last */
	struct trunk_challenges challenges; /* answered with the trunk's credentials */
	uint16_t zone, trunk, place;        /* of the target */
	uint8_t label;                      /* of the trunk, where it is one (common/labelled.h) */
	uint8_t method;                     /* of the request, once it was sent */
	uint8_t hop; /* of its target: for whom the request goes there (struct target) */
	bool sent, done, provisional, switched, cancelled;
	bool skipped; /* its turn will not come: another target of the same trunk has redirected */
	bool heard;   /* its target has answered, be it with a refusal */
	bool early;   /* a provisional response other than 100 has come */
	bool late;    /* it has failed because no answer came in time */
};

/* The functions by which a request's user takes part in it. */
struct fork_user {
	/* A provisional response (INVITE only; 100 too), or a 2xx, repetitions and those of further
	 * forks included. */
	void (*response)(struct fork_branch *b, const struct message *m);
	/* Whether the request may go to the branch's target, after others have failed: false where
	 * its trunk has all the calls that it may have by now. NULL: it always may. */
	bool (*permits)(struct fork_branch *b);
	/* The request has gone to the branch's target, or could not be sent. May be NULL. */
	void (*tried)(struct fork_branch *b, bool sent);
	/* The branch has failed; m is its response, or NULL. May be NULL. */
	void (*failed)(struct fork_branch *b, unsigned status, const struct message *m);
	/* The branch has been answered with m, a redirection. True where it has been followed: the
	 * further targets (fork_extend) have their turn, and it is no failure. NULL: none is. */
	bool (*redirected)(struct fork_branch *b, const struct message *m);
	/* No target is left. True where further ones have been found (fork_extend). NULL: none
	 * are. */
	bool (*exhausted)(struct fork *f);
	/* The request has its final answer, or cannot get one any more; may be called again. May be
	 * NULL. */
	void (*settled)(struct fork *f);
	/* CANCEL came before a final answer. NULL: it changes nothing. */
	void (*cancelled)(struct fork *f, const struct message *cancel);
	/* Nothing points to the request any more: what the user keeps for it goes, but for the
	 * memory of fork and branches. May be NULL. */
	void (*released)(struct fork *f);
};

/* Targets that were found later than the first ones, with their branches. */
struct fork_more {
	struct fork_more *next;
	struct target *targets; /* until the request is settled */
	unsigned first, count;  /* branches of it */
	_Alignas(8) char branches[];
};

/* A request with its targets. First member of what its user keeps for it. Lives until its
 * transactions are gone. */
struct fork {
	struct sip *sip;
	const struct fork_user *user;
	struct transaction *server;   /* NULL: gone, or handed on by the user */
	struct held_message *request; /* until it is settled */
	struct held_message *best;    /* the best failure received */
	struct target *targets;       /* until it is settled */
	struct str replaces;          /* mapped value of Replaces or Join; n == 0: none. The
	                                 user's */
	char *asserted;               /* the sender's name for zones that are told it, until it is
	                                 settled; NULL: none is */
	bool anonymous;               /* and its From does not say so */
	char *branches;               /* one a target, behind what the user keeps */
	struct fork_more *more;       /* those of targets that were found later */
	size_t branch_size;
	unsigned own;             /* branches that are not in more */
	unsigned count, next;     /* targets; the next to try */
	unsigned transactions;    /* client transactions alive */
	unsigned best_status;     /* 0: none */
	unsigned failure;         /* the status that went back finally; 0: none, or a 2xx */
	unsigned unfollowed;      /* the status for a redirection that is not passed on; 0: 480 */
	unsigned best_zone, zone; /* where the best failure came from; of the sender */
	uint64_t id;              /* of our To tag, and of our Contact towards the sender: ids stand
	                             in clear, and no side may know another's */
	uint8_t slot;
	bool invite;
	bool answered, stopped; /* finally; no more targets */
	bool passes;            /* a redirection goes back, with its Contacts */
	bool full;              /* a target was passed over, for its trunk has all its calls */
};

/* Makes a request of in->transaction with copies of its targets. size and branch_size are those of
 * the user's structures that begin with struct fork and struct fork_branch; the rest of them is
 * zeroed. count: up to TARGETS_MAX; 0
 * where targets are found when it is exhausted. Takes over the transaction, though not where it
 * fails: -ENOMEM.
 */
int fork_new(const struct incoming *in, const struct target *targets, unsigned count, size_t size,
	size_t branch_size, const struct fork_user *user, struct fork **out);
/* Sends the request to the first group. f may be gone afterwards. */
void fork_start(struct fork *f);
/* Adds copies of further targets, which are tried before those that have not been tried yet. They
 * have their turn when the function of the user that adds them returns true. -ENOMEM; -E2BIG where
 * there would be more than FORK_TARGETS_MAX. */
int fork_extend(struct fork *f, const struct target *targets, unsigned count);
#define FORK_TARGETS_MAX (2 * TARGETS_MAX)
/* The targets of that hop that have not been tried will not be. */
void fork_skip_hop(struct fork *f, uint8_t hop);
/* The same as fork_branch_at, for branches in more. */
struct fork_branch *fork_branch_later(const struct fork *f, unsigned i);
static inline struct fork_branch *fork_branch_at(const struct fork *f, unsigned i)
{
	if (i >= f->own)
		return fork_branch_later(f, i);
	return (struct fork_branch *)(void *)(f->branches + i * f->branch_size);
}

/* The place of its target among those that fork_new got, and behind them fork_extend; branches may
 * be in another order. */
static inline unsigned fork_branch_place(const struct fork_branch *b)
{
	return b->place;
}

/* The branch has failed with that status; m is its response, or NULL. The next group follows, or
 * the best failure goes back. */
void fork_branch_failed(struct fork_branch *b, unsigned status, const struct message *m);
/* The branch of an INVITE is cancelled, and has failed with 487. */
void fork_give_up_branch(struct fork_branch *b);
/* Ends the waiting for a branch: it was answered with a 2xx. */
void fork_branch_done(struct fork_branch *b);
/* Passes the response m of a branch back. contact_user: of our Contact; n == 0: none. to_tag: ours.
 * -ENOBUFS, -ENOMEM, or what transaction_answer says. */
int fork_pass(
	struct fork_branch *b, const struct message *m, struct str contact_user, struct str to_tag);
/* Our To tag where no dialog gives one. */
void fork_tag(const struct fork *f, char tag[TOKEN_LENGTH]);
/* A failure of our own goes back. */
void fork_refuse(struct fork *f, unsigned status);
/* No further target is tried, and nothing but absorbing is left to do. */
void fork_settle(struct fork *f);
/* Frees the parts that only an unanswered request needs: the rest lives 64*T1 longer, and there are
 * many such requests. */
void fork_trim(struct fork *f);
/* The branches of an INVITE that have not been answered are cancelled, and have failed with 408.
 * The next group follows, or the best failure goes back. */
void fork_give_up_pending(struct fork *f);
/* No further target is tried; the branches of an INVITE but for one are cancelled. reason: header
 * lines for the CANCEL, may be empty. */
void fork_cancel(struct fork *f, const struct fork_branch *except, struct str reason);
/* The same for all branches, where the caller has cancelled: his Reason passes as any header of his
 * INVITE does, each of its lines (RFC 3326). */
void fork_cancel_as(struct fork *f, const struct message *cancel);

/* A request is kept while its user is at work on it: nothing of what follows frees it. */
static inline void fork_hold(struct fork *f)
{
	f->transactions++;
}
/* Undoes fork_hold, and frees f where nothing points to it any more. */
void fork_drop(struct fork *f);

/* The attempt of a branch: its target has been found down, by another one. Where nothing has come
 * back the next target has its turn; where there is none the branch waits on, unless no answer can
 * come any more (refused). */
void fork_attempt_lost(struct target_attempt *a, bool refused);

/* A stream flow has ended: unanswered branches that wait on it fail now. */
void fork_flow_closed(struct sip *sip, uint64_t flow);

/* Say in the log that the branch's request has gone to its target, or could not be sent; and that
 * the branch has failed, by a response or for the lack of one. At the level debug, where
 * fork_log_wanted: all is logged so, or its request is picked (worker-sip/debug_watch.h). */
bool fork_log_wanted(const struct fork_branch *b);
void fork_log_tried(const struct fork_branch *b, bool sent);
void fork_log_failed(const struct fork_branch *b, unsigned status, bool response);

#endif
