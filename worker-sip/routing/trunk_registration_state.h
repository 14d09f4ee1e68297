/* trunk_registration_state.h - inside of registrations at trunks: for trunk_registration.c, which
 * keeps them, trunk_register.c, which has their requests, trunk_flow.c and
 * trunk_registration_listing.c. */
#ifndef SIPWARD_SIP_ROUTING_TRUNK_REGISTRATION_STATE_H
#define SIPWARD_SIP_ROUTING_TRUNK_REGISTRATION_STATE_H

#include "trunk_auth.h"
#include "trunk_registration.h"

enum registration_state { UNREGISTERED = 0, REGISTERED, REFUSED };

struct trunk_registration {
	struct trunk_registration *next;
	struct sip *sip;
	uint64_t id;                /* of the trunk */
	struct timer timer;         /* of the next try, or of the answer to the last */
	struct transaction *client; /* of the one that waits for its answer */
	uint64_t call;    /* of its Call-ID and From tag, the same for all (section 10.2) */
	uint64_t until;   /* ms: the binding stands till then */
	uint64_t next_at; /* ms: the next try; 0: none is set */
	uint64_t target;  /* of the last one, by its id (target_state.h) */
	uint64_t sent_at, answer_at; /* ms: the last one, and when its answer is overdue */
	uint32_t expires;            /* that is asked for, in seconds */
	uint32_t cseq;
	uint32_t failures;          /* of all targets, in a row */
	uint32_t references;        /* of the list, and of transactions */
	uint16_t trunk, index;      /* in the settings in force, and its target; NONE_INDEX: gone */
	uint16_t rows;              /* addresses that there are */
	uint16_t tried;             /* of them, that failed in this round */
	struct target_settings row; /* the one that the last request was sent to */
	uint16_t status;            /* of the last answer; 0: none came */
	int32_t error;
	struct trunk_challenges challenges;
	bool longer;  /* a 423 has been heeded in this try */
	bool ended;   /* by order */
	bool leaving; /* the binding is being taken back */
	enum registration_state state;
	struct flow flow; /* by which it was registered */
	uint64_t stream;  /* the connection by which the last 200 came; 0: none, or it has ended */
	uint64_t accepted_at; /* ms: when it did */
};

static inline const struct trunk_settings *trunk_registration_settings(
	const struct trunk_registration *g)
{
	return settings_trunk(g->sip->settings, g->trunk);
}

/* The next try comes after ms milliseconds. */
void trunk_registration_wait(struct trunk_registration *g, uint64_t ms);
/* A line of the log about it, with what became of the last request. */
void trunk_registration_log(const struct trunk_registration *g, const char *event);

/* The target of the last request as the settings have it; the first one where that is gone. */
const struct target_settings *trunk_registration_target(const struct trunk_registration *g);
/* Writes the next REGISTER, which goes by that flow. expires: seconds; 0 takes the binding back. */
void trunk_registration_write(struct writer *w, struct trunk_registration *g, const struct flow *to,
	uint64_t branch, uint32_t expires);
/* Seconds that m, a 2xx, grants: of our Contact, or else of the whole answer (section 10.2.4). */
uint32_t trunk_registration_granted(const struct trunk_registration *g, const struct message *m);

#endif
