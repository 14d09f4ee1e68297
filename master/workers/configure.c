/* configure.c - what a new life of a worker is told, and what the others are told of it.
 *
 * Its edges come before GO, so that it has somebody to send to from its first message on. Over
 * pairs what is sent to a peer that is still starting waits in the pair, and a peer that does not
 * live yet gets its edge when it does.
 *
 * Over ZeroMQ the order matters: a listener knows a token before its connecter does
 * (edge_tokens.h), and a listener's successor knows all living peers' tokens before it listens, so
 * that no connecter is ever refused. SIP workers get GO at once, for they wait for each other's
 * acknowledgements; transport workers, which would have nowhere to send to, wait for theirs.
 */
#include "configure.h"

#include "death_cause.h"
#include "dns_sockets.h"
#include "drain.h"
#include "edge.h"
#include "master/listen.h"
#include "master/minting_keys.h"
#include "master/runtime.h"
#include "common/log.h"
#include "master/certificates/certificates.h"

#include <sodium.h>

static void configure_tell_basics(struct worker_slot *w)
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
		.carrier = s->carrier,
	};
	struct lifeline_keys keys;

	runtime_root(s->runtime, s->carrier, w->role, w->index, welcome.root);
	worker_tell(w, LIFELINE_WELCOME, &welcome, sizeof(welcome), w->page_fd);
	if (role_has(w->role, ROLE_MESSAGES)) {
		keys_for(s->keys, w->role, &keys);
		worker_tell(w, LIFELINE_KEYS, &keys, sizeof(keys), -1);
		sodium_memzero(&keys, sizeof(keys));
	}
	worker_tell(w, LIFELINE_SETTINGS, NULL, 0, s->settings[w->role]);
	if (role_has(w->role, ROLE_USERS))
		worker_tell(w, LIFELINE_USERS, NULL, 0, s->users);
	if (w->role == PEER_SIP && s->forwards > 0)
		worker_tell(w, LIFELINE_FORWARDS, NULL, 0, s->forwards);
	if (w->role == PEER_SIP)
		worker_tell(w, LIFELINE_TRUNKS, &s->trunks, sizeof(s->trunks), -1);
	if (role_has(w->role, ROLE_MESSAGES) && s->debug.count)
		worker_tell(w, LIFELINE_DEBUG, &s->debug, sizeof(s->debug), -1);
	if (w->role == PEER_SIP && s->limit_page > 0)
		worker_tell(w, LIFELINE_LIMITS, NULL, 0, s->limit_page);
	if (w->role == PEER_TRANSPORT)
		worker_tell(w, LIFELINE_BANS, &s->bans, sizeof(s->bans), -1);
	if (w->role == PEER_TRANSPORT && s->hep > 0)
		configure_tell_collector(w);
	if (w->role == PEER_WEB && s->web > 0)
		worker_tell(w, LIFELINE_WEB_SOCKET, NULL, 0, s->web);
	if (w->role == PEER_SIP && s->cdr > 0)
		worker_tell(w, LIFELINE_CDR, NULL, 0, s->cdr);
}

void configure_tell_collector(struct worker_slot *w)
{
	const struct supervisor *s = w->supervisor;

	if (s->hep > 0)
		worker_tell(w, LIFELINE_HEP, &s->hep_how, sizeof(s->hep_how), s->hep);
	else
		worker_tell(w, LIFELINE_HEP_NONE, NULL, 0, -1);
}

void configure_tell_sockets(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;

	if (!role_has(w->role, ROLE_LISTENERS))
		return;
	for (unsigned i = 0; i < s->listen->offered; i++) {
		struct lifeline_socket body = {
			.listener = (uint16_t)i, .transport = listen_transport(s->listen, i)};
		int fd = listen_socket(s->listen, w->index, i);

		if (fd < 0 || w->has_socket[i])
			continue;
		w->has_socket[i] = true;
		worker_tell(w, LIFELINE_SOCKET, &body, sizeof(body), fd);
	}
}

void configure_tell_closed(struct worker_slot *w, unsigned listener)
{
	struct lifeline_socket body = {.listener = (uint16_t)listener,
		.transport = listen_transport(w->supervisor->listen, listener)};

	if (!w->has_socket[listener])
		return;
	w->has_socket[listener] = false;
	worker_tell(w, LIFELINE_SOCKET_CLOSE, &body, sizeof(body), -1);
}

static void configure_tell_endpoint(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;

	if (w->endpoint >= 0) {
		struct lifeline_listen body = {.path = ""};

		runtime_endpoint_path(s->runtime, w->index, body.path);
		worker_tell(w, LIFELINE_LISTEN, &body, sizeof(body), w->endpoint);
	}
}

/* Transport workers talk to SIP workers, and those to each other. */
static bool configure_are_peers(const struct worker_slot *a, const struct worker_slot *b)
{
	return a != b && role_has(a->role, ROLE_MESSAGES) && role_has(b->role, ROLE_MESSAGES) &&
	       (a->role == PEER_SIP || b->role == PEER_SIP);
}

/* ---- edges over ZeroMQ ---- */

/* Tells listener of connecter's token. */
static void edge_allow(struct worker_slot *connecter, struct worker_slot *listener)
{
	struct supervisor *s = listener->supervisor;
	struct lifeline_allow body;

	if (!worker_lives(listener) || !worker_lives(connecter))
		return;
	if (!edge_tokens_allow(
		    &s->tokens, PEER(connecter->role, connecter->index), listener->index, &body))
		return;
	worker_tell(listener, LIFELINE_ALLOW, &body, sizeof(body), -1);
	sodium_memzero(&body, sizeof(body));
}

