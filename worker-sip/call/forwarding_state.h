/* forwarding_state.h - inside of forwards of calls (forwarding.h): for forwarding.c, which has the
 * hops and the way to the next one, redirection.c and user_forward.c, which say where that is, and
 * forward_header.c. */
#ifndef SIPWARD_SIP_CALL_FORWARDING_STATE_H
#define SIPWARD_SIP_CALL_FORWARDING_STATE_H

#include "forwarding.h"

#include "ipc/forwards.h"

struct decision;

/* The way that a call takes on from a hop. */
struct forward {
	const struct forward_hop *from;
	struct uri_parts to;
	unsigned zone;   /* whose routes lead there */
	unsigned status; /* for which it is forwarded */
	uint8_t cause;   /* enum call_forward_cause */
	bool rang;
};

/* Finds where a call goes on, and adds its targets to the INVITE, whose record then has them, too.
 * 0, or the status for which it does not go there, which has been counted and logged. */
unsigned forwarding_forward(struct forwarding *fw, const struct forward *forward);
/* Counts and logs that it does not go there; returns status. */
unsigned forward_refuse(
	const struct forwarding *fw, const struct forward *forward, unsigned status);

/* The row by which calls to a user go on at once: always, or as he is not there (status 480). NULL:
 * they do not. */
const struct forward_row *user_forward_at_once(
	const struct sip *sip, unsigned domain, const struct user_row *user, unsigned status);
/* Forwards a call as the row of a hop's user says. As forwarding_forward. */
unsigned user_forward(
	struct forwarding *fw, const struct forward_hop *from, const struct forward_row *row);
/* From now on a hop's phones ring: for so long as its user says. */
void user_forward_rings(struct forwarding *fw, struct forward_hop *hop);

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
