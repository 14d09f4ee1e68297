/* flow.h - a flow: the path between one peer and one of our listeners (RFC 5626 section 3), as it
 * crosses process borders. */
#ifndef SIPWARD_IPC_FLOW_H
#define SIPWARD_IPC_FLOW_H

#include "common/endpoint.h"

enum transport {
	TRANSPORT_UDP = 1,
	TRANSPORT_TCP,
	TRANSPORT_TLS,
	TRANSPORT_WS,
	TRANSPORT_WSS,
	TRANSPORT_COUNT
};

/* "UDP", "TCP", ... as Via spells it; "?" for another value. transport_of: 0 for an unknown name
 * (any case). */
const char *transport_name(uint8_t transport);
uint8_t transport_of(struct str name);
static inline bool transport_is_stream(uint8_t transport)
{
	return transport != TRANSPORT_UDP;
}

/* Stream flow ids: transport worker (8 bits), its incarnation (24 bits), connection (32 bits). A
 * datagram flow has id 0: any transport worker can send to it. An id of an earlier incarnation
 * never names another connection. */
#define FLOW_ID(worker, incarnation, connection)                                                   \
	((uint64_t)(worker) << 56 | (uint64_t)((incarnation)&0xffffff) << 32 |                     \
		(uint32_t)(connection))
#define FLOW_WORKER(id) ((uint8_t)((id) >> 56))
#define FLOW_INCARNATION(id) ((uint32_t)((id) >> 32) & 0xffffff)
#define FLOW_CONNECTION(id) ((uint32_t)(id))

/* As a destination: with id, that connection and no other. Without id and transport UDP: from the
 * listener's socket to peer. Without id on a stream transport: a connection to peer, made where
 * there is none (only towards trusted zones). */
struct flow {
	uint64_t id;
	uint8_t transport; /* enum transport */
	uint8_t zero[3];
	uint16_t profile;  /* as a destination on TLS: settings_profile, whose name and verification
	                      apply; 0: none */
	uint16_t listener; /* index into the settings' listeners: whose zone the peer is in */
	struct endpoint peer;
	struct endpoint local; /* our address as the peer sees it in the packet; never a wildcard on
	                          what was received */
};
_Static_assert(sizeof(struct flow) == 64, "crosses process borders");

#endif
