/* resolve_parts.h - what resolve.c and resolve_tcp.c share. */
#ifndef SIPWARD_TRANSPORT_RESOLVE_PARTS_H
#define SIPWARD_TRANSPORT_RESOLVE_PARTS_H

#include "common/endpoint.h"
#include "common/log_limit.h"
#include "common/loop.h"
#include "ipc/dns.h"

/* Datagrams taken off one socket in one go. */
#define RESOLVE_BURST 16

struct transport_worker;
struct resolver;
struct lookup;

struct resolve_socket {
	struct resolver *resolver;
	struct loop_source *source;
	struct lookup *lookup; /* whose server it is connected to; NULL: it is free */
	int fd;
	uint8_t family;
};

/* A query over TCP, and the room for its answer with the two octets of its length. */
struct resolve_stream {
	struct loop_source *source;
	int fd;
	bool sent;
	size_t have;
	uint8_t buffer[2 + DNS_ANSWER_MAX];
};

struct lookup {
	struct resolver *resolver;
	struct lookup *next, **link; /* those asked, or those that wait */
	bool waits;                  /* for a socket */
	struct timer timer;
	uint64_t cookie;
	uint16_t peer;
	unsigned tries;                /* that are over */
	struct resolve_socket *socket; /* NULL: it waits, or goes over TCP */
	struct resolve_stream *stream;
	size_t size;
	uint8_t query[DNS_QUERY_MAX];
};

struct resolver {
	struct transport_worker *t;
	struct resolve_socket socket[2 * DNS_SOCKETS];
	unsigned sockets;
	struct lookup *asked;
	struct {
		struct lookup *first, **end;
	} waiting;
	unsigned waiting_count;
	unsigned streams;
	struct timer start; /* of those that wait, once a socket is free */
	struct log_limit log;
	uint8_t buffer[DNS_ANSWER_MAX];
};

/* The server whose turn it is. NULL: there is none. */
const struct endpoint *lookup_server(const struct lookup *q);
/* Takes what may be the answer. False: it does not match, and was counted; q waits on. True: q has
 * gone on, or is gone. */
bool lookup_answered(struct lookup *q, const uint8_t *answer, size_t size);
/* The server has failed: the next one has its turn. q may be gone. */
void lookup_next(struct lookup *q, int error);

/* Asks the server again, over TCP. 0; -EAGAIN: there are RESOLVE_STREAMS_MAX; or another -errno:
 * nothing was begun. */
int lookup_stream_open(struct lookup *q);
/* Ends that, where there is one. */
void lookup_stream_close(struct lookup *q);

#endif
