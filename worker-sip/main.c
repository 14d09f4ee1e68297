/* main.c - sipward-sip: transactions, dialogs, calls and bindings of the slots that this worker
 * owns (doc/ARCHITECTURE.md).
 *
 * Interface: lifeline on fd 3; edges as the master says. No arguments, no environment.
 */
#include "handover.h"
#include "common/clock.h"
#include "cdr.h"
#include "worker-sip/call/call_trace.h"
#include "worker-sip/call/star_code.h"
#include "core.h"
#include "drain.h"
#include "ipc/forwards.h"
#include "ipc/message_slot.h"
#include "ipc/mesh.h"
#include "listing.h"
#include "memory_trim.h"
#include "named_dialog.h"
#include "worker-sip/auth/digest.h"
#include "worker-sip/auth/old_client.h"
#include "worker-sip/auth/replay.h"
#include "worker-sip/call/call.h"
#include "worker-sip/call/call_record.h"
#include "worker-sip/call/dialog.h"
#include "worker-sip/call/limits.h"
#include "worker-sip/message/refusal_budget.h"
#include "worker-sip/registrar/registrar.h"
#include "worker-sip/routing/fork.h"
#include "worker-sip/routing/names.h"
#include "worker-sip/routing/number_list.h"
#include "worker-sip/routing/route.h"
#include "worker-sip/routing/target_state.h"
#include "worker-sip/routing/trunk_binding.h"
#include "worker-sip/routing/trunk_line.h"
#include "worker-sip/routing/trunk_registration.h"
#include "worker-sip/subscription/reg_watch.h"
#include "worker-sip/subscription/subscription_sweep.h"
#include "worker-sip/transaction/transaction.h"
#include "worker/crash_hook.h"
#include "worker/skeleton.h"
#include "users_removed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct context {
	struct sip sip;
	struct memory_trim trim;
};

/* A transport worker speaks of its own connections only: one that was taken over must not end, or
 * answer for, those of another. */
static bool sip_is_own_flow(uint16_t peer, uint64_t flow)
{
	return PEER_ROLE(peer) != PEER_TRANSPORT || (flow && FLOW_WORKER(flow) == PEER_INDEX(peer));
}

/* Whether there is such a listener, of that transport. */
static bool sip_has_listener(const struct settings *s, uint16_t listener, uint8_t transport)
{
	return listener < s->listeners.count &&
	       settings_listener(s, listener)->transport == transport;
}

/* Whether a message can have come as it says: by a listener of ours, over its transport, on a flow
 * of the worker that hands it over. */
static bool sip_is_way_in(const struct sip *sip, uint16_t peer, const struct flow *f)
{
	if (!sip_has_listener(sip->settings, f->listener, f->transport))
		return false;
	return transport_is_stream(f->transport) ? f->id && sip_is_own_flow(peer, f->id) : !f->id;
}

/* Hands a message that a transport worker sent here on to the owner of its slot; once, so that two
 * workers that disagree on the slots do not throw it to and fro. */
static void sip_forward_message(
	struct sip *sip, uint16_t peer, uint8_t owner, const struct message *m, size_t size)
{
	uint16_t to = PEER(PEER_SIP, owner);
	bool first = PEER_ROLE(peer) == PEER_TRANSPORT;
	void *copy;

	if (!first || mesh_record(sip->mesh, to, RECORD_MESSAGE, size, true, &copy)) {
		count(MESSAGE_MISDIRECTED);
		return;
	}
	memcpy(copy, m, size);
	count(MESSAGE_FORWARDED);
}

/* The slot that a message is served in. That of a dialog which it names, wherever its Call-ID
 * leads; a CANCEL goes where its INVITE went. */
static uint8_t sip_slot_of(const struct sip *sip, const struct message *m)
{
	uint8_t slot;

	if (named_dialog_slot(m, &slot) || named_dialog_noted(sip, m, &slot))
		return slot;
	return slot_of_message(m, &sip->keys.slot_key, sip->settings);
}

/* Whether the worker of the Call-ID's slot has handed on a CANCEL to where its INVITE is. */
static bool sip_has_cancelled(const struct sip *sip, const struct message *m)
{
	return m->is_request && m->method == METHOD_CANCEL &&
	       transactions_have(sip->transactions, m);
}

