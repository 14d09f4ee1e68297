/* incoming.h - one received message with all that is found out about it on its way through the
 * core: made once in core.c, and passed down instead of its parts. */
#ifndef SIPWARD_SIP_INCOMING_H
#define SIPWARD_SIP_INCOMING_H

#include "explanation.h"
#include "sip.h"

/* The sender of a request. */
struct identity {
	bool trusted;
	bool authenticated; /* digest was right; domain and name are the user's */
	bool anonymous;     /* and its From does not say so (auth/owner.h) */
	unsigned domain;    /* NONE_INDEX: none */
	char name[USER_NAME_MAX + 1];
	size_t name_length;
};

/* Lives as long as the call that it is handed to; what has to last longer is copied from it. */
struct incoming {
	struct sip *sip;
	const struct message *message;   /* checked, and within the batch that it came with */
	unsigned zone;                   /* settings zone of its source, which permits the source */
	uint16_t route;                  /* that matched, from route_request on; NONE_INDEX: none */
	uint8_t slot;                    /* ours */
	struct transaction *transaction; /* its server transaction; NULL: none (a response, ACK, or
	                                    a request of a stranger, see incoming_is_stranger) */
	struct identity sender; /* of a request outside a dialog, from authorize on; before,
	                           whether it is trusted, and nothing else */
	/* whose calls towards him are limited: see limits_callee_key. From route_request on */
	uint64_t callee;        /* 0: nobody's */
	unsigned callee_domain; /* NONE_INDEX: it takes the place of another call, and counts, but
	                           has no limit */
	/* The user of ours who is called, and his domain; NULL: none. From route_request on, within
	 * the same turn of the loop. */
	const struct user_row *user;
	unsigned user_domain;
	/* NULL: it is for whom it names; else its sender, who has been called, has forwarded the
	 * call there (call/forwarding.h). */
	const struct uri_parts *forwarded_to;
	struct str called;    /* as in struct decision, until the next request. From
	                         route_request on */
	uint16_t number_list; /* that permits it; NONE_INDEX: none does. From route_request on */
	bool emergency; /* to a number of emergency: no limit of calls holds. From route_request
	                   on */
	struct explanation *explanation; /* NULL: the message is served; else it is only told what
	                                    would become of it, and nothing may change */
	uint16_t trunk; /* whose Contact a request is for, as its token shows (trunk_line.h);
	                   NONE_INDEX: none's */
	bool shown;     /* it has right credentials or a trunk's token, or a dialog has been found:
	                   see incoming_is_stranger */
};

/* Whether the sender of a request has not shown itself yet: it came as a datagram, whose source
 * address may be forged, and from an untrusted zone. Its request has a transaction only from
 * incoming_begin on, when its credentials have been found right, its dialog has been found, or it
 * is passed on. Whatever refuses it before does so without one, so that one datagram brings one
 * answer at most (RFC 3261 section 26.3.2.4). One that is passed on for a stranger, in a zone that
 * asks nobody, has a transaction that is bound (transaction_bound). */
bool incoming_is_stranger(const struct incoming *in);
/* Makes the transaction of a request that has none yet. False: there is no memory, and the request
 * is done with. */
bool incoming_begin(struct incoming *in);
/* Answers a request finally: in its transaction, or without one where it has none. headers: whole
 * lines, may be empty. A refused INVITE has its record (call/call_record.h). */
void incoming_answer(const struct incoming *in, unsigned status, struct str headers);

#endif
