/* flow.c - flow ids, connection reuse, watches, and the senders of flows.
 *
 * An id is worker, incarnation and a number that counts up; it is never given twice in a life, so
 * an old id finds nothing rather than a stranger. Reports that a full queue refuses wait in a ring
 * of fixed size. Relies on: the SIP workers' seam in transport_worker.h; the senders that streams
 * and sockets name.
 */
#include "flow.h"

#include "common/counters.h"
#include "ipc/mesh.h"
#include "capture.h"
#include "transport_worker.h"

#include <errno.h>
#include <stdlib.h>

struct flow_report {
	uint16_t type; /* RECORD_FLOW_CLOSED or RECORD_SEND_FAILED */
	uint16_t peer; /* of RECORD_SEND_FAILED; the other goes to the worker that owns the slot */
	bool next;     /* to the one that it moves to */
	union {
		struct record_flow_closed closed;
		struct record_send_failed failed;
	};
};

/* The sender to peers that no flow leads to. */
struct flow_way {
	flow_sender *send; /* NULL: nobody does */
	void *arg;
};

struct flows {
	struct transport_worker *t;
	struct flow_way way[TRANSPORT_COUNT];
	struct hash_key key;
	struct table by_id, by_peer;
	uint32_t number;            /* of the stream opened last */
	struct flow_report *report; /* ring */
	size_t first, waiting;
	struct timer retry;
};

static void flows_on_retry(struct timer *timer, void *arg)
{
	(void)timer;
	flow_reports_flush(arg);
}

int flows_new(struct flows **out, struct transport_worker *t)
{
	struct flows *f = calloc(1, sizeof(*f));
	int error;

	if (!f)
		return -ENOMEM;
	f->t = t;
	hash_key_random(&f->key);
	timer_init(&f->retry, flows_on_retry, f);
	f->report = calloc(FLOW_REPORTS_MAX, sizeof(*f->report));
	error = f->report ? table_init(&f->by_id, 256) : -ENOMEM;
	if (error == 0)
		error = table_init(&f->by_peer, 256);
	if (error) {
		flows_free(f);
		return error;
	}
	*out = f;
	return 0;
}

void flows_free(struct flows *f)
{
	if (!f)
		return;
	loop_unset(f->t->loop, &f->retry);
	table_free(&f->by_id);
	table_free(&f->by_peer);
	free(f->report);
	free(f);
}

/* ---- ids ---- */

static bool flow_same_id(const struct table_node *node, const void *key)
{
	return container_of(node, struct flow_node, by_id)->flow.id == *(const uint64_t *)key;
}

static bool flow_same_peer(const struct table_node *node, const void *key)
{
	const struct flow *have = &container_of(node, struct flow_node, by_peer)->flow, *want = key;

	/* the profile is compared too: a connection was verified for the one it was made for */
	return have->listener == want->listener && have->transport == want->transport &&
	       have->profile == want->profile && endpoint_equal(&have->peer, &want->peer);
}

static uint64_t flow_peer_hash(const struct flows *f, const struct endpoint *peer)
{
	return hash_bytes(&f->key, peer, sizeof(*peer));
}

struct flow_node *flow_find(const struct flows *f, uint64_t id)
{
	struct table_node *node = table_find(
		&f->by_id, hash_bytes(&f->key, &id, sizeof(id)), flow_same_id, &id);

	return node ? container_of(node, struct flow_node, by_id) : NULL;
}

struct flow_node *flow_to_peer(const struct flows *f, const struct flow *to)
{
	struct table_node *node = table_find(
		&f->by_peer, flow_peer_hash(f, &to->peer), flow_same_peer, to);

	return node ? container_of(node, struct flow_node, by_peer) : NULL;
}

