/* flow.h - flows: which id is which stream, which stream serves a peer (RFC 3261 section 18, RFC
 * 5626 section 3), who wants to know of its end; and the orders that SIP workers give by flow. */
#ifndef SIPWARD_TRANSPORT_FLOW_H
#define SIPWARD_TRANSPORT_FLOW_H

#include "common/table.h"
#include "ipc/flow.h"
#include "ipc/slot.h"

struct transport_worker;
struct flows;

/* Reports (an ended flow, a failed send) that wait for room in a SIP worker's queue. */
#define FLOW_REPORTS_MAX 16384
#define FLOW_REPORT_RETRY_MS 5

/* Embedded in a stream. */
struct flow_node {
	struct table_node by_id, by_peer;
	struct flow flow;              /* id and the rest, as messages from it carry */
	uint8_t watch[SLOT_COUNT / 8]; /* slots that asked to be told of its end */
	bool listed;                   /* in by_peer: new requests to its peer may use it */
};

/* What is to be written, and who asked for it. */
struct outgoing {
	const void *bytes;
	size_t size;
	uint64_t cookie; /* 0: no report of a failure is wanted */
	uint16_t peer;   /* the SIP worker that gave it; 0: made here */
	bool close;      /* end the stream once it is written */
	bool reserve;    /* may use the reserve of a full queue */
};

int flows_new(struct flows **out, struct transport_worker *t); /* -ENOMEM */
void flows_free(struct flows *f);

/* Gives the node, whose flow is set but for its id, an id of this incarnation and lists it. */
void flow_open(struct flows *f, struct flow_node *n);
/* No new request takes it from now on; its id still holds. */
void flow_unlist(struct flows *f, struct flow_node *n);
/* It has ended: the id names nothing any more, watchers are told. */
void flow_close(struct flows *f, struct flow_node *n);

/* NULL where there is none. */
struct flow_node *flow_find(const struct flows *f, uint64_t id);
struct flow_node *flow_to_peer(const struct flows *f, const struct flow *to);
size_t flow_count(const struct flows *f);
void flow_each(struct flows *f, bool (*visit)(struct flow_node *n, void *arg), void *arg);

/* Sends to a flow as ipc/flow.h describes destinations. 0: taken; a later failure is reported by
 * cookie. -errno: as record_send_failed.error; nothing was taken or reported. */
int flow_send(struct transport_worker *t, const struct flow *to, const struct outgoing *out);

/* Reports that a send failed; no-op without cookie. */
void flow_report_failed(struct transport_worker *t, uint16_t peer, uint64_t cookie, int error);

/* A record from a SIP worker. What is out of range is counted and dropped: false. */
bool flow_record(
	struct transport_worker *t, uint16_t peer, uint16_t type, const void *data, size_t size);

/* Tries again to deliver reports that found no room. Runs at the end of each turn. */
void flow_reports_flush(struct flows *f);
size_t flow_reports(const struct flows *f);

#endif
