/* role.h - the kinds of worker processes, and peers. roles.def is their table. */
#ifndef SIPWARD_IPC_ROLE_H
#define SIPWARD_IPC_ROLE_H

#include <stdbool.h>
#include <stdint.h>

/* The rights and secrets of a role. */
enum role_trait {
	ROLE_MESSAGES = 1 << 0,     /* it holds messages: edges of the mesh, slots and their key,
	                             * what is in quarantine */
	ROLE_NETWORK = 1 << 1,      /* the host's network, to connect out: an fd a connection */
	ROLE_LISTENERS = 1 << 2,    /* the sockets of the listeners */
	ROLE_STORES = 1 << 3,       /* files that it writes */
	ROLE_USERS = 1 << 4,        /* the users' passwords */
	ROLE_MINTING_KEYS = 1 << 5, /* keys of tokens and nonces */
	ROLE_TAG_KEY = 1 << 6,      /* key of the To-tags of stateless answers */
};

enum peer_role {
	PEER_NONE,
#define ROLE(id, ...) PEER_##id,
#include "roles.def"
#undef ROLE
	ROLE_COUNT
};
/* for (role = ROLE_FIRST; role < ROLE_COUNT; role++): in the order of stopping. */
#define ROLE_FIRST 1

/* Most workers of one role. */
#define ROLE_WORKERS_MAX 32

struct role_row {
	const char *name;
	unsigned least, greatest; /* workers */
	unsigned fds;
	unsigned traits; /* of enum role_trait */
};
extern const struct role_row role_rows[ROLE_COUNT];

/* "transport", "sip", ..., or "?" for no role. */
const char *role_name(unsigned role);
/* Whether role has one of the traits. False for no role. */
bool role_has(unsigned role, unsigned traits);

/* A worker as others address it: its role and its index, 0 to 255. */
#define PEER(role, index) ((uint16_t)((role) << 8 | (index)))
#define PEER_ROLE(peer) ((peer) >> 8)
#define PEER_INDEX(peer) ((peer)&0xff)

#endif
