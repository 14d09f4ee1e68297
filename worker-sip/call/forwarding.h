/* forwarding.h - calls that their callee forwards: to where, by whose rights, and how often.
 *
 * A call has a chain of hops: the one that it came for, and one for each forward. What forwards a
 * call is the user whom the hop before it is for, or who stands behind a trunk where that is no
 * user of ours; and the call goes on as if he had called there: by the routes for his zone, the
 * lists of numbers for his groups, and his limits. So nobody reaches by a forward what the one who
 * set it may not call. A number of emergency is never reached so, for no list is asked there.
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

/* One that a call is for, or has been for. */
struct forward_hop {
	struct forward_hop *next;       /* the one that was added before */
	const struct forward_hop *from; /* who has forwarded the call here; NULL: the first */
	struct minutes *minutes;        /* that a call to it is to count for; NULL: none */
	uint64_t key;                   /* of who is called */
	uint16_t domain;                /* of the user of ours; NONE_INDEX: it is none */
	uint16_t status;                /* for which from has forwarded it */
	uint8_t number, depth;          /* 0 for the first */
	uint8_t cause;                  /* enum call_forward_cause */
	uint8_t redirect;               /* enum redirect of the route that led here */
	bool rang;                      /* from's phone had rung before */
	uint8_t name_length;
	char name[USER_NAME_MAX];
	struct str uri; /* that it is called by, behind it; n == 0: the INVITE's own */
};

/* The hops of one call. */
struct forwarding {
	struct forward_hop first;
	struct forward_hop *later;
	unsigned count; /* of those */
};

/* The way that a call takes on from a hop. */
struct forward {
	const struct forward_hop *from;
	struct uri_parts to;
	unsigned zone; /* whose routes lead there */
	unsigned status;
	uint8_t cause;
	bool rang;
};

/* Who an INVITE is for. The memory of fw is the caller's, and zeroed. */
void forwarding_begin(struct forwarding *fw, const struct incoming *in);
void forwarding_end(struct forwarding *fw);
/* The hop that a branch is for. */
const struct forward_hop *forwarding_hop(const struct forwarding *fw, uint8_t number);

/* Hands on what a call that is answered by that hop counts for, of who has forwarded it there.
 * NULL: nothing, or it is the first one. */
struct minutes *forwarding_take_minutes(struct forwarding *fw, uint8_t number);

/* Finds where a call goes on, and adds its targets to the INVITE, whose record then has them, too.
 * 0, or the status for which it does not go there, which has been counted and logged. */
unsigned forwarding_forward(struct forwarding *fw, struct fork *f, struct call_record **record,
	const struct forward *forward);
/* The same for the Contacts of a redirection, which are asked in the order of their q. 0 where one
 * of them is asked. */
unsigned forwarding_redirect(struct forwarding *fw, struct fork_branch *b, const struct message *m,
	struct call_record **record);

/* Gives each target the headers that say who has forwarded the call, as its zone gets them
 * (forward_header.c). last: the hop that the targets are for. */
void forward_headers(const struct fork *f, const struct forward_hop *last, struct target *targets,
	unsigned count);
/* Whom a hop is for, as "name@domain", or what was called. */
struct str forward_hop_text(
	const struct fork *f, const struct forward_hop *hop, char *buffer, size_t size);
/* The URI of a hop. */
struct uri_parts forward_hop_uri(const struct fork *f, const struct forward_hop *hop);

#endif
