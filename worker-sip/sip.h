/* sip.h - the SIP worker's one context, and the way out of it. */
#ifndef SIPWARD_SIP_SIP_H
#define SIPWARD_SIP_SIP_H

#include "common/counters.h"
#include "common/log_limit.h"
#include "common/loop.h"
#include "worker/skeleton.h"
#include "ipc/record.h"
#include "ipc/settings.h"
#include "ipc/syntax.h"
#include "worker-sip/auth/failures.h"
#include "worker-sip/message/held_message.h"
#include "worker-sip/message/wire.h"
#include "drain_state.h"
#include "scratch.h"

struct transactions;
struct transaction;
struct location;
struct registrar;
struct dialogs;
struct routes;
struct number_lists;
struct target_states;
struct names;
struct trunk_auth;
struct trunk_binding;
struct trunk_registration;
struct trunk_lines;
struct refusal_budget;
struct old_clients;
struct call;
struct invite;
struct subscribe;
struct subscription;
struct reg_watches;
struct call_record;
struct cdr;
struct byte_ring;
struct limit_page;
struct rule_watch;
struct forwards;
struct star_code;

struct sip {
	struct worker worker;
	struct loop *loop;
	struct mesh *mesh;
	const struct settings *settings;
	const struct users *users;
	size_t settings_size, users_size;
	const struct forwards *forwards; /* of users; NULL: there are none */
	size_t forwards_size;
	struct lifeline_keys keys;
	struct slot_map slots;
	struct refusals refusals;       /* the quarantine: bytes that ended a worker before */
	struct log_limit refusal_limit; /* of lines about answers that refuse (refusal_log.c) */
	uint8_t index;                  /* of this SIP worker */
	uint64_t transports;            /* bits: transport workers that there has been an edge to */

	struct transactions *transactions;
	struct dialogs *dialogs;
	struct location *location;
	struct registrar *registrar;
	struct routes *routes;
	struct number_lists *number_lists;   /* NULL: there are none */
	struct target_states *target_states; /* NULL: none is kept */
	struct names *names;                 /* targets that are names; NULL: none is known */
	struct trunk_registration *trunk_registrations; /* of trunks that are this worker's */
	struct trunk_binding *trunk_bindings;           /* that this worker knows of */
	struct trunk_auth *trunk_auths;                 /* the trunks that have challenged us */
	struct trunk_lines *trunk_lines; /* tokens of Contacts at trunks; NULL: there are none */
	struct replay *replay; /* used nonce counts; made by authorize with its first challenge or
	                          credentials */
	struct old_clients *old_clients; /* those that may be (auth/old_client.h); NULL: none yet */
	struct refusal_budget *refusal_budget; /* of answers without a transaction; NULL: none */
	struct lifeline_debug debug;           /* messages that are logged at the level debug */
	struct log_limit debug_limit;
	struct log_limit budget_log; /* of lines about that budget */
	struct failures failures;    /* attempts that were counted */
	/* of lines about bad credentials, each for the sources of one hash (authorize.c) */
#define FAULT_LIMITS 64
	struct log_limit fault_limits[FAULT_LIMITS];
	struct scratch scratch;
	struct call *call_list;     /* all calls, early ones too */
	struct invite *invite_list; /* unanswered INVITEs that make calls */
	uint32_t calls;             /* the number of both, for the limit */
	struct subscription *subscription_list, *subscription_over_list; /* subscription.h */
	struct subscribe *subscribe_list; /* requests on their way that make some */
	struct reg_watches *reg_watches;  /* subscription/reg_watch.h; NULL: nobody may watch */
	uint32_t subscriptions;           /* the number of those that stand, for the limit */
	struct drain drain;
	struct timer subscription_sweep; /* ends those that cannot stay (subscription_sweep.h) */
	struct timer users_removed;      /* ends calls of users who are gone (users_removed.c) */
	struct {
		struct timer timer;   /* while slots move away (handover.h) */
		uint64_t epoch;       /* of the map of which the master was told last */
		struct slot_set told; /* as free */
	} handover;
	/* INVITEs that went to the owner of a dialog that they name (named_dialog.h) */
#define NAMED_DIALOGS_NOTED 64
	struct named_dialogs {
		uint64_t key[NAMED_DIALOGS_NOTED]; /* 0: none yet */
		uint8_t slot[NAMED_DIALOGS_NOTED];
		unsigned next;
	} named_dialogs;
	struct call_record *call_records; /* of calls and of INVITEs on their way */
	struct limit_page *limits;        /* how many calls there are; NULL: nobody counts */
	unsigned limit_columns;           /* of it that workers with slots have (limits.h) */
	/* who is told of rules (rewriting.h); NULL: nobody */
	const struct rule_watch *rule_watch;
	struct log_limit rule_log;    /* of lines about rules that cannot be carried out */
	struct star_code *star_codes; /* INVITEs that wait for the master (call/star_code.h) */
	uint32_t star_code_id;        /* of the last one */
	struct log_limit forward_log; /* of lines about forwards that are refused */
	struct log_limit minutes_log; /* of lines about calls whose minutes are used up */
	struct cdr *cdr;              /* where they go; NULL: nowhere */
	struct byte_ring *call_trace; /* those of the last calls; NULL: none are kept */
	uint32_t call_trace_size;     /* what the settings said of it */

	/* Takes the place of the mesh for sip_send in unit tests; NULL in the worker. */
	int (*send_hook)(
		void *arg, const struct flow *to, struct str bytes, uint64_t cookie, bool reserve);
	void *send_arg;
	/* Takes the place of the lifeline for star codes in unit tests; NULL in the worker. */
	bool (*forward_hook)(void *arg, const struct lifeline_forward_order *order);
	/* Takes the place of the mesh for penalties in unit tests; NULL in the worker. */
	void (*penalty_hook)(void *arg, const struct record_penalty *penalty);
};

/* Sends the finished bytes to a flow through the transport worker that owns it (a datagram: through
 * the one that its peer's hash names, so that order to one peer is kept). cookie: see record.h, 0
 * for no report. reserve: a response or in-dialog request. 0, -EAGAIN (queue full), -ENOTCONN (no
 * such worker), -EMSGSIZE; failures are counted. */
int sip_send(
	struct sip *sip, const struct flow *to, struct str bytes, uint64_t cookie, bool reserve);
/* Asks to be told of the end of a stream flow for a slot (flow_closed in main.c then tells
 * registrar and calls). */
void sip_watch(struct sip *sip, const struct flow *flow, uint8_t slot);

/* Asks for keep-alives by a stream that we have made (struct record_keep_alive). */
void sip_keep_alive(struct sip *sip, uint64_t flow, uint32_t seconds);

/* Our address as the peer of this flow shall see it: host and port for Via sent-by and Contact (the
 * listener's advertised address, else flow->local, else the bound one). Writes "host:port". */
void write_sent_by(struct writer *w, const struct sip *sip, const struct flow *flow);
/* The host of that alone. */
void write_own_host(struct writer *w, const struct sip *sip, const struct flow *flow);

#endif
