/* machine.h - inside the transaction layer: struct transaction, and libosip2's state machine that
 * drives it while it lives. Included by transaction.c, server.c, server_bound.c, client.c, key.c,
 * merged.c, machine.c and timers.c only.
 *
 * A transaction has a machine as long as the machine can still do something that we cannot read off
 * a deadline. In the long last states (Completed of a non-INVITE server transaction, Confirmed,
 * Accepted, ...) it has none: key, wire bytes and a deadline are all that is left.
 */
#ifndef SIPWARD_SIP_TRANSACTION_MACHINE_H
#define SIPWARD_SIP_TRANSACTION_MACHINE_H

#include "common/table.h"
#include "transaction.h"
#include "worker-sip/message/allowance.h"

struct osip_transaction;
struct machines;

/* In the order of libosip2's osip_fsm_type_t: ICT, IST, NICT, NIST. */
enum transaction_kind {
	CLIENT_INVITE,
	SERVER_INVITE,
	CLIENT_OTHER,
	SERVER_OTHER,
	TRANSACTION_KINDS
};

enum transaction_stage {
	STAGE_LIVE,      /* no final answer yet */
	STAGE_COMPLETED, /* a final answer, not a 2xx to INVITE. SERVER_INVITE: the machine repeats
	                    it until the ACK comes */
	STAGE_CONFIRMED, /* SERVER_INVITE: that ACK came */
	STAGE_ACCEPTED,  /* a 2xx to INVITE (RFC 6026) */
	STAGE_ENDED      /* nothing more happens but failed() and gone() */
};

/* 128 bits of keyed hash: nobody outside can make two equal ones. */
struct transaction_key {
	uint64_t part[2];
};

struct transaction {
	struct table_node node;        /* in servers or clients, by key */
	struct table_node merged_node; /* in merged, by merged_key, where has_merged */
	struct timer timer;            /* the earliest deadline of the machine's and ours */
	struct transactions *owner;
	struct transaction_key key, merged_key;
	uint64_t branch; /* client: the branch token's id */
	uint64_t cookie;
	struct osip_transaction *machine;
	uint64_t again_at; /* ms of loop_now, 0 off. Server: 100 Trying (live), next 2xx
	                    * (accepted) */
	uint64_t end_at; /* ms of loop_now, 0 off. End of a last state, or of the patience in a live
	                    one */
	uint32_t again_ms; /* accepted: the interval after which 2xx goes out again */
	uint32_t index;    /* in the table of cookies */
	struct allowance
		*allowance; /* server: transaction_bound; client: transaction_send_within */
	struct flow flow;
	struct held_message *request; /* server, live: the request */
	struct wire *sent;            /* client: the request; server: the last response */
	struct wire *ack;             /* client INVITE: the ACK of its failure */
	struct wire *cancel;          /* client INVITE: its CANCEL, not sent yet */
	const struct server_user *server;
	const struct client_user *client;
	void *user;
	int error; /* of the send that failed */
	uint8_t kind, stage, method, slot;
	uint8_t outcome; /* enum outcome bits of the machine's last step */
	bool reserve;    /* in-dialog: may use the reserve of a full queue */
	bool has_merged;
	bool has_tag;      /* to_tag was minted */
	bool cancelled;    /* server: the user was told; client: CANCEL is wanted */
	bool provisional;  /* client: a provisional response came */
	bool acknowledged; /* server, accepted */
	bool orphan;       /* server: detached without a final answer */
	bool owed;         /* counted in transactions.owed */
	bool unsent; /* server: of the final response no copy has gone out (transaction_bound) */
	uint16_t status; /* of a failure to be told */
	char to_tag[TOKEN_LENGTH];
};

struct transactions {
	struct sip *sip;
	struct machines *machines;
	struct table servers, clients, merged;
	unsigned char secret[16]; /* of the keys' hash */
	struct {
		const struct message *message;
		/* merged_key: of one outside of a dialog, and of each INVITE */
		struct transaction_key key, merged_key;
	} matched; /* the new request that transactions_match was given last */
	struct {
		struct transaction *t;
		uint32_t check; /* random: a cookie cannot be guessed */
		uint32_t next;  /* free list */
	} * cookie;
	unsigned owed;                 /* transactions_owed */
	uint32_t cookies, cookie_free; /* size of the array; first free index, UINT32_MAX none */
};

/* ---- transaction.c ---- */
struct transaction *transaction_new(struct transactions *ts, enum transaction_kind kind,
	uint8_t method, uint8_t slot, const struct flow *flow); /* NULL: no memory */
/* Tells failed(status, error) and ends. Only from where the loop called us, never below a user's
 * call. */
