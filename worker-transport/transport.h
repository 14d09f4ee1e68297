/* transport.h - the one context of a transport worker, and how its parts begin, run and end. */
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
	bool stopping;        /* nothing new is taken, but what is queued is still written */

	struct refusals refusals; /* fingerprints of bytes that ended a worker */
	struct upstream upstream; /* the SIP workers */
	struct admit *admit;      /* limits and bans */
	struct to_sip *to_sip;    /* the way of messages to them */
	struct flows *flows;      /* flow ids, watches and reports */
	struct udp *udp;
	struct tcp *tcp;
	struct streams *streams;
	/* TLS begins before the rest, for certificates come with the first configuration */
	struct sign_client *sign_client;     /* edges to the TLS workers */
	struct sign_provider *sign_provider; /* keys whose private half is with the TLS workers */
	struct certificates *certificates;
	struct tls *tls;
};

/* Makes the parts of TLS from the loop, which the caller has set. To be called before
 * transport_start. 0, or a negative errno; nothing stays then. */
int transport_prepare(struct transport_worker *t);
/* The settings are new: connections out that were made as they no longer say serve no new
 * request. */
void transport_settings(struct transport_worker *t);
/* Makes the parts above from loop, settings, slots, keys, index and incarnation, which the caller
 * has set. 0, or a negative errno; nothing stays then. */
int transport_start(struct transport_worker *t);
/* Ends all parts that there are. */
void transport_end(struct transport_worker *t);

/* Serves a socket of the settings' listener with that index; fd is the transport's on success. 0;
 * -EINVAL: no such listener; -EPROTONOSUPPORT; another negative errno. */
int transport_listen(struct transport_worker *t, int fd, uint16_t listener);

/* The end of a turn, as a loop_turn: writes what was gathered. True where work is left that needs
 * no waiting. To be registered before the mesh's, so that reports of failures leave in this turn.
 */
bool transport_turn(void *arg);

/* Takes nothing new from now on. */
void transport_stop(struct transport_worker *t);
/* Whether everything that was queued is written. */
bool transport_idle(const struct transport_worker *t);

#endif
