/* transport_worker.h - the one context of a transport worker, by which its parts find each other.
 * transport.h makes and ends them. */
#ifndef SIPWARD_TRANSPORT_TRANSPORT_WORKER_H
#define SIPWARD_TRANSPORT_TRANSPORT_WORKER_H

#include "common/hash.h"
#include "common/loop.h"
#include "ipc/fingerprint.h"
#include "ipc/lifeline.h"
#include "ipc/settings.h"
#include "ipc/slot.h"
#include "scanner.h"
#include "trace.h"

/* The seam to the SIP workers: mesh_record as ipc/mesh.h describes it, or a test's capture. */
struct upstream {
	int (*record)(
		void *arg, uint16_t peer, uint16_t type, size_t size, bool reserve, void **data);
	void *arg;
};

struct sign_client;
struct sign_provider;
struct certificates;
struct tls;
struct resolver;
struct hep;

struct transport_worker {
	struct loop *loop;
	const struct settings *settings;
	struct slot_map slots;
	struct hash_key slot_key, tag_key;
	uint32_t incarnation; /* 24 bits */
	uint32_t fds_limit;   /* RLIMIT_NOFILE */
	uint8_t index;        /* this worker's */
	bool stopping;        /* nothing new is taken, but what is queued is still written */

	struct refusals refusals;    /* fingerprints of bytes that ended a worker */
	struct lifeline_bans bans;   /* of an operator */
	struct lifeline_debug debug; /* sources whose messages are logged whatever the level is */
	struct scanners scanners;
	struct upstream upstream; /* the SIP workers */
	struct admit *admit;      /* limits and bans */
	struct to_sip *to_sip;    /* the way of messages to them */
	struct flows *flows;      /* flow ids, watches and reports */
	struct trace trace;       /* the last messages */
	struct hep *hep;          /* copies for a collector; NULL: there is none */
	struct udp *udp;
	struct tcp *tcp;
	struct streams *streams;
	/* TLS begins before the rest, for certificates come with the first configuration */
	struct sign_client *sign_client;     /* edges to the TLS workers */
	struct sign_provider *sign_provider; /* keys whose private half is with the TLS workers */
	struct certificates *certificates;
	struct tls *tls;
	struct resolver *resolver; /* its sockets come with them */
};

#endif