static bool sip_take_message(struct sip *sip, uint16_t peer, const struct message *m, size_t size)
{
	if (message_check(m, size) || !sip_is_way_in(sip, peer, &m->flow)) {
		count(MESSAGE_BAD_BLOCK);
		return false;
	}
	uint8_t slot = sip_slot_of(sip, m), owner = sip->slots.worker[slot],
		next = sip->slots.next[slot];
	if (owner == sip->index && next != owner && !handover_keeps(sip, m))
		owner = next;
	/* what the old owner hands on, or who takes the slot for moved already */
	if (owner == sip->index || next == sip->index || sip_has_cancelled(sip, m)) {
		core_message(sip, m, slot);
		return true;
	}
	uint8_t named;
	if (named_dialog_slot(m, &named))
		named_dialog_note(sip, m, named);
	sip_forward_message(sip, peer, owner, m, size);
	return true;
}

/* False: the peer may not send such a record. */
static bool sip_take_record(
	struct sip *sip, uint16_t peer, uint16_t type, const void *data, size_t size)
{
	if (!record_permits(type, PEER_ROLE(peer), PEER_SIP)) {
		count(BAD_RECORDS);
		return false;
	}
	switch (type) {
	case RECORD_MESSAGE: return sip_take_message(sip, peer, data, size);
	case RECORD_FLOW_CLOSED: {
		const struct record_flow_closed *closed = data;
		if (!sip_is_own_flow(peer, closed->flow))
			break;
		registrar_flow_closed(sip->registrar, closed->flow, closed->slot);
		trunk_registrations_flow_closed(sip, closed->flow);
		/* what was sent by it has no answer any more; what came by it may still have one */
		if (closed->half)
			fork_flow_closed(sip, closed->flow);
		else
			call_flow_closed(sip, closed->flow);
		return true;
	}
	case RECORD_SEND_FAILED: {
		const struct record_send_failed *failed = data;
		transactions_send_failed(
			sip->transactions, PEER_INDEX(peer), failed->cookie, failed->error);
		return true;
	}
	case RECORD_UNREACHABLE: core_unreachable(sip, data); return true;
	case RECORD_ADDRESSES: names_told(sip->names, data); return true;
	case RECORD_LOOKED_UP:
		if (names_looked_up(sip->names, peer, data, size))
			return true;
		break;
	case RECORD_TARGET: target_states_told(sip->target_states, data); return true;
	case RECORD_OLD_CLIENT: old_client_told(sip, data); return true;
	case RECORD_BINDING:
		if (trunk_binding_told(sip, data))
			return true;
		break;
	}
	count(BAD_RECORDS);
	return false;
}

/* Notes the record as evidence until it is done with: should it end this worker, the next ones
 * refuse it. Copies of it may wait in the queues of transport workers that have let it pass before.
 */
static void sip_on_record(void *arg, uint16_t peer, uint16_t type, const void *data, size_t size)
{
	struct sip *sip = arg;
	struct str raw = STR_NONE;

	if (type == RECORD_MESSAGE)
		raw = message_raw_unchecked(data, size);
	if (!raw.n)
		evidence_take(&counters_page->work, EVIDENCE_RECORD, data, size);
	else if (!refusals_let_in(&sip->refusals, &counters_page->work, EVIDENCE_MESSAGE, raw, NULL,
			 loop_now(sip->loop)))
		return;
	crash_hook("sip", raw);
	if (!sip_take_record(sip, peer, type, data, size))
		mesh_refused(sip->mesh, peer, type, size);
	evidence_drop(&counters_page->work);
}

static int sip_take_settings(struct sip *sip, struct lifeline_packet *p)
{
	const void *image;
	size_t size;
	struct routes *routes = NULL;
	struct number_lists *number_lists = NULL;
	int error = worker_map(p->fd[0], &image, &size);

	if (error)
		return error;
	error = settings_check(image, size);
	if (error == 0)
		error = routes_new(&routes, image);
	if (error == 0)
		error = number_lists_new(&number_lists, image);
	if (error) {
		routes_free(routes);
		munmap((void *)image, size);
		return error;
	}
	routes_free(sip->routes);
	sip->routes = routes;
	number_lists_free(sip->number_lists);
	sip->number_lists = number_lists;
	if (sip->settings) {
		trunk_registrations_leave(sip, image);
		munmap((void *)sip->settings, sip->settings_size);
	}
	sip->settings = image;
	sip->settings_size = size;
	if (sip->location)
		location_listeners(sip->location, image);
	call_trace_settings(sip);
	trunk_bindings_take(sip);
	trunk_lines_take(sip);
	subscriptions_sweep(sip);
	reg_watches_sweep(sip);
	error = names_take(sip->names);
	if (error == 0)
		error = target_states_take(sip->target_states);
	if (error == 0)
		trunk_registrations_take(sip);
	return error;
}

