/* transport.h - the one context of a transport worker. */
#ifndef SIPWARD_TRANSPORT_TRANSPORT_H
#define SIPWARD_TRANSPORT_TRANSPORT_H

#include "common/hash.h"
#include "common/loop.h"
#include "ipc/fingerprint.h"
#include "ipc/settings.h"
#include "ipc/slot.h"
#include "to_sip.h"

struct sign_client;
struct sign_provider;
struct certificates;
struct tls;

struct transport_worker {
	struct loop *loop;
	const struct settings *settings;
	struct slot_map slots;
	struct hash_key slot_key, tag_key;
	uint32_t incarnation; /* 24 bits */
	uint32_t fds_limit;   /* RLIMIT_NOFILE */
	uint8_t index;        /* this worker's */
	bool stopping;        /* nothing new is taken; what is queued is still written */

	struct refusals refusals; /* bytes that ended a worker before */
	struct upstream upstream; /* the SIP workers */
	struct admit *admit;      /* limits and bans */
	struct to_sip *to_sip;    /* towards the SIP workers */
	struct flows *flows;      /* flow ids, watches, and what is to be reported of them */
	struct udp *udp;
	struct tcp *tcp;
	struct streams *streams;
	/* TLS: these begin before the rest, for certificates come with the first configuration */
	struct sign_client *sign_client;     /* edges to the TLS workers */
	struct sign_provider *sign_provider; /* keys that are there */
	struct certificates *certificates;
	struct tls *tls; /* with the rest */
};

/* Makes the first TLS parts from the loop, which the caller has set; before transport_start.
 * -errno. */
int transport_prepare(struct transport_worker *t);
/* The settings are new: connections out that were made by what they no longer say serve no new
 * request. */
void transport_settings(struct transport_worker *t);
/* Makes and ends the parts above from loop, settings, keys and index, which the caller has set.
 * -errno. */
int transport_start(struct transport_worker *t);
void transport_end(struct transport_worker *t);

/* A listening socket of the master's; fd is the transport's on success. */
int transport_listen(struct transport_worker *t, int fd, uint16_t listener);

/* The end of a turn: writes what was gathered. True where work is left that needs no waiting. A
 * loop_turn; to be registered before the mesh's, so that what fails here travels in this turn. */
bool transport_turn(void *arg);

/* Takes nothing new from now on. transport_idle: everything queued is written. */
void transport_stop(struct transport_worker *t);
bool transport_idle(const struct transport_worker *t);

#endif
