/* trunk_registration_state.h - inside of registrations at trunks: for trunk_registration.c, which
 * keeps them, trunk_register.c, which has their requests, trunk_flow.c, trunk_keep_alive.c
 * and trunk_registration_listing.c. */
#ifndef SIPWARD_SIP_ROUTING_TRUNK_REGISTRATION_STATE_H
#define SIPWARD_SIP_ROUTING_TRUNK_REGISTRATION_STATE_H

#include "trunk_auth.h"
#include "trunk_line.h"
#include "trunk_registration.h"

enum registration_state { UNREGISTERED = 0, REGISTERED, REFUSED };

/* The token in a Contact (trunk_line.h). */
struct registration_line {
	bool is; /* false: it has none */
	uint8_t transport;
	char text[LINE_LENGTH];
};

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
	uint32_t wanted;             /* the config's, which a 423 may have raised */
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
	uint8_t spare_tries; /* without an answer that are no failure: our own worker was gone */
	bool longer;         /* a 423 has been heeded in this try */
	bool ended;          /* by order */
	bool leaving;        /* the binding is being taken back */
	enum registration_state state;
	struct flow flow;                      /* by which it was registered */
	struct registration_line asked, bound; /* of the last request, and of the last 200 */
	uint64_t stream; /* the connection by which the last 200 came; 0: none, or it has ended */
	uint64_t accepted_at; /* ms: when it did */
	/* with outbound (RFC 5626) */
	uint32_t reg_id;     /* from 1 on: it is by the flow to that target; 0: without outbound */
	bool plain;          /* a 439 came: it goes on without */
	uint64_t formed_at;  /* ms: the first of the 200s that came by this flow */
	uint32_t keep_alive; /* in so many seconds at most; 0: none */
	struct timer keep_alive_timer;         /* over UDP: of the next one, or of its answer */
	struct transaction *keep_alive_client; /* of the one that waits for its answer */
	uint64_t keep_alive_at;                /* ms: when that one was sent */
};

static inline const struct trunk_settings *trunk_registration_settings(
	const struct trunk_registration *g)
{
	return settings_trunk(g->sip->settings, g->trunk);
}

/* A reference is given back. */
void trunk_registration_drop(struct trunk_registration *g);
/* A random time between the two. */
uint64_t trunk_registration_jitter(uint64_t least, uint64_t most);
/* The next try comes after ms milliseconds. */
void trunk_registration_wait(struct trunk_registration *g, uint64_t ms);
/* A line of the log about it, with what became of the last request. */
void trunk_registration_log(const struct trunk_registration *g, const char *event);

/* The target of the last request as the settings have it; the first one where that is gone. */
const struct target_settings *trunk_registration_target(const struct trunk_registration *g);
/* Writes the next REGISTER, which goes by that flow. expires: seconds; 0 takes the binding back.
 * Where the Contact has another token than the one that is bound, that one is taken back with it:
 * to a registrar it is another binding (RFC 3261 section 19.1.4). */
void trunk_registration_write(struct writer *w, struct trunk_registration *g, const struct flow *to,
	uint64_t branch, uint32_t expires);
/* Seconds that m, a 2xx, grants: of our Contact, or else of the whole answer (section 10.2.4). */
uint32_t trunk_registration_granted(const struct trunk_registration *g, const struct message *m);

/* ---- trunk_flow.c: flows (RFC 5626) ---- */

/* So many flows has a trunk with outbound; 0: it has none of its own. */
unsigned trunk_flow_count(const struct trunk_settings *t);
/* Whether the next REGISTER is by RFC 5626. */
static inline bool trunk_flow_is_outbound(const struct trunk_registration *g)
{
	return g->reg_id && !g->plain;
}
/* The targets that the registration is tried at, the first of which has that index among the
 * trunk's; NULL and *count 0: they have no address now. */
const struct target_settings *trunk_flow_rows(
	const struct trunk_registration *g, unsigned *first, unsigned *count);
/* What the Contact says of the flow (section 4.2): "" without outbound. */
void trunk_flow_write_params(struct writer *w, const struct trunk_registration *g);
/* Whether a Contact with these parameters, in the answer, can be that of the flow. */
bool trunk_flow_is_of_contact(const struct trunk_registration *g, struct str params);
/* A 2xx came by the flow. news: there was no binding before. */
void trunk_flow_accepted(struct trunk_registration *g, const struct message *m, bool news);
/* Milliseconds to the next try after as many failures as there were (section 4.5). */
uint64_t trunk_flow_pause(const struct trunk_registration *g);
/* Whether a request that nobody has answered may not have left us at all, and has its turn again:
 * the transport worker had ended, and its successor may not have been there yet. */
bool trunk_flow_may_be_lost_here(struct trunk_registration *g);
/* The flow is of no use any more: registers anew. */
void trunk_flow_failed(struct trunk_registration *g);

/* ---- trunk_keep_alive.c: its keep-alives ---- */

void trunk_keep_alive_init(struct trunk_registration *g);
/* From now on, while the binding stands: by that flow, in so many seconds at most (0: none). */
void trunk_keep_alive_begin(
	struct trunk_registration *g, const struct flow *flow, uint32_t seconds);
/* No more of them over UDP; those of a stream end with it. */
void trunk_keep_alive_end(struct trunk_registration *g);
/* Whether the binding that stands has another token than a REGISTER would have now. */
bool trunk_registration_line_is_old(const struct trunk_registration *g);

#endif