static int sip_take_users(struct sip *sip, struct lifeline_packet *p)
{
	const void *image;
	size_t size;
	int error = worker_map(p->fd[0], &image, &size);

	if (error)
		return error;
	error = users_check(image, size);
	if (error) {
		munmap((void *)image, size);
		return error;
	}
	const struct users *before = sip->users;
	size_t before_size = sip->users_size;
	sip->users = image;
	sip->users_size = size;
	trunk_lines_take(sip);
	trunk_registrations_credentials(sip);
	users_removed(sip, before);
	if (before)
		munmap((void *)before, before_size);
	return 0;
}

static int sip_take_forwards(struct sip *sip, struct lifeline_packet *p)
{
	const void *image;
	size_t size;
	int error = worker_map(p->fd[0], &image, &size);

	if (error)
		return error;
	error = forwards_check(image, size);
	if (error) {
		munmap((void *)image, size);
		return error;
	}
	const struct forwards *before = sip->forwards;
	size_t before_size = sip->forwards_size;

	sip->forwards = NULL;
	if (((const struct forwards *)image)->count) {
		sip->forwards = image;
		sip->forwards_size = size;
	} else {
		munmap((void *)image, size);
	}
	if (before)
		munmap((void *)before, before_size);
	return 0;
}

static void sip_take_slots(struct sip *sip, const struct slot_map *map)
{
	bool gained = false;

	for (unsigned i = 0; i < SLOT_COUNT; i++)
		gained |= map->next[i] == sip->index && sip->slots.next[i] != sip->index;
	sip->slots = *map;
	limits_slots_changed(sip);
	/* the next owner has to find what has been answered */
	if (sip->location)
		location_hurry(sip->location);
	handover_slots_changed(sip);
	if (sip->registrar)
		registrar_slots_changed(sip->registrar);
	target_states_schedule(sip->target_states);
	names_schedule(sip->names);
	trunk_registrations_take(sip);
	if (gained && sip->replay)
		/* which nonces their earlier owner saw used is not known here */
		replay_horizon(sip->replay, clock_realtime_ms());
}

/* An edge, over either carrier; a transport worker is talked to from its first one on. */
static int sip_take_edge(struct sip *sip, struct lifeline_packet *p)
{
	struct lifeline_ack ack;
	uint16_t peer;
	int error = mesh_packet(sip->mesh, p, &ack);

	if (error < 0)
		return error;
	memcpy(&peer, p->body, sizeof(peer)); /* all but LISTEN begin with it */
	if ((p->type == LIFELINE_EDGE || p->type == LIFELINE_ALLOW) &&
		PEER_ROLE(peer) == PEER_TRANSPORT)
		sip->transports |= UINT64_C(1) << (PEER_INDEX(peer) & 63);
	if ((p->type == LIFELINE_EDGE || p->type == LIFELINE_PEER_UP) &&
		PEER_ROLE(peer) == PEER_SIP) {
		target_states_tell(sip->target_states, PEER_INDEX(peer));
		names_tell(sip->names, PEER_INDEX(peer));
		trunk_bindings_tell(sip, PEER_INDEX(peer));
	}
	return error ? worker_send(&sip->worker, LIFELINE_ACK, &ack, sizeof(ack), NULL, 0) : 0;
}

static int sip_on_packet(void *arg, struct lifeline_packet *p)
{
	struct context *c = arg;
	struct sip *sip = &c->sip;
	const void *body = p->body;

	switch (p->type) {
	case LIFELINE_SETTINGS: return sip_take_settings(sip, p);
	case LIFELINE_USERS: return sip_take_users(sip, p);
	case LIFELINE_FORWARDS: return sip_take_forwards(sip, p);
	case LIFELINE_FORWARD_DONE: star_code_done(sip, body); return 0;
	case LIFELINE_KEYS: memcpy(&sip->keys, body, sizeof(sip->keys)); return 0;
	case LIFELINE_EDGE:
	case LIFELINE_LISTEN:
	case LIFELINE_ALLOW:
	case LIFELINE_CONNECT:
	case LIFELINE_PEER_UP: return sip_take_edge(sip, p);
	case LIFELINE_PEER_DOWN: {
		const struct lifeline_peer *down = body;
		if (sip->location)
			location_reader_check(sip->location);
		if (sip->registrar && PEER_ROLE(down->peer) == PEER_TRANSPORT) {
			registrar_transport_gone(
				sip->registrar, PEER_INDEX(down->peer), down->incarnation);
			trunk_registrations_transport_gone(
				sip, PEER_INDEX(down->peer), down->incarnation);
		}
		return 0;
	}
	case LIFELINE_SLOTS: sip_take_slots(sip, body); return 0;
	case LIFELINE_QUARANTINE: {
		const struct lifeline_quarantine *quarantine = body;
		return refusals_set(&sip->refusals, quarantine->print, quarantine->count);
	}
	case LIFELINE_LIMITS:
		return sip->limits ? -EPROTO : limits_map(&sip->limits, p->fd[0], sip->index);
	case LIFELINE_TRUNKS: target_states_disable(sip->target_states, body); return 0;
	case LIFELINE_QUERY: listing_answer(sip, body); return 0;
	case LIFELINE_DEBUG:
		if (((const struct lifeline_debug *)body)->count > DEBUG_WATCHES_MAX)
			return -EPROTO;
		memcpy(&sip->debug, body, sizeof(sip->debug));
		return 0;
	case LIFELINE_EXPLAIN: listing_explain(sip, body, p->size); return 0;
	case LIFELINE_DRAIN: {
		const struct lifeline_drain *order = body;
		if (order->mode > DRAIN_END)
			return -EPROTO;
		drain_order(sip, order);
		return 0;
	}
	case LIFELINE_CDR:
		cdr_use(sip->cdr, p->fd[0]);
		p->fd[0] = -1;
		return 0;
	case LIFELINE_CDR_NONE: cdr_use(sip->cdr, -1); return 0;
	default: return -EPROTO;
	}
}

