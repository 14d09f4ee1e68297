/* old_client.c - who gets MD5 alone (old_client.h). A client is known by a keyed hash, so that
 * nobody outside can choose whose place he takes. */
#include "old_client.h"

#include "common/hash.h"
#include "ipc/mesh.h"
#include "owner.h"

#include <stdlib.h>

#define WAYS 4 /* places that a hash names */
#define SETS (OLD_CLIENTS_MAX / WAYS)

struct old_client {
	uint64_t print;   /* keyed hash of source address and owner; 0: nobody */
	uint64_t request; /* of the first request that was challenged and not answered; 0: none */
	uint64_t at;      /* when, ms of the loop */
	uint64_t until;   /* MD5 alone until then; 0: both */
};

struct old_clients {
	struct old_client place[OLD_CLIENTS_MAX];
};

static uint64_t old_client_print(const struct sip *sip, const struct message *m)
{
	const struct hash_key *key = &sip->keys.slot_key;
	const struct endpoint *peer = &m->flow.peer;
	const struct uri_parts owner = owner_uri(m);
	const uint64_t part[] = {hash_bytes(key, peer->address, sizeof(peer->address)),
		hash_str(key, owner.user), hash_str(key, owner.host)};
	uint64_t print = hash_bytes(key, part, sizeof(part));

	return print ? print : 1;
}

/* A request by its Call-ID and CSeq, which a retransmission has, too. */
static uint64_t old_client_request(const struct sip *sip, const struct message *m)
{
	const struct hash_key *key = &sip->keys.slot_key;
	const uint64_t part[] = {hash_str(key, message_str(m, m->call_id)), m->cseq};
	uint64_t print = hash_bytes(key, part, sizeof(part));

	return print ? print : 1;
}

static struct old_client *old_client_find(const struct sip *sip, uint64_t print)
{
	struct old_client *set;

	if (!sip->old_clients)
		return NULL;
	set = &sip->old_clients->place[print % SETS * WAYS];
	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].print == print)
			return &set[i];
	return NULL;
}

/* The place of a client, made where it has none: first in that of one that is offered both anyway,
 * and in that of the oldest. NULL: there is no memory. */
static struct old_client *old_client_make(struct sip *sip, uint64_t print)
{
	struct old_client *place = old_client_find(sip, print), *set;

	if (place)
		return place;
	if (!sip->old_clients)
		sip->old_clients = calloc(1, sizeof(*sip->old_clients));
	if (!sip->old_clients)
		return NULL;
	place = set = &sip->old_clients->place[print % SETS * WAYS];
	for (unsigned i = 1; i < WAYS; i++)
		if (set[i].until < place->until ||
			(set[i].until == place->until && set[i].at < place->at))
			place = &set[i];
	*place = (struct old_client){.print = print};
	return place;
}

static void old_client_tell(struct sip *sip, const struct old_client *c)
{
	const struct record_old_client told = {.client = c->print, .until = c->until};
	void *data;

	for (unsigned i = 0; sip->mesh && i < sip->settings->workers[PEER_SIP]; i++)
		if (i != sip->index && !mesh_record(sip->mesh, PEER(PEER_SIP, i), RECORD_OLD_CLIENT,
					       sizeof(told), true, &data))
			memcpy(data, &told, sizeof(told));
}

/* Whether a request that has not been answered by credentials comes again. */
static bool old_client_comes_again(
	const struct old_client *c, uint64_t request, uint64_t now, uint32_t t1)
{
	return c->request && c->request != request && now - c->at >= 4 * (uint64_t)t1 &&
	       now - c->at <= OLD_CLIENT_AGAIN_MS;
}

bool old_client_challenged(struct sip *sip, const struct message *m, bool *found)
{
	uint64_t now = loop_now(sip->loop), request = old_client_request(sip, m);
	struct old_client *c = old_client_make(sip, old_client_print(sip, m));

	*found = false;
	if (!c)
		return false;
	if (c->until > now)
		return true;
	*found = old_client_comes_again(c, request, now, sip->settings->t1_ms);
	c->until = *found ? now + OLD_CLIENT_MS : 0;
	if (*found) {
		c->request = 0;
		old_client_tell(sip, c);
	} else if (!c->request || now - c->at > OLD_CLIENT_AGAIN_MS) {
		c->request = request;
		c->at = now;
	}
	return *found;
}

bool old_client_is(const struct sip *sip, const struct message *m)
{
	const struct old_client *c = old_client_find(sip, old_client_print(sip, m));

	return c && c->until > loop_now(sip->loop);
}

void old_client_answered(struct sip *sip, const struct message *m, uint8_t algorithm, bool right)
{
	struct old_client *c = sip->old_clients ? old_client_find(sip, old_client_print(sip, m))
	                                        : NULL;

	if (!c)
		return;
	if (algorithm != DIGEST_MD5)
		*c = (struct old_client){0}; /* it knows both */
	else if (right)
		c->request = 0;
}

void old_client_told(struct sip *sip, const struct record_old_client *told)
{
	uint64_t now = loop_now(sip->loop);
	struct old_client *c;

	/* nobody is told more than what is found out here, by a clock that is looked at once in
	 * each turn */
	if (!told->client || told->until <= now ||
		told->until > now + OLD_CLIENT_MS + OLD_CLIENT_CLOCK_MS)
		return;
	c = old_client_make(sip, told->client);
	if (c)
		c->until = told->until;
}
