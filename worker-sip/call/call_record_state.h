/* call_record_state.h - inside of call records: for call_record.c, which keeps them,
 * call_record_text.c, which says them in the words of call_record.def, and call_listing.c and
 * call_show.c, which tell an operator of calls that go on. */
#ifndef SIPWARD_SIP_CALL_CALL_RECORD_STATE_H
#define SIPWARD_SIP_CALL_CALL_RECORD_STATE_H

#include "call_record.h"

/* Bytes of each text of a record, at most; the rest is cut. */
#define CALL_TEXT_MAX 256
#define CALL_TRUNK_MAX 64
#define CALL_FORWARDER_MAX 96
#define CALL_AGENT_MAX 96
#define CALL_REASON_MAX 128

/* A span of time that did not come to pass. */
#define CALL_NEVER UINT64_MAX

struct call_target {
	struct endpoint peer;
	struct str trunk, forwarder; /* in the record's block */
	uint64_t tried_ms, took_ms;
	uint64_t limit; /* the key of its trunk's; 0: none */
	uint16_t zone, status;
	uint8_t transport;
	uint8_t outcome; /* enum call_outcome */
	uint8_t cause;   /* enum call_forward_cause: why the call was forwarded there */
	bool held;       /* its trunk counts this call */
	char call_id[TOKEN_LENGTH];
};

/* What else counts the call, because it was forwarded. Not for a copy of the record. */
struct call_forward {
	struct call_forward *next;
	uint64_t limit[LIMIT_KEYS];
};

/* Texts that are known when the record is made. */
enum call_text {
	CALL_TEXT_CALL_ID,
	CALL_TEXT_FROM,
	CALL_TEXT_TO,
	CALL_TEXT_REQUEST_URI,
	CALL_TEXT_AGENT,
	CALL_TEXT_USER,
	CALL_TEXT_DOMAIN,
	CALL_TEXT_CALLED, /* NAME@DOMAIN of the user who is called */
	CALL_TEXT_ROUTE,
	CALL_TEXT_TRUNK, /* that the INVITE came from */
	CALL_TEXT_RULES, /* up to RULES_TOLD_MAX */
	CALL_TEXTS
};

struct call_record {
	struct call_record *next, **link; /* of sip->call_records */
	struct sip *sip;
	size_t size; /* of the block */
	uint64_t began_realtime_ms;
	uint64_t began, rang, answered, ended; /* loop_now; 0: not */
	struct endpoint peer;
	uint32_t route_line;
	uint16_t zone;
	uint16_t domain; /* of the user who calls; NONE_INDEX: none of ours */
	uint16_t status_sent, status_received;
	uint16_t last;  /* the target that answered, or else the last one tried */
	uint16_t count; /* of targets */
	uint8_t transport;
	uint8_t ender; /* enum call_ender */
	uint8_t cause; /* enum call_end_cause */
	bool refused;  /* it never came to a call */
	bool told;
	bool emergency;
	uint64_t limit[LIMIT_KEYS]; /* what counts this call; 0: nothing */
	struct call_forward *forwards;
	uint8_t agent_length, reason_length;
	char agent[CALL_AGENT_MAX], reason[CALL_REASON_MAX];
	struct str text[CALL_TEXTS]; /* in the block */
	struct call_target target[];
};

/* The target that answered, or else the last one tried. NULL: none was, or r is NULL. */
const struct call_target *call_record_callee(const struct call_record *r);
/* The Call-ID of the INVITE that a target got; empty: it got none. */
struct str call_target_id(const struct call_target *t);
struct writer;
/* Writes what there is to say of a target as a JSON object. */
void write_call_target(struct writer *w, const struct call_record *r, const struct call_target *t);
/* Writes what there is to say of a call that has ended: its line in the log, and in the CDRs. */
void call_record_tell(const struct call_record *r);
/* Writes its JSON object, that of the CDRs, at the beginning of w, which has room for it (scratch's
 * call_record). The call may go on. */
void call_record_write(const struct call_record *r, struct writer *w);

#endif
