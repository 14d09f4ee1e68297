/* forwarding.h - calls that their callee forwards: to where, by whose rights, and how often.
 *
 * A call has a chain of hops: the one that it came for, and one for each forward. What forwards a
 * call is the user whom the hop before it is for, by his phone (a redirection) or by what is kept
 * for him here (ipc/forwards.h); or who stands behind a trunk. The call goes on as if he had called
 * there: by the routes for his zone, the lists of numbers for his groups, and his limits. So nobody
 * reaches by a forward what the one who set it may not call. A number of emergency is never reached
 * so, for no list is asked there.
 *
 * His zone is that of his phone; of a user without one it is the first zone that asks for
 * credentials, where he would register.
 *
 * A forward to somebody who has been called already is a loop (482, RFC 3261 section 16.3), one
 * that is deeper than forwards of limits is too many hops (483). Each is counted, and logged at a
 * bounded rate; the call then gets the answer that it would have got without it.
 */
#ifndef SIPWARD_SIP_CALL_FORWARDING_H
#define SIPWARD_SIP_CALL_FORWARDING_H

#include "call_record.h"
#include "worker-sip/routing/fork.h"

/* Hops of one call, at most: each Contact of a redirection is one. */
#define FORWARD_HOPS_MAX 32

struct decision;

/* One that a call is for, or has been for. */
struct forward_hop {
	struct forward_hop *next;       /* the one that was added before */
	const struct forward_hop *from; /* who has forwarded the call here; NULL: the first */
	struct minutes *minutes;        /* that a call to it is to count for; NULL: none */
	uint64_t key;                   /* of who is called; 0: not found yet */
	uint16_t domain;                /* of the user of ours; NONE_INDEX: it is none */
	uint16_t zone;                  /* that his forwards go by */
	uint16_t status;                /* for which from has forwarded it */
	uint8_t number, depth;          /* 0 for the first */
	uint8_t cause;                  /* enum call_forward_cause */
	uint8_t redirect;               /* enum redirect of the route that led here */
	bool rang;                      /* from's phone had rung before */
	/* What has become of its targets (waited: they had their time), and that it has been asked
	 * where the call goes on. */
	bool busy, unanswered, away, declined, waited, asked;
	uint8_t name_length;
	char name[USER_NAME_MAX];
	struct str uri; /* that it is called by, behind it; n == 0: the INVITE's own */
};

/* The hops of one INVITE. */
struct forwarding {
	struct fork *fork;
	struct call_record **record;
	struct forward_hop first;
	struct forward_hop *later;
	unsigned count;              /* of those */
	struct timer ring;           /* for how long the phones of ringing may ring */
	struct forward_hop *ringing; /* NULL: nobody's */
};

/* Whether an INVITE to a user of ours, of which the routes say that, goes on at once to somebody
 * else: it then has no targets of its own. */
bool forwarding_takes(const struct incoming *in, const struct decision *d);
/* Begins with who an INVITE is for, with its targets. The memory of fw is the caller's, and zeroed;
 * *record is the record, in which further targets have their places. */
void forwarding_begin(struct forwarding *fw, struct fork *f, struct call_record **record,
	const struct incoming *in, const struct target *targets, unsigned count);
/* The INVITE has its final answer: nothing is forwarded any more. */
void forwarding_settled(struct forwarding *fw);
void forwarding_end(struct forwarding *fw);
/* The hop that a branch is for. */
struct forward_hop *forwarding_hop(struct forwarding *fw, uint8_t number);

/* Hands on what a call that is answered by that hop counts for, of who has forwarded it there.
 * NULL: nothing, or it is the first one. */
struct minutes *forwarding_take_minutes(struct forwarding *fw, uint8_t number);

/* How long a call that is answered by that hop may last for who has forwarded it there, over that
 * trunk, as limits_duration says it; 0 for the first hop, too. */
uint32_t forwarding_duration(struct forwarding *fw, uint8_t number, unsigned trunk);

/* Forwards a call to the Contacts of a redirection, which are asked in the order of their q. 0
 * where one of them is asked; else the status for which none is. */
unsigned forwarding_redirect(
	struct forwarding *fw, const struct fork_branch *b, const struct message *m);
/* A branch has failed; m is its response, or NULL. */
void forwarding_failed(struct forwarding *fw, const struct fork_branch *b, unsigned status,
	const struct message *m);
/* All branches have failed. True: the call has further targets, for a user who was called forwards
 * it. */
bool forwarding_exhausted(struct forwarding *fw);
/* Explains where calls to the user who is called go on. */
void forwarding_explain(const struct incoming *in);

#endif
