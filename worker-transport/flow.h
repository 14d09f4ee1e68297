/* flow.h - flows: which id names which stream, which stream serves a peer (RFC 3261 section 18, RFC
 * 5626 section 3), and who is told of its end; and the orders that SIP workers give by flow. */
#ifndef SIPWARD_TRANSPORT_FLOW_H
#define SIPWARD_TRANSPORT_FLOW_H

#include "common/table.h"
#include "ipc/flow.h"
#include "ipc/slot.h"

struct transport_worker;
struct flows;

/* The most reports (of an ended flow, of a failed send) that wait for room in a SIP worker's queue,
 * and the milliseconds until they are tried again. */
#define FLOW_REPORTS_MAX 16384
#define FLOW_REPORT_RETRY_MS 5

/* Embedded in a stream. */
struct flow_node {
	struct table_node by_id, by_peer;
	struct flow flow;              /* as the messages that come by it carry it */
	uint8_t watch[SLOT_COUNT / 8]; /* slots that want to be told of its end, a bit each */
	bool listed;                   /* in by_peer: new requests to its peer may use it */
};

/* Bytes to be written, and who asked for it. */
struct outgoing {
	const void *bytes;
	size_t size;
	uint64_t cookie; /* 0: no report of a failure is wanted */
	uint16_t peer;   /* the SIP worker that gave it; 0: it was made here */
	bool close;      /* end the stream once it is written */
	bool reserve;    /* may use the reserve of a full queue */
};

int flows_new(struct flows **out, struct transport_worker *t); /* -ENOMEM */
void flows_free(struct flows *f);

/* Gives the node, whose flow is set but for its id, an id of this incarnation and lists it. */
void flow_open(struct flows *f, struct flow_node *n);
/* No new request takes that flow from now on; its id still holds. */
void flow_unlist(struct flows *f, struct flow_node *n);
/* The flow has ended: its id names nothing any more, and its watchers are told. */
void flow_close(struct flows *f, struct flow_node *n);

/* The flow with that id, or NULL. */
struct flow_node *flow_find(const struct flows *f, uint64_t id);
/* The flow that new requests to to->peer take, of the same listener, transport and profile, or
 * NULL. */
struct flow_node *flow_to_peer(const struct flows *f, const struct flow *to);
size_t flow_count(const struct flows *f);
/* Calls visit for each flow, until it returns true. */
void flow_each(struct flows *f, bool (*visit)(struct flow_node *n, void *arg), void *arg);

/* Sends to a flow; ipc/flow.h describes destinations. 0: the bytes are taken, and a later failure
 * is reported by cookie. A negative errno, as in record_send_failed.error: nothing was taken,
 * nothing is reported. -EACCES: a trusted zone's listener reaches that zone's sources alone, and we
 * connect to no others. */
int flow_send(struct transport_worker *t, const struct flow *to, const struct outgoing *out);

/* Reports to the SIP worker peer that its send failed with error (negative errno). Counts it;
 * without cookie that is all. */
void flow_report_failed(struct transport_worker *t, uint16_t peer, uint64_t cookie, int error);

/* Takes a record of size bytes from the SIP worker peer. False where it is out of range: it is
 * counted and dropped. */
bool flow_record(
	struct transport_worker *t, uint16_t peer, uint16_t type, const void *data, size_t size);

/* Tries again to deliver reports that found no room. To be called at the end of each turn. */
void flow_reports_flush(struct flows *f);
/* How many reports wait for room. */
size_t flow_reports(const struct flows *f);

#endif
