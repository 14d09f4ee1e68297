/* edge_tokens.h - over ZeroMQ: the tokens of the edges between workers, and the order in which they
 * are told.
 *
 * An edge leads from a connecting worker (transport, SIP) to a listening one (SIP). Its token is
 * minted for one life of the connecter. The listener acknowledges it (ALLOW, ACK) before the
 * connecter gets it (CONNECT). Tokens lie in guarded memory for as long as their connecter lives,
 * for a successor of the listener has to be told them too.
 */
#ifndef SIPWARD_MASTER_WORKERS_EDGE_TOKENS_H
#define SIPWARD_MASTER_WORKERS_EDGE_TOKENS_H

#include "ipc/lifeline.h"

enum edge_state {
	EDGE_NONE = 0, /* the connecter does not live */
	EDGE_MINTED,   /* the listener has not been told */
	EDGE_ALLOWING, /* told, not acknowledged */
	EDGE_OPEN      /* acknowledged: the connecter may have it */
};
struct edge_token {
	uint8_t token[MESH_TOKEN_SIZE];
	uint32_t sequence; /* of the last ALLOW */
	uint8_t state;     /* enum edge_state */
};
struct edge_tokens {
	unsigned transports, sips;
	uint32_t sequence;
	struct edge_token *edge; /* (transports + sips) * sips; NULL: there are none */
};

/* Makes room for the edges of so many workers, in guarded memory. 0 or -ENOMEM. */
int edge_tokens_new(struct edge_tokens *e, unsigned transports, unsigned sips);
/* Wipes and frees all; also where none were made. */
void edge_tokens_free(struct edge_tokens *e);

/* The edge from connecter to SIP worker listener, or NULL where there is none by design. */
struct edge_token *edge_tokens_of(
	const struct edge_tokens *e, uint16_t connecter, unsigned listener);

/* A new life of connecter: new tokens for all its edges, all MINTED. */
void edge_tokens_mint(struct edge_tokens *e, uint16_t connecter);
/* The connecter died: its tokens are wiped. */
void edge_tokens_wipe(struct edge_tokens *e, uint16_t connecter);
/* The listener died: what it had not acknowledged it is to be told again. */
void edge_tokens_forget(struct edge_tokens *e, unsigned listener);

/* Fills the ALLOW that tells listener of connecter's token. A MINTED edge becomes ALLOWING; an OPEN
 * one stays so (the listener is a successor). False: nothing to tell. The caller wipes *out. */
bool edge_tokens_allow(
	struct edge_tokens *e, uint16_t connecter, unsigned listener, struct lifeline_allow *out);
/* listener acknowledged sequence. True: the edge of *connecter has become OPEN and CONNECT is to be
 * sent. False: a stale acknowledgement, or one of an edge open before. */
bool edge_tokens_acknowledged(
	struct edge_tokens *e, unsigned listener, uint32_t sequence, uint16_t *connecter);
/* The number of connecter's edges that wait for an acknowledgement. */
unsigned edge_tokens_waiting(const struct edge_tokens *e, uint16_t connecter);

#endif
