/* record.h - what travels over the mesh: a batch of records.
 *
 * A batch is one packet of an edge: struct batch_header, then records, each struct record_header
 * and its data, padded with zero bytes to a multiple of 8. A batch decodes to its exact end or is
 * refused whole. Everything is little-endian and naturally aligned.
 */
#ifndef SIPWARD_IPC_RECORD_H
#define SIPWARD_IPC_RECORD_H

#include "dns.h"
#include "message.h"
#include "role.h"
#include "token.h"

#define BATCH_MAGIC 0x42575053u /* "SPWB" */
/* Largest batch; a record alone may not be larger. The master gives every edge room for one. */
#define BATCH_MAX (256u * 1024)

struct batch_header {
	uint32_t magic;
	uint32_t count; /* records */
};
struct record_header {
	uint32_t size; /* of the data, without this header and the padding */
	uint16_t type; /* enum record_type */
	uint16_t zero;
};

enum record_type {
	RECORD_NONE,
#define RECORD(id, ...) RECORD_##id,
#include "records.def"
#undef RECORD
	RECORD_TYPE_COUNT
};

struct record_flow_closed {
	uint64_t flow;
	uint8_t slot; /* the slot that watches it */
	uint8_t half; /* 1: nothing comes by it any more, but answers to what came still go; its end
	                 is told later */
	uint8_t zero[6];
};
/* A send that could not be made: no such flow, refused, timed out, too long a queue; or a request
 * that went out by a connection of ours which has ended since. Only for sends with a cookie. */
struct record_send_failed {
	uint64_t cookie;
	int32_t error; /* negative errno: -ENOTCONN the flow is gone, -ECONNREFUSED, -ETIMEDOUT,
	                  -EAGAIN its queue is full, -EACCES not allowed, -EMSGSIZE, -ECONNRESET it
	                  was written, and its connection ended */
	uint32_t zero;
};
struct record_send {
	struct flow flow; /* destination (flow.h says what its forms mean) */
	uint64_t cookie;  /* 0: no report wanted */
	uint32_t size;    /* of the bytes that follow; 1 to MESSAGE_RAW_MAX */
	uint8_t close;    /* 1: close the stream once they are written */
	uint8_t reserve;  /* 1: a response or in-dialog request; may use the reserve of a full
	                   * queue */
	uint8_t zero[2];
};
/* Asks to be told, for a slot, when a stream flow ends; answered with RECORD_FLOW_CLOSED at once
 * where it is already gone. */
struct record_watch {
	uint64_t flow;
	uint8_t slot;
	uint8_t zero[7];
};
/* Asks for keep-alives by a connection that we made (RFC 5626 section 4.4.1), for as long as it
 * lasts: a ping each time that 80 to 100 % of so many seconds have passed. The connection is closed
 * where no pong comes. */
#define KEEP_ALIVE_LEAST_S 5
#define KEEP_ALIVE_MOST_S 86400
struct record_keep_alive {
	uint64_t flow;
	uint32_t seconds; /* from KEEP_ALIVE_LEAST_S to KEEP_ALIVE_MOST_S */
	uint32_t zero;
};
/* A wrong digest on a valid nonce bound to this source: counts towards a ban. Sent to
 * every transport worker. */
struct record_penalty {
	struct endpoint source;
	uint64_t user; /* a keyed hash of the name that was tried; 0: not known */
	uint16_t listener;
	uint8_t zero[6];
};

/* What a SIP worker has found out about a target of a trunk. Sent to every other one. */
struct record_target {
	uint64_t target;   /* its id (worker-sip/routing/target_state.c) */
	uint64_t found_at; /* CLOCK_MONOTONIC, ms: what was found out last counts */
	int32_t error;     /* negative errno: why it is down; 0: by what it answered */
	uint16_t status;   /* what it answered; 0: nothing */
	uint8_t down;      /* 1; 0: it is up */
	uint8_t pinged;    /* 1: it answers OPTIONS, or did */
};