void transaction_fail(struct transaction *t, unsigned status, int error);
/* Does so later, from the loop. */
void transaction_fail_later(struct transaction *t, unsigned status, int error);
/* Calls gone and frees t. */
void transaction_end(struct transaction *t);
/* Arms the timer for the earliest deadline. */
void transaction_arm(struct transaction *t);
/* Sends bytes on the transaction's flow. On a datagram flow a full queue counts as a lost datagram:
 * what is retransmitted anyway needs no error. 0 or -errno, which t->error keeps. */
int transaction_transmit(struct transaction *t, const struct wire *bytes, uint64_t cookie);
static inline bool transaction_is_server(const struct transaction *t)
{
	return t->kind == SERVER_INVITE || t->kind == SERVER_OTHER;
}
static inline uint64_t transaction_now(const struct transaction *t)
{
	return loop_now(t->owner->sip->loop);
}

/* Whether the peer of t still owes what a call's end waits for. */
static inline void transaction_set_owed(struct transaction *t, bool owed)
{
	t->owner->owed += (unsigned)owed - (unsigned)t->owed;
	t->owed = owed;
}

/* ---- server.c, client.c ---- */
/* The transaction's timer has fired: does what is due by now (milliseconds of the loop). */
void server_timer(struct transaction *t, uint64_t now);
void client_timer(struct transaction *t, uint64_t now);
/* The transport worker could not send (RECORD_SEND_FAILED); error: negative errno. */
void server_send_failed(struct transaction *t, int error);
void client_send_failed(struct transaction *t, int error);

/* ---- server_bound.c ---- */
/* Sends the last response of a server transaction, unless that has to be withheld
 * (transaction_bound). 0 or -errno. */
int server_transmit(struct transaction *t);
/* A server transaction ends: tells where its final response was never sent. */
void server_bound_tell(const struct transaction *t);

/* ---- key.c ---- */
/* The key of the server transaction that a request with this method and m's other fields would
 * match. */
struct transaction_key key_of_server(
	const struct transactions *ts, const struct message *m, struct str method);
/* The key of a merged request with this method and m's other fields. Its first part: From tag,
 * Call-ID and CSeq; the second has the Request-URI as well, for two branches of a fork upstream may
 * well lead here with two Request-URIs, and the To tag: nothing is merged with what is in a
 * dialog. */
struct transaction_key key_of_merged(
	const struct transactions *ts, const struct message *m, struct str method);
/* Its first part alone. */
uint64_t key_of_merged_front(
	const struct transactions *ts, const struct message *m, struct str method);

/* ---- merged.c: requests that reach us twice by different paths (RFC 3261 section 8.2.2.2) ---- */
/* True where a request of this key has a server transaction. */
bool merged_find(const struct transactions *ts, const struct transaction_key *key);
/* The INVITE that a CANCEL, or the ACK of its failure, belongs to although its sent-by is another
 * one, as NATs write it anew: flow, branch, Call-ID, From tag and CSeq are the same. NULL: none. */
struct transaction *merged_find_invite(const struct transactions *ts, const struct message *m);
/* Notes the key with its server transaction, until merged_remove. */
void merged_add(struct transaction *t, const struct transaction_key *key);
/* No-op where t has none. */
void merged_remove(struct transaction *t);

/* ---- the machine (machine.c, timers.c) ---- */
enum outcome {
	OUTCOME_DELIVER = 1, /* a new response for the user */
	OUTCOME_TIMEOUT = 2, /* timer B or F */
	OUTCOME_ERROR = 4,   /* t->error */
	OUTCOME_DONE = 8     /* terminated */
};
enum machine_event {
	MACHINE_REQUEST,
	MACHINE_ACK,
	MACHINE_PROVISIONAL,
	MACHINE_SUCCESS,
	MACHINE_FAILURE
};

int machines_new(struct machines **out); /* -ENOMEM */
void machines_free(struct machines *ms);

/* Gives t a machine in its first state, with the settings' timers and those of its flow's
 * transport. -ENOMEM. */
int machine_take(struct transaction *t);
/* Takes it away. Never from within machine_step. */
void machine_release(struct transaction *t);
/* One step: a request or response received (by the other side's kind: sent). Sends what is to be
 * sent. t->outcome says what came of it. Where the machine has no such transition nothing
 * happens. */
void machine_step(struct transaction *t, enum machine_event event);
/* Fires the timers that are due. */
void machine_expire(struct transaction *t, uint64_t now);
/* The earliest live deadline in ms, UINT64_MAX for none. */
uint64_t machine_deadline(const struct transaction *t);

#endif
