/* configure.c - what a new life of a worker is told, and what the others are told of it.
 *
 * Its edges come before GO, so that it has somebody to send to from its first message on; what is
 * sent to a peer that is still starting waits in the pair. A peer that does not live yet gets its
 * edge when it does.
 */
#include "configure.h"

#include "death_cause.h"
#include "edge.h"
#include "master/listen.h"
#include "master/minting_keys.h"
#include "master/runtime.h"
#include "common/log.h"
#include "master/certificates/certificates.h"

#include <sodium.h>

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

	runtime_root(s->runtime, welcome.root);
	worker_tell(w, LIFELINE_WELCOME, &welcome, sizeof(welcome), w->page_fd);
	if (role_has(w->role, ROLE_MESSAGES)) {
		keys_for(s->keys, w->role, &keys);
		worker_tell(w, LIFELINE_KEYS, &keys, sizeof(keys), -1);
		sodium_memzero(&keys, sizeof(keys));
	}
	worker_tell(w, LIFELINE_SETTINGS, NULL, 0, s->settings[w->role]);
	if (role_has(w->role, ROLE_USERS))
		worker_tell(w, LIFELINE_USERS, NULL, 0, s->users);
}

static void tell_sockets(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;

	if (role_has(w->role, ROLE_LISTENERS))
		for (unsigned i = 0; i < s->listen->listeners; i++) {
			struct lifeline_socket body = {.listener = (uint16_t)i,
				.transport = listen_transport(s->listen, i)};

			worker_tell(w, LIFELINE_SOCKET, &body, sizeof(body),
				listen_socket(s->listen, w->index, i));
		}
}

/* Transport workers talk to SIP workers, and those to each other. */
static bool talk(const struct worker_slot *a, const struct worker_slot *b)
{
	return a != b && role_has(a->role, ROLE_MESSAGES) && role_has(b->role, ROLE_MESSAGES) &&
	       (a->role == PEER_SIP || b->role == PEER_SIP);
}

void configure_worker(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;

	tell_basics(w);
	death_cause_tell(w);
	tell_sockets(w);
	certificates_tell(s->certificates, w);
	if (role_has(w->role, ROLE_MESSAGES))
		worker_tell(w, LIFELINE_SLOTS, &s->slots, sizeof(s->slots), -1);
	for (unsigned i = 0; i < s->count; i++)
		if (talk(w, &s->worker[i]) && worker_lives(&s->worker[i]))
			edge_make(w, &s->worker[i]);
	loop_set(s->loop, &w->timer, START_MAX_MS);
	worker_tell(w, LIFELINE_GO, NULL, 0, -1);
}

void configure_tell_death(struct worker_slot *w)
{
	struct supervisor *s = w->supervisor;
	struct lifeline_peer body = {
		.peer = PEER(w->role, w->index), .incarnation = w->incarnation};

	certificates_died(s->certificates, w);
	for (unsigned i = 0; i < s->count; i++)
		if (talk(w, &s->worker[i]) && worker_lives(&s->worker[i]))
			worker_tell(&s->worker[i], LIFELINE_PEER_DOWN, &body, sizeof(body), -1);
}