void flow_open(struct flows *f, struct flow_node *n)
{
	do {
		if (++f->number == 0) /* a number of 0 would be no flow's */
			f->number = 1;
		n->flow.id = FLOW_ID(f->t->index, f->t->incarnation, f->number);
		/* after 2^32 connections the number may meet one that is still open */
	} while (flow_find(f, n->flow.id));
	memset(n->watch, 0, sizeof(n->watch));
	n->half = false;
	table_add(&f->by_id, &n->by_id, hash_bytes(&f->key, &n->flow.id, sizeof(n->flow.id)));
	table_add(&f->by_peer, &n->by_peer, flow_peer_hash(f, &n->flow.peer));
	n->listed = true;
	counter_set(COUNTER_STREAMS, f->by_id.count);
}

void flow_unlist(struct flows *f, struct flow_node *n)
{
	if (n->listed)
		table_remove(&f->by_peer, &n->by_peer);
	n->listed = false;
}

size_t flow_count(const struct flows *f)
{
	return f->by_id.count;
}

struct flow_walk {
	bool (*visit)(struct flow_node *n, void *arg);
	void *arg;
};

static bool flow_walk_one(struct table_node *node, void *arg)
{
	struct flow_walk *w = arg;

	return w->visit(container_of(node, struct flow_node, by_id), w->arg);
}

void flow_each(struct flows *f, bool (*visit)(struct flow_node *n, void *arg), void *arg)
{
	table_each(&f->by_id, flow_walk_one, &(struct flow_walk){visit, arg});
}

/* ---- reports ---- */

static int flow_report_send(struct flows *f, const struct flow_report *r)
{
	bool closed = r->type == RECORD_FLOW_CLOSED;
	size_t size = closed ? sizeof(r->closed) : sizeof(r->failed);
	const uint8_t *owner = r->next ? f->t->slots.next : f->t->slots.worker;
	uint16_t peer = closed ? PEER(PEER_SIP, owner[r->closed.slot]) : r->peer;
	void *data;
	int error = f->t->upstream.record(f->t->upstream.arg, peer, r->type, size, true, &data);

	if (error == 0)
		memcpy(data, closed ? (const void *)&r->closed : (const void *)&r->failed, size);
	return error;
}

void flow_reports_flush(struct flows *f)
{
	while (f->waiting) {
		int error = flow_report_send(f, &f->report[f->first]);

		if (error == -EAGAIN) {
			loop_set(f->t->loop, &f->retry, FLOW_REPORT_RETRY_MS);
			return;
		}
		/* the worker it was for is gone, and with it what the report was about */
		if (error)
			count(REPORTS_LOST);
		f->first = (f->first + 1) % FLOW_REPORTS_MAX;
		f->waiting--;
	}
}

size_t flow_reports(const struct flows *f)
{
	return f->waiting;
}

static void flow_report(struct flows *f, const struct flow_report *r)
{
	if (f->waiting == FLOW_REPORTS_MAX) {
		count(REPORTS_LOST);
		return;
	}
	f->report[(f->first + f->waiting++) % FLOW_REPORTS_MAX] = *r;
	if (f->waiting == 1)
		flow_reports_flush(f);
}

void flow_report_failed(struct transport_worker *t, uint16_t peer, uint64_t cookie, int error)
{
	count(FLOW_SEND_FAILED);
	if (cookie)
		flow_report(t->flows, &(struct flow_report){.type = RECORD_SEND_FAILED,
					      .peer = peer,
					      .failed = {.cookie = cookie, .error = error}});
}

void flow_report_unanswered(struct transport_worker *t, uint16_t peer, uint64_t cookie)
{
	count(FLOW_UNANSWERED);
	flow_report(t->flows, &(struct flow_report){.type = RECORD_SEND_FAILED,
				      .peer = peer,
				      .failed = {.cookie = cookie, .error = -ECONNRESET}});
}

static void flow_report_closed(struct flows *f, uint64_t id, uint8_t slot, bool half)
{
	struct flow_report report = {
		.type = RECORD_FLOW_CLOSED, .closed = {.flow = id, .slot = slot, .half = half}};

	count(FLOW_CLOSED_REPORTS);
	flow_report(f, &report);
	report.next = true;
	if (f->t->slots.next[slot] != f->t->slots.worker[slot])
		flow_report(f, &report);
}

