/* introduce.c - what a new life of a worker is told, and what the others are told of it.
 *
 * The order matters: a listener knows a token before its connecter does (edges.h), and a listener's successor knows all living peers'
 * tokens before it listens, so that no connecter is ever refused. SIP workers get GO at once, for they wait for each other's
 * acknowledgements; transport workers, which would have nowhere to send to, wait for theirs.
 */
#include "supervise.h"
#include "../common/log.h"
#include "certificates.h"

#include <sodium.h>
#include <stdio.h>

/* Tells listener of connecter's token. */
static void allow(struct worker_slot *connecter, struct worker_slot *listener)
{
	struct supervisor *s = listener->supervisor;
	struct lifeline_allow body;

	if (!worker_lives(listener) || !worker_lives(connecter))
		return;
	if (!edges_allow(&s->edges, PEER(connecter->role, connecter->index), listener->index, &body))
		return;
	worker_tell(listener, LIFELINE_ALLOW, &body, sizeof body, -1);
	sodium_memzero(&body, sizeof body);
}

static void tell_edge(struct worker_slot *connecter, unsigned listener)
{
	struct supervisor *s = connecter->supervisor;
	const struct edge *edge = edges_of(&s->edges, PEER(connecter->role, connecter->index), listener);
	struct lifeline_edge body = {.peer = PEER(PEER_SIP, listener)};

	memcpy(body.token, edge->token, sizeof body.token);
	runtime_edge_path(listener, body.path);
	worker_tell(connecter, LIFELINE_EDGE, &body, sizeof body, -1);
	sodium_memzero(&body, sizeof body);
}

static void tell_basics(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;
	const struct account *account = &s->account[w->role];
	struct lifeline_welcome welcome = {
		.incarnation = w->incarnation,
		.role = w->role,
		.index = w->index,
		.log_level = s->log_level,
		.drop = account->drop,
		.uid = account->uid,
		.gid = account->gid,
		.fds_limit = s->fds_limit[w->role],
	};
	struct lifeline_keys keys;

	runtime_root(s->runtime, w->role, w->index, welcome.root);
	worker_tell(w, LIFELINE_WELCOME, &welcome, sizeof welcome, w->page_fd);
	if (w->role != PEER_TLS) {
		keys_for(s->keys, w->role, &keys);
		worker_tell(w, LIFELINE_KEYS, &keys, sizeof keys, -1);
		sodium_memzero(&keys, sizeof keys);
	}
	worker_tell(w, LIFELINE_SETTINGS, NULL, 0, s->settings[w->role]);
	if (w->role == PEER_SIP)
		worker_tell(w, LIFELINE_USERS, NULL, 0, s->users);
}

static void tell_sockets(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;

	if (w->role == PEER_TRANSPORT)
		for (unsigned i = 0; i < s->listen->listeners; i++) {
			struct lifeline_socket body = {.listener = (uint16_t)i, .transport = listen_transport(s->listen, i)};

			worker_tell(w, LIFELINE_SOCKET, &body, sizeof body, listen_socket(s->listen, w->index, i));
		}
	if (w->role == PEER_SIP) {
		struct lifeline_socket body = {.listener = NONE_INDEX};

		runtime_endpoint_path(s->runtime, w->index, body.path);
		worker_tell(w, LIFELINE_SOCKET, &body, sizeof body, w->endpoint);
	}
}

void introduce(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;

	tell_basics(w);
	blame_introduce(w);
	tell_sockets(w);
	certificates_introduce(s->certificates, w);
	if (w->role == PEER_TLS) {
		introduce_go(w);
		return;
	}
	worker_tell(w, LIFELINE_SLOTS, &s->slots, sizeof s->slots, -1);
	/* The tokens of its own edges first: then the peers that it must know are all that live, itself left out. */
	edges_mint(&s->edges, PEER(w->role, w->index));
	for (unsigned i = 0; i < s->count; i++) {
		struct worker_slot *other = &s->worker[i];

		if (other == w)
			continue;
		if (w->role == PEER_SIP)
			allow(other, w);
		if (other->role == PEER_SIP)
			allow(w, other);
	}
	if (w->role == PEER_SIP || edges_waiting(&s->edges, PEER(w->role, w->index)) == 0)
		introduce_go(w);
	else
		loop_set(s->loop, &w->timer, EDGE_WAIT_MS);
}

void introduce_go(struct worker_slot *w)
{
	w->state = WORKER_GOING;
	loop_set(w->supervisor->loop, &w->timer, START_MAX_MS);
	worker_tell(w, LIFELINE_GO, NULL, 0, -1);
}

void introduce_acknowledged(struct worker_slot *w, const struct lifeline_ack *ack)
{
	struct supervisor *s = w->supervisor;
	uint16_t peer;

	if (ack->error != 0) {
		worker_kill(w, "token-refused");
		return;
	}
	if (!edges_acknowledged(&s->edges, w->index, ack->sequence, &peer))
		return;
	struct worker_slot *connecter = supervise_worker(s, PEER_ROLE(peer), PEER_INDEX(peer));
	if (!connecter || !worker_lives(connecter))
		return;
	tell_edge(connecter, w->index);
	if (connecter->state == WORKER_STARTING && edges_waiting(&s->edges, peer) == 0)
		introduce_go(connecter);
}

void introduce_ready(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;
	struct lifeline_peer body = {.peer = PEER(w->role, w->index), .incarnation = w->incarnation};

	certificates_ready(s->certificates, w);
	if (w->role != PEER_SIP)
		return;
	for (unsigned i = 0; i < s->count; i++) {
		struct worker_slot *other = &s->worker[i];
		const struct edge *edge = edges_of(&s->edges, PEER(other->role, other->index), w->index);

		if (edge && edge->state == EDGE_OPEN && worker_lives(other))
			worker_tell(other, LIFELINE_PEER_UP, &body, sizeof body, -1);
	}
}

void introduce_death(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;
	struct lifeline_peer body = {.peer = PEER(w->role, w->index), .incarnation = w->incarnation};

	certificates_died(s->certificates, w);
	if (w->role == PEER_TLS)
		return;
	edges_wipe(&s->edges, PEER(w->role, w->index));
	if (w->role == PEER_SIP)
		edges_forget(&s->edges, w->index);
	for (unsigned i = 0; i < s->count; i++) {
		struct worker_slot *other = &s->worker[i];

		if (other == w || other->role == PEER_TLS || !worker_lives(other) ||
			(w->role == PEER_TRANSPORT && other->role == PEER_TRANSPORT))
			continue;
		worker_tell(other, LIFELINE_PEER_DOWN, &body, sizeof body, -1);
		/* One acknowledgement less to wait for. */
		if (other->state == WORKER_STARTING && edges_waiting(&s->edges, PEER(other->role, other->index)) == 0)
			introduce_go(other);
	}
}
