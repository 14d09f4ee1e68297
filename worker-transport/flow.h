/* flow.h - flows: which id names which stream, which stream serves a peer (RFC 3261 section 18, RFC
 * 5626 section 3), who sends to it, and who is told of its end. */
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

struct flow_node;
struct outgoing;

/* Embedded in a stream. */
struct flow_node {
	struct table_node by_id, by_peer;
	/* sends to the flow, with flow_send's results; the stream sets it */
	int (*send)(struct flow_node *n, const struct outgoing *out);
	struct flow flow;              /* as the messages that come by it carry it */
	uint8_t watch[SLOT_COUNT / 8]; /* slots that want to be told of its end, a bit each */
	bool listed;                   /* in by_peer: new requests to its peer may use it */
	bool half;                     /* nothing comes by it any more (flow_halve) */
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

/* Makes an empty set of flows for t, which outlives it. 0; -ENOMEM. */
int flows_new(struct flows **out, struct transport_worker *t);
/* To be called after all flows have ended. NULL is a no-op. */
void flows_free(struct flows *f);

/* Gives the node, whose send is set and whose flow is set but for its id, an id of this incarnation
 * and lists it. */
void flow_open(struct flows *f, struct flow_node *n);
/* No new request takes that flow from now on; its id still holds. */
void flow_unlist(struct flows *f, struct flow_node *n);
/* Nothing comes by the flow any more, and no new request takes it, but answers still go by its id:
 * its watchers are told of that. */
void flow_halve(struct flows *f, struct flow_node *n);
/* The flow has ended: its id names nothing any more, and its watchers are told. */
void flow_close(struct flows *f, struct flow_node *n);
/* The worker that owns slot is told of the end of the flow with that id, and before that of its
 * half end; at once, where either has come. */
void flow_watch(struct flows *f, uint64_t id, uint8_t slot);

/* The flow with that id, or NULL. */
struct flow_node *flow_find(const struct flows *f, uint64_t id);
/* The flow that new requests to to->peer take, of the same listener, transport and profile, or
 * NULL. */
struct flow_node *flow_to_peer(const struct flows *f, const struct flow *to);
/* The number of flows that are open. */
size_t flow_count(const struct flows *f);
/* Calls visit for each flow, until it returns true. */
void flow_each(struct flows *f, bool (*visit)(struct flow_node *n, void *arg), void *arg);

/* Sends out to to->peer, to which no flow leads yet, as flow_send does. */
typedef int flow_sender(void *arg, const struct flow *to, const struct outgoing *out);
/* Names the sender for a transport, which is called with arg and stays as long as f is used. A
 * transport that has none can only be sent to by its open flows. */
void flow_set_sender(struct flows *f, uint8_t transport, flow_sender *send, void *arg);

/* Sends to a flow; ipc/flow.h describes destinations. 0: the bytes are taken, and a later failure
 * is reported by cookie. A negative errno, as in record_send_failed.error: nothing was taken,
 * nothing is reported. -EACCES: a trusted zone's listener reaches that zone's sources alone, by
 * datagrams also strangers where it hears such ones, and we
 * connect to no others. -EPROTONOSUPPORT: nobody sends by that transport where there is no flow. */
int flow_send(struct transport_worker *t, const struct flow *to, const struct outgoing *out);
/* Sends what flow_send gives to a flow that takes no more to its peer, by another flow; the same
 * results. It stands in the trace already. */
int flow_send_anew(struct transport_worker *t, const struct flow *flow, const struct outgoing *out);

/* Reports to the SIP worker peer that its send failed with error (negative errno). Counts it;
 * without cookie that is all. */
void flow_report_failed(struct transport_worker *t, uint16_t peer, uint64_t cookie, int error);

/* Reports to the SIP worker peer that a request was written to a stream that has ended since: its
 * answer cannot come any more. Counts it. */
void flow_report_unanswered(struct transport_worker *t, uint16_t peer, uint64_t cookie);

/* Tries again to deliver reports that found no room. To be called at the end of each turn. */
void flow_reports_flush(struct flows *f);
/* The number of reports that wait for room. */
size_t flow_reports(const struct flows *f);

#endif