/* The working directory is the state directory until jail_limit. */
static int sip_open_stores(struct sip *sip, const struct boot_id *boot)
{
	int error = location_open(&sip->location, "location", boot, sip->loop);

	if (error)
		log_error("store-failed", "store=location error=\"%s\"", error_text(error));
	return error;
}

/* Nobody receives at the socket of the section cdr: the master connects it again. */
static void sip_cdr_lost(void *arg)
{
	struct context *c = arg;

	worker_send(&c->sip.worker, LIFELINE_CDR_LOST, NULL, 0, NULL, 0);
}

/* Stores and answers in this turn, the last, what is held back to be stored together. */
static void sip_on_stop(void *arg, uint32_t grace_ms)
{
	struct context *c = arg;

	(void)grace_ms;
	call_records_stop(&c->sip);
	cdr_finish(c->sip.cdr);
	if (c->sip.location)
		location_hurry(c->sip.location);
	worker_leave(&c->sip.worker);
}

static int sip_start(struct context *c)
{
	struct sip *sip = &c->sip;
	int error = digest_init();

	if (error == 0)
		error = transactions_new(&sip->transactions, sip);
	if (error == 0)
		error = dialogs_new(&sip->dialogs);
	if (error == 0)
		error = registrar_new(&sip->registrar, sip);
	if (error == 0)
		reg_watches_begin(sip);
	if (error == 0)
		error = refusal_budget_new(&sip->refusal_budget);
	if (error == 0)
		error = memory_trim_start(&c->trim, sip->loop);
	/* The mesh is last: what the stores answer at the end of a turn leaves in it. */
	if (error == 0)
		error = mesh_start(sip->mesh);
	if (error == 0)
		trunk_registrations_take(sip);
	return error;
}

static void sip_names_changed(struct sip *sip)
{
	int error = target_states_take(sip->target_states);

	if (error)
		log_error("trunk-addresses-lost", "error=\"%s\"", error_text(error));
}

int main(void)
{
	static struct context context;
	struct sip *sip = &context.sip;
	struct worker *w = &sip->worker;
	struct boot_id boot;

	if (worker_begin(w, PEER_SIP, sip_on_packet, sip_on_stop, &context))
		return EXIT_FAILURE;
	sip->loop = w->loop;
	sip->index = w->welcome.index;
	handover_init(sip);
	/* Edges come with the first configuration. */
	if (target_states_new(&sip->target_states, sip, fork_attempt_lost) ||
		names_new(&sip->names, sip, sip_names_changed) ||
		cdr_new(&sip->cdr, sip->loop, sip_cdr_lost, &context))
		return EXIT_FAILURE;
	if (mesh_new(&sip->mesh, sip->loop, w->welcome.carrier, PEER(PEER_SIP, sip->index),
		    sip_on_record, sip))
		return EXIT_FAILURE;
	if (worker_receive(w))
		return EXIT_FAILURE;
	boot_id_read(&boot);
	if (jail_stores(&w->jail, settings_str(sip->settings, sip->settings->state_directory)))
		return EXIT_FAILURE;
	if (jail_confine(&w->jail))
		return EXIT_FAILURE;
	if (sip_open_stores(sip, &boot))
		return EXIT_FAILURE;
	if (jail_limit(&w->jail))
		return EXIT_FAILURE;
	if (sip_start(&context))
		return EXIT_FAILURE;
	if (jail_seal(&w->jail))
		return EXIT_FAILURE;
	return worker_run(w) ? EXIT_FAILURE : EXIT_SUCCESS;
}
