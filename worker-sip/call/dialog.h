/* dialog.h - one side of a call: a dialog of RFC 3261 section 12, found by our own tag.
 *
 * On one leg we are the user agent server (the caller's side), on the other the client. local and
 * remote are whole From/To values with their tags, as we write them in requests that we send.
 */
#ifndef SIPWARD_SIP_CALL_DIALOG_H
#define SIPWARD_SIP_CALL_DIALOG_H

#include "common/table.h"
#include "flow_users.h"
#include "worker-sip/sip.h"

struct allowance;
struct dialogs;
struct call;
struct refused_answer;
struct subscription;
struct reg_watch;

/* A retired dialog is over: no request is of it any more but the ACKs of what was answered in it,
 * and a BYE that crosses ours while that waits for such an ACK. */
enum dialog_state { DIALOG_EARLY = 1, DIALOG_CONFIRMED, DIALOG_RETIRED };

struct dialog {
	struct table_node node;
	uint64_t id;                       /* of our tag's token and of our Contact's */
	struct call *call;                 /* NULL: it was refused when it came, or is no call's */
	struct subscription *subscription; /* whose it is; NULL: a call's */
	struct reg_watch *watch;           /* whose it is; NULL: a call's or subscription's */
	struct dialog *other; /* the other leg of its call or subscription; NULL: it has none */
	struct refused_answer *refused; /* where it has no call */
	struct flow flow;               /* how the peer is reached */
	struct flow_user flow_user;     /* by that flow */
	uint64_t trunk;                 /* whose credentials its requests have; 0: none */
	struct allowance *allowance;    /* of its peer, until it has shown itself; NULL: none */
	uint32_t local_cseq;            /* the last we sent */
	uint32_t remote_cseq;           /* the last we received; 0: none yet */
	uint16_t zone;
	uint8_t state; /* enum dialog_state */
	uint8_t slot;
	bool lost;              /* its flow has ended, and it is not back by another one */
	char tag[TOKEN_LENGTH]; /* our tag */
	struct str call_id, local, remote, remote_tag; /* in text */
	struct str route;  /* in text, or in memory of its own (dialog_set_route) */
	struct str target; /* the peer's remote target URI, in memory of its own; replaced by target
	                      refresh */
	uint32_t text_size;
	char text[];
};

/* The parts that a dialog is made of; strings are copied. tag of `local` is to be in its value
 * already. */
struct dialog_parts {
	uint64_t id;
	uint8_t slot;
	uint16_t zone;
	const struct flow *flow;
	struct str call_id, local, remote, remote_tag, route, target;
	uint64_t trunk; /* trunk_auth_of the peer's; 0: none */
	uint32_t local_cseq, remote_cseq;
};

/* Makes the table of all dialogs of this worker. -ENOMEM. */
int dialogs_new(struct dialogs **out);
/* Frees the table; dialogs end with their calls. NULL is a no-op. */
void dialogs_free(struct dialogs *ds);
/* The number of dialogs that stand: two for each call and subscription. */
size_t dialogs_count(const struct dialogs *ds);
/* The number of those that are over and are kept yet: for ACKs, or for the repetitions of a 2xx
 * that was refused, 64*T1 (refused_answer.h). */
size_t dialogs_retired(const struct dialogs *ds);
/* The branches of requests that await a NOTIFY which makes a dialog (subscription/subscribe.c). */
struct table *dialogs_awaited(struct dialogs *ds);
/* Memory for what stands as long as a dialog. */
struct slab *dialogs_slab(struct dialogs *ds);
/* The users of stream flows: legs of calls, branches of requests, and the callers of INVITEs on
 * their way. */
struct flow_user_tables {
	struct flow_users legs, branches, callers;
};
/* Those of this worker. */
struct flow_user_tables *dialogs_flow_users(struct dialogs *ds);

/* Makes an early dialog and adds it. -ENOMEM. */
int dialog_new(struct sip *sip, const struct dialog_parts *parts, struct dialog **out);
/* The dialog is over: of the functions below only dialog_retired finds it from now on. */
void dialog_retire(struct sip *sip, struct dialog *d);
void dialog_free(struct sip *sip, struct dialog *d); /* removes it; NULL is a no-op */

/* The dialog that a request with our To-tag names: tag token proved, remote tag and Call-ID equal
 * (RFC 3261 section 12.2.2). NULL where there is none. */
struct dialog *dialog_of_request(struct sip *sip, const struct message *m);
/* By the token of our tag and the peer's tag (Replaces, Target-Dialog, Refer-To). NULL where there
 * is none. */
struct dialog *dialog_of_tags(
	struct sip *sip, struct str call_id, struct str ours, struct str theirs);
/* As dialog_of_tags, of those that are over and not freed yet. */
struct dialog *dialog_retired(
	struct sip *sip, struct str call_id, struct str ours, struct str theirs);
/* By our Contact's user part, the first one with that id. */
struct dialog *dialog_of_contact(struct sip *sip, struct str user);
/* The first one with that id: the early dialogs of one branch share theirs towards the callee. */
struct dialog *dialog_of_id(struct sip *sip, uint64_t id);

/* Takes the Contact of a target refresh request or of its answer as the new remote target (RFC 3261
 * section 12.2.1.2). That of a request counts from its 2xx or reliable provisional response on; one
 * that is refused changes nothing (RFC 6141 section 4.4). */
void dialog_take_target(struct sip *sip, struct dialog *d, const struct message *m);
/* In an untrusted zone, where access is by flow, takes the flow that a message came by. By another
 * one a leg that was lost is back. */
void dialog_take_flow(struct sip *sip, struct dialog *d, const struct flow *flow);
/* Both of a message. */
void dialog_refresh(struct sip *sip, struct dialog *d, const struct message *m);

/* Gives the dialog that route set, a list of addresses, which is copied. -ENOMEM. */
int dialog_set_route(struct sip *sip, struct dialog *d, struct str route);

/* The flow for the next request: in an untrusted zone the peer's own; in a trusted one the first
 * Route or the remote target where that is a numeric address within the zone's sources. */
struct flow dialog_flow(struct sip *sip, const struct dialog *d);

/* Whether all can be read that a response within a dialog needs: its target and route set, which a
 * first response gives, are known. */
bool dialog_can_read(const struct message *m);
/* The route set of a message as one Route value: Record-Route values in order (reverse: for the
 * response to our request). Returns false where it does not fit. */
bool dialog_write_route_set(struct writer *w, const struct message *m, bool reverse);

#endif