static void edge_tell(struct worker_slot *connecter, unsigned listener)
{
	const struct edge_token *edge = edge_tokens_of(
		&connecter->supervisor->tokens, PEER(connecter->role, connecter->index), listener);
	struct lifeline_connect body = {.peer = PEER(PEER_SIP, listener)};

	memcpy(body.token, edge->token, sizeof(body.token));
	runtime_edge_path(listener, body.path);
	worker_tell(connecter, LIFELINE_CONNECT, &body, sizeof(body), -1);
	sodium_memzero(&body, sizeof(body));
}

/* The tokens of its own edges first: then the peers that it must know are all that live, itself
 * left out. */
static void edges_mint(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;

	edge_tokens_mint(&s->tokens, PEER(w->role, w->index));
	for (unsigned i = 0; i < s->count; i++) {
		struct worker_slot *other = &s->worker[i];

		if (!configure_are_peers(w, other))
			continue;
		if (w->role == PEER_SIP)
			edge_allow(other, w);
		if (other->role == PEER_SIP)
			edge_allow(w, other);
	}
}

static void edges_died(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;

	edge_tokens_wipe(&s->tokens, PEER(w->role, w->index));
	if (w->role == PEER_SIP)
		edge_tokens_forget(&s->tokens, w->index);
	/* One acknowledgement less to wait for. */
	for (unsigned i = 0; i < s->count; i++) {
		struct worker_slot *other = &s->worker[i];

		if (other->state == WORKER_STARTING && other->waits_for_edges &&
			edge_tokens_waiting(&s->tokens, PEER(other->role, other->index)) == 0)
			configure_go(other);
	}
}

void configure_acknowledged(struct worker_slot *w, const struct lifeline_ack *ack)
{
	struct supervisor *s = w->supervisor;
	struct worker_slot *connecter;
	uint16_t peer;

	if (ack->error != 0) {
		worker_kill(w, "token-refused");
		return;
	}
	if (!edge_tokens_acknowledged(&s->tokens, w->index, ack->sequence, &peer))
		return;
	connecter = worker_find(s, PEER_ROLE(peer), PEER_INDEX(peer));
	if (!connecter || !worker_lives(connecter))
		return;
	edge_tell(connecter, w->index);
	if (connecter->waits_for_edges && edge_tokens_waiting(&s->tokens, peer) == 0)
		configure_go(connecter);
}

/* Connecters that knew an earlier life of w have to make themselves known to this one. */
static void edges_ready(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;
	struct lifeline_peer body = {
		.peer = PEER(w->role, w->index), .incarnation = w->incarnation};

	for (unsigned i = 0; i < s->count; i++) {
		struct worker_slot *other = &s->worker[i];
		const struct edge_token *edge = edge_tokens_of(
			&s->tokens, PEER(other->role, other->index), w->index);

		if (edge && edge->state == EDGE_OPEN && worker_lives(other))
			worker_tell(other, LIFELINE_PEER_UP, &body, sizeof(body), -1);
	}
}

/* ---- lives ---- */

void configure_go(struct worker_slot *w)
{
	w->waits_for_edges = false;
	loop_set(w->supervisor->loop, &w->timer, START_MAX_MS);
	worker_tell(w, LIFELINE_GO, NULL, 0, -1);
}

void configure_tell_ready(struct worker_slot *w)
{
	if (w->role == PEER_SIP && w->supervisor->carrier == CARRIER_ZEROMQ)
		edges_ready(w);
}

/* Edges with all peers that live. True: GO has to wait for them. */
static bool configure_make_edges(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;

	if (!role_has(w->role, ROLE_MESSAGES))
		return false;
	if (s->carrier == CARRIER_ZEROMQ) {
		edges_mint(w);
		return w->role == PEER_TRANSPORT &&
		       edge_tokens_waiting(&s->tokens, PEER(w->role, w->index)) > 0;
	}
	for (unsigned i = 0; i < s->count; i++)
		if (configure_are_peers(w, &s->worker[i]) && worker_lives(&s->worker[i]))
			edge_make(w, &s->worker[i]);
	return false;
}

void configure_worker(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;

	configure_tell_basics(w);
	death_cause_tell(w);
	drain_tell(w);
	memset(w->has_socket, 0, sizeof(w->has_socket));
	configure_tell_sockets(w);
	dns_sockets_tell(w);
	configure_tell_endpoint(w);
	certificates_tell(s->certificates, w);
	if (role_has(w->role, ROLE_MESSAGES))
		worker_tell(w, LIFELINE_SLOTS, &s->slots, sizeof(s->slots), -1);
	w->waits_for_edges = configure_make_edges(w);
	if (w->waits_for_edges)
		loop_set(s->loop, &w->timer, EDGE_WAIT_MS);
	else
		configure_go(w);
}

void configure_tell_death(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;
	struct lifeline_peer body = {
		.peer = PEER(w->role, w->index), .incarnation = w->incarnation};

	certificates_died(s->certificates, w);
	w->waits_for_edges = false;
	if (s->carrier == CARRIER_ZEROMQ && role_has(w->role, ROLE_MESSAGES))
		edges_died(w);
	for (unsigned i = 0; i < s->count; i++)
		if (configure_are_peers(w, &s->worker[i]) && worker_lives(&s->worker[i]))
			worker_tell(&s->worker[i], LIFELINE_PEER_DOWN, &body, sizeof(body), -1);
}