/* A client that gives up where two algorithms are offered (worker-sip/auth/old_client.h). */
struct record_old_client {
	uint64_t client; /* keyed hash of its source address and its user */
	uint64_t until;  /* CLOCK_MONOTONIC, ms: it is offered MD5 alone until then */
};

/* What the SIP worker that registers us at a trunk knows of our binding there. Sent to every other
 * one. */
#define SERVICE_ROUTE_MAX 512
#define OUTBOUND_FLOWS_MAX 4 /* of a trunk: RFC 5626 section 4.2.1 asks for as many */
struct record_binding {
	uint64_t trunk;      /* trunk_id */
	uint64_t found_at;   /* CLOCK_MONOTONIC, ms: what was found out last counts */
	uint64_t until;      /* ms: it stands till then; 0: it does not */
	uint32_t route_size; /* of the route set that the server wants (RFC 3608); 0: none */
	uint32_t reg_id;     /* of its flow (RFC 5626), up to OUTBOUND_FLOWS_MAX; 0: the only one */
	char route[SERVICE_ROUTE_MAX]; /* a comma list */
};

/* An ICMP error says that a request could not be delivered (RFC 3261 section 18.4). */
struct record_unreachable {
	struct endpoint to;
	int32_t error; /* negative errno: -ECONNREFUSED nobody listens there, -EHOSTUNREACH, ... */
	uint16_t listener;
	uint16_t zero;
	char branch[BRANCH_LENGTH]; /* as it was quoted; not proven */
	uint8_t zero2[4];
};
_Static_assert(sizeof(struct record_unreachable) % 8 == 0, "crosses process borders");

/* Asks the DNS: a query of one question follows (worker-sip/routing/dns_answer.h), whose id and
 * spelling are the transport worker's to choose. It answers RECORD_LOOKED_UP once. */
struct record_lookup {
	uint64_t cookie;
	uint32_t size; /* of the query */
	uint32_t zero;
};
/* What a server answered to that question: bytes of the network, of which no more is known than
 * that. */
struct record_looked_up {
	uint64_t cookie;
	int32_t error; /* negative errno: there is no answer. -ETIMEDOUT, -ECONNREFUSED, -EAGAIN too
	                  many wait, -ENOTCONN there are no servers or sockets, -EMSGSIZE */
	uint32_t size; /* of the answer; 0 with an error */
};

/* What a SIP worker has found out about a target that is a name: its addresses, or why it has none.
 * Sent to every other one. */
#define ADDRESSES_MAX 16 /* per name */
struct record_address {
	struct endpoint endpoint;
	uint8_t transport;
	uint8_t by_service; /* 1: the transport is what NAPTR or SRV says */
	uint16_t service_priority, service_weight;
	uint8_t zero[2];
	uint64_t host; /* hash of SRV's target and port */
};
struct record_addresses {
	uint64_t name;       /* the target's id (worker-sip/routing/names.c) */
	uint64_t found_at;   /* CLOCK_MONOTONIC, ms: when they were asked for */
	uint64_t expires_at; /* ms */
	int32_t error;       /* negative errno: there are none. -ENOENT no such name, ... */
	uint16_t count;
	uint16_t left_out; /* addresses that there was no room for, or that may not be sent to */
	struct record_address address[ADDRESSES_MAX];
};

/* Whether sender may send receiver a record of this type; both are roles. */
bool record_permits(uint16_t type, unsigned sender, unsigned receiver);
/* "MESSAGE", ..., or "?" for no type. */
const char *record_name(uint16_t type);

/* Checks a received batch to its exact end (types known, sizes, padding, count). 0 or -EBADMSG. */
int batch_check(const void *batch, size_t size);
/* Walks a checked batch: *at starts at 0. The next record's header and data, or NULL at the end. */
const struct record_header *batch_next(
	const void *batch, size_t size, size_t *at, const void **data);

#endif
