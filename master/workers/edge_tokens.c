/* edge_tokens.c - tokens per edge and life of its connecter (libsodium). */
#include "edge_tokens.h"

#include <errno.h>
#include <sodium.h>

int edge_tokens_new(struct edge_tokens *e, unsigned transports, unsigned sips)
{
	size_t n = (size_t)(transports + sips) * sips;
	struct edge_token *edge = sodium_allocarray(n ? n : 1, sizeof(*edge));

	if (!edge)
		return -ENOMEM;
	sodium_memzero(edge, n * sizeof(*edge));
	*e = (struct edge_tokens){.transports = transports, .sips = sips, .edge = edge};
	return 0;
}

void edge_tokens_free(struct edge_tokens *e)
{
	sodium_free(e->edge);
	e->edge = NULL;
}

/* Connecters in a row: transport workers, then SIP workers. */
static unsigned edge_tokens_connecters(const struct edge_tokens *e)
{
	return e->transports + e->sips;
}

static uint16_t edge_tokens_connecter(const struct edge_tokens *e, unsigned row)
{
	return row < e->transports ? PEER(PEER_TRANSPORT, row)
	                           : PEER(PEER_SIP, row - e->transports);
}

struct edge_token *edge_tokens_of(
	const struct edge_tokens *e, uint16_t connecter, unsigned listener)
{
	unsigned role = PEER_ROLE(connecter), index = PEER_INDEX(connecter), row;

	if (listener >= e->sips)
		return NULL;
	if (role == PEER_TRANSPORT && index < e->transports)
		row = index;
	else if (role == PEER_SIP && index < e->sips && index != listener)
		row = e->transports + index;
	else
		return NULL;
	return &e->edge[(size_t)row * e->sips + listener];
}

void edge_tokens_mint(struct edge_tokens *e, uint16_t connecter)
{
	for (unsigned i = 0; i < e->sips; i++) {
		struct edge_token *edge = edge_tokens_of(e, connecter, i);

		if (!edge)
			continue;
		randombytes_buf(edge->token, sizeof(edge->token));
		edge->state = EDGE_MINTED;
		edge->sequence = 0;
	}
}

void edge_tokens_wipe(struct edge_tokens *e, uint16_t connecter)
{
	for (unsigned i = 0; i < e->sips; i++) {
		struct edge_token *edge = edge_tokens_of(e, connecter, i);

		if (edge)
			sodium_memzero(edge, sizeof(*edge));
	}
}

void edge_tokens_forget(struct edge_tokens *e, unsigned listener)
{
	for (unsigned row = 0; row < edge_tokens_connecters(e); row++) {
		struct edge_token *edge = edge_tokens_of(
			e, edge_tokens_connecter(e, row), listener);

		if (edge && edge->state == EDGE_ALLOWING)
			edge->state = EDGE_MINTED;
	}
}

bool edge_tokens_allow(
	struct edge_tokens *e, uint16_t connecter, unsigned listener, struct lifeline_allow *out)
{
	struct edge_token *edge = edge_tokens_of(e, connecter, listener);

	if (!edge || edge->state == EDGE_NONE)
		return false;
	/* 0 never is a sequence number: a zeroed edge matches no acknowledgement. */
	if (++e->sequence == 0)
		e->sequence = 1;
	edge->sequence = e->sequence;
	if (edge->state == EDGE_MINTED)
		edge->state = EDGE_ALLOWING;
	*out = (struct lifeline_allow){.sequence = edge->sequence, .peer = connecter};
	memcpy(out->token, edge->token, sizeof(out->token));
	return true;
}

bool edge_tokens_acknowledged(
	struct edge_tokens *e, unsigned listener, uint32_t sequence, uint16_t *connecter)
{
	for (unsigned row = 0; row < edge_tokens_connecters(e); row++) {
		struct edge_token *edge = edge_tokens_of(
			e, edge_tokens_connecter(e, row), listener);

		if (edge && edge->state == EDGE_ALLOWING && edge->sequence == sequence) {
			edge->state = EDGE_OPEN;
			*connecter = edge_tokens_connecter(e, row);
			return true;
		}
	}
	return false;
}

unsigned edge_tokens_waiting(const struct edge_tokens *e, uint16_t connecter)
{
	unsigned n = 0;

	for (unsigned i = 0; i < e->sips; i++) {
		const struct edge_token *edge = edge_tokens_of(e, connecter, i);

		n += edge && edge->state == EDGE_ALLOWING;
	}
	return n;
}
