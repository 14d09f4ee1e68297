/* target_state_parts.h - what target_state.c and target_ping.c share. */
#ifndef SIPWARD_SIP_ROUTING_TARGET_STATE_PARTS_H
#define SIPWARD_SIP_ROUTING_TARGET_STATE_PARTS_H

#include "target_history.h"
#include "target_state.h"

/* The pings of a target: OPTIONS requests of the worker that its trunk belongs to. */
struct target_ping {
	struct timer timer;         /* of the next one, or of the answer to the last */
	struct transaction *client; /* of the one that waits for its answer */
	uint64_t sent_at;           /* ms */
	uint32_t pause_ms;          /* between those to a target that is down */
	uint64_t answered_at;       /* ms: the last answer to one of ours; 0: none came */
	uint32_t rtt_ms;            /* of that one */
	uint16_t unanswered;        /* in a row, while it is up */
	uint16_t answered;          /* in a row, while it is down */
	bool ever;                  /* one has been answered, whoever sent it */
};

struct target_state {
	struct target_states *owner;
	uint64_t id; /* the same in all SIP workers */
	struct target_attempt *waiting;
	struct target_attempt *lost; /* of those, the ones that are to go on to another target */
	struct timer giving_up;      /* until then */
	struct target_ping ping;
	uint64_t heard_at;     /* ms: the last response here */
	uint64_t found_at;     /* ms: when what is known was found out, in whichever worker */
	uint64_t changed_at;   /* ms: down, or up, since then */
	uint64_t trial_at;     /* ms: when one request is let through to a down target */
	uint32_t pause_ms;     /* to the trial after that */
	uint32_t references;   /* of the list, of attempts, and of transactions of pings */
	uint16_t trunk, index; /* in the list in force; NONE_INDEX: it is not there any more */
	uint16_t status;       /* the response that it is down for; 0: there was none */
	bool down;
	bool refused;  /* no answer can come to those that are lost */
	int32_t error; /* or why it could not be reached */
	struct target_history history;
	uint64_t failover[FAILOVER_WORDS]; /* answers with which the next target has its turn */
	/* what became of requests of this worker; pings are not among them */
	uint64_t requests, successes, failures;
	char name[]; /* "TRUNK target=URI", for the log */
};

/* The targets of one config, by trunk. */
struct target_list {
	unsigned trunks;
	unsigned *first; /* by trunk, and one behind the last */
	struct target_state **state;
	struct target_settings *row; /* of each (target_rows.h) */
};

struct target_states {
	struct sip *sip;
	struct target_list list;
	target_attempt_lost *lost;
	struct lifeline_trunks disabled;
	unsigned down;
	struct log_limit log;
};

static inline unsigned target_list_count(const struct target_list *l)
{
	return l->trunks ? l->first[l->trunks] : 0;
}

/* The row of a target that is in the list. */
static inline const struct target_settings *target_state_row(const struct target_state *s)
{
	return &s->owner->list.row[s->owner->list.first[s->trunk] + s->index];
}

/* Gives a reference back. */
void target_state_drop(struct target_state *s);
/* This worker has found out what a target does: it answered status, or error (negative errno) says
 * why nothing came. Tells the others where that is new, or where it is still down. */
void target_state_found(struct target_state *s, bool down, unsigned status, int error);
/* Tells all other SIP workers what is known. */
void target_state_tell_all(const struct target_state *s);

/* Why it is down, or what it answered last when that was found out. */
const char *target_state_reason(
	const struct target_state *s, char buffer[static TARGET_REASON_SIZE]);
/* Whether this worker pings it. */
bool target_ping_is_ours(const struct target_state *s);
/* Sets when the target is pinged next, by what is known of it and by whose it is. */
void target_ping_schedule(struct target_state *s);
/* It is pinged no more. */
void target_ping_stop(struct target_state *s);
/* Pings it now. */
void target_ping_now(struct target_state *s);

#endif