/* Tells the watchers of the flow of its end, or of half of it. */
static void flow_tell_watchers(struct flows *f, const struct flow_node *n, bool half)
{
	for (unsigned slot = 0; slot < SLOT_COUNT; slot++)
		if (n->watch[slot / 8] & 1u << slot % 8)
			flow_report_closed(f, n->flow.id, (uint8_t)slot, half);
}

void flow_halve(struct flows *f, struct flow_node *n)
{
	flow_unlist(f, n);
	if (n->half)
		return;
	n->half = true;
	flow_tell_watchers(f, n, true);
}

void flow_close(struct flows *f, struct flow_node *n)
{
	flow_unlist(f, n);
	table_remove(&f->by_id, &n->by_id);
	counter_set(COUNTER_STREAMS, f->by_id.count);
	flow_tell_watchers(f, n, false);
}

void flow_watch(struct flows *f, uint64_t id, uint8_t slot)
{
	struct flow_node *n = flow_find(f, id);

	if (n)
		n->watch[slot / 8] |= (uint8_t)(1u << slot % 8);
	if (!n || n->half)
		flow_report_closed(f, id, slot, n != NULL);
}

/* ---- sending ---- */

void flow_set_sender(struct flows *f, uint8_t transport, flow_sender *send, void *arg)
{
	f->way[transport] = (struct flow_way){.send = send, .arg = arg};
}

/* The flow that a message takes; NULL: there is none, or none yet. */
static struct flow_node *flow_of(const struct flows *f, const struct flow *to)
{
	if (to->id)
		return flow_find(f, to->id);
	return transport_is_stream(to->transport) ? flow_to_peer(f, to) : NULL;
}

/* Copies what is going to a flow, with the address that it goes from as far as that is known. */
static bool flow_capture(
	struct transport_worker *t, const struct flow *flow, const struct outgoing *out)
{
	const struct endpoint *local = &flow->local;

	if (local->family == 0 || endpoint_is_wildcard(local))
		local = &settings_listener(t->settings, flow->listener)->bind;
	return capture_add(t, flow, local, true, (struct str){out->bytes, out->size});
}

/* n: the flow that it takes, or NULL. */
static int flow_pass(struct transport_worker *t, const struct flow *to, struct flow_node *n,
	const struct outgoing *out)
{
	const struct flow_way *way;
	bool permitted, trust;
	unsigned zone;

	if (to->id)
		return n ? n->send(n, out) : -ENOTCONN;
	zone = settings_zone_of(t->settings, to->listener, &to->peer, &permitted);
	/* a trusted zone's listener reaches the sources of that zone and nobody else, but that a
	 * stranger who has shown a secret of ours gets his answers (stranger.h) */
	trust = settings_zone(t->settings, zone)->trust;
	if (trust && !permitted &&
		!(to->transport == TRANSPORT_UDP &&
			settings_hears_strangers(t->settings, to->listener)))
		return -EACCES;
	if (to->transport != TRANSPORT_UDP && !trust)
		return -EACCES;
	if (n)
		return n->send(n, out);
	way = &t->flows->way[to->transport];
	return way->send ? way->send(way->arg, to, out) : -EPROTONOSUPPORT;
}

int flow_send(struct transport_worker *t, const struct flow *to, const struct outgoing *out)
{
	struct flow_node *n = flow_of(t->flows, to);
	bool collected = capture_wanted(t) && flow_capture(t, n ? &n->flow : to, out);
	int error = flow_pass(t, to, n, out);

	if (error)
		capture_unsent(t, collected, error);
	return error;
}

int flow_send_anew(struct transport_worker *t, const struct flow *flow, const struct outgoing *out)
{
	struct flow to = *flow;

	to.id = 0;
	return flow_pass(t, &to, flow_of(t->flows, &to), out);
}
